/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
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
#if HAVE_OPENBLAS
    /* On one thread own products in wide registers were within 10 % of
     * OpenBLAS's or faster (twice as fast where it does not know the
     * processor), and they need no say over its threads: it helps where
     * generic C is all there is. */
    if ((providers & PANDA_PROVIDER_OPENBLAS) &&
        out->cpu_used == PANDA_CPU_GENERIC)
        pnd_kernels_add_openblas(out, flags);
#endif
    (void)providers;
    (void)flags;
}
