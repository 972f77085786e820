/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_X86_PANELS_H
#define PND_KERNELS_X86_PANELS_H

#include "kernels/kernels.h"
#include "kernels/x86/q8_formats.h"

/* Products of block formats with many rows of activations, for the vectors of
 * the vq_*.h included before: rows of weights are unpacked once to one byte a
 * code, PANEL_WIDTH rows by CHUNK units of 256 elements, in an order in which a
 * vector has four neighbours of VF_LANES rows. Such a panel stays in the
 * level-one cache while rows of activations pass, and PANELS of them in the
 * level-two cache. */

#define PANEL_WIDTH ((size_t)2 * VF_LANES)
#define CHUNK (VF_LANES / 4) /* units */
#define PANELS ((size_t)160 / PANEL_WIDTH)

struct panel_unit {
    vq codes[64][2];   /* of elements 4 i to 4 i + 3, of both halves */
    vf scales[16][2];  /* of each group of 16 elements, or of 32 */
    vf offsets[16][2]; /* where codes are not biased; over -128 */
};

struct panel {
    struct panel_unit units[CHUNK];
    bool is_wide;   /* groups have 32 elements, not 16 */
    bool is_biased; /* something is in each code; there are no offsets */
    uint8_t shift;  /* it is 128 >> shift */
};

#define PANEL_MEMORY (24 * 1024) /* bytes, for panels_multiply_fn */

_Static_assert(PANELS * sizeof(struct panel) + PANEL_MEMORY + 64 <=
                   PND_GEMM_SCRATCH * sizeof(float),
               "all is in the caller's scratch");

/* The rows of weights that a panel is made of. */
struct panel_rows {
    const uint8_t *w; /* the first */
    size_t row_bytes;
    size_t count; /* the last one stands for those missing in the panel */
    size_t bytes; /* of a row from w on: beyond are zeros */
    const uint8_t *next; /* of the panel after this one, to be fetched */
    size_t next_count;
};

typedef void (*panel_unpack_fn)(const struct panel_rows *rows, size_t units,
                                struct panel *to);

/* y[m, columns] (+)= a[m] * panels, which begin at unit `first` of `stride`;
 * PANEL_MEMORY lies behind PANELS of them. */
typedef void (*panels_multiply_fn)(size_t m, size_t first, size_t units,
                                   struct panel *panels, size_t columns,
                                   const struct pnd_q8_block *a, size_t stride,
                                   float *y, size_t ldy);

/* What the products of a type are made of. */
struct panel_kind {
    enum pnd_dtype dtype;
    size_t width; /* columns of a panel */
    panel_unpack_fn unpack;
    panels_multiply_fn multiply;
};

/* Rows to fetch from row `next` of n on. */
static inline size_t panels_count_next(size_t width, size_t n, size_t next,
                                       bool is_there)
{
    if (!is_there)
        return 0;
    return n - next < width ? n - next : width;
}

/* As pnd_q8_product_fn, for weights of that type; m >= PANEL_ROWS. */
ALWAYS_INLINE void panels_run(struct panel_kind kind, size_t m, size_t n,
                              size_t k, const struct pnd_q8_block *a,
                              const uint8_t *w, size_t row_bytes, float *y,
                              size_t ldy, float *scratch)
{
    const size_t width = kind.width;
    const size_t stride = pnd_q8_count_blocks(k);
    const size_t whole = pnd_dtype_get_row_bytes(kind.dtype, k);
    const size_t unit_bytes = pnd_dtype_get_row_bytes(kind.dtype, 256);
    struct panel *panels =
        (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t u = 0; u < stride; u += CHUNK) {
        const size_t units = stride - u < CHUNK ? stride - u : CHUNK;
        const size_t at = u * unit_bytes;
        for (size_t first = 0; first < n; first += width * PANELS) {
            const size_t columns =
                n - first < width * PANELS ? n - first : width * PANELS;
            for (size_t j = 0; j < columns; j += width) {
                const size_t row = first + j, next = row + width;
                const bool is_last = next >= n;
                const struct panel_rows rows = {
                    .w = w + row * row_bytes + at,
                    .row_bytes = row_bytes,
                    .count = n - row < width ? n - row : width,
                    .bytes = whole - at,
                    .next = is_last ? w + at + units * unit_bytes
                                    : w + next * row_bytes + at,
                    .next_count = panels_count_next(
                        width, n, is_last ? 0 : next,
                        !is_last || u + units < stride),
                };
                kind.unpack(&rows, units, &panels[j / width]);
            }
            kind.multiply(m, u, units, panels, columns, a, stride, y + first,
                          ldy);
        }
    }
}

/* The tile's part of y, of `columns` columns. */
struct tile_result {
    float *y;
    size_t ldy, columns;
    bool is_sum; /* of what was there and the products */
};

/* What is there is fetched while products are summed: rows of y are far apart,
 * and so seldom in a near cache. */
ALWAYS_INLINE void tile_fetch(size_t rows, struct tile_result to)
{
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const float *y = to.y + r * to.ldy;
        __builtin_prefetch(y, 1);
        __builtin_prefetch(y + to.columns / 2, 1);
        __builtin_prefetch(y + to.columns - 1, 1);
    }
}

/* Up to TILE rows of a by a panel. */
typedef void (*panel_tile_fn)(size_t units, const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to);

#define TILE 6
#define LEAST_TILE 3   /* more rows than that are cut evenly */
#define BLOCK_TILES 16 /* a panel's tiles before the next panel's turn */

/* As panels_multiply_fn; tiles from LEAST_TILE rows on. */
ALWAYS_INLINE void panels_multiply(const panel_tile_fn *tile_of, size_t width,
                                   size_t m, size_t first, size_t units,
                                   struct panel *panels, size_t columns,
                                   const struct pnd_q8_block *a, size_t stride,
                                   float *y, size_t ldy)
{
    const size_t tiles = (m + TILE - 1) / TILE;
    size_t row = 0;
    for (size_t t = 0; t < tiles; t += BLOCK_TILES) {
        const size_t end = t + BLOCK_TILES < tiles ? t + BLOCK_TILES : tiles;
        size_t r = row;
        for (size_t j = 0; j < columns; j += width) {
            r = row;
            for (size_t i = t; i < end; i++) {
                const size_t height = m / tiles + (i < m % tiles);
                const struct tile_result to = {
                    y + r * ldy + j, ldy,
                    columns - j < width ? columns - j : width, first > 0};
                tile_of[height - LEAST_TILE](units, &panels[j / width],
                                             a + r * stride + first, stride,
                                             to);
                r += height;
            }
        }
        row = r;
    }
}

#endif
