/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"

/* Built with baseline flags, as is all that runs before a bit was looked at. */

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

    if (!(cpu & PANDA_CPU_AVX512_VNNI))
        return;
    pnd_kernels_add_avx512_vnni(k);
    pnd_kernels_add_vnni_i8(k);
    k->cpu_used |= PANDA_CPU_AVX512_VNNI;

    if (!(cpu & PANDA_CPU_AMX_INT8) || !pnd_cpu_request_tiles())
        return;
    pnd_kernels_add_amx_i8(k);
    pnd_kernels_add_amx_q8(k);
    k->cpu_used |= PANDA_CPU_AMX_INT8;
}
