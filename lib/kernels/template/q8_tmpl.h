/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_TMPL_H
#define PND_KERNELS_Q8_TMPL_H

#include "kernels/template/q8_round_tmpl.h"
#include "kernels/template/unpack_tmpl.h"

/* Products of block formats with activations of 8 bits, for vectors of 16 bytes
 * (VF_LANES 4) and
 *     vf q8_dot16(const int8_t *a, const int8_t *b)
 * sums of the products of 16 codes: those of four neighbours in each lane. */

/* Rows of activations that use a block of weights once it is unpacked. */
#define Q8_ROWS 4

ALWAYS_INLINE void add_block(struct cut cut, const struct unpacked *u,
                             const struct pnd_q8_block *x, size_t at, vf *sum)
{
    for (size_t i = 0; i < cut.block; i += 16) {
        const size_t group = (at + i) / 16;
        const float scale = x->scales[group] * u->scales[i / cut.group];
        *sum = vf_fma(q8_dot16(u->codes + i, x->codes + at + i), vf_set(scale),
                      *sum);
        if (cut.has_offset)
            (*sum)[0] += x->sums[group] * u->offsets[i / cut.group];
    }
}

ALWAYS_INLINE void q8_row(struct cut cut, size_t m, size_t k,
                          const struct pnd_q8_block *a, size_t stride,
                          const uint8_t *w, float *y, size_t ldy)
{
    vf sums[Q8_ROWS] = {{0}};
    struct unpacked u;
    for (size_t i = 0; i < k; i += cut.block, w += cut.bytes) {
        cut.unpack(w, &u);
        for (size_t r = 0; r < m; r++)
            add_block(cut, &u, a + r * stride + i / 256, i % 256, &sums[r]);
    }
    for (size_t r = 0; r < m; r++)
        y[r * ldy] = vf_sum(sums[r]);
}

ALWAYS_INLINE void q8_product(struct cut cut, size_t m, size_t n, size_t k,
                              const struct pnd_q8_block *a, const uint8_t *w,
                              size_t row_bytes, float *y, size_t ldy)
{
    const size_t stride = pnd_q8_count_blocks(k);
    for (size_t j = 0; j < n; j++) {
        size_t r = 0;
        for (; r + Q8_ROWS <= m; r += Q8_ROWS)
            q8_row(cut, Q8_ROWS, k, a + r * stride, stride, w + j * row_bytes,
                   y + r * ldy + j, ldy);
        for (; r < m; r++)
            q8_row(cut, 1, k, a + r * stride, stride, w + j * row_bytes,
                   y + r * ldy + j, ldy);
    }
}

#define Q8_PRODUCT(dtype, type)                                              \
    static void q8_product_##type(size_t m, size_t n, size_t k,              \
                                  const struct pnd_q8_block *a,              \
                                  const void *w, size_t row_bytes, float *y, \
                                  size_t ldy, float *scratch)                \
    {                                                                        \
        (void)scratch;                                                       \
        q8_product(cut_##type, m, n, k, a, w, row_bytes, y, ldy);            \
    }

FOR_BLOCK_FORMATS(Q8_PRODUCT)

#define Q8_ROW(dtype, type) [dtype] = q8_product_##type,
#define Q8_TABLE                                    \
    {                                               \
        q8_round, {FOR_BLOCK_FORMATS(Q8_ROW)}       \
    }

#endif
