/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/vec_generic.h"
#include "kernels/layers.h"

static inline vf q8_dot16(const int8_t *a, const int8_t *b)
{
    int32_t sums[4];
    for (int i = 0; i < 4; i++, a += 4, b += 4)
        sums[i] = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    return (vf){(float)sums[0], (float)sums[1], (float)sums[2],
                (float)sums[3]};
}

#include "kernels/template/q8_tmpl.h"

const struct pnd_q8_kernels pnd_generic_q8 = Q8_TABLE;
