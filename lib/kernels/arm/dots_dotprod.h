/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_DOTS_DOTPROD_H
#define PND_KERNELS_DOTS_DOTPROD_H

#include "kernels/arm/panel.h"

/* Dots (arm/panel.h) by the dot product extension. A panel has words of four
 * codes, one of each row in turn. */

static inline int32x4_t dot_16(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    return vdotq_s32(sum, a, b);
}

/* 16 codes of four rows: a word of each. */
ALWAYS_INLINE void fill_words(const int8_t *const rows[4], size_t at,
                              int8_t *panel)
{
    vf words[4];
    UNROLL
    for (size_t r = 0; r < 4; r++)
        words[r] = vf_load_f32(rows[r] + at);
    vf_transpose(words);
    UNROLL
    for (size_t w = 0; w < 4; w++)
        vst1q_s8(panel + 32 * w, vreinterpretq_s8_f32(words[w]));
}

static inline void panel_fill(size_t depth,
                              const int8_t *const rows[PANEL_COLUMNS],
                              int8_t *panel)
{
    for (size_t i = 0; i < depth; i += 16) {
        fill_words(rows, i, panel + 8 * i);
        fill_words(rows + 4, i, panel + 8 * i + 16);
    }
}

/* sum + the dots of b's words and word `lane`, a constant, of a. */
ALWAYS_INLINE int32x4_t dot_lane(int32x4_t sum, int8x16_t b, int8x16_t a,
                                 size_t lane)
{
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(sum, b, a, 0);
    case 1:
        return vdotq_laneq_s32(sum, b, a, 1);
    case 2:
        return vdotq_laneq_s32(sum, b, a, 2);
    default:
        return vdotq_laneq_s32(sum, b, a, 3);
    }
}

ALWAYS_INLINE void panel_dots(size_t depth, const int8_t *const a[PANEL_ROWS],
                              const int8_t *panel, panel_sums dots)
{
    for (size_t i = 0; i < depth; i += 16) {
        int8x16_t left[PANEL_ROWS];
        UNROLL
        for (size_t r = 0; r < PANEL_ROWS; r++)
            left[r] = vld1q_s8(a[r] + i);
        UNROLL
        for (size_t lane = 0; lane < 4; lane++) {
            const int8_t *words = panel + 8 * i + 32 * lane;
            const int8x16_t low = vld1q_s8(words), high = vld1q_s8(words + 16);
            UNROLL
            for (size_t r = 0; r < PANEL_ROWS; r++) {
                dots[r][0] = dot_lane(dots[r][0], low, left[r], lane);
                dots[r][1] = dot_lane(dots[r][1], high, left[r], lane);
            }
        }
    }
}

#endif
