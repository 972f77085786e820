/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"

/* The generic layer's portable vectors already are NEON registers. */
void pnd_kernels_add_arm(struct pnd_kernels *k, uint64_t cpu)
{
    if (cpu & PANDA_CPU_DOTPROD) {
        pnd_kernels_add_dotprod_i8(k);
        pnd_kernels_add_dotprod_q8(k);
        k->cpu_used |= PANDA_CPU_DOTPROD;
    }
}
