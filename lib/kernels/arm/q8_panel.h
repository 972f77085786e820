/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_ARM_Q8_PANEL_H
#define PND_KERNELS_ARM_Q8_PANEL_H

#include "kernels/arm/q8_dot.h"

/* Products of block formats with many rows of activations, for the dots_*.h
 * included before: PANEL_COLUMNS rows of weights, Q8_CHUNK units of 256
 * elements, are unpacked once for a block of Q8_BLOCK rows of activations, and
 * stay in the level-one cache meanwhile. A tile is summed in integers for each
 * scale, then in floats. */

#define Q8_CHUNK 4 /* units */
#define Q8_BLOCK ((size_t)256)
#define Q8_FEW_ROWS 6 /* fewer are not worth a panel */

struct q8_unit {
    int8_t codes[256 * PANEL_COLUMNS];
    float scales[16][PANEL_COLUMNS]; /* of each 16 elements */
    float offsets[16][PANEL_COLUMNS];
};

_Static_assert(Q8_CHUNK * sizeof(struct q8_unit) <=
                   PND_GEMM_SCRATCH * sizeof(float),
               "the panel is in the caller's scratch");

/* The rows of weights that a panel is made of. */
struct q8_rows {
    const uint8_t *w; /* the first */
    size_t row_bytes;
    size_t count; /* at most PANEL_COLUMNS; the last stands for those missing */
    size_t bytes; /* of a row from w on: beyond are zeros */
};

/* One block of row `column`, the unit's elements from `at` on. */
ALWAYS_INLINE void q8_set_block(struct cut cut, const struct unpacked *u,
                                size_t at, size_t column, struct q8_unit *to)
{
    UNROLL
    for (size_t i = 0; i < cut.block; i += 16) {
        const size_t group = (at + i) / 16;
        to->scales[group][column] = u->scales[i / cut.group];
        if (cut.has_offset)
            to->offsets[group][column] = u->offsets[i / cut.group];
    }
}

ALWAYS_INLINE void q8_fill(struct cut cut, const struct q8_rows *rows,
                           size_t index, struct q8_unit *to)
{
    static const struct unpacked nothing;
    int8_t codes[PANEL_COLUMNS][256];
    const int8_t *lines[PANEL_COLUMNS];
    const size_t begin = index * (256 / cut.block * cut.bytes);
    for (size_t c = 0; c < PANEL_COLUMNS; c++) {
        const uint8_t *row =
            rows->w + (c < rows->count ? c : rows->count - 1) * rows->row_bytes;
        lines[c] = codes[c];
        for (size_t i = 0, at = begin; i < 256; i += cut.block) {
            struct unpacked u;
            if (at < rows->bytes)
                cut.unpack(row + at, &u);
            else
                u = nothing;
            memcpy(codes[c] + i, u.codes, cut.block);
            q8_set_block(cut, &u, i, c, to);
            at += cut.bytes;
        }
    }
    panel_fill(256, lines, to->codes);
}

/* sums += the products of a group of `depth` elements, which have one scale */
ALWAYS_INLINE void q8_add_group(size_t depth, bool has_offset, size_t at,
                                const struct q8_unit *w,
                                const struct pnd_q8_block *const *x,
                                vf (*sums)[2])
{
    const size_t group = at / 16;
    const int8_t *const codes[PANEL_ROWS] = {x[0]->codes + at, x[1]->codes + at,
                                             x[2]->codes + at,
                                             x[3]->codes + at};
    panel_sums dots = {{{0}}};
    panel_dots(depth, codes, w->codes + at * PANEL_COLUMNS, dots);
    UNROLL
    for (size_t v = 0; v < 2; v++) {
        const vf scales = vf_load_f32(w->scales[group] + 4 * v);
        const vf offsets = vf_load_f32(w->offsets[group] + 4 * v);
        UNROLL
        for (size_t r = 0; r < PANEL_ROWS; r++) {
            float sum = x[r]->sums[group];
            if (depth > 16)
                sum += x[r]->sums[group + 1];
            sums[r][v] = vf_fma(vcvtq_f32_s32(dots[r][v]),
                                scales * vf_set(x[r]->scales[group]),
                                sums[r][v]);
            if (has_offset)
                sums[r][v] = vfmaq_n_f32(sums[r][v], offsets, sum);
        }
    }
}

typedef void (*q8_tile_fn)(size_t units, const struct q8_unit *w,
                           const struct pnd_q8_block *x, size_t stride,
                           size_t rows, float *y, size_t ldy, size_t columns,
                           bool add);

/* y[rows, columns] (+)= x[rows] * panel; the last row stands for those
 * missing. */
ALWAYS_INLINE void q8_tile(size_t depth, bool has_offset, size_t units,
                           const struct q8_unit *w,
                           const struct pnd_q8_block *x, size_t stride,
                           size_t rows, float *y, size_t ldy, size_t columns,
                           bool add)
{
    vf sums[PANEL_ROWS][2] = {{{0}}};
    for (size_t u = 0; u < units; u++) {
        const struct pnd_q8_block *lines[PANEL_ROWS];
        for (size_t r = 0; r < PANEL_ROWS; r++)
            lines[r] = x + (r < rows ? r : rows - 1) * stride + u;
        for (size_t at = 0; at < 256; at += depth)
            q8_add_group(depth, has_offset, at, w + u, lines, sums);
    }
    UNROLL /* so that the sums have constant places: in registers */
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        vf old[2] = {{0}};
        if (r >= rows)
            return;
        if (add)
            panel_load(columns, y + r * ldy, old);
        sums[r][0] += old[0];
        sums[r][1] += old[1];
        panel_store(columns, sums[r], y + r * ldy);
    }
}

#define Q8_TILE(depth, has_offset)                                            \
    static void q8_tile_##depth##_##has_offset(                               \
        size_t units, const struct q8_unit *w, const struct pnd_q8_block *x,  \
        size_t stride, size_t rows, float *y, size_t ldy, size_t columns,     \
        bool add)                                                             \
    {                                                                         \
        q8_tile(depth, has_offset, units, w, x, stride, rows, y, ldy,         \
                columns, add);                                                \
    }

Q8_TILE(16, 0)
Q8_TILE(16, 1)
Q8_TILE(32, 0)
Q8_TILE(32, 1)

/* By whether two groups share a scale, and whether there are offsets. */
static const q8_tile_fn q8_tiles[2][2] = {
    {q8_tile_16_0, q8_tile_16_1},
    {q8_tile_32_0, q8_tile_32_1},
};

typedef void (*q8_fill_fn)(const struct q8_rows *rows, size_t index,
                           struct q8_unit *to);

/* m <= Q8_BLOCK */
static void q8_block(struct cut cut, q8_fill_fn fill, size_t m, size_t n,
                     size_t k, const struct pnd_q8_block *a, const uint8_t *w,
                     size_t row_bytes, float *y, size_t ldy, float *scratch)
{
    const size_t stride = pnd_q8_count_blocks(k);
    const size_t unit_bytes = 256 / cut.block * cut.bytes;
    const q8_tile_fn tile = q8_tiles[cut.group == 32][cut.has_offset];
    struct q8_unit *panel = (void *)scratch;
    for (size_t j = 0; j < n; j += PANEL_COLUMNS) {
        const size_t columns = n - j < PANEL_COLUMNS ? n - j : PANEL_COLUMNS;
        for (size_t u = 0; u < stride; u += Q8_CHUNK) {
            const size_t units = stride - u < Q8_CHUNK ? stride - u : Q8_CHUNK;
            const struct q8_rows rows = {
                w + j * row_bytes + u * unit_bytes, row_bytes, columns,
                k / cut.block * cut.bytes - u * unit_bytes};
            for (size_t i = 0; i < units; i++)
                fill(&rows, i, &panel[i]);
            for (size_t r = 0; r < m; r += PANEL_ROWS)
                tile(units, panel, a + r * stride + u, stride,
                     m - r < PANEL_ROWS ? m - r : PANEL_ROWS,
                     y + r * ldy + j, ldy, columns, u > 0);
        }
    }
}

static void q8_panels(struct cut cut, q8_fill_fn fill, size_t m, size_t n,
                      size_t k, const struct pnd_q8_block *a, const uint8_t *w,
                      size_t row_bytes, float *y, size_t ldy, float *scratch)
{
    for (size_t r = 0; r < m; r += Q8_BLOCK)
        q8_block(cut, fill, m - r < Q8_BLOCK ? m - r : Q8_BLOCK, n, k,
                 a + r * pnd_q8_count_blocks(k), w, row_bytes, y + r * ldy, ldy,
                 scratch);
}

#define Q8_PRODUCT(dtype, type)                                               \
    static void q8_fill_##type(const struct q8_rows *rows, size_t index,      \
                               struct q8_unit *to)                            \
    {                                                                         \
        q8_fill(cut_##type, rows, index, to);                                 \
    }                                                                         \
    static void q8_product_##type(size_t m, size_t n, size_t k,               \
                                  const struct pnd_q8_block *a,               \
                                  const void *w, size_t row_bytes, float *y,  \
                                  size_t ldy, float *scratch)                 \
    {                                                                         \
        if (m < Q8_FEW_ROWS)                                                  \
            q8_dots(cut_##type, m, n, k, a, w, row_bytes, y, ldy);            \
        else                                                                  \
            q8_panels(cut_##type, q8_fill_##type, m, n, k, a, w, row_bytes,   \
                      y, ldy, scratch);                                       \
    }

FOR_BLOCK_FORMATS(Q8_PRODUCT)

#define Q8_ROW(dtype, type) k->q8.product[dtype] = q8_product_##type;

ALWAYS_INLINE void q8_set_products(struct pnd_kernels *k)
{
    FOR_BLOCK_FORMATS(Q8_ROW)
}

#endif
