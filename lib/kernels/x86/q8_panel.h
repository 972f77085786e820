/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_PANEL_H
#define PND_KERNELS_Q8_PANEL_H

#include "kernels/x86/q8_dot.h"

/* Products of many rows of activations, for vectors of 64 bytes: rows of
 * weights are unpacked once to one byte a code, 32 rows by CHUNK units of 256
 * elements, in an order in which a vector has four neighbours of 16 rows; that
 * panel stays in the level-one cache while all rows of activations pass. A tile
 * of the result, TILE rows by 32, is summed in integers for each scale, then in
 * floats. */

#define TILE 6
#define CHUNK 4 /* units */

struct panel_unit {
    vq codes[64][2];    /* of elements 4 i to 4 i + 3, of 16 rows twice */
    vf scales[16][2];   /* of each group of 16 elements */
    vf offsets[16][2];
};

struct panel {
    struct panel_unit units[CHUNK];
};

_Static_assert(sizeof(struct panel) + 64 <= PND_GEMM_SCRATCH * sizeof(float),
               "the panel is in the caller's scratch");

/* The rows of weights that a panel is made of. */
struct panel_rows {
    const uint8_t *w; /* the first */
    size_t row_bytes;
    size_t count; /* at most 32; the last one stands for those missing */
    size_t bytes; /* of a row from w on: beyond are zeros */
};

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
        for (size_t u = 0; u < units; u++) {                                  \
            panel_unpack(format_##type, rows, u, 0, &to->units[u]);           \
            panel_unpack(format_##type, rows, u, 1, &to->units[u]);           \
        }                                                                     \
    }

/* Rows 16 half to 16 half + 15. */
ALWAYS_INLINE void panel_unpack(struct q8_format f,
                                const struct panel_rows *rows, size_t index,
                                size_t half, struct panel_unit *to)
{
    uint8_t buffer[UNIT_BUFFER];
    vf scales[16], offsets[16];
    for (size_t r = 0; r < 16; r++)
        f.scales(get_unit(f, rows, 16 * half + r, index, buffer), &scales[r],
                 &offsets[r]);
    vf_transpose(scales);
    vf_transpose(offsets);
    for (size_t g = 0; g < 16; g++) {
        to->scales[g][half] = scales[g];
        to->offsets[g][half] = offsets[g];
    }
    for (int part = 0; part < PARTS; part++) {
        vf square[16];
        UNROLL
        for (size_t r = 0; r < 16; r++)
            square[r] = (vf)f.codes(
                get_unit(f, rows, 16 * half + r, index, buffer), part);
        vf_transpose(square);
        UNROLL
        for (size_t i = 0; i < 16; i++)
            to->codes[16 * part + (int)i][half] = (vq)square[i];
    }
}

/* Four codes of x, everywhere. */
ALWAYS_INLINE __m512i repeat_four(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

/* sums += the products of `depth` elements, which have one scale */
ALWAYS_INLINE void add_group(size_t rows, size_t depth, size_t at,
                             const struct panel_unit *w,
                             const struct pnd_q8_block *x, size_t stride,
                             vf sums[TILE][2])
{
    __m512i dots[TILE][2];
    UNROLL
    for (size_t r = 0; r < rows; r++)
        dots[r][0] = dots[r][1] = _mm512_setzero_si512();
    UNROLL
    for (size_t i = 0; i < depth; i += 4) {
        const vq *codes = w->codes[(at + i) / 4];
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            __m512i four = repeat_four(x[r * stride].codes + at + i);
            dots[r][0] = _mm512_dpbusd_epi32(dots[r][0], (__m512i)codes[0],
                                             four);
            dots[r][1] = _mm512_dpbusd_epi32(dots[r][1], (__m512i)codes[1],
                                             four);
        }
    }
    const size_t group = at / 16;
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const struct pnd_q8_block *row = &x[r * stride];
        vf scale = vf_set(row->scales[group]), sum = vf_set(row->sums[group]);
        if (depth > 16)
            sum += vf_set(row->sums[group + 1]);
        UNROLL
        for (int h = 0; h < 2; h++) {
            sums[r][h] = vf_fma(_mm512_cvtepi32_ps(dots[r][h]),
                                w->scales[group][h] * scale, sums[r][h]);
            sums[r][h] = vf_fma(w->offsets[group][h], sum, sums[r][h]);
        }
    }
}

/* y[rows, columns] (+)= x[rows] * panel */
ALWAYS_INLINE void panel_tile(size_t rows, size_t depth, size_t units,
                              const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              float *y, size_t ldy, size_t columns, bool add)
{
    const uint32_t there = columns < 32 ? (1u << columns) - 1 : UINT32_MAX;
    vf sums[TILE][2] = {{{0}}};
    if (add) {
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            sums[r][0] =
                _mm512_maskz_loadu_ps((__mmask16)there, y + r * ldy);
            sums[r][1] = _mm512_maskz_loadu_ps((__mmask16)(there >> 16),
                                               y + r * ldy + 16);
        }
    }
    for (size_t u = 0; u < units; u++) {
        for (size_t at = 0; at < 256; at += depth)
            add_group(rows, depth, at, &w->units[u], x + u, stride, sums);
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        _mm512_mask_storeu_ps(y + r * ldy, (__mmask16)there, sums[r][0]);
        _mm512_mask_storeu_ps(y + r * ldy + 16, (__mmask16)(there >> 16),
                              sums[r][1]);
    }
}

typedef void (*panel_tile_fn)(size_t units, const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              float *y, size_t ldy, size_t columns, bool add);

#define PANEL_TILE(rows, depth)                                              \
    static void tile_##rows##_##depth(                                       \
        size_t units, const struct panel *w, const struct pnd_q8_block *x,   \
        size_t stride, float *y, size_t ldy, size_t columns, bool add)       \
    {                                                                        \
        panel_tile(rows, depth, units, w, x, stride, y, ldy, columns, add);  \
    }

PANEL_TILE(1, 16) PANEL_TILE(2, 16) PANEL_TILE(3, 16)
PANEL_TILE(4, 16) PANEL_TILE(5, 16) PANEL_TILE(6, 16)
PANEL_TILE(1, 32) PANEL_TILE(2, 32) PANEL_TILE(3, 32)
PANEL_TILE(4, 32) PANEL_TILE(5, 32) PANEL_TILE(6, 32)

/* By whether two groups share a scale, and rows - 1. */
static const panel_tile_fn panel_tiles[2][TILE] = {
    {tile_1_16, tile_2_16, tile_3_16, tile_4_16, tile_5_16, tile_6_16},
    {tile_1_32, tile_2_32, tile_3_32, tile_4_32, tile_5_32, tile_6_32},
};

typedef void (*panel_unpack_fn)(const struct panel_rows *rows, size_t units,
                                struct panel *to);

static void q8_panels(struct q8_format f, panel_unpack_fn unpack, size_t m,
                      size_t n, size_t k, const struct pnd_q8_block *a,
                      const uint8_t *w, size_t row_bytes, float *y, size_t ldy,
                      float *scratch)
{
    const size_t stride = pnd_q8_count_blocks(k);
    const size_t unit_bytes = 256 / f.block * f.bytes;
    const size_t tiles = (m + TILE - 1) / TILE;
    struct panel *panel =
        (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t j = 0; j < n; j += 32) {
        const size_t columns = n - j < 32 ? n - j : 32;
        for (size_t u = 0; u < stride; u += CHUNK) {
            const size_t units = stride - u < CHUNK ? stride - u : CHUNK;
            const struct panel_rows rows = {
                w + j * row_bytes + u * unit_bytes, row_bytes, columns,
                k / f.block * f.bytes - u * unit_bytes};
            unpack(&rows, units, panel);
            for (size_t t = 0, r = 0; t < tiles; t++) {
                const size_t height = m / tiles + (t < m % tiles);
                panel_tiles[f.has_wide_groups][height - 1](
                    units, panel, a + r * stride + u, stride,
                    y + r * ldy + j, ldy, columns, u > 0);
                r += height;
            }
        }
    }
}

#endif
