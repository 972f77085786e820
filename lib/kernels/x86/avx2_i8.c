/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/vec_avx2.h"

#define I8_ROWS 6
#define I8_STEP 2
#define I8_FLIP 0

typedef int32_t v8 __attribute__((vector_size(32)));

static inline v8 i8_load_words(const int8_t *p)
{
    return (v8)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p));
}

static inline v8 i8_dot(v8 sum, v8 a, v8 b)
{
    return sum + (v8)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

#include "kernels/template/i8_tmpl.h"

void pnd_kernels_add_avx2_i8(struct pnd_kernels *k)
{
    k->i8 = (struct pnd_i8_kernels)I8_TABLE;
}
