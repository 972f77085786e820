/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/vec_avx512.h"

#define I8_ROWS 14
#define I8_STEP 2
#define I8_FLIP 0

typedef int32_t v16 __attribute__((vector_size(64)));

static inline v16 i8_load_words(const int8_t *p)
{
    return (v16)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)p));
}

static inline v16 i8_dot(v16 sum, v16 a, v16 b)
{
    return sum + (v16)_mm512_madd_epi16((__m512i)a, (__m512i)b);
}

#include "kernels/template/i8_tmpl.h"

void pnd_kernels_add_avx512_i8(struct pnd_kernels *k)
{
    k->i8 = (struct pnd_i8_kernels)I8_TABLE;
}
