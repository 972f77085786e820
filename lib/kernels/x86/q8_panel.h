/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_PANEL_H
#define PND_KERNELS_Q8_PANEL_H

#include "kernels/x86/panels.h"
#include "kernels/x86/q8_dot.h"
#include "kernels/x86/q8_squares.h"

/* Panels (x86/panels.h) from block formats, for vectors of 64 bytes, and their
 * products by VNNI: a tile of the result, up to TILE rows by 32, is summed in
 * integers for each scale, then in floats. */

#define TILE 6
#define LEAST_TILE 3 /* TILE or more rows are cut evenly */
#define BLOCK_TILES 16 /* a panel's tiles before the next panel's turn */

_Static_assert(TILE <= PANEL_ROWS, "tiles are cut evenly from so many rows");

/* Unit `index` of row r; in `buffer` when it is the row's last and not
 * whole. */
ALWAYS_INLINE const uint8_t *get_unit(struct q8_format f,
                                      const struct panel_rows *rows, size_t r,
                                      size_t index, uint8_t *buffer)
{
    const size_t unit_bytes = 256 / f.block * f.bytes;
    const size_t at = index * unit_bytes;
    const uint8_t *unit =
        rows->w + (r < rows->count ? r : rows->count - 1) * rows->row_bytes +
        at;
    if (rows->bytes - at >= unit_bytes)
        return unit;
    memset(buffer, 0, unit_bytes);
    memcpy(buffer, unit, rows->bytes - at);
    return buffer;
}

#define UNIT_BUFFER (256 / 32 * sizeof(struct pnd_block_q8_0))

/* Not inline: the same for tiles of any height. */
#define PANEL_UNPACK(type)                                                    \
    static void unpack_##type(const struct panel_rows *rows, size_t units,    \
                              struct panel *to)                               \
    {                                                                         \
        to->is_wide = format_##type.has_wide_groups;                          \
        to->is_biased = format_##type.bias != 0;                              \
        for (size_t u = 0; u < units; u++) {                                  \
            panel_unpack(format_##type, squares_##type, rows, u,              \
                         &to->units[u]);                                      \
        }                                                                     \
    }

/* Scales and offsets of rows 16 half to 16 half + 15. */
ALWAYS_INLINE void panel_scales(struct q8_format f,
                                const struct panel_rows *rows, size_t index,
                                size_t half, struct panel_unit *to)
{
    const size_t step = f.has_wide_groups ? 2 : 1;
    uint8_t buffer[UNIT_BUFFER];
    vf scales[16], offsets[16];
    for (size_t r = 0; r < 16; r++)
        f.scales(get_unit(f, rows, 16 * half + r, index, buffer), &scales[r],
                 &offsets[r]);
    vf_transpose(scales);
    for (size_t g = 0; g < 16; g += step)
        to->scales[g / step][half] = scales[g];
    if (f.bias)
        return;
    vf_transpose(offsets);
    for (size_t g = 0; g < 16; g += step)
        to->offsets[g / step][half] = offsets[g] * vf_set(-1.0f / 128);
}

/* Codes of the same rows, with 128 added where they are biased. */
ALWAYS_INLINE void panel_codes(struct q8_format f,
                               const struct panel_rows *rows, size_t index,
                               size_t half, struct panel_unit *to)
{
    uint8_t buffer[UNIT_BUFFER];
    for (int part = 0; part < PARTS; part++) {
        vf square[16];
        UNROLL
        for (size_t r = 0; r < 16; r++)
            square[r] = (vf)f.codes(
                get_unit(f, rows, 16 * half + r, index, buffer), part);
        vf_transpose(square);
        UNROLL
        for (int i = 0; i < 16; i++) {
            vq codes = (vq)square[i];
            if (f.bias)
                codes += vq_set((uint8_t)(128 - f.bias));
            to->codes[16 * part + i][half] = codes;
        }
    }
}

ALWAYS_INLINE void panel_fetch(const struct panel_rows *rows,
                               size_t unit_bytes, size_t index)
{
    const uint8_t *unit = rows->next + index * unit_bytes;
    for (size_t r = 0; r < rows->next_count; r++) {
        UNROLL
        for (size_t i = 0; i < unit_bytes; i += 64)
            __builtin_prefetch(unit + r * rows->row_bytes + i);
    }
}

ALWAYS_INLINE void panel_unpack(struct q8_format f, panel_squares_fn squares,
                                const struct panel_rows *rows, size_t index,
                                struct panel_unit *to)
{
    const size_t unit_bytes = 256 / f.block * f.bytes;
    panel_fetch(rows, unit_bytes, index);
    for (size_t half = 0; half < 2; half++) {
        panel_scales(f, rows, index, half, to);
        if (squares && rows->count >= 16 * (half + 1) &&
            rows->bytes >= (index + 1) * unit_bytes)
            squares(rows->w + 16 * half * rows->row_bytes + index * unit_bytes,
                    rows->row_bytes, (uint8_t)(f.bias ? 128 - f.bias : 0),
                    &to->codes[0][half]);
        else
            panel_codes(f, rows, index, half, to);
    }
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

/* The tile's part of y, of `columns` columns. */
struct tile_result {
    float *y;
    size_t ldy, columns;
    bool is_sum; /* of what was there and the products */
};

/* to = rows of x times the panel. What was there is fetched while products are
 * summed: rows of y are far apart, and so seldom in a near cache. */
ALWAYS_INLINE void panel_tile(struct tile_kind kind, size_t units,
                              const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to)
{
    const uint32_t there =
        to.columns < 32 ? (1u << to.columns) - 1 : UINT32_MAX;
    vf sums[TILE][2] = {{{0}}};
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        const float *y = to.y + r * to.ldy;
        __builtin_prefetch(y, 1);
        __builtin_prefetch(y + to.columns / 2, 1);
        __builtin_prefetch(y + to.columns - 1, 1);
    }
    for (size_t u = 0; u < units; u++) {
        for (size_t group = 0; group < 256 / kind.depth; group++)
            add_group(kind, group, &w->units[u], x + u, stride, sums);
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

typedef void (*panel_tile_fn)(size_t units, const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to);

#define PANEL_TILE(rows, depth, is_biased)                                  \
    static void tile_##rows##_##depth##_##is_biased(                        \
        size_t units, const struct panel *w, const struct pnd_q8_block *x,  \
        size_t stride, struct tile_result to)                               \
    {                                                                       \
        const struct tile_kind kind = {rows, depth, is_biased};             \
        panel_tile(kind, units, w, x, stride, to);                          \
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
static void multiply_panels(size_t m, size_t first, size_t units,
                            struct panel *panels, size_t columns,
                            const struct pnd_q8_block *a, size_t stride,
                            float *y, size_t ldy)
{
    const panel_tile_fn *tile_of = choose_tiles(panels);
    const size_t tiles = (m + TILE - 1) / TILE;
    size_t row = 0;
    for (size_t t = 0; t < tiles; t += BLOCK_TILES) {
        const size_t end = t + BLOCK_TILES < tiles ? t + BLOCK_TILES : tiles;
        size_t r = row;
        for (size_t j = 0; j < columns; j += 32) {
            r = row;
            for (size_t i = t; i < end; i++) {
                const size_t height = m / tiles + (i < m % tiles);
                const struct tile_result to = {
                    y + r * ldy + j, ldy,
                    columns - j < 32 ? columns - j : 32, first > 0};
                tile_of[height - LEAST_TILE](units, &panels[j / 32],
                                             a + r * stride + first, stride,
                                             to);
                r += height;
            }
        }
        row = r;
    }
}

#endif
