/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"

/* Built with baseline flags, as is all that runs before a bit was looked at. */

void pnd_kernels_add_arm(struct pnd_kernels *k, uint64_t cpu)
{
    if (!(cpu & PANDA_CPU_NEON))
        return;
    pnd_kernels_add_neon(k);
    pnd_kernels_add_neon_codes(k);
    k->cpu_used |= PANDA_CPU_NEON;

    if (!(cpu & PANDA_CPU_DOTPROD))
        return;
    pnd_kernels_add_dotprod(k);
    k->cpu_used |= PANDA_CPU_DOTPROD;

    if (!(cpu & PANDA_CPU_I8MM))
        return;
    pnd_kernels_add_i8mm(k);
    k->cpu_used |= PANDA_CPU_I8MM;
}
