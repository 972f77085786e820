/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/generic/vec_generic.h"
#include "kernels/layers.h"

#define I8_ROWS 6
#define I8_STEP 4
#define I8_FLIP 0

typedef int32_t v4 __attribute__((vector_size(16)));

static inline v4 i8_load_words(const int8_t *p)
{
    return (v4)vld1q_s8(p);
}

static inline v4 i8_dot(v4 sum, v4 a, v4 b)
{
    return (v4)vdotq_s32((int32x4_t)sum, (int8x16_t)a, (int8x16_t)b);
}

#include "kernels/template/i8_tmpl.h"

void pnd_kernels_add_dotprod_i8(struct pnd_kernels *k)
{
    k->i8 = (struct pnd_i8_kernels)I8_TABLE;
}
