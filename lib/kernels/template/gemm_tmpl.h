/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_GEMM_TMPL_H
#define PND_KERNELS_GEMM_TMPL_H

#include "kernels/template/format_tmpl.h"

/* Matrix products, for the vectors of the vec_*.h included before, with
 *     TILE_ROWS  rows of c that one tile keeps in registers, at most 14
 *     TILE_VECS  its width in vectors
 *
 * A block of b, DEPTH of k by up to BLOCK columns, is packed into panels as
 * wide as a tile, [k][TILE_WIDTH] each: half of the level-two cache. It is
 * used for all rows of a: a strip of TILE_ROWS rows by DEPTH stays in the
 * level-one cache while the panels stream past it. a is not packed: a tile
 * reads its few rows in order, and each value is used for a whole row of the
 * tile. */

#define TILE_WIDTH ((size_t)TILE_VECS * VF_LANES)
#define DEPTH ((size_t)512)
#define BLOCK ((size_t)PND_GEMM_SCRATCH / DEPTH)

/* c[rows, TILE_WIDTH] (+)= a[rows, k] * b[k, TILE_WIDTH]; rows is a
 * constant. */
ALWAYS_INLINE void tile_run(size_t rows, size_t k, const float *a, size_t lda,
                            const float *b, size_t ldb, float *c, size_t ldc,
                            bool add)
{
    vf sums[TILE_ROWS][TILE_VECS] = {{{0}}};
    for (size_t i = 0; i < k; i++, b += ldb) {
        vf row[TILE_VECS];
#pragma GCC unroll 4
        for (size_t v = 0; v < TILE_VECS; v++)
            row[v] = vf_load_f32(b + v * VF_LANES);
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++) {
            vf left = vf_set(a[r * lda + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < TILE_VECS; v++)
                sums[r][v] = vf_fma(left, row[v], sums[r][v]);
        }
    }
#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < TILE_VECS; v++) {
            float *to = c + r * ldc + v * VF_LANES;
            vf_store(to, add ? vf_load_f32(to) + sums[r][v] : sums[r][v]);
        }
    }
}

typedef void (*tile_fn)(size_t k, const float *a, size_t lda, const float *b,
                        size_t ldb, float *c, size_t ldc, bool add);

#define TILE(rows)                                                            \
    static void tile_##rows(size_t k, const float *a, size_t lda,             \
                            const float *b, size_t ldb, float *c, size_t ldc, \
                            bool add)                                         \
    {                                                                         \
        tile_run(rows, k, a, lda, b, ldb, c, ldc, add);                       \
    }

TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif

static const tile_fn tiles[TILE_ROWS + 1] = {
    NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6,
#if TILE_ROWS > 6
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14,
#endif
};

/* A tile of which only `width` columns exist in c. */
static void tile_edge(tile_fn tile, size_t rows, size_t width, size_t k,
                      const float *a, size_t lda, const float *b, float *c,
                      size_t ldc, bool add)
{
    float edge[TILE_ROWS * TILE_WIDTH];
    tile(k, a, lda, b, TILE_WIDTH, edge, TILE_WIDTH, false);
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++) {
            float old = add ? c[r * ldc + j] : 0;
            c[r * ldc + j] = old + edge[r * TILE_WIDTH + j];
        }
    }
}

/* One panel from `width` rows of b, `row_bytes` apart, at depth 0..k. */
ALWAYS_INLINE void pack_nt(load_fn load, size_t size, size_t width, size_t k,
                           const unsigned char *b, size_t row_bytes,
                           float *panel)
{
    for (size_t j = 0; j < TILE_WIDTH; j += VF_LANES) {
        for (size_t i = 0; i < k; i += VF_LANES) {
            size_t depth = k - i < VF_LANES ? k - i : VF_LANES;
            const unsigned char *p = b + j * row_bytes + i * size;
            vf rows[VF_LANES];
#pragma GCC unroll 16
            for (size_t r = 0; r < VF_LANES; r++, p += row_bytes) {
                if (j + r >= width)
                    rows[r] = vf_set(0);
                else if (depth < VF_LANES)
                    rows[r] = load_part(load, size, p, depth);
                else
                    rows[r] = load(p);
            }
            vf_transpose(rows);
            for (size_t d = 0; d < depth; d++)
                vf_store(panel + (i + d) * TILE_WIDTH + j, rows[d]);
        }
    }
}

/* One panel from columns 0..width of b[k, ldb]. */
static void pack_nn(size_t width, size_t k, const float *b, size_t ldb,
                    float *panel)
{
    for (size_t i = 0; i < k; i++, b += ldb, panel += TILE_WIDTH) {
        memcpy(panel, b, width * sizeof *b);
        memset(panel + width, 0, (TILE_WIDTH - width) * sizeof *panel);
    }
}

/* c[m, n] (+)= a[m, k] * panels, n <= BLOCK, k <= DEPTH. */
static void multiply_block(size_t m, size_t n, size_t k, const float *a,
                           size_t lda, const float *panels, float *c,
                           size_t ldc, bool add)
{
    /* Strips of even height: 16 rows as 8 + 8 are faster than as 14 + 2. */
    size_t strips = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t s = 0, rows; s < strips; s++, a += rows * lda, c += rows * ldc) {
        rows = m / strips + (s < m % strips);
        tile_fn tile = tiles[rows];
        const float *panel = panels;
        for (size_t j = 0; j < n; j += TILE_WIDTH, panel += k * TILE_WIDTH) {
            if (n - j >= TILE_WIDTH)
                tile(k, a, lda, panel, TILE_WIDTH, c + j, ldc, add);
            else
                tile_edge(tile, rows, n - j, k, a, lda, panel, c + j, ldc, add);
        }
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
            for (size_t j = 0; j < block; j += TILE_WIDTH) {
                size_t width = block - j < TILE_WIDTH ? block - j : TILE_WIDTH;
                size_t across = load ? (n0 + j) * ldb + k0 : k0 * ldb + n0 + j;
                if (load)
                    pack_nt(load, size, width, depth, b + across * size,
                            ldb * size, panel);
                else
                    pack_nn(width, depth, (const float *)b + across, ldb,
                            panel);
                panel += depth * TILE_WIDTH;
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

static void gemm_nn_f32(size_t m, size_t n, size_t k, const float *a,
                        size_t lda, const void *b, size_t ldb, float *c,
                        size_t ldc, float *scratch)
{
    const float *columns = b;
    /* With one strip of rows each value of b is used once: whole tiles take
     * it from where it is. */
    size_t direct = m > 0 && m <= TILE_ROWS ? n / TILE_WIDTH * TILE_WIDTH : 0;
    for (size_t j = 0; j < direct; j += TILE_WIDTH)
        tiles[m](k, a, lda, columns + j, ldb, c + j, ldc, false);
    if (direct < n)
        gemm_run(NULL, sizeof *a, m, n - direct, k, a, lda,
                 (const unsigned char *)(columns + direct), ldb, c + direct,
                 ldc, scratch);
}

#define GEMM_TABLE                      \
    {                                   \
        .nt = {[PND_F32] = gemm_nt_f32, \
               [PND_F16] = gemm_nt_f16, \
               [PND_BF16] = gemm_nt_bf16}, \
        .f32_nn = gemm_nn_f32,          \
    }

#endif
