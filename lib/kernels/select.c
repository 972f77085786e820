/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/layers.h"

uint64_t pnd_cpu_detect(void)
{
    return PANDA_CPU_GENERIC;
}

void pnd_kernels_select(struct pnd_kernels *out, uint64_t cpu,
                        uint32_t providers, uint32_t flags)
{
    (void)cpu;
    (void)providers;
    (void)flags;
    *out = (struct pnd_kernels){
        .cpu_used = PANDA_CPU_GENERIC,
        .providers_used = PANDA_PROVIDER_NONE,
        .gemm = pnd_generic_gemm,
        .norm = pnd_generic_norm,
        .vector = pnd_generic_vector,
    };
    memcpy(out->format, pnd_generic_format, sizeof out->format);
}
