/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "format/weights.h"
#include "kernels/kernels.h"

#define PATHS 8
#define PATH_SIZE 1024

/* Of test_context; released when the tests of this process are done. */
static struct pnd_kernels kernels;
static struct pnd_context context;

int test_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pnd_pool_destroy(context.pool);
    context.pool = NULL;
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const char *path_in(const char *variable, const char *name)
{
    static char paths[PATHS][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % PATHS];
    const char *folder = getenv(variable);
    snprintf(path, PATH_SIZE, "%s/%s", folder ? folder : ".", name);
    return path;
}

bool test_have_fixtures(void)
{
    const char *path = test_fixture("expected/manifest.json");
    if (pnd_path_get_kind(NULL, path) == PND_PATH_FILE)
        return true;
    printf("SKIP: the reference fixtures are not there (no %s)\n", path);
    return false;
}

const char *test_fixture(const char *name)
{
    return path_in("PANDA_TEST_FIXTURES", name);
}

const char *test_golden(const char *name)
{
    return path_in("PANDA_TEST_GOLDEN", name);
}

static uint64_t number_in(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

const struct pnd_context *test_context(void)
{
    if (context.pool)
        return &context;
    uint64_t mask = number_in("PANDA_TEST_CPU_MASK", UINT64_MAX);
    uint64_t providers = number_in("PANDA_TEST_PROVIDERS", UINT32_MAX);
    pnd_kernels_select(&kernels, pnd_cpu_detect() & (mask | PANDA_CPU_GENERIC),
                       (uint32_t)providers, PANDA_RUNTIME_SET_BLAS_THREADS);
    context.alloc = pnd_allocator_heap;
    context.kernels = &kernels;
    ck_assert_ok(pnd_pool_create(&context.pool, &context.alloc,
                                 (uint32_t)number_in("PANDA_TEST_THREADS", 2),
                                 NULL, NULL));
    return &context;
}

static void *counted_alloc(size_t size, size_t alignment, void *user)
{
    struct test_alloc *t = user;
    long count = atomic_fetch_add(&t->count, 1) + 1;
    if (t->fail_at > 0 && count >= t->fail_at)
        return NULL;
    void *memory = pnd_allocator_heap.alloc(size, alignment, NULL);
    if (memory)
        atomic_fetch_add(&t->live, 1);
    return memory;
}

static void counted_free(void *memory, void *user)
{
    struct test_alloc *t = user;
    atomic_fetch_sub(&t->live, 1);
    pnd_allocator_heap.free(memory, NULL);
}

void test_alloc_init(struct test_alloc *t)
{
    *t = (struct test_alloc){.alloc = {counted_alloc, counted_free, t}};
}

static char temp_paths[64][PATH_SIZE];
static unsigned temp_count;
static pid_t temp_owner;

static void remove_temps(void)
{
    if (getpid() != temp_owner)
        return;
    for (unsigned i = 0; i < temp_count && i < 64; i++)
        unlink(temp_paths[i]);
}

const char *test_write_temp(const char *suffix, const void *data, size_t size)
{
    if (temp_owner != getpid()) {
        temp_owner = getpid();
        temp_count = 0;
        atexit(remove_temps);
    }
    char *path = temp_paths[temp_count % 64];
    if (temp_count++ >= 64)
        unlink(path); /* nobody knows its name from now on */
    const char *folder = getenv("TMPDIR");
    snprintf(path, PATH_SIZE, "%s/pandagpt-test-XXXXXX%s",
             folder ? folder : "/tmp", suffix);
    int fd = mkstemps(path, (int)strlen(suffix));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((long long)write(fd, data, size), (long long)size);
    close(fd);
    return path;
}

/* Element `index` of any tensor as a float. */
static float get_number(const struct pnd_tensor *t, size_t index)
{
    const uint8_t *p = (const uint8_t *)t->data + index *
                       pnd_dtype_get_size(t->dtype);
    int64_t wide;
    int32_t word;
    int16_t half;
    switch (t->dtype) {
    case PND_I64:
        memcpy(&wide, p, sizeof wide);
        return (float)wide;
    case PND_I32:
        memcpy(&word, p, sizeof word);
        return (float)word;
    case PND_I16:
        memcpy(&half, p, sizeof half);
        return half;
    case PND_I8:
        return (int8_t)*p;
    case PND_U8:
    case PND_BOOL:
        return *p;
    default:
        return pnd_tensor_get_f32(t, index);
    }
}

struct test_tensor test_tensor_read(const char *file, const char *key)
{
    char name[PATH_SIZE];
    struct pnd_weights *weights;
    struct test_tensor out = {0};
    snprintf(name, sizeof name, "expected/%s", file);
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  test_fixture(name)));
    const struct pnd_tensor *t = pnd_weights_find(weights, key);
    ck_assert_msg(t != NULL, "%s has no tensor %s", name, key);
    out.rank = t->rank;
    out.count = (size_t)pnd_tensor_get_count(t);
    memcpy(out.shape, t->shape, sizeof out.shape);
    out.values = malloc((out.count + 1) * sizeof *out.values);
    ck_assert_ptr_nonnull(out.values);
    for (size_t i = 0; i < out.count; i++)
        out.values[i] = get_number(t, i);
    pnd_weights_close(weights);
    return out;
}

void test_tensor_free(struct test_tensor *t)
{
    free(t->values);
    *t = (struct test_tensor){0};
}

double test_cosine(const float *a, const float *b, size_t count)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < count; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

double test_max_difference(const float *a, const float *b, size_t count)
{
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst))
            worst = isnan(d) ? INFINITY : d;
    }
    return worst;
}

void test_assert_close(const char *what, const float *a, const float *b,
                       size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        ck_assert_msg(d <= tolerance,
                      "%s: value %zu is %.9g, expected %.9g within %g", what, i,
                      (double)a[i], (double)b[i], tolerance);
    }
}
