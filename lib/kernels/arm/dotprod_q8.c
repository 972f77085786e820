/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/generic/vec_generic.h"
#include "kernels/layers.h"

static inline vf q8_dot16(const int8_t *a, const int8_t *b)
{
    return (vf)vcvtq_f32_s32(
        vdotq_s32(vdupq_n_s32(0), vld1q_s8(a), vld1q_s8(b)));
}

#include "kernels/template/q8_tmpl.h"

void pnd_kernels_add_dotprod_q8(struct pnd_kernels *k)
{
    k->q8 = (struct pnd_q8_kernels)Q8_TABLE;
}
