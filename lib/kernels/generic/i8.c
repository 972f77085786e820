/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/vec_generic.h"
#include "kernels/layers.h"

#define I8_ROWS 6
#define I8_STEP 2
#define I8_FLIP 0

typedef int32_t v4 __attribute__((vector_size(16)));

/* Pairs of codes as 16 bits each, the first in the low half. */
static inline v4 i8_load_words(const int8_t *p)
{
    v4 words;
    for (int i = 0; i < 4; i++)
        words[i] = (int32_t)((uint32_t)p[2 * i + 1] << 16 |
                             ((uint32_t)p[2 * i] & 0xffff));
    return words;
}

static inline v4 i8_dot(v4 sum, v4 a, v4 b)
{
    return sum + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
}

#include "kernels/template/i8_tmpl.h"

const struct pnd_i8_kernels pnd_generic_i8 = I8_TABLE;
