/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_GEMM_TMPL_H
#define PND_KERNELS_GEMM_TMPL_H

#include "kernels/template/format_tmpl.h"

#define TILE_DOT vf_fma
#include "kernels/template/tile_tmpl.h"

/* Matrix products of floats, in tiles. */

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

/* One panel, [k][width], from `columns` of b[k, ldb], whose last vector alone
 * may be incomplete. */
static void pack_nn(size_t columns, size_t width, size_t k, const float *b,
                    size_t ldb, float *panel)
{
    for (size_t i = 0; i < k; i++, b += ldb, panel += width) {
        for (size_t j = 0; j < width; j += VF_LANES) {
            vf_store(panel + j,
                     load_some(b + j, pnd_min_size(columns - j, VF_LANES)));
        }
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
        multiply_strip(rows, n, k, strip, panels, c, ldc, add,
                       ahead_of(a, s + 1 < strips ? rows : 0, lda * sizeof *a,
                                k * sizeof *a, pnd_divide_up(n, TILE_WIDTH)));
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
