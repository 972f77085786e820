/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "kernels/layers.h"
#include "pandagpt_config.h"

static void add_generic(struct pnd_kernels *k)
{
    k->cpu_used = PANDA_CPU_GENERIC;
    k->providers_used = PANDA_PROVIDER_NONE;
    k->gemm = pnd_generic_gemm;
    memcpy(k->format, pnd_generic_format, sizeof k->format);
    k->q8 = pnd_generic_q8;
    k->i8 = pnd_generic_i8;
    k->norm = pnd_generic_norm;
    k->vector = pnd_generic_vector;
}

#if HAVE_ONEDNN

/* Fewer rows are not worth packing the weights. */
#define LEAST_ROWS 32

/* Measured side by side (`test_gemm`, `test_i8` and `test_bf16` with --bench),
 * oneDNN was nowhere more than 10 % faster than own kernels of AVX2, AVX-512,
 * VNNI and BF16. Own tiles were never timed. */
static bool may_win(const struct pnd_kernels *k)
{
    return k->cpu_used & (PANDA_CPU_AMX_INT8 | PANDA_CPU_AMX_BF16);
}

static void add_onednn(struct pnd_kernels *k, bool forced)
{
    pnd_kernels_add_onednn(k);
    k->large.least_rows = forced ? 1 : LEAST_ROWS;
    if (!forced)
        k->large.f32_nt = NULL; /* tiles do not multiply floats */
}

#endif

void pnd_kernels_select(struct pnd_kernels *out, uint64_t cpu,
                        uint32_t providers, uint32_t flags)
{
    memset(out, 0, sizeof *out);
    add_generic(out);
#if defined(__x86_64__)
    pnd_kernels_add_x86(out, cpu);
#elif defined(__aarch64__)
    pnd_kernels_add_arm(out, cpu);
#endif
    (void)cpu;
    /* Without own kernels to choose from, providers do whatever they can. */
    const bool forced = !(providers & PANDA_PROVIDER_NONE);
#if HAVE_OPENBLAS
    /* On one thread own products in wide registers were within 10 % of
     * OpenBLAS's or faster (twice as fast where it does not know the
     * processor), and they need no say over its threads: it helps where
     * generic C is all there is. */
    if ((providers & PANDA_PROVIDER_OPENBLAS) &&
        (forced || out->cpu_used == PANDA_CPU_GENERIC))
        pnd_kernels_add_openblas(out, flags);
#endif
#if HAVE_ONEDNN
    /* It looks for instructions itself, and its limit on them is the whole
     * process's. */
    if ((providers & PANDA_PROVIDER_ONEDNN) && cpu == pnd_cpu_detect() &&
        (forced || may_win(out)))
        add_onednn(out, forced);
#endif
    (void)forced;
    (void)flags;
}
