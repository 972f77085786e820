/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"

/* The generic layer's portable vectors already are NEON registers. */
void pnd_kernels_add_arm(struct pnd_kernels *k, uint64_t cpu)
{
    (void)k;
    (void)cpu;
}
