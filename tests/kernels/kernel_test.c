/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernel_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/layers.h"
#include "kernels/tile_emulator.h"

#define GUARD_BYTES 128
#define GUARD 0xa5

static const struct tolerance tolerances[] = {
    /* k floats summed in any order: far below k rounding errors, since they
     * are summed in many short chains */
    [FAMILY_PRODUCT] = {1e-12, 1e-6},
    /* the same, of rounded numbers; AMX sums those at even and odd places on
     * their own, and what is below 2^-126 is lost */
    [FAMILY_BF16] = {1e-12, 1e-6},
    /* f16 and bf16 are exact in f32 */
    [FAMILY_CONVERT] = {0, 0},
    /* sums of short chains, then three rounded operations */
    [FAMILY_NORM] = {1e-6, 1e-6},
    /* one rounding */
    [FAMILY_ADD] = {0, 6e-8},
    /* erf within 2e-7, times |x| / 2 (the scale) */
    [FAMILY_GELU] = {1e-7, 3e-7},
    /* expf within 2 units in the last place, then three roundings; it
     * overflows where the result is below 3e-37 */
    [FAMILY_SILU] = {1e-36, 5e-7},
    /* exponentials as above; their argument has one rounding of up to 1e-7
     * times itself, and it is at most 20 in the tests */
    [FAMILY_SOFTMAX] = {1e-37, 5e-6},
};

static bool is_bench;

/* The layers of AMX on top of `k`, emulated where the machine has no tiles but
 * all else that they need. */
static bool add_emulated(struct pnd_kernels *k, uint64_t missing)
{
#if defined(__x86_64__)
    if (is_bench || !tile_emulator_start())
        return false;
    if (missing == PANDA_CPU_AMX_INT8) {
        pnd_kernels_add_amx_i8(k);
        pnd_kernels_add_amx_q8(k);
        return true;
    }
    if (missing == PANDA_CPU_AMX_BF16) {
        pnd_kernels_add_amx_bf16(k);
        return true;
    }
    return false;
#else
    (void)k;
    (void)missing;
    return false;
#endif
}

size_t kernel_implementations(const struct implementation **out)
{
    static struct implementation list[KERNEL_IMPLEMENTATIONS];
    static size_t count;
    static const struct {
        const char *name;
        uint64_t cpu;
        uint32_t provider;
    } wanted[] = {
        {"generic", PANDA_CPU_GENERIC, 0},
        {"avx2", PANDA_CPU_AVX2, 0},
        {"avx512", PANDA_CPU_AVX2 | PANDA_CPU_AVX512, 0},
        {"vnni",
         PANDA_CPU_AVX2 | PANDA_CPU_AVX512 | PANDA_CPU_AVX512_VNNI, 0},
        {"bf16",
         PANDA_CPU_AVX2 | PANDA_CPU_AVX512 | PANDA_CPU_AVX512_BF16, 0},
        {"amx_int8",
         PANDA_CPU_AVX2 | PANDA_CPU_AVX512 | PANDA_CPU_AVX512_VNNI |
             PANDA_CPU_AMX_INT8,
         0},
        {"amx_bf16",
         PANDA_CPU_AVX2 | PANDA_CPU_AVX512 | PANDA_CPU_AVX512_BF16 |
             PANDA_CPU_AMX_BF16,
         0},
        {"neon", PANDA_CPU_NEON, 0},
        {"dotprod", PANDA_CPU_NEON | PANDA_CPU_DOTPROD, 0},
        {"i8mm", PANDA_CPU_NEON | PANDA_CPU_DOTPROD | PANDA_CPU_I8MM, 0},
        {"openblas", PANDA_CPU_GENERIC, PANDA_PROVIDER_OPENBLAS},
    };
    *out = list;
    if (count > 0)
        return count;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct implementation *it = &list[count];
        const uint64_t cpu = wanted[i].cpu & pnd_cpu_detect();
        it->name = wanted[i].name;
        pnd_kernels_select(&it->kernels, cpu | PANDA_CPU_GENERIC,
                           wanted[i].provider, PANDA_RUNTIME_SET_BLAS_THREADS);
        const uint64_t missing = wanted[i].cpu & ~it->kernels.cpu_used;
        if ((missing == 0 || add_emulated(&it->kernels, missing)) &&
            (wanted[i].provider & ~it->kernels.providers_used) == 0)
            count++;
    }
    return count;
}

static double get_allowed(enum kernel_family family, double scale)
{
    return tolerances[family].absolute + tolerances[family].relative * scale;
}

bool kernel_is_near(enum kernel_family family, double got, double expected,
                    double scale)
{
    return fabs(got - expected) <= get_allowed(family, scale) ||
           got == expected;
}

void kernel_check(enum kernel_family family, const char *implementation,
                  const char *what, double got, double expected, double scale)
{
    /* Check writes a record for every assertion, so only failures make one. */
    if (!kernel_is_near(family, got, expected, scale))
        ck_abort_msg("%s, %s: %.9g, expected %.9g within %g", implementation,
                     what, got, expected, get_allowed(family, scale));
}

struct guarded guarded_make(size_t bytes, size_t offset)
{
    struct guarded g = {.bytes = bytes};
    size_t size = bytes + offset + 2 * GUARD_BYTES;
    g.block = pnd_alloc(&pnd_allocator_heap, size);
    if (!g.block)
        ck_abort_msg("no memory");
    memset(g.block, GUARD, size);
    g.data = g.block + GUARD_BYTES + offset;
    return g;
}

void guarded_check(const struct guarded *g)
{
    for (const unsigned char *p = g->block; p < g->data; p++) {
        if (*p != GUARD)
            ck_abort_msg("byte %td before the output was written",
                         g->data - p);
    }
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (g->data[g->bytes + i] != GUARD)
            ck_abort_msg("byte %zu after the output was written", i);
    }
}

void guarded_free(struct guarded *g)
{
    guarded_check(g);
    pnd_free(&pnd_allocator_heap, g->block);
}

void kernel_fill(float *values, size_t count, uint32_t seed)
{
    uint64_t state = seed * UINT64_C(2654435761) + 1;
    for (size_t i = 0; i < count; i++) {
        state = state * UINT64_C(6364136223846793005) +
                UINT64_C(1442695040888963407);
        values[i] = (float)((int32_t)(state >> 40) - (1 << 23)) * 0x1p-23f;
    }
}

void kernel_store(enum pnd_dtype dtype, const float *values, size_t count,
                  void *out)
{
    unsigned char *p = out;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        uint16_t half = pnd_f32_to_f16(values[i]);
        memcpy(&bits, &values[i], sizeof bits);
        uint16_t brain = (uint16_t)(bits >> 16);
        if (dtype == PND_F32)
            memcpy(p + i * 4, &bits, 4);
        else
            memcpy(p + i * 2, dtype == PND_F16 ? &half : &brain, 2);
    }
}

const enum pnd_dtype kernel_block_formats[KERNEL_BLOCK_FORMATS] = {
    PND_Q8_0, PND_Q4_0, PND_Q4_1, PND_Q5_0, PND_Q5_1,   PND_Q2_K,
    PND_Q3_K, PND_Q4_K, PND_Q5_K, PND_Q6_K, PND_IQ4_NL, PND_IQ4_XS,
};

/* The places of the f16 numbers of a block; random bits would be anything. */
static const struct {
    uint8_t places[2], count;
} halves[PND_DTYPE_COUNT] = {
    [PND_Q8_0] = {{0}, 1},     [PND_Q4_0] = {{0}, 1},
    [PND_Q4_1] = {{0, 2}, 2},  [PND_Q5_0] = {{0}, 1},
    [PND_Q5_1] = {{0, 2}, 2},  [PND_Q2_K] = {{80, 82}, 2},
    [PND_Q3_K] = {{108}, 1},   [PND_Q4_K] = {{0, 2}, 2},
    [PND_Q5_K] = {{0, 2}, 2},  [PND_Q6_K] = {{208}, 1},
    [PND_IQ4_NL] = {{0}, 1},   [PND_IQ4_XS] = {{0}, 1},
};

void kernel_fill_blocks(enum pnd_dtype dtype, size_t count, uint32_t seed,
                        unsigned char *out)
{
    const size_t size = pnd_dtype_get_size(dtype);
    uint64_t state = seed * UINT64_C(2654435761) + 1;
    for (size_t i = 0; i < count * size; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        out[i] = (unsigned char)(state >> 56);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t h = 0; h < halves[dtype].count; h++) {
            float scale;
            kernel_fill(&scale, 1, seed + (uint32_t)(2 * i + h));
            uint16_t half = pnd_f32_to_f16(scale);
            unsigned char *p = out + i * size + halves[dtype].places[h];
            p[0] = (unsigned char)half;
            p[1] = (unsigned char)(half >> 8);
        }
    }
}

double kernel_value(enum pnd_dtype dtype, const void *stored, size_t index)
{
    struct pnd_tensor t = {.dtype = dtype, .data = stored};
    return (double)pnd_tensor_get_f32(&t, index);
}

static double now(void)
{
    struct timespec t;
    /* This thread's time: other work on the machine does not count. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double kernel_seconds(void (*call)(void *context), void *context)
{
    double best = INFINITY, begin = now();
    for (int round = 0; round < 3 || now() - begin < 0.5; round++) {
        double start = now();
        call(context);
        double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void (*bench_body)(void);

START_TEST(run_bench)
{
    bench_body();
}
END_TEST

int kernel_main(int argc, char **argv, Suite *(*suite)(void),
                void (*bench)(void))
{
    if (argc < 2 || strcmp(argv[1], "--bench") != 0)
        return test_run(suite());
    /* The helpers demand things, which Check allows only within a test. */
    Suite *timing = suite_create("bench");
    TCase *tc = tcase_create("bench");
    tcase_add_test(tc, run_bench);
    suite_add_tcase(timing, tc);
    bench_body = bench;
    SRunner *runner = srunner_create(timing);
    is_bench = true;
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
