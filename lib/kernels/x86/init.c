/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"

/* Built with baseline flags, as is all that runs before a bit was looked at. */

/* What AVX-512 may have beside it. */
static void add_extensions(struct pnd_kernels *k, uint64_t cpu)
{
    if (cpu & PANDA_CPU_AVX512_VNNI) {
        pnd_kernels_add_avx512_vnni(k);
        pnd_kernels_add_vnni_i8(k);
        k->cpu_used |= PANDA_CPU_AVX512_VNNI;
    }
    if (cpu & PANDA_CPU_AVX512_BF16) {
        pnd_kernels_add_avx512_bf16(k);
        k->cpu_used |= PANDA_CPU_AVX512_BF16;
    }
}

/* Tiles, each kind where the products that it improves are there: their
 * kernels use these instructions, too. */
static void add_tiles(struct pnd_kernels *k, uint64_t cpu)
{
    const bool int8 = cpu & PANDA_CPU_AMX_INT8 &&
                      k->cpu_used & PANDA_CPU_AVX512_VNNI;
    const bool bf16 = cpu & PANDA_CPU_AMX_BF16 &&
                      k->cpu_used & PANDA_CPU_AVX512_BF16;
    if ((!int8 && !bf16) || !pnd_cpu_request_tiles())
        return;
    if (int8) {
        pnd_kernels_add_amx_i8(k);
        pnd_kernels_add_amx_q8(k);
        k->cpu_used |= PANDA_CPU_AMX_INT8;
    }
    if (bf16) {
        pnd_kernels_add_amx_bf16(k);
        k->cpu_used |= PANDA_CPU_AMX_BF16;
    }
}

void pnd_kernels_add_x86(struct pnd_kernels *k, uint64_t cpu)
{
    if (!(cpu & PANDA_CPU_AVX2))
        return;
    pnd_kernels_add_avx2(k);
    pnd_kernels_add_avx2_q8(k);
    pnd_kernels_add_avx2_i8(k);
    k->cpu_used |= PANDA_CPU_AVX2;

    if (!(cpu & PANDA_CPU_AVX512))
        return;
    pnd_kernels_add_avx512(k);
    pnd_kernels_add_avx512_i8(k);
    k->cpu_used |= PANDA_CPU_AVX512;

    add_extensions(k, cpu);
    add_tiles(k, cpu);
}
