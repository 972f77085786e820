/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_X86_PANELS_H
#define PND_KERNELS_X86_PANELS_H

#include "kernels/kernels.h"
#include "kernels/template/ahead.h"
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
    struct ahead next; /* asked for PANEL_ASKS times */
};

#define PANEL_ASKS (2 * CHUNK)

typedef void (*panel_unpack_fn)(const struct panel_rows *rows, size_t units,
                                struct panel *to);

struct panel_product;
struct panel_part;

/* y (+)= a * panels, for a part of y and of the units; PANEL_MEMORY lies behind
 * the panels. `next` is asked for meanwhile. */
typedef void (*panels_multiply_fn)(const struct panel_product *p,
                                   const struct panel_part *part,
                                   struct ahead *next);

/* What the products of a type are made of. */
struct panel_kind {
    enum pnd_dtype dtype;
    size_t width; /* columns of a panel */
    size_t tile;  /* rows of a at a time */
    size_t asks;  /* for what is next, for each of their units */
    panel_unpack_fn unpack;
    panels_multiply_fn multiply;
};

/* y[m, n] = a[m] * transpose(w[n]) */
struct panel_product {
    struct panel_kind kind;
    size_t m, n;
    const struct pnd_q8_block *a;
    size_t stride; /* units of a row of a, and of w */
    const uint8_t *w;
    size_t row_bytes, whole; /* from row to row of w; with codes */
    float *y;
    size_t ldy;
    struct panel *panels;
};

struct panel_part {
    size_t column, columns; /* of y: at most PANELS panels */
    size_t unit, units;     /* at most CHUNK */
    bool is_cold;           /* its weights were not asked for before */
};

/* Rows of w from `row` on, at most `most`, in `units` from `unit` on, to be
 * asked for while `columns` of y in as many units are computed. */
ALWAYS_INLINE struct ahead panels_expect(const struct panel_product *p,
                                         size_t row, size_t most, size_t unit,
                                         size_t units, size_t columns)
{
    const size_t unit_bytes = pnd_dtype_get_row_bytes(p->kind.dtype, 256);
    const size_t at = unit * unit_bytes;
    const size_t tiles = pnd_divide_up(p->m, p->kind.tile) *
                         pnd_divide_up(columns, p->kind.width);
    return ahead_of_part(p->w + at, p->n, row, most, p->row_bytes,
                         pnd_min_size(units * unit_bytes, p->whole - at),
                         tiles * units * p->kind.asks);
}

ALWAYS_INLINE void panels_run_part(const struct panel_product *p,
                                   const struct panel_part *part,
                                   struct ahead *next)
{
    const size_t unit_bytes = pnd_dtype_get_row_bytes(p->kind.dtype, 256);
    const size_t at = part->unit * unit_bytes, width = p->kind.width;
    for (size_t j = 0; j < part->columns; j += width) {
        const uint8_t *w = p->w + (part->column + j) * p->row_bytes + at;
        const size_t left = part->columns - j;
        struct panel_rows rows = {.w = w, .row_bytes = p->row_bytes,
                                  .count = pnd_min_size(left, width),
                                  .bytes = p->whole - at};
        if (part->is_cold)
            rows.next = ahead_of_part(w, left, width, width, p->row_bytes,
                                      part->units * unit_bytes, PANEL_ASKS);
        p->kind.unpack(&rows, part->units, &p->panels[j / width]);
    }
    p->kind.multiply(p, part, next);
}

/* Few rows: panel after panel, so that weights are read as they lie. */
ALWAYS_INLINE void panels_run_few(const struct panel_product *p)
{
    const size_t width = p->kind.width, stride = p->stride;
    for (size_t first = 0, after; first < p->n; first = after) {
        after = pnd_min_size(first + width, p->n);
        struct ahead next = panels_expect(p, after, width, 0, stride, width);
        for (size_t u = 0; u < stride; u += CHUNK) {
            const struct panel_part part = {
                first, after - first, u, pnd_min_size(stride - u, CHUNK),
                false};
            panels_run_part(p, &part, &next);
        }
    }
}

/* Many rows: all of a passes PANELS of them, so that it is read seldom. */
ALWAYS_INLINE void panels_run_many(const struct panel_product *p)
{
    const size_t most = p->kind.width * PANELS, stride = p->stride;
    for (size_t u = 0; u < stride; u += CHUNK) {
        for (size_t first = 0, after; first < p->n; first = after) {
            after = pnd_min_size(first + most, p->n);
            const struct panel_part part = {
                first, after - first, u, pnd_min_size(stride - u, CHUNK),
                u == 0 && first == 0};
            struct ahead next = {0};
            if (after < p->n)
                next = panels_expect(p, after, most, u, part.units,
                                     part.columns);
            else if (u + CHUNK < stride)
                next = panels_expect(p, 0, most, u + CHUNK, CHUNK,
                                     part.columns);
            panels_run_part(p, &part, &next);
        }
    }
}

#define PANEL_FEW ((size_t)16) /* rows of a, which stay in a near cache */

/* As pnd_q8_product_fn, for weights of that type; m >= PANEL_ROWS. */
ALWAYS_INLINE void panels_run(struct panel_kind kind, size_t m, size_t n,
                              size_t k, const struct pnd_q8_block *a,
                              const uint8_t *w, size_t row_bytes, float *y,
                              size_t ldy, float *scratch)
{
    const struct panel_product product = {
        .kind = kind, .m = m, .n = n, .a = a,
        .stride = pnd_q8_count_blocks(k),
        .w = w, .row_bytes = row_bytes,
        .whole = pnd_dtype_get_row_bytes(kind.dtype, k),
        .y = y, .ldy = ldy,
        .panels = (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
    if (m <= PANEL_FEW)
        panels_run_few(&product);
    else
        panels_run_many(&product);
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

/* Up to TILE rows of a by a panel; `next` is asked for TILE_ASKS times for each
 * unit. */
typedef void (*panel_tile_fn)(size_t units, const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to, struct ahead *next);

#define TILE 6
#define TILE_ASKS 8
#define LEAST_TILE 3   /* more rows than that are cut evenly */
#define BLOCK_TILES 16 /* a panel's tiles before the next panel's turn */

/* As panels_multiply_fn; tiles from LEAST_TILE rows on. */
ALWAYS_INLINE void panels_multiply(const panel_tile_fn *tile_of,
                                   const struct panel_product *p,
                                   const struct panel_part *part,
                                   struct ahead *next)
{
    const size_t tiles = pnd_divide_up(p->m, TILE), width = p->kind.width;
    float *y = p->y + part->column;
    size_t row = 0;
    for (size_t t = 0; t < tiles; t += BLOCK_TILES) {
        const size_t end = pnd_min_size(t + BLOCK_TILES, tiles);
        size_t r = row;
        for (size_t j = 0; j < part->columns; j += width) {
            r = row;
            for (size_t i = t; i < end; i++) {
                const size_t height = p->m / tiles + (i < p->m % tiles);
                const struct tile_result to = {
                    y + r * p->ldy + j, p->ldy,
                    pnd_min_size(part->columns - j, width), part->unit > 0};
                tile_of[height - LEAST_TILE](
                    part->units, &p->panels[j / width],
                    p->a + r * p->stride + part->unit, p->stride, to, next);
                r += height;
            }
        }
        row = r;
    }
}

#endif
