/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_DOT_H
#define PND_KERNELS_Q8_DOT_H

#include "kernels/template/q8_round_tmpl.h"
#include "kernels/x86/q8_formats.h"

/* Products of few rows of activations, of 8 bits: each row of weights is read
 * once, as it lies in the file, and its codes are used for up to Q8_ROWS rows
 * from registers. */

#define Q8_ROWS 4

/* Sums over a row of weights, of each row of activations: two in turn, so that
 * an addition need not wait for the one before. `others` is of the offsets, or
 * what the bias is to be multiplied with. */
struct q8_sums {
    vf codes[Q8_ROWS][2], others[Q8_ROWS];
};

/* Codes of a unit in their own order. */
ALWAYS_INLINE void q8_add_codes(struct q8_format f, size_t m,
                                const uint8_t *unit,
                                const struct pnd_q8_block *x, size_t stride,
                                vf scales[Q8_ROWS][VF_COUNT],
                                struct q8_sums *sums)
{
    UNROLL
    for (int part = 0; part < PARTS; part++) {
        const vq codes = f.codes(unit, part);
        UNROLL
        for (size_t r = 0; r < m; r++) {
            vq other = vq_load(x[r * stride].codes + part * 32 * VQ_ROWS);
            vf dots = f.is_signed ? vq_dot_signed(codes, other)
                                  : vq_dot(codes, other);
            sums->codes[r][part % 2] =
                vf_fma(dots, vq_spread(scales[r], part),
                       sums->codes[r][part % 2]);
        }
    }
}

/* Codes by halves of blocks, which have one scale: a sum for both. */
ALWAYS_INLINE void q8_add_halves(struct q8_format f, size_t m,
                                 const uint8_t *unit,
                                 const struct pnd_q8_block *x, size_t stride,
                                 vf scales[Q8_ROWS][VF_COUNT],
                                 struct q8_sums *sums)
{
    UNROLL
    for (int step = 0; step < PARTS / 2; step++) {
        vq codes[2];
        f.halves(unit, step, codes);
        UNROLL
        for (size_t r = 0; r < m; r++) {
            vq other[2];
            vq_load_halves(x[r * stride].codes + step * 64 * VQ_ROWS, other);
            vf dots = f.is_signed ? vq_dot_two_signed(codes, other)
                                  : vq_dot_two(codes, other);
            sums->codes[r][step % 2] =
                vf_fma(dots, vq_spread_halves(scales[r], step),
                       sums->codes[r][step % 2]);
        }
    }
}

/* The next unit: 256 elements. */
ALWAYS_INLINE void q8_add_unit(struct q8_format f, size_t m,
                               const uint8_t *unit,
                               const struct pnd_q8_block *x, size_t stride,
                               struct q8_sums *sums)
{
    vf weights[VF_COUNT], offsets[VF_COUNT], scales[Q8_ROWS][VF_COUNT];
    f.scales(unit, weights, offsets);
    UNROLL
    for (size_t r = 0; r < m; r++) {
        const struct pnd_q8_block *row = x + r * stride;
        UNROLL
        for (int i = 0; i < VF_COUNT; i++) {
            scales[r][i] = weights[i] * vf_load_f32(row->scales + i * VF_LANES);
            if (f.has_offset || f.bias)
                sums->others[r] =
                    vf_fma(f.bias ? weights[i] : offsets[i],
                           vf_load_f32(row->sums + i * VF_LANES),
                           sums->others[r]);
        }
    }
    if (f.halves)
        q8_add_halves(f, m, unit, x, stride, scales, sums);
    else
        q8_add_codes(f, m, unit, x, stride, scales, sums);
}

/* Fetch weights this far ahead: processors by themselves stop at the ends of
 * pages. */
#define AHEAD 8192

/* Fetch what a unit far behind this one is in; nothing beyond `end`, which
 * another thread reads. */
ALWAYS_INLINE void q8_fetch(size_t unit_bytes, const uint8_t *unit,
                            const uint8_t *end)
{
    const uint8_t *far = end - unit > AHEAD ? unit + AHEAD : end - 1;
    UNROLL
    for (size_t i = 0; i < unit_bytes; i += 64)
        __builtin_prefetch(far + i);
}

/* y[r] = row r of x times a row of weights; m is a constant. The weights of
 * this and later rows lie up to `end`. */
ALWAYS_INLINE void q8_dot(struct q8_format f, size_t m, size_t k,
                          const uint8_t *w, const uint8_t *end,
                          const struct pnd_q8_block *x, size_t stride,
                          float *y, size_t ldy)
{
    const size_t unit_bytes = 256 / f.block * f.bytes;
    struct q8_sums sums = {{{{0}}}, {{0}}};
    for (; k >= 256; k -= 256, w += unit_bytes, x++) {
        q8_fetch(unit_bytes, w, end);
        q8_add_unit(f, m, w, x, stride, &sums);
    }
    if (k > 0) { /* not beyond the row's end */
        uint8_t unit[256 / 32 * sizeof(struct pnd_block_q8_0)] = {0};
        memcpy(unit, w, k / f.block * f.bytes);
        q8_add_unit(f, m, unit, x, stride, &sums);
    }
    UNROLL
    for (size_t r = 0; r < m; r++) {
        if (f.bias)
            sums.others[r] *= vf_set(-(float)f.bias);
        y[r * ldy] = vf_sum((sums.codes[r][0] + sums.codes[r][1]) +
                            sums.others[r]);
    }
}

ALWAYS_INLINE void q8_dots(struct q8_format f, size_t m, size_t n, size_t k,
                           const struct pnd_q8_block *a, const uint8_t *w,
                           size_t row_bytes, float *y, size_t ldy)
{
    const size_t stride = pnd_q8_count_blocks(k);
    const uint8_t *end = w + n * row_bytes;
    size_t r = 0;
    for (; m - r >= 4; r += 4) {
        for (size_t j = 0; j < n; j++)
            q8_dot(f, 4, k, w + j * row_bytes, end, a + r * stride, stride,
                   y + r * ldy + j, ldy);
    }
    if (m - r >= 2) {
        for (size_t j = 0; j < n; j++)
            q8_dot(f, 2, k, w + j * row_bytes, end, a + r * stride, stride,
                   y + r * ldy + j, ldy);
        r += 2;
    }
    for (size_t j = 0; r < m && j < n; j++)
        q8_dot(f, 1, k, w + j * row_bytes, end, a + r * stride, stride,
               y + r * ldy + j, ldy);
}

#endif
