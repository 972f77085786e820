/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_PANEL_H
#define PND_KERNELS_Q8_PANEL_H

#include "kernels/x86/vnni_panels.h"

#include "kernels/x86/panel_unpack.h"
#include "kernels/x86/q8_dot.h"

/* Panels (x86/panels.h) from block formats, for vectors of 64 bytes, and their
 * products by VNNI: a tile of the result, up to TILE rows by 32, is summed in
 * integers for each scale, then in floats. */

_Static_assert(PANEL_ROWS >= LEAST_TILE, "tiles are that high");

/* One bias for all formats: sums of x are there for it. */
ALWAYS_INLINE struct panel_form choose_form(struct q8_format f)
{
    return (struct panel_form){
        .more = (uint8_t)(f.bias ? 128 - f.bias : 0),
        .bias = f.bias ? 128 : 0,
        .is_wide = f.has_wide_groups,
    };
}

/* Four codes of x, everywhere. */
ALWAYS_INLINE __m512i repeat_four(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

/* What a tile is made of: constants. */
struct tile_kind {
    size_t rows;
    size_t depth;   /* elements that share a scale: 16 or 32 */
    bool is_biased; /* codes of weights are, and there are no offsets */
};

ALWAYS_INLINE __m512i repeat_bias(struct tile_kind kind, size_t group,
                                  const struct pnd_q8_block *x)
{
    return _mm512_set1_epi32(kind.depth == 32 ? x->wide_biases[group]
                                              : x->biases[group]);
}

/* sums += the products of group `group` of a unit */
ALWAYS_INLINE void add_group(struct tile_kind kind, size_t group,
                             const struct panel_unit *w,
                             const struct pnd_q8_block *x, size_t stride,
                             vf sums[TILE][2])
{
    const size_t at = group * kind.depth;
    const vq(*codes)[2] = w->codes + at / 4;
    __m512i dots[TILE][2];
    UNROLL
    for (size_t r = 0; r < kind.rows; r++)
        dots[r][0] = dots[r][1] =
            kind.is_biased ? repeat_bias(kind, group, &x[r * stride])
                           : _mm512_setzero_si512();
    UNROLL
    for (size_t i = 0; i < kind.depth / 4; i++) {
        UNROLL
        for (size_t r = 0; r < kind.rows; r++) {
            const __m512i four =
                repeat_four(x[r * stride].codes + at + 4 * i);
            dots[r][0] =
                _mm512_dpbusd_epi32(dots[r][0], (__m512i)codes[i][0], four);
            dots[r][1] =
                _mm512_dpbusd_epi32(dots[r][1], (__m512i)codes[i][1], four);
        }
    }
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        const struct pnd_q8_block *row = &x[r * stride];
        const vf scale = vf_set(row->scales[group * kind.depth / 16]);
        UNROLL
        for (int h = 0; h < 2; h++) {
            vf sum = _mm512_cvtepi32_ps(dots[r][h]) * w->scales[group][h];
            if (!kind.is_biased)
                sum = vf_fma(
                    w->offsets[group][h],
                    _mm512_cvtepi32_ps(repeat_bias(kind, group, row)), sum);
            sums[r][h] = vf_fma(sum, scale, sums[r][h]);
        }
    }
}

/* to = rows of x times the panel */
ALWAYS_INLINE void panel_tile(struct tile_kind kind, size_t units,
                              const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to, struct ahead *next)
{
    const uint32_t there =
        to.columns < 32 ? (1u << to.columns) - 1 : UINT32_MAX;
    vf sums[TILE][2] = {{{0}}};
    tile_fetch(kind.rows, to);
    for (size_t u = 0; u < units; u++) {
        for (size_t group = 0; group < 256 / kind.depth; group++) {
            if (group % (32 / kind.depth) == 0)
                ahead_ask(next);
            add_group(kind, group, &w->units[u], x + u, stride, sums);
        }
    }
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        UNROLL
        for (int h = 0; h < 2; h++) {
            float *y = to.y + r * to.ldy + 16 * h;
            const __mmask16 mask = (__mmask16)(there >> 16 * h);
            if (to.is_sum)
                sums[r][h] += _mm512_maskz_loadu_ps(mask, y);
            _mm512_mask_storeu_ps(y, mask, sums[r][h]);
        }
    }
}

#define PANEL_TILE(rows, depth, is_biased)                                  \
    static void tile_##rows##_##depth##_##is_biased(                        \
        size_t units, const struct panel *w, const struct pnd_q8_block *x,  \
        size_t stride, struct tile_result to, struct ahead *next)           \
    {                                                                       \
        const struct tile_kind kind = {rows, depth, is_biased};             \
        panel_tile(kind, units, w, x, stride, to, next);                    \
    }

/* From LEAST_TILE rows on. */
#define PANEL_TILES(depth, is_biased)                                       \
    PANEL_TILE(3, depth, is_biased) PANEL_TILE(4, depth, is_biased)         \
    PANEL_TILE(5, depth, is_biased) PANEL_TILE(6, depth, is_biased)         \
    static const panel_tile_fn panel_tiles_##depth##_##is_biased[] = {      \
        tile_3_##depth##_##is_biased, tile_4_##depth##_##is_biased,         \
        tile_5_##depth##_##is_biased, tile_6_##depth##_##is_biased,         \
    };

PANEL_TILES(16, 0)
PANEL_TILES(16, 1)
PANEL_TILES(32, 0)
PANEL_TILES(32, 1)

static const panel_tile_fn *choose_tiles(const struct panel *panel)
{
    if (panel->is_wide)
        return panel->is_biased ? panel_tiles_32_1 : panel_tiles_32_0;
    return panel->is_biased ? panel_tiles_16_1 : panel_tiles_16_0;
}

/* As panels_multiply_fn. */
static void multiply_panels(const struct panel_product *p,
                            const struct panel_part *part, struct ahead *next)
{
    panels_multiply(choose_tiles(p->panels), p, part, next);
}

#endif
