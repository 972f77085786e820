/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

#include <string.h>

uint64_t pnd_cpu_detect(void)
{
    return PANDA_CPU_GENERIC;
}

void pnd_kernels_select(struct pnd_kernels *out, uint64_t cpu,
                        uint32_t providers, uint32_t flags)
{
    (void)flags;
    memset(out, 0, sizeof *out);
    out->cpu_used = cpu;
    out->providers_used = providers;
}
