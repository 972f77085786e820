/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_DOTS_NEON_H
#define PND_KERNELS_DOTS_NEON_H

#include "kernels/arm/panel.h"

/* Dots (arm/panel.h) without instructions for them: products of 16 bits, of
 * which two are added before they are widened. A panel has 16 codes of each
 * row in turn. */

static inline int32x4_t dot_16(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    int16x8_t products = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(sum, vmlal_high_s8(products, a, b));
}

static inline void panel_fill(size_t depth,
                              const int8_t *const rows[PANEL_COLUMNS],
                              int8_t *panel)
{
    for (size_t i = 0; i < depth; i += 16) {
        for (size_t c = 0; c < PANEL_COLUMNS; c++, panel += 16)
            memcpy(panel, rows[c] + i, 16);
    }
}

/* sums += the products of 16 codes of a row with those of four others; none is
 * needed again at once. */
ALWAYS_INLINE void add_four_dots(int8x16_t left, const int8x16_t right[4],
                                 int32x4_t sums[4])
{
    int16x8_t products[4];
    UNROLL
    for (size_t c = 0; c < 4; c++)
        products[c] = vmull_s8(vget_low_s8(left), vget_low_s8(right[c]));
    UNROLL
    for (size_t c = 0; c < 4; c++)
        products[c] = vmlal_high_s8(products[c], left, right[c]);
    UNROLL
    for (size_t c = 0; c < 4; c++)
        sums[c] = vpadalq_s16(sums[c], products[c]);
}

/* A sum has four lanes here, so half of the columns at a time. */
ALWAYS_INLINE void panel_dots(size_t depth, const int8_t *const a[PANEL_ROWS],
                              const int8_t *panel, panel_sums dots)
{
    UNROLL
    for (size_t half = 0; half < 2; half++, panel += 64) {
        int32x4_t sums[PANEL_ROWS][4] = {{{0}}};
        for (size_t i = 0; i < depth; i += 16) {
            int8x16_t b[4];
            UNROLL
            for (size_t c = 0; c < 4; c++)
                b[c] = vld1q_s8(panel + 8 * i + 16 * c);
            UNROLL
            for (size_t r = 0; r < PANEL_ROWS; r++)
                add_four_dots(vld1q_s8(a[r] + i), b, sums[r]);
        }
        UNROLL
        for (size_t r = 0; r < PANEL_ROWS; r++)
            dots[r][half] += vpaddq_s32(vpaddq_s32(sums[r][0], sums[r][1]),
                                        vpaddq_s32(sums[r][2], sums[r][3]));
    }
}

#endif
