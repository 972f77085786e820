/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_GEMM_TMPL_H
#define PND_KERNELS_GEMM_TMPL_H

#include "kernels/template/format_tmpl.h"

/* Matrix products, for the vectors of the vec_*.h included before, with
 *     TILE_ROWS  rows of c that one tile keeps in registers, 6, 10 or 14; a
 *                tile is two vectors wide
 *     TILE_RUN   where it is defined, a function in the place of tile_run
 *
 * A block of b, DEPTH of k by up to BLOCK columns, is packed into panels as
 * wide as a tile, [k][TILE_WIDTH] each: half of the level-two cache. It is
 * used for all rows of a: a strip of TILE_ROWS rows by DEPTH stays in the
 * level-one cache while the panels stream past it. The strip is copied too,
 * since rows of a that are a multiple of 4 KiB apart, as they often are, would
 * push each other out of that cache. */

#define TILE_WIDTH ((size_t)2 * VF_LANES)
#define DEPTH ((size_t)256)
#define BLOCK ((size_t)256)
#define STRIP_STRIDE (DEPTH + 16)

_Static_assert(DEPTH * BLOCK + TILE_ROWS * STRIP_STRIDE <= PND_GEMM_SCRATCH,
               "the panels and the strip are in the caller's scratch");

#ifndef TILE_RUN
#  define TILE_RUN tile_run

/* c[rows, vecs * VF_LANES] (+)= a[rows, k] * b[k, vecs * VF_LANES]; rows and
 * vecs are constants. */
ALWAYS_INLINE void tile_run(size_t rows, size_t vecs, size_t k, const float *a,
                            size_t lda, const float *b, size_t ldb, float *c,
                            size_t ldc, bool add)
{
    vf sums[TILE_ROWS][2] = {{{0}}};
    for (size_t i = 0; i < k; i++, b += ldb) {
        vf row[2];
        UNROLL
        for (size_t v = 0; v < vecs; v++)
            row[v] = vf_load_f32(b + v * VF_LANES);
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            vf left = vf_set(a[r * lda + i]);
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                sums[r][v] = vf_fma(left, row[v], sums[r][v]);
        }
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            float *to = c + r * ldc + v * VF_LANES;
            vf_store(to, add ? vf_load_f32(to) + sums[r][v] : sums[r][v]);
        }
    }
}

#endif

typedef void (*tile_fn)(size_t k, const float *a, size_t lda, const float *b,
                        size_t ldb, float *c, size_t ldc, bool add);

#define TILE_OF(rows, vecs)                                                   \
    static void tile_##rows##_##vecs(size_t k, const float *a, size_t lda,    \
                                     const float *b, size_t ldb, float *c,    \
                                     size_t ldc, bool add)                    \
    {                                                                         \
        TILE_RUN(rows, vecs, k, a, lda, b, ldb, c, ldc, add);                 \
    }
#define TILE(rows) TILE_OF(rows, 1) TILE_OF(rows, 2)

TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10)
#endif
#if TILE_ROWS > 10
TILE(11) TILE(12) TILE(13) TILE(14)
#endif

#define TILE_ROW(rows) {tile_##rows##_1, tile_##rows##_2}

/* By rows - 1 and vectors - 1. */
static const tile_fn tiles[TILE_ROWS][2] = {
    TILE_ROW(1), TILE_ROW(2), TILE_ROW(3), TILE_ROW(4), TILE_ROW(5),
    TILE_ROW(6),
#if TILE_ROWS > 6
    TILE_ROW(7), TILE_ROW(8), TILE_ROW(9), TILE_ROW(10),
#endif
#if TILE_ROWS > 10
    TILE_ROW(11), TILE_ROW(12), TILE_ROW(13), TILE_ROW(14),
#endif
};

/* The width of the panel that begins where `left` columns are left: the last
 * one may be half as wide. */
static size_t choose_width(size_t left)
{
    return left > VF_LANES ? TILE_WIDTH : VF_LANES;
}

/* A tile of which only `columns` < width exist in c. */
static void tile_edge(tile_fn tile, size_t rows, size_t columns, size_t width,
                      size_t k, const float *a, size_t lda, const float *b,
                      float *c, size_t ldc, bool add)
{
    float edge[TILE_ROWS * TILE_WIDTH];
    tile(k, a, lda, b, width, edge, width, false);
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < columns; j++) {
            float old = add ? c[r * ldc + j] : 0;
            c[r * ldc + j] = old + edge[r * width + j];
        }
    }
}

/* VF_LANES columns of a panel, [k][width], from `rows` rows of b, `row_bytes`
 * apart; the rest is zero. */
ALWAYS_INLINE void pack_lanes(load_fn load, size_t size, size_t rows,
                              size_t width, size_t k, const unsigned char *b,
                              size_t row_bytes, float *panel)
{
    for (size_t i = 0; i < k; i += VF_LANES) {
        size_t depth = k - i < VF_LANES ? k - i : VF_LANES;
        const unsigned char *p = b + i * size;
        vf square[VF_LANES];
        UNROLL
        for (size_t r = 0; r < VF_LANES; r++, p += row_bytes) {
            square[r] =
                r < rows ? load_part(load, size, p, depth) : vf_set(0);
        }
        vf_transpose(square);
        for (size_t d = 0; d < depth; d++)
            vf_store(panel + (i + d) * width, square[d]);
    }
}

/* One panel, [k][width], from `rows` <= width rows of b. */
ALWAYS_INLINE void pack_nt(load_fn load, size_t size, size_t rows, size_t width,
                           size_t k, const unsigned char *b, size_t row_bytes,
                           float *panel)
{
    for (size_t j = 0; j < width; j += VF_LANES)
        pack_lanes(load, size, rows > j ? rows - j : 0, width, k,
                   b + j * row_bytes, row_bytes, panel + j);
}

/* One panel, [k][width], from `columns` <= width columns of b[k, ldb]. */
static void pack_nn(size_t columns, size_t width, size_t k, const float *b,
                    size_t ldb, float *panel)
{
    for (size_t i = 0; i < k; i++, b += ldb, panel += width) {
        memcpy(panel, b, columns * sizeof *b);
        memset(panel + columns, 0, (width - columns) * sizeof *panel);
    }
}

/* c[rows, n] (+)= strip[rows, k] * panels */
static void multiply_strip(size_t rows, size_t n, size_t k, const float *strip,
                           const float *panel, float *c, size_t ldc, bool add)
{
    for (size_t j = 0, width; j < n; j += width, panel += k * width) {
        width = choose_width(n - j);
        tile_fn tile = tiles[rows - 1][width / VF_LANES - 1];
        if (n - j >= width)
            tile(k, strip, STRIP_STRIDE, panel, width, c + j, ldc, add);
        else
            tile_edge(tile, rows, n - j, width, k, strip, STRIP_STRIDE, panel,
                      c + j, ldc, add);
    }
}

/* c[m, n] (+)= a[m, k] * panels, n <= BLOCK, k <= DEPTH; the strip's memory is
 * behind the panels. */
static void multiply_block(size_t m, size_t n, size_t k, const float *a,
                           size_t lda, float *panels, float *c, size_t ldc,
                           bool add)
{
    float *strip = panels + DEPTH * BLOCK;
    /* Strips of even height: 16 rows as 8 + 8 are faster than as 14 + 2. */
    size_t strips = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t s = 0; s < strips; s++) {
        size_t rows = m / strips + (s < m % strips);
        for (size_t r = 0; r < rows; r++, a += lda)
            memcpy(strip + r * STRIP_STRIDE, a, k * sizeof *a);
        multiply_strip(rows, n, k, strip, panels, c, ldc, add);
        c += rows * ldc;
    }
}

/* c[m, n] = a[m, k] * b; load: NULL for b[k, n] of floats, otherwise b[n, k] of
 * that type. */
ALWAYS_INLINE void gemm_run(load_fn load, size_t size, size_t m, size_t n,
                            size_t k, const float *a, size_t lda,
                            const unsigned char *b, size_t ldb, float *c,
                            size_t ldc, float *scratch)
{
    for (size_t i = 0; k == 0 && i < m; i++)
        memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t k0 = 0; k0 < k; k0 += DEPTH) {
        size_t depth = k - k0 < DEPTH ? k - k0 : DEPTH;
        for (size_t n0 = 0; n0 < n; n0 += BLOCK) {
            size_t block = n - n0 < BLOCK ? n - n0 : BLOCK;
            float *panel = scratch;
            for (size_t j = 0, width; j < block; j += width) {
                width = choose_width(block - j);
                size_t columns = block - j < width ? block - j : width;
                size_t at = load ? (n0 + j) * ldb + k0 : k0 * ldb + n0 + j;
                if (load)
                    pack_nt(load, size, columns, width, depth, b + at * size,
                            ldb * size, panel);
                else
                    pack_nn(columns, width, depth, (const float *)b + at, ldb,
                            panel);
                panel += depth * width;
            }
            multiply_block(m, block, depth, a + k0, lda, scratch, c + n0, ldc,
                           k0 > 0);
        }
    }
}

#define GEMM_NT(type, size)                                                  \
    static void gemm_nt_##type(size_t m, size_t n, size_t k, const float *a, \
                               size_t lda, const void *b, size_t ldb,        \
                               float *c, size_t ldc, float *scratch)         \
    {                                                                        \
        gemm_run(vf_load_##type, size, m, n, k, a, lda, b, ldb, c, ldc,      \
                 scratch);                                                   \
    }

GEMM_NT(f32, 4)
GEMM_NT(f16, 2)
GEMM_NT(bf16, 2)

/* A stored matrix of a block format, rows `row_bytes` apart. */
struct blocks {
    void (*to_f32)(size_t count, const void *row, float *to);
    size_t block, bytes; /* elements and bytes of one */
    const unsigned char *data;
    size_t row_bytes;
};

/* One panel, [depth][width], of `columns` <= width rows of b from `row` on and
 * its columns from k0 on; `values` holds VF_LANES rows of floats. */
static void pack_blocks(const struct blocks *b, size_t row, size_t columns,
                        size_t width, size_t k0, size_t depth, float *values,
                        float *panel)
{
    const unsigned char *from =
        b->data + row * b->row_bytes + k0 / b->block * b->bytes;
    for (size_t j = 0; j < width; j += VF_LANES) {
        size_t count = 0;
        for (; count < VF_LANES && j + count < columns; count++)
            b->to_f32(depth, from + (j + count) * b->row_bytes,
                      values + count * depth);
        pack_lanes(vf_load_f32, sizeof *values, count, width, depth,
                   (const unsigned char *)values, depth * sizeof *values,
                   panel + j);
    }
}

/* As gemm_run: DEPTH is whole blocks of every format. The rows being unpacked
 * take the place of VF_LANES columns of the packed block. */
static void gemm_blocks(const struct blocks *b, size_t m, size_t n, size_t k,
                        const float *a, size_t lda, float *c, size_t ldc,
                        float *scratch)
{
    float *values = scratch + (BLOCK - VF_LANES) * DEPTH;
    for (size_t i = 0; k == 0 && i < m; i++)
        memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t k0 = 0; k0 < k; k0 += DEPTH) {
        size_t depth = k - k0 < DEPTH ? k - k0 : DEPTH;
        for (size_t n0 = 0, block; n0 < n; n0 += block) {
            float *panel = scratch;
            block = n - n0 < BLOCK - VF_LANES ? n - n0 : BLOCK - VF_LANES;
            for (size_t j = 0, width; j < block; j += width) {
                width = choose_width(block - j);
                size_t columns = block - j < width ? block - j : width;
                pack_blocks(b, n0 + j, columns, width, k0, depth, values,
                            panel);
                panel += depth * width;
            }
            multiply_block(m, block, depth, a + k0, lda, scratch, c + n0, ldc,
                           k0 > 0);
        }
    }
}

#define GEMM_NT_BLOCKS(dtype, type)                                          \
    static void gemm_nt_##type(size_t m, size_t n, size_t k, const float *a, \
                               size_t lda, const void *b, size_t ldb,        \
                               float *c, size_t ldc, float *scratch)         \
    {                                                                        \
        const struct cut cut = cut_##type;                                   \
        const struct blocks blocks = {to_f32_##type, cut.block, cut.bytes,   \
                                      b, ldb / cut.block * cut.bytes};       \
        gemm_blocks(&blocks, m, n, k, a, lda, c, ldc, scratch);              \
    }

FOR_BLOCK_FORMATS(GEMM_NT_BLOCKS)

static void gemm_nn_f32(size_t m, size_t n, size_t k, const float *a,
                        size_t lda, const void *b, size_t ldb, float *c,
                        size_t ldc, float *scratch)
{
    const float *columns = b;
    /* With one strip of rows each value of b is used once: whole tiles take
     * it from where it is. */
    size_t direct = m > 0 && m <= TILE_ROWS ? n / TILE_WIDTH * TILE_WIDTH : 0;
    for (size_t j = 0; j < direct; j += TILE_WIDTH)
        tiles[m - 1][1](k, a, lda, columns + j, ldb, c + j, ldc, false);
    if (direct < n)
        gemm_run(NULL, sizeof *a, m, n - direct, k, a, lda,
                 (const unsigned char *)(columns + direct), ldb, c + direct,
                 ldc, scratch);
}

#define GEMM_ROW(dtype, type) [dtype] = gemm_nt_##type,
#define GEMM_TABLE                        \
    {                                     \
        .nt = {GEMM_ROW(PND_F32, f32)     \
               GEMM_ROW(PND_F16, f16)     \
               GEMM_ROW(PND_BF16, bf16)   \
               FOR_BLOCK_FORMATS(GEMM_ROW)}, \
        .f32_nn = gemm_nn_f32,            \
    }

#endif
