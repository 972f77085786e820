/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_TILE_TMPL_H
#define PND_KERNELS_TILE_TMPL_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/template/ahead.h"

/* Tiles of matrix products, for the vectors of the vec_*.h included before,
 * with
 *     TILE_ROWS  rows of c that one tile keeps in registers, 6, 10 or 14; a
 *                tile is two vectors wide
 *     TILE_DOT   (a, b, sum): sum + a * b; vf_fma where a float of `a` and `b`
 *                is one number
 *     TILE_RUN   where it is defined, a function in the place of tile_run
 *
 * A block of b, DEPTH of k by up to BLOCK columns, is packed into panels as
 * wide as a tile, [k][TILE_WIDTH] each: half of the level-two cache. It is
 * used for all rows of a: a strip of TILE_ROWS rows by DEPTH stays in the
 * level-one cache while the panels stream past it. The strip is copied too,
 * since rows of a that are a multiple of 4 KiB apart, as they often are, would
 * push each other out of that cache. A deep block goes over c less often. */

#define TILE_WIDTH ((size_t)2 * VF_LANES)
#if TILE_ROWS > 10
#  define DEPTH ((size_t)256)
#else
#  define DEPTH ((size_t)512)
#endif
#define BLOCK (64 * 1024 / DEPTH)
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
                sums[r][v] = TILE_DOT(left, row[v], sums[r][v]);
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

/* c[rows, n] (+)= strip[rows, k] * panels; `next` is asked for with each. */
static void multiply_strip(size_t rows, size_t n, size_t k, const float *strip,
                           const float *panel, float *c, size_t ldc, bool add,
                           struct ahead next)
{
    for (size_t j = 0, width; j < n; j += width, panel += k * width) {
        width = choose_width(n - j);
        ahead_ask(&next);
        tile_fn tile = tiles[rows - 1][width / VF_LANES - 1];
        if (n - j >= width)
            tile(k, strip, STRIP_STRIDE, panel, width, c + j, ldc, add);
        else
            tile_edge(tile, rows, n - j, width, k, strip, STRIP_STRIDE, panel,
                      c + j, ldc, add);
    }
}

#endif
