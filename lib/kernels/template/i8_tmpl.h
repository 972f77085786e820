/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_I8_TMPL_H
#define PND_KERNELS_I8_TMPL_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/template/ahead.h"

/* Products of int8 codes, for the vectors of the vec_*.h included before, with
 *     I8_ROWS  rows of c that one tile keeps in registers, 6 or 14; a tile is
 *              two vectors wide
 *     I8_STEP  codes in a word of 32 bits: 4 bytes, or 2 codes widened to 16
 *              bits where bytes cannot be multiplied without overflow
 *     I8_FLIP  changed in words of b: 0x80808080 where bytes of b are unsigned
 *              (128 more, which is taken off again), else 0
 *     vi i8_load_words(const int8_t *p)    VF_LANES words of codes
 *     vi i8_dot(vi sum, vi a, vi b)        sum + the products within words
 *
 * As in gemm_tmpl.h a block of b is packed into panels as wide as a tile,
 * [word][I8_WIDTH] each, and strips of a of I8_ROWS rows go past it. */

typedef int32_t vi __attribute__((vector_size(VF_LANES * 4)));
typedef int8_t vc __attribute__((vector_size(VF_LANES)));

#define I8_WIDTH ((size_t)2 * VF_LANES)
#define I8_DEPTH ((size_t)PND_I8_DEPTH) /* of k in a block */
#define I8_WORDS (I8_DEPTH / I8_STEP)
#define I8_BLOCK (64 * 1024 / I8_WORDS) /* columns in a block */
#define I8_GROUPS (I8_DEPTH / PND_I8_GROUP)
#define I8_STRIDE (I8_WORDS + 16) /* words from row to row of a strip */
#define I8_LOAD ((size_t)VF_LANES * I8_STEP) /* codes of a vector */

_Static_assert(I8_WORDS * I8_BLOCK + I8_ROWS * I8_STRIDE <= PND_GEMM_SCRATCH,
               "the panels and the strip are in the caller's scratch");
_Static_assert(I8_DEPTH % PND_I8_GROUP == 0 && PND_I8_GROUP % I8_LOAD == 0,
               "groups are whole vectors, blocks whole groups");

/* A strip of a within a block of k. */
struct i8_strip {
    const int32_t *words;            /* (rows, I8_STRIDE) */
    size_t count;                    /* words of a row */
    const float *scales;             /* (rows, scale_stride) */
    size_t scale_stride;
    int32_t starts[I8_ROWS][I8_GROUPS]; /* of the sums: what I8_FLIP added */
};

ALWAYS_INLINE vi vi_set(int32_t x)
{
    return (vi){0} + x;
}

ALWAYS_INLINE vi vi_load(const int32_t *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS_INLINE void vi_store(int32_t *p, vi v)
{
    memcpy(p, &v, sizeof v);
}

/* VF_LANES words, of which `count` codes exist; nearly always all. */
ALWAYS_INLINE vi i8_load_part(const int8_t *p, size_t count)
{
    int8_t codes[I8_LOAD] = {0};
    if (count >= I8_LOAD)
        return i8_load_words(p);
    memcpy(codes, p, count);
    return i8_load_words(codes);
}

ALWAYS_INLINE int32_t vi_sum(vi v)
{
    int32_t sum = 0;
    UNROLL
    for (size_t i = 0; i < VF_LANES; i++)
        sum += v[i];
    return sum;
}

/* c[rows, columns] += strip * panel; rows and vecs are constants, columns <=
 * vecs * VF_LANES. */
ALWAYS_INLINE void i8_tile_run(size_t rows, size_t vecs,
                               const struct i8_strip *a, const int32_t *b,
                               size_t columns, const float *b_scales, float *c,
                               size_t ldc)
{
    vf totals[I8_ROWS][2] = {{{0}}};
    for (size_t g = 0, w = 0; w < a->count; g++) {
        const size_t left = a->count - w, whole = PND_I8_GROUP / I8_STEP;
        const size_t end = w + (left < whole ? left : whole);
        vi sums[I8_ROWS][2];
        UNROLL
        for (size_t r = 0; r < rows; r++)
            sums[r][0] = sums[r][1] = vi_set(a->starts[r][g]);
        for (; w < end; w++, b += vecs * VF_LANES) {
            vi row[2];
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                row[v] = vi_load(b + v * VF_LANES);
            UNROLL
            for (size_t r = 0; r < rows; r++) {
                vi left_word = vi_set(a->words[r * I8_STRIDE + w]);
                UNROLL
                for (size_t v = 0; v < vecs; v++)
                    sums[r][v] = i8_dot(sums[r][v], left_word, row[v]);
            }
        }
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            vf scale = vf_set(a->scales[r * a->scale_stride + g]);
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                totals[r][v] = vf_fma(__builtin_convertvector(sums[r][v], vf),
                                      scale, totals[r][v]);
        }
    }
    if (columns == vecs * VF_LANES) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            vf scale = vf_load_f32(b_scales + v * VF_LANES);
            UNROLL
            for (size_t r = 0; r < rows; r++) {
                float *to = c + r * ldc + v * VF_LANES;
                vf_store(to, vf_fma(totals[r][v], scale, vf_load_f32(to)));
            }
        }
        return;
    }
    /* At the edge the same operations, on copies. */
    float scales[I8_WIDTH] = {0}, values[I8_WIDTH] = {0};
    memcpy(scales, b_scales, columns * sizeof *scales);
    for (size_t r = 0; r < rows; r++) {
        memcpy(values, c + r * ldc, columns * sizeof *values);
        for (size_t v = 0; v < vecs; v++) {
            float *to = values + v * VF_LANES;
            vf_store(to, vf_fma(totals[r][v],
                                vf_load_f32(scales + v * VF_LANES),
                                vf_load_f32(to)));
        }
        memcpy(c + r * ldc, values, columns * sizeof *values);
    }
}

typedef void (*i8_tile_fn)(const struct i8_strip *a, const int32_t *b,
                           size_t columns, const float *b_scales, float *c,
                           size_t ldc);

#define I8_TILE_OF(rows, vecs)                                                \
    static void i8_tile_##rows##_##vecs(                                      \
        const struct i8_strip *a, const int32_t *b, size_t columns,           \
        const float *b_scales, float *c, size_t ldc)                          \
    {                                                                         \
        i8_tile_run(rows, vecs, a, b, columns, b_scales, c, ldc);             \
    }
#define I8_TILE(rows) I8_TILE_OF(rows, 1) I8_TILE_OF(rows, 2)

I8_TILE(1) I8_TILE(2) I8_TILE(3) I8_TILE(4) I8_TILE(5) I8_TILE(6)
#if I8_ROWS > 6
I8_TILE(7) I8_TILE(8) I8_TILE(9) I8_TILE(10) I8_TILE(11) I8_TILE(12)
I8_TILE(13) I8_TILE(14)
#endif

#define I8_TILE_ROW(rows) {i8_tile_##rows##_1, i8_tile_##rows##_2}

/* By rows - 1 and vectors - 1. */
static const i8_tile_fn i8_tiles[I8_ROWS][2] = {
    I8_TILE_ROW(1), I8_TILE_ROW(2), I8_TILE_ROW(3), I8_TILE_ROW(4),
    I8_TILE_ROW(5), I8_TILE_ROW(6),
#if I8_ROWS > 6
    I8_TILE_ROW(7), I8_TILE_ROW(8), I8_TILE_ROW(9), I8_TILE_ROW(10),
    I8_TILE_ROW(11), I8_TILE_ROW(12), I8_TILE_ROW(13), I8_TILE_ROW(14),
#endif
};

/* One panel, [word][width], from the first of `rows` rows of b. Meanwhile the
 * same rows of the next panel are asked for. */
ALWAYS_INLINE void i8_pack(size_t rows, size_t width, size_t k,
                           const int8_t *b, size_t ldb, int32_t *panel)
{
    const size_t words = (k + I8_STEP - 1) / I8_STEP;
    for (size_t j = 0; j < width; j += VF_LANES) {
        struct ahead next = ahead_of_part(b, rows, width + j, VF_LANES, ldb, k,
                                          pnd_divide_up(k, I8_LOAD));
        for (size_t i = 0; i < k; i += I8_LOAD) {
            vf square[VF_LANES];
            ahead_ask(&next);
            UNROLL
            for (size_t r = 0; r < VF_LANES; r++) {
                vi row = {0};
                if (j + r < rows)
                    row = i8_load_part(b + (j + r) * ldb + i, k - i);
                square[r] = (vf)(row ^ (int32_t)I8_FLIP);
            }
            vf_transpose(square);
            const size_t left = words - i / I8_STEP;
            const size_t count = left < VF_LANES ? left : VF_LANES;
            for (size_t w = 0; w < count; w++)
                vi_store(panel + (i / I8_STEP + w) * width + j, (vi)square[w]);
        }
    }
}

/* The words of rows of a, with zeros after the last, and starts of sums. */
static void i8_fill_strip(size_t rows, size_t k, const int8_t *a, size_t lda,
                          int32_t *words, struct i8_strip *strip)
{
    strip->words = words;
    strip->count = (k + I8_STEP - 1) / I8_STEP;
    for (size_t r = 0; r < rows; r++, a += lda, words += I8_STRIDE) {
        for (size_t i = 0; i < k;) {
            const size_t g = i / PND_I8_GROUP;
            const size_t end = k < (g + 1) * PND_I8_GROUP
                                   ? k : (g + 1) * PND_I8_GROUP;
            vi sum = {0};
            for (; i < end; i += I8_LOAD) {
                vi part = i8_load_part(a + i, k - i);
                vi_store(words + i / I8_STEP, part);
                if (I8_FLIP)
                    sum = i8_dot(sum, part, vi_set(0x01010101));
            }
            strip->starts[r][g] = I8_FLIP ? -128 * vi_sum(sum) : 0;
        }
    }
}

/* c[m, n] += a[m, k] * panels, n <= I8_BLOCK, k <= I8_DEPTH; the strip's memory
 * is behind the panels. */
static void i8_multiply_block(size_t m, size_t n, size_t k, const int8_t *a,
                              size_t lda, const float *a_scales,
                              size_t scale_stride, int32_t *panels,
                              const float *b_scales, float *c, size_t ldc)
{
    struct i8_strip strip = {.scale_stride = scale_stride};
    const size_t strips = (m + I8_ROWS - 1) / I8_ROWS;
    const size_t words = (k + I8_STEP - 1) / I8_STEP;
    for (size_t s = 0; s < strips; s++) {
        const size_t rows = m / strips + (s < m % strips);
        const int32_t *panel = panels;
        i8_fill_strip(rows, k, a, lda, panels + I8_WORDS * I8_BLOCK, &strip);
        strip.scales = a_scales;
        a += rows * lda;
        struct ahead next = ahead_of(a, s + 1 < strips ? rows : 0, lda, k,
                                     pnd_divide_up(n, I8_WIDTH));
        for (size_t j = 0, width; j < n; j += width, panel += words * width) {
            width = n - j > VF_LANES ? I8_WIDTH : VF_LANES;
            ahead_ask(&next);
            i8_tiles[rows - 1][width / VF_LANES - 1](
                &strip, panel, n - j < width ? n - j : width, b_scales + j,
                c + j, ldc);
        }
        a_scales += rows * scale_stride;
        c += rows * ldc;
    }
}

static void i8_product(size_t m, size_t n, size_t k, const int8_t *a,
                       size_t lda, const float *a_scales, const int8_t *b,
                       size_t ldb, const float *b_scales, float *c, size_t ldc,
                       float *scratch)
{
    int32_t *panels = (int32_t *)(void *)scratch;
    const size_t groups = pnd_i8_count_groups(k);
    for (size_t k0 = 0; k0 < k; k0 += I8_DEPTH) {
        const size_t depth = k - k0 < I8_DEPTH ? k - k0 : I8_DEPTH;
        const size_t words = (depth + I8_STEP - 1) / I8_STEP;
        for (size_t n0 = 0; n0 < n; n0 += I8_BLOCK) {
            const size_t block = n - n0 < I8_BLOCK ? n - n0 : I8_BLOCK;
            int32_t *panel = panels;
            for (size_t j = 0, width; j < block; j += width) {
                width = block - j > VF_LANES ? I8_WIDTH : VF_LANES;
                i8_pack(block - j, width, depth, b + (n0 + j) * ldb + k0, ldb,
                        panel);
                panel += words * width;
            }
            i8_multiply_block(m, block, depth, a + k0, lda,
                              a_scales + k0 / PND_I8_GROUP, groups, panels,
                              b_scales + n0, c + n0, ldc);
        }
    }
}

/* Added to a small number, it leaves the number's nearest integer (even ones
 * first) in the low bits. */
#define I8_ROUNDER 12582912.0f /* 1.5 * 2^23 */

/* The largest magnitude, as bits, which are in the same order; what is not a
 * number is larger than all. */
ALWAYS_INLINE int32_t i8_find_largest(size_t count, const float *x)
{
    vi most = {0};
    int32_t result = 0;
    size_t i = 0;
    for (; i + VF_LANES <= count; i += VF_LANES) {
        vi bits = (vi)vf_load_f32(x + i) & INT32_MAX;
        vi larger = bits > most;
        most = (bits & larger) | (most & ~larger);
    }
    for (size_t j = 0; j < VF_LANES; j++)
        result = most[j] > result ? most[j] : result;
    for (; i < count; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= INT32_MAX;
        result = bits > result ? bits : result;
    }
    return result;
}

static void i8_round_group(size_t count, const float *x, int8_t *codes,
                           float *scale)
{
    const int32_t bits = i8_find_largest(count, x);
    float largest, inverse;
    memcpy(&largest, &bits, sizeof largest);
    *scale = largest / 127;
    inverse = 127 / largest;
    if (bits >= 0x7f800000 || largest <= 127 * 0x1p-126f) {
        *scale = largest * 0; /* tiny, or NaN */
        memset(codes, 0, count);
        return;
    }
    size_t i = 0;
    for (; i + VF_LANES <= count; i += VF_LANES) {
        vf shifted = vf_load_f32(x + i) * vf_set(inverse) + vf_set(I8_ROUNDER);
        vc part = __builtin_convertvector((vi)shifted, vc);
        memcpy(codes + i, &part, sizeof part);
    }
    for (; i < count; i++) {
        float shifted = x[i] * inverse + I8_ROUNDER;
        uint32_t word;
        memcpy(&word, &shifted, sizeof word);
        codes[i] = (int8_t)(uint8_t)(word & 255);
    }
}

static void i8_round(size_t k, const float *x, int8_t *codes, float *scales)
{
    for (size_t i = 0; i < k; i += PND_I8_GROUP)
        i8_round_group(k - i < PND_I8_GROUP ? k - i : PND_I8_GROUP, x + i,
                       codes + i, scales++);
}

#define I8_TABLE {i8_round, i8_product}

#endif
