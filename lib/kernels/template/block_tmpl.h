/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_BLOCK_TMPL_H
#define PND_KERNELS_BLOCK_TMPL_H

#include "kernels/template/unpack_tmpl.h"

/* Rows of block formats as floats and multiplied with floats: what follows is
 * the same for all of them. */

/* Values i, i + 1, ... of an unpacked block. A format without offsets does not
 * add a zero: it would lose the sign of one. */
ALWAYS_INLINE vf get_values(const struct unpacked *u, struct cut cut, size_t i)
{
    vf v = vf_load_i8(u->codes + i) * vf_set(u->scales[i / cut.group]);
    return cut.has_offset ? v + vf_set(u->offsets[i / cut.group]) : v;
}

ALWAYS_INLINE void blocks_to_f32(struct cut cut, size_t count,
                                 const uint8_t *row, float *to)
{
    struct unpacked u;
    for (size_t i = 0; i < count; i += cut.block, row += cut.bytes) {
        cut.unpack(row, &u);
        for (size_t j = 0; j < cut.block; j += VF_LANES)
            vf_store(to + i + j, get_values(&u, cut, j));
    }
}

/* Dot product of one row: a block is unpacked once and used at once. */
ALWAYS_INLINE float dot_blocks(struct cut cut, size_t k, const uint8_t *row,
                               const float *x)
{
    vf even = {0}, odd = {0};
    struct unpacked u;
    for (size_t i = 0; i < k; i += cut.block, row += cut.bytes) {
        cut.unpack(row, &u);
        for (size_t j = 0; j < cut.block; j += 2 * VF_LANES) {
            const float *x0 = x + i + j, *x1 = x0 + VF_LANES;
            even = vf_fma(get_values(&u, cut, j), vf_load_f32(x0), even);
            odd = vf_fma(get_values(&u, cut, j + VF_LANES), vf_load_f32(x1),
                         odd);
        }
    }
    return vf_sum(even + odd);
}

#define BLOCK_FORMAT(dtype, type)                                              \
    static void to_f32_##type(size_t count, const void *row, float *to)        \
    {                                                                          \
        blocks_to_f32(cut_##type, count, row, to);                             \
    }                                                                          \
    static void matvec_##type(size_t rows, size_t k, const void *w,            \
                              size_t row_bytes, const float *x, float *y)      \
    {                                                                          \
        for (size_t r = 0; r < rows; r++)                                      \
            y[r] = dot_blocks(cut_##type, k,                                   \
                              (const uint8_t *)w + r * row_bytes, x);          \
    }

FOR_BLOCK_FORMATS(BLOCK_FORMAT)

#endif
