/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sigaltstack */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernel_test.h"

/* Only from bits that are there, and each level has what it needs. */
START_TEST(detection_is_consistent)
{
    uint64_t cpu = pnd_cpu_detect();
    ck_assert(cpu & PANDA_CPU_GENERIC);
    ck_assert(pnd_cpu_detect() == cpu);
    if (cpu & (PANDA_CPU_AVX512_VNNI | PANDA_CPU_AVX512_BF16))
        ck_assert(cpu & PANDA_CPU_AVX512);
    if (cpu & PANDA_CPU_AVX512)
        ck_assert(cpu & PANDA_CPU_AVX2);
    if (cpu & (PANDA_CPU_DOTPROD | PANDA_CPU_I8MM))
        ck_assert(cpu & PANDA_CPU_NEON);
}
END_TEST

/* tests/arm.sh says what the processor is that it emulates. */
START_TEST(detection_is_right)
{
    const char *expected = getenv("PANDA_TEST_CPU_DETECTED");
    if (expected)
        ck_assert_uint_eq(pnd_cpu_detect(), strtoull(expected, NULL, 0));
}
END_TEST

static void check_complete(const struct pnd_kernels *k)
{
    ck_assert(k->gemm.f32_nn && k->norm.layer_norm && k->norm.rms_norm);
    ck_assert(k->vector.add && k->vector.gelu && k->vector.silu_mul &&
              k->vector.softmax);
    ck_assert(k->q8.round != NULL);
    for (int type = 0; type < PND_DTYPE_COUNT; type++) {
        bool weight = pnd_dtype_is_weight((enum pnd_dtype)type) ||
                      pnd_dtype_is_block((enum pnd_dtype)type);
        ck_assert((k->gemm.nt[type] != NULL) == weight);
        ck_assert((k->q8.product[type] != NULL) ==
                  pnd_dtype_is_block((enum pnd_dtype)type));
        ck_assert((k->format[type].to_f32 != NULL) == weight);
        ck_assert((k->format[type].matvec != NULL) == weight);
    }
}

/* Any mask gives a whole table, and uses nothing outside the mask: all that x86
 * has by all that ARM has. */
START_TEST(every_mask)
{
    uint64_t detected = pnd_cpu_detect();
    for (uint64_t i = 0; i < 128 * 8; i++) {
        struct pnd_kernels k;
        uint64_t mask = i / 8 * PANDA_CPU_GENERIC + i % 8 * PANDA_CPU_NEON;
        uint64_t cpu = mask & detected;
        pnd_kernels_select(&k, cpu, 0, 0);
        check_complete(&k);
        ck_assert(k.cpu_used & PANDA_CPU_GENERIC);
        ck_assert((k.cpu_used & ~(cpu | PANDA_CPU_GENERIC)) == 0);
        ck_assert(k.providers_used == PANDA_PROVIDER_NONE);
    }
}
END_TEST

/* AVX-512 stands on AVX2: without it, generic. */
START_TEST(avx512_needs_avx2)
{
    struct pnd_kernels k, generic;
    pnd_kernels_select(&generic, PANDA_CPU_GENERIC, 0, 0);
    pnd_kernels_select(&k, PANDA_CPU_GENERIC | PANDA_CPU_AVX512, 0, 0);
    ck_assert(k.cpu_used == PANDA_CPU_GENERIC);
    ck_assert(k.gemm.f32_nn == generic.gemm.f32_nn);
}
END_TEST

/* As above: the int8 matrix product stands on the dot product. */
START_TEST(i8mm_needs_dotprod)
{
    struct pnd_kernels k, neon;
    if (!(pnd_cpu_detect() & PANDA_CPU_NEON))
        return;
    pnd_kernels_select(&neon, PANDA_CPU_GENERIC | PANDA_CPU_NEON, 0, 0);
    pnd_kernels_select(
        &k, PANDA_CPU_GENERIC | PANDA_CPU_NEON | PANDA_CPU_I8MM, 0, 0);
    ck_assert(k.cpu_used == (PANDA_CPU_GENERIC | PANDA_CPU_NEON));
    ck_assert(k.i8.product == neon.i8.product);
}
END_TEST

START_TEST(higher_levels_are_used)
{
    struct pnd_kernels k;
    uint64_t levels = PANDA_CPU_AVX2 | PANDA_CPU_AVX512 |
                      PANDA_CPU_AVX512_VNNI | PANDA_CPU_AVX512_BF16 |
                      PANDA_CPU_NEON | PANDA_CPU_DOTPROD | PANDA_CPU_I8MM;
    pnd_kernels_select(&k, pnd_cpu_detect(), 0, 0);
    ck_assert((k.cpu_used & levels) == (pnd_cpu_detect() & levels));
    ck_assert(!k.bf16.nt[PND_F32] == !(k.cpu_used & PANDA_CPU_AVX512_BF16));
}
END_TEST

/* Where the system refuses tiles, a level below is used: here since a signal's
 * stack could not hold them. */
START_TEST(tiles_that_are_refused_are_not_used)
{
    static char stack[4096];
    const stack_t small = {.ss_sp = stack, .ss_size = sizeof stack};
    const uint64_t amx = PANDA_CPU_AMX_INT8 | PANDA_CPU_AMX_BF16;
    stack_t before;
    struct pnd_kernels k;
    if (!(pnd_cpu_detect() & amx) || sigaltstack(&small, &before) != 0)
        return; /* none, or already permitted */
    pnd_kernels_select(&k, pnd_cpu_detect(), 0, 0);
    sigaltstack(&before, NULL);
    ck_assert((k.cpu_used & amx) == 0);
    check_complete(&k);
}
END_TEST

/* Without the flag a provider must not change its host's settings. This runs in
 * a process of its own (Check forks), so later tests see them as they were. */
START_TEST(providers_follow_the_mask)
{
    struct pnd_kernels k, own;
    pnd_kernels_select(&own, PANDA_CPU_GENERIC, PANDA_PROVIDER_NONE,
                       PANDA_RUNTIME_SET_BLAS_THREADS);
    ck_assert(own.providers_used == PANDA_PROVIDER_NONE);
    pnd_kernels_select(&k, PANDA_CPU_GENERIC, PANDA_PROVIDER_OPENBLAS,
                       PANDA_RUNTIME_SET_BLAS_THREADS);
    check_complete(&k);
    bool used = k.providers_used & PANDA_PROVIDER_OPENBLAS;
    ck_assert(used == (k.gemm.f32_nn != own.gemm.f32_nn));
    /* Now it is single-threaded, so it may be used without the flag too. */
    pnd_kernels_select(&k, PANDA_CPU_GENERIC, PANDA_PROVIDER_OPENBLAS, 0);
    ck_assert(used == !!(k.providers_used & PANDA_PROVIDER_OPENBLAS));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("cpu");
    TCase *tc = tcase_create("cpu");
    tcase_add_test(tc, detection_is_consistent);
    tcase_add_test(tc, detection_is_right);
    tcase_add_test(tc, every_mask);
    tcase_add_test(tc, avx512_needs_avx2);
    tcase_add_test(tc, i8mm_needs_dotprod);
    tcase_add_test(tc, higher_levels_are_used);
    tcase_add_test(tc, tiles_that_are_refused_are_not_used);
    tcase_add_test(tc, providers_follow_the_mask);
    suite_add_tcase(suite, tc);
    return suite;
}

static void bench(void)
{
    printf("cpu 0x%llx\n", (unsigned long long)pnd_cpu_detect());
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
