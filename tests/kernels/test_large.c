/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernel_test.h"
#include "support/support.h"

/* Products by another library, and how they are chosen. Where the build has
 * none, or it cannot be held to one thread, what is left is the choice. */

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Of the OpenMP that oneDNN may have brought. */
__attribute__((weak)) int omp_get_max_threads(void);
__attribute__((weak)) void omp_set_num_threads(int count);

static struct pnd_kernels select_forced(void)
{
    struct pnd_kernels k;
    pnd_kernels_select(&k, pnd_cpu_detect(), PANDA_PROVIDER_ONEDNN, 0);
    return k;
}

struct product {
    size_t m, n, k, groups, ldc;
    struct guarded a, b, c;                   /* floats */
    struct guarded codes, b_codes;            /* int8 */
    struct guarded scales, b_scales, scratch; /* floats */
};

static void fill_codes(int8_t *codes, size_t count, uint32_t factor)
{
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int8_t)(i * factor % 255 - 127);
        if (factor == 0) /* the largest sums */
            codes[i] = 127;
    }
}

static struct product make_product(size_t m, size_t n, size_t k,
                                   bool outermost)
{
    struct product p = {.m = m, .n = n, .k = k, .ldc = n + 3,
                        .groups = pnd_i8_count_groups(k)};
    p.a = guarded_make(m * k * 4, 4);
    p.b = guarded_make(n * k * 4, 8);
    p.c = guarded_make(m * p.ldc * 4, 12);
    p.codes = guarded_make(m * k, 1);
    p.b_codes = guarded_make(n * k, 3);
    p.scales = guarded_make(m * p.groups * 4, 4);
    p.b_scales = guarded_make(n * 4, 8);
    p.scratch = guarded_make(PND_GEMM_SCRATCH * 4, 4);
    kernel_fill((float *)p.a.data, m * k, 1);
    kernel_fill((float *)p.b.data, n * k, 2);
    fill_codes((int8_t *)p.codes.data, m * k, outermost ? 0 : 7);
    fill_codes((int8_t *)p.b_codes.data, n * k, outermost ? 0 : 11);
    kernel_fill((float *)p.scales.data, m * p.groups, 3);
    kernel_fill((float *)p.b_scales.data, n, 4);
    return p;
}

static void free_product(struct product *p)
{
    struct guarded *all[] = {&p->a, &p->b, &p->c, &p->codes, &p->b_codes,
                             &p->scales, &p->b_scales, &p->scratch};
    for (size_t i = 0; i < COUNT(all); i++)
        guarded_free(all[i]);
}

static size_t run_f32(const struct pnd_kernels *k, struct product *p)
{
    return k->large.f32_nt(p->m, p->n, p->k, (const float *)p->a.data, p->k,
                           p->b.data, p->k, (float *)p->c.data, p->ldc,
                           (float *)p->scratch.data);
}

static size_t run_i8(const struct pnd_kernels *k, struct product *p)
{
    return k->large.i8_product(
        p->m, p->n, p->k, (const int8_t *)p->codes.data, p->k,
        (const float *)p->scales.data, (const int8_t *)p->b_codes.data, p->k,
        (const float *)p->b_scales.data, (float *)p->c.data, p->ldc,
        (float *)p->scratch.data);
}

static void check_value(const struct product *p, bool is_int8, size_t row,
                        size_t column)
{
    double sum = is_int8 ? 1 : 0, size = sum; /* 1 was there before */
    for (size_t i = 0; i < p->k; i++) {
        double term =
            (double)((float *)p->a.data)[row * p->k + i] *
            (double)((float *)p->b.data)[column * p->k + i];
        if (is_int8)
            term = (double)((float *)p->scales.data)[row * p->groups +
                                                     i / PND_I8_GROUP] *
                   ((int8_t *)p->codes.data)[row * p->k + i] *
                   ((int8_t *)p->b_codes.data)[column * p->k + i] *
                   (double)((float *)p->b_scales.data)[column];
        sum += term;
        size += fabs(term);
    }
    char what[96];
    snprintf(what, sizeof what, "%s %zux%zux%zu at (%zu, %zu)",
             is_int8 ? "int8" : "f32", p->m, p->n, p->k, row, column);
    kernel_check(FAMILY_PRODUCT, "onednn", what,
                 (double)((float *)p->c.data)[row * p->ldc + column], sum,
                 size);
}

static void check_product(const struct pnd_kernels *k, struct product *p,
                          bool is_int8)
{
    float *c = (float *)p->c.data;
    for (size_t at = 0; at < p->m * p->ldc; at++)
        c[at] = at % p->ldc < p->n ? 1 : NAN;
    ck_assert_uint_eq(is_int8 ? run_i8(k, p) : run_f32(k, p), p->n);
    size_t step = p->m * p->n > 1000 ? p->m * p->n / 500 : 1;
    for (size_t at = 0; at < p->m * p->n; at += step)
        check_value(p, is_int8, at / p->n, at % p->n);
    check_value(p, is_int8, p->m - 1, p->n - 1);
    for (size_t at = 0; at < p->m * p->ldc; at++)
        ck_assert(at % p->ldc < p->n || isnan(c[at]));
    guarded_check(&p->c);
    guarded_check(&p->scratch);
}

/* The last ones need several rounds of columns in the scratch. */
static const size_t shapes[][3] = {
    {1, 1, 1},     {1, 17, 33},   {7, 5, 255},    {16, 16, 256},
    {29, 33, 257}, {5, 300, 513}, {257, 40, 700}, {336, 256, 300},
    {64, 700, 64},
};

START_TEST(products_are_right)
{
    struct pnd_kernels k = select_forced();
    const size_t *s = shapes[_i];
    for (int outermost = 0; outermost < 2; outermost++) {
        struct product p = make_product(s[0], s[1], s[2], outermost);
        if (k.large.f32_nt)
            check_product(&k, &p, false);
        if (k.large.i8_product)
            check_product(&k, &p, true);
        free_product(&p);
    }
}
END_TEST

/* Nothing is written then: own kernels do it. */
START_TEST(what_is_not_supported_is_left)
{
    struct pnd_kernels k = select_forced();
    struct product p = make_product(3, 4, 5, false);
    static const size_t left[][3] = {{0, 4, 5}, {3, 0, 5}, {3, 4, 0}};
    memset(p.c.data, 0x55, p.c.bytes);
    for (size_t i = 0; i < COUNT(left); i++) {
        struct product q = p;
        q.m = left[i][0];
        q.n = left[i][1];
        q.k = left[i][2];
        ck_assert(!k.large.f32_nt || run_f32(&k, &q) == 0);
        ck_assert(!k.large.i8_product || run_i8(&k, &q) == 0);
    }
    struct product q = p;
    q.b.data++; /* floats lie where they may */
    ck_assert(!k.large.f32_nt || run_f32(&k, &q) == 0);
    q = p;
    q.m = PND_GEMM_SCRATCH; /* not even 16 columns fit into the scratch */
    ck_assert(!k.large.i8_product || run_i8(&k, &q) == 0);
    for (size_t i = 0; i < p.c.bytes; i++)
        ck_assert(p.c.data[i] == 0x55);
    free_product(&p);
}
END_TEST

static size_t count_threads(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && readdir(tasks))
        count++;
    if (tasks)
        closedir(tasks);
    return count;
}

/* Neither threads of its own nor a changed setting of the host's. */
START_TEST(threads_are_left_alone)
{
    struct pnd_kernels k = select_forced();
    struct product p = make_product(257, 256, 600, false);
    size_t before = count_threads();
    if (omp_set_num_threads)
        omp_set_num_threads(3);
    if (k.large.f32_nt)
        ck_assert_uint_eq(run_f32(&k, &p), p.n);
    memset(p.c.data, 0, p.c.bytes);
    if (k.large.i8_product)
        ck_assert_uint_eq(run_i8(&k, &p), p.n);
    if (omp_get_max_threads)
        ck_assert_int_eq(omp_get_max_threads(), 3);
    ck_assert_uint_eq(count_threads(), before);
    free_product(&p);
}
END_TEST

/* It uses what the processor has, so a narrower mask goes without it. */
START_TEST(masks_are_kept)
{
    const uint64_t cpu = pnd_cpu_detect();
    struct pnd_kernels k;
    for (int bit = 1; bit < 64; bit++) {
        if (!(cpu & (UINT64_C(1) << bit)))
            continue;
        pnd_kernels_select(&k, cpu & ~(UINT64_C(1) << bit),
                           PANDA_PROVIDER_ONEDNN, 0);
        ck_assert(!k.large.f32_nt && !k.large.i8_product);
        ck_assert(k.providers_used == PANDA_PROVIDER_NONE);
    }
    pnd_kernels_select(&k, cpu, UINT32_MAX & ~(uint32_t)PANDA_PROVIDER_ONEDNN,
                       0);
    ck_assert(!k.large.f32_nt && !k.large.i8_product);
    pnd_kernels_select(&k, cpu, UINT32_MAX, 0);
    ck_assert(!k.large.f32_nt); /* measured: own are as fast */
    k = select_forced();
    bool used = k.providers_used & PANDA_PROVIDER_ONEDNN;
    ck_assert(used == (k.large.f32_nt != NULL));
    ck_assert(used || !k.large.i8_product);
}
END_TEST

/* Libraries that are faster, slower, or fail. */
static size_t do_nothing(size_t m, size_t n, size_t k, const float *a,
                         size_t lda, const void *b, size_t ldb, float *c,
                         size_t ldc, float *scratch)
{
    (void)m, (void)k, (void)a, (void)lda, (void)b, (void)ldb, (void)c;
    (void)ldc, (void)scratch;
    return n;
}

static size_t leave_half(size_t m, size_t n, size_t k, const float *a,
                         size_t lda, const void *b, size_t ldb, float *c,
                         size_t ldc, float *scratch)
{
    return do_nothing(m, n, k, a, lda, b, ldb, c, ldc, scratch) / 2;
}

static size_t take_long(size_t m, size_t n, size_t k, const int8_t *a,
                        size_t lda, const float *a_scales, const int8_t *b,
                        size_t ldb, const float *b_scales, float *c,
                        size_t ldc, float *scratch)
{
    struct pnd_kernels own;
    pnd_kernels_select(&own, pnd_cpu_detect(), PANDA_PROVIDER_NONE, 0);
    for (int i = 0; i < 4; i++)
        own.i8.product(m, n, k, a, lda, a_scales, b, ldb, b_scales, c, ldc,
                       scratch);
    return n;
}

START_TEST(the_faster_is_chosen)
{
    struct pnd_kernels k;
    struct pnd_context ctx = {.alloc = pnd_allocator_heap};
    pnd_kernels_select(&k, pnd_cpu_detect(), PANDA_PROVIDER_NONE, 0);
    k.providers_used |= PANDA_PROVIDER_ONEDNN;
    k.large.f32_nt = do_nothing;
    k.large.i8_product = take_long;
    ck_assert_ok(pnd_kernels_choose(&k, &ctx));
    ck_assert(k.large.f32_nt == do_nothing && !k.large.i8_product);
    ck_assert(k.providers_used & PANDA_PROVIDER_ONEDNN);
    k.large.f32_nt = leave_half;
    ck_assert_ok(pnd_kernels_choose(&k, &ctx));
    ck_assert(!k.large.f32_nt);
    ck_assert(k.providers_used == PANDA_PROVIDER_NONE);
}
END_TEST

START_TEST(choosing_needs_memory)
{
    struct pnd_kernels k = select_forced();
    struct test_alloc counter;
    test_alloc_init(&counter);
    counter.fail_at = 1;
    struct pnd_context ctx = {.alloc = counter.alloc};
    bool used = k.large.f32_nt != NULL;
    panda_status status = pnd_kernels_choose(&k, &ctx);
    ck_assert(status == (used ? PANDA_E_MEMORY : PANDA_OK));
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("large");
    TCase *tc = tcase_create("large");
    tcase_add_loop_test(tc, products_are_right, 0, (int)COUNT(shapes));
    tcase_add_test(tc, what_is_not_supported_is_left);
    tcase_add_test(tc, threads_are_left_alone);
    tcase_add_test(tc, masks_are_kept);
    tcase_add_test(tc, the_faster_is_chosen);
    tcase_add_test(tc, choosing_needs_memory);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct pnd_kernels *k;
    struct product p;
};

static void run_large_f32(void *context)
{
    struct timed *t = context;
    run_f32(t->k, &t->p);
}

static void run_large_i8(void *context)
{
    struct timed *t = context;
    run_i8(t->k, &t->p);
}

static void run_own_f32(void *context)
{
    struct timed *t = context;
    const struct product *p = &t->p;
    t->k->gemm.nt[PND_F32](p->m, p->n, p->k, (const float *)p->a.data, p->k,
                           p->b.data, p->k, (float *)p->c.data, p->ldc,
                           (float *)p->scratch.data);
}

static void run_own_i8(void *context)
{
    struct timed *t = context;
    const struct product *p = &t->p;
    t->k->i8.product(p->m, p->n, p->k, (const int8_t *)p->codes.data, p->k,
                     (const float *)p->scales.data,
                     (const int8_t *)p->b_codes.data, p->k,
                     (const float *)p->b_scales.data, (float *)p->c.data,
                     p->ldc, (float *)p->scratch.data);
}

static void bench_one(const char *name, struct timed *t,
                      void (*own)(void *context), void (*large)(void *context))
{
    double least[2] = {0, 0}, work = 2e-9;
    for (int i = 0; i < 6; i++) {
        double seconds = kernel_seconds(i % 2 ? large : own, t);
        if (i < 2 || seconds < least[i % 2])
            least[i % 2] = seconds;
    }
    work *= (double)t->p.m * (double)t->p.n * (double)t->p.k;
    printf("%-4s %4zux%4zux%4zu own %7.1f GOP/s, oneDNN %7.1f, %.2f times\n",
           name, t->p.m, t->p.n, t->p.k, work / least[0], work / least[1],
           least[0] / least[1]);
}

static void bench(void)
{
    static const size_t cases[][3] = {
        {257, 256, 1280}, {257, 256, 5120}, {257, 64, 1280}, {57, 256, 1280},
        {16, 256, 1280}, {5, 256, 1280},
    };
    struct pnd_kernels k = select_forced();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t *c = cases[i];
        struct timed t = {&k, make_product(c[0], c[1], c[2], false)};
        memset(t.p.c.data, 0, t.p.c.bytes);
        if (k.large.f32_nt)
            bench_one("f32", &t, run_own_f32, run_large_f32);
        if (k.large.i8_product)
            bench_one("int8", &t, run_own_i8, run_large_i8);
        free_product(&t.p);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
