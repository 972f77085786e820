/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_I8_PANEL_H
#define PND_KERNELS_I8_PANEL_H

#include "kernels/arm/panel.h"

/* Products of int8 codes, for the dots_*.h included before. A panel of
 * PANEL_COLUMNS rows of b by I8_DEPTH stays in the level-one cache, while a
 * block of a, I8_BLOCK rows, comes from the next level. */

#define I8_DEPTH ((size_t)512) /* two groups */
#define I8_BLOCK ((size_t)256)

_Static_assert(I8_DEPTH % PND_I8_GROUP == 0 && PND_I8_GROUP % 16 == 0,
               "blocks are whole groups, groups whole vectors");
_Static_assert(I8_DEPTH * PANEL_COLUMNS <= PND_GEMM_SCRATCH * sizeof(float),
               "the panel is in the caller's scratch");

/* The last codes of rows, filled up with zeros. */
struct i8_rest {
    int8_t codes[PANEL_COLUMNS][16];
    const int8_t *rows[PANEL_COLUMNS];
};

ALWAYS_INLINE void i8_cut_rest(size_t count, const int8_t *const *rows,
                               size_t at, size_t depth, struct i8_rest *to)
{
    memset(to->codes, 0, sizeof to->codes);
    for (size_t r = 0; r < count; r++) {
        memcpy(to->codes[r], rows[r] + at, depth - at);
        to->rows[r] = to->codes[r];
    }
}

/* From `columns` rows of b; the last one stands for those missing. */
static void i8_fill(size_t columns, size_t depth, const int8_t *b, size_t ldb,
                    int8_t *panel)
{
    const int8_t *rows[PANEL_COLUMNS];
    const size_t whole = depth / 16 * 16;
    for (size_t c = 0; c < PANEL_COLUMNS; c++)
        rows[c] = b + (c < columns ? c : columns - 1) * ldb;
    panel_fill(whole, rows, panel);
    if (whole < depth) {
        struct i8_rest rest;
        i8_cut_rest(PANEL_COLUMNS, rows, whole, depth, &rest);
        panel_fill(16, rest.rows, panel + whole * PANEL_COLUMNS);
    }
}

/* Rows of a and their scales in a block of k; the last of `rows` stands for
 * those missing. */
struct i8_rows {
    const int8_t *codes[PANEL_ROWS];
    const float *scales[PANEL_ROWS];
    size_t count;
};

/* totals = rows * panel */
ALWAYS_INLINE void i8_multiply(const struct i8_rows *a, size_t depth,
                               const int8_t *panel, vf (*totals)[2])
{
    for (size_t at = 0; at < depth; at += PND_I8_GROUP) {
        const size_t left = depth - at;
        const size_t count = left < PND_I8_GROUP ? left : PND_I8_GROUP;
        const size_t whole = count / 16 * 16;
        const int8_t *const rows[PANEL_ROWS] = {
            a->codes[0] + at, a->codes[1] + at, a->codes[2] + at,
            a->codes[3] + at};
        panel_sums dots = {{{0}}};
        panel_dots(whole, rows, panel + at * PANEL_COLUMNS, dots);
        if (whole < count) {
            struct i8_rest rest;
            i8_cut_rest(PANEL_ROWS, rows, whole, count, &rest);
            panel_dots(16, rest.rows, panel + (at + whole) * PANEL_COLUMNS,
                       dots);
        }
        UNROLL
        for (size_t r = 0; r < PANEL_ROWS; r++) {
            const float scale = a->scales[r][at / PND_I8_GROUP];
            UNROLL
            for (size_t v = 0; v < 2; v++)
                totals[r][v] = vfmaq_n_f32(totals[r][v],
                                           vcvtq_f32_s32(dots[r][v]), scale);
        }
    }
}

/* c[rows, columns] += a[rows, depth] * panel */
static void i8_tile(const struct i8_rows *a, size_t depth, const int8_t *panel,
                    size_t columns, const float *b_scales, float *c,
                    size_t ldc)
{
    vf totals[PANEL_ROWS][2] = {{{0}}}, scales[2];
    i8_multiply(a, depth, panel, totals);
    panel_load(columns, b_scales, scales);
    UNROLL /* so that the totals have constant places: in registers */
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        vf sum[2];
        if (r >= a->count)
            return;
        panel_load(columns, c + r * ldc, sum);
        sum[0] = vf_fma(totals[r][0], scales[0], sum[0]);
        sum[1] = vf_fma(totals[r][1], scales[1], sum[1]);
        panel_store(columns, sum, c + r * ldc);
    }
}

/* c[m, n] += a[m, depth] * transpose(b[n, depth]), m <= I8_BLOCK, depth <=
 * I8_DEPTH; `stride` from row to row of a_scales. */
static void i8_block(size_t m, size_t n, size_t depth, const int8_t *a,
                     size_t lda, const float *a_scales, size_t stride,
                     const int8_t *b, size_t ldb, const float *b_scales,
                     float *c, size_t ldc, int8_t *panel)
{
    for (size_t j = 0; j < n; j += PANEL_COLUMNS) {
        const size_t columns = n - j < PANEL_COLUMNS ? n - j : PANEL_COLUMNS;
        i8_fill(columns, depth, b + j * ldb, ldb, panel);
        for (size_t i = 0; i < m; i += PANEL_ROWS) {
            struct i8_rows rows = {
                .count = m - i < PANEL_ROWS ? m - i : PANEL_ROWS};
            for (size_t r = 0; r < PANEL_ROWS; r++) {
                const size_t row = i + (r < rows.count ? r : rows.count - 1);
                rows.codes[r] = a + row * lda;
                rows.scales[r] = a_scales + row * stride;
            }
            i8_tile(&rows, depth, panel, columns, b_scales + j,
                    c + i * ldc + j, ldc);
        }
    }
}

static void i8_product(size_t m, size_t n, size_t k, const int8_t *a,
                       size_t lda, const float *a_scales, const int8_t *b,
                       size_t ldb, const float *b_scales, float *c, size_t ldc,
                       float *scratch)
{
    int8_t *panel = (int8_t *)(void *)scratch;
    const size_t stride = pnd_i8_count_groups(k);
    for (size_t k0 = 0; k0 < k; k0 += I8_DEPTH) {
        const size_t depth = k - k0 < I8_DEPTH ? k - k0 : I8_DEPTH;
        for (size_t i = 0; i < m; i += I8_BLOCK)
            i8_block(m - i < I8_BLOCK ? m - i : I8_BLOCK, n, depth,
                     a + i * lda + k0, lda,
                     a_scales + i * stride + k0 / PND_I8_GROUP, stride, b + k0,
                     ldb, b_scales, c + i * ldc, ldc, panel);
    }
}

#endif
