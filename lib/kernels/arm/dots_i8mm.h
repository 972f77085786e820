/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_DOTS_I8MM_H
#define PND_KERNELS_DOTS_I8MM_H

#include "kernels/arm/panel.h"

/* Dots (arm/panel.h) by the int8 matrix extension, whose instruction multiplies
 * two rows of eight codes with two others. A panel has eight codes of each row
 * in turn. */

static inline int32x4_t dot_16(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    return vdotq_s32(sum, a, b);
}

/* 16 codes of two rows: the first eight of both, and the others. */
ALWAYS_INLINE int8x16x2_t load_pair(const int8_t *first, const int8_t *second)
{
    const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(first));
    const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(second));
    return (int8x16x2_t){{vreinterpretq_s8_s64(vzip1q_s64(a, b)),
                          vreinterpretq_s8_s64(vzip2q_s64(a, b))}};
}

static inline void panel_fill(size_t depth,
                              const int8_t *const rows[PANEL_COLUMNS],
                              int8_t *panel)
{
    for (size_t i = 0; i < depth; i += 16, panel += 128) {
        UNROLL
        for (size_t c = 0; c < PANEL_COLUMNS; c += 2) {
            const int8x16x2_t pair = load_pair(rows[c] + i, rows[c + 1] + i);
            vst1q_s8(panel + 8 * c, pair.val[0]);
            vst1q_s8(panel + 64 + 8 * c, pair.val[1]);
        }
    }
}

/* Squares of two rows and columns: the first or the second row of two of
 * them. */
ALWAYS_INLINE int32x4_t join_first(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(
        vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

ALWAYS_INLINE int32x4_t join_second(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(
        vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

ALWAYS_INLINE void panel_dots(size_t depth, const int8_t *const a[PANEL_ROWS],
                              const int8_t *panel, panel_sums dots)
{
    int32x4_t squares[PANEL_ROWS / 2][4] = {{{0}}};
    for (size_t i = 0; i < depth; i += 16) {
        int8x16x2_t left[PANEL_ROWS / 2];
        UNROLL
        for (size_t p = 0; p < PANEL_ROWS / 2; p++)
            left[p] = load_pair(a[2 * p] + i, a[2 * p + 1] + i);
        UNROLL
        for (size_t half = 0; half < 2; half++) {
            UNROLL
            for (size_t c = 0; c < 4; c++) {
                const int8x16_t right =
                    vld1q_s8(panel + 8 * i + 64 * half + 16 * c);
                UNROLL
                for (size_t p = 0; p < PANEL_ROWS / 2; p++)
                    squares[p][c] = vmmlaq_s32(squares[p][c],
                                               left[p].val[half], right);
            }
        }
    }
    UNROLL
    for (size_t p = 0; p < PANEL_ROWS / 2; p++) {
        UNROLL
        for (size_t v = 0; v < 2; v++) {
            const int32x4_t *two = &squares[p][2 * v];
            dots[2 * p][v] += join_first(two[0], two[1]);
            dots[2 * p + 1][v] += join_second(two[0], two[1]);
        }
    }
}

#endif
