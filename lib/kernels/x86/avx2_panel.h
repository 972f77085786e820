/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_AVX2_PANEL_H
#define PND_KERNELS_AVX2_PANEL_H

#include "kernels/x86/vq_avx2.h"

#include "kernels/x86/panel_unpack.h"
#include "kernels/x86/q8_dot.h"

/* Panels (x86/panels.h) for vectors of 32 bytes. There is no product of bytes
 * that sums in 32 bits; but products of small codes can be summed in 16 bits,
 * over a whole group: 32 of codes below 16, or 16 of codes below 32. Larger
 * codes are split into their low and high four bits, which take the place of
 * the two halves: such a panel is VF_LANES columns wide. */

/* From so many rows on a panel pays; where codes are split, SPLIT_ROWS. */
#define PANEL_ROWS 4
#define SPLIT_ROWS 8

_Static_assert(PANEL_ROWS >= LEAST_TILE, "tiles are that high");
_Static_assert(32 / 2 * 15 * 127 < INT16_MAX && 16 / 2 * 31 * 127 < INT16_MAX,
               "a 16-bit sum has half of a group's products");

ALWAYS_INLINE struct panel_form choose_form(struct q8_format f)
{
    return (struct panel_form){
        .more = f.is_signed ? 128 : 0,
        .bias = f.is_signed ? 128 : f.bias,
        .is_wide = f.has_wide_groups && f.bits != 5,
        .is_split = f.bits > 5,
    };
}

/* What a tile is made of: constants. */
struct tile_kind {
    size_t rows;
    size_t depth;   /* elements of a group: 16 or 32 */
    bool is_biased; /* codes of weights are, and there are no offsets */
    bool is_split;  /* the halves are low and high bits of codes */
};

ALWAYS_INLINE __m256i repeat_bias(struct tile_kind kind, size_t group,
                                  const struct pnd_q8_block *x)
{
    return _mm256_set1_epi32(kind.depth == 32 ? x->wide_biases[group]
                                              : x->biases[group]);
}

/* Four codes of x, everywhere. */
ALWAYS_INLINE __m256i repeat_four(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

/* The integer sums of half h, bias included. */
ALWAYS_INLINE vf finish_dots(struct tile_kind kind, const __m256i dots[2],
                             size_t h, __m256i bias)
{
    __m256i sum = _mm256_madd_epi16(dots[h], _mm256_set1_epi16(1));
    if (kind.is_split)
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(dots[1], _mm256_set1_epi16(16)));
    if (kind.is_biased)
        sum = _mm256_add_epi32(sum, bias);
    return _mm256_cvtepi32_ps(sum);
}

/* sum += the products of unsigned w and signed x, neighbours together.
 * Compilers begin several of these at once, whose results drive the tile's sums
 * out of their registers. */
#define ADD_PAIRS(sum, w, x)                                         \
    do {                                                             \
        __m256i pairs;                                               \
        __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"         \
                : "+x"(sum), "=&x"(pairs)                            \
                : "x"(w), "x"(x));                                   \
    } while (0)

/* to = the 16-bit sums of products of a group */
ALWAYS_INLINE void multiply_codes(struct tile_kind kind, const vq (*codes)[2],
                                  const int8_t *x, size_t row_bytes,
                                  __m256i to[TILE][2])
{
    __m256i dots[TILE][2] = {{{0}}};
    for (size_t i = 0; i < kind.depth / 4; i++) {
        UNROLL
        for (size_t r = 0; r < kind.rows; r++) {
            const __m256i four = repeat_four(x + r * row_bytes + 4 * i);
            ADD_PAIRS(dots[r][0], codes[i][0], four);
            ADD_PAIRS(dots[r][1], codes[i][1], four);
        }
    }
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        to[r][0] = dots[r][0];
        to[r][1] = dots[r][1];
    }
}

/* sums += the products of group `group` of a unit */
ALWAYS_INLINE void add_group(struct tile_kind kind, __m128i shift, size_t group,
                             const struct panel_unit *w,
                             const struct pnd_q8_block *x, size_t stride,
                             vf sums[TILE][2])
{
    const size_t at = group * kind.depth;
    __m256i dots[TILE][2];
    multiply_codes(kind, w->codes + at / 4, x->codes + at,
                   stride * sizeof *x, dots);
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        const struct pnd_q8_block *row = &x[r * stride];
        const vf scale = vf_set(row->scales[group * kind.depth / 16]);
        const __m256i all = repeat_bias(kind, group, row);
        const __m256i bias = _mm256_sra_epi32(all, shift);
        for (size_t h = 0; h < (kind.is_split ? 1 : 2); h++) {
            vf sum = finish_dots(kind, dots[r], h, bias) * w->scales[group][h];
            if (!kind.is_biased)
                sum = vf_fma(w->offsets[group][h], _mm256_cvtepi32_ps(all),
                             sum);
            sums[r][h] = vf_fma(sum, scale, sums[r][h]);
        }
    }
}

/* The first `count` <= VF_LANES floats at y (+)= sum */
ALWAYS_INLINE void put_sum(vf sum, size_t count, bool is_sum, float *y)
{
    if (count == VF_LANES) {
        vf_store(y, is_sum ? vf_load_f32(y) + sum : sum);
        return;
    }
    for (size_t i = 0; i < count; i++)
        y[i] = is_sum ? y[i] + sum[i] : sum[i];
}

/* to = rows of x times the panel */
ALWAYS_INLINE void panel_tile(struct tile_kind kind, size_t units,
                              const struct panel *w,
                              const struct pnd_q8_block *x, size_t stride,
                              struct tile_result to, struct ahead *next)
{
    const __m128i shift = _mm_cvtsi32_si128(w->shift);
    vf sums[TILE][2] = {{{0}}};
    tile_fetch(kind.rows, to);
    for (size_t u = 0; u < units; u++) {
        for (size_t group = 0; group < 256 / kind.depth; group++) {
            if (group % (32 / kind.depth) == 0)
                ahead_ask(next);
            add_group(kind, shift, group, &w->units[u], x + u, stride, sums);
        }
    }
    const size_t first = to.columns < VF_LANES ? to.columns : VF_LANES;
    UNROLL
    for (size_t r = 0; r < kind.rows; r++) {
        float *y = to.y + r * to.ldy;
        put_sum(sums[r][0], first, to.is_sum, y);
        if (!kind.is_split)
            put_sum(sums[r][1], to.columns - first, to.is_sum, y + VF_LANES);
    }
}

#define PANEL_TILE(rows, depth, is_biased, is_split)                        \
    static void tile_##rows##_##depth##_##is_biased##_##is_split(           \
        size_t units, const struct panel *w, const struct pnd_q8_block *x,  \
        size_t stride, struct tile_result to, struct ahead *next)           \
    {                                                                       \
        const struct tile_kind kind = {rows, depth, is_biased, is_split};   \
        panel_tile(kind, units, w, x, stride, to, next);                    \
    }

/* From LEAST_TILE rows on, and as panels_multiply_fn. */
#define PANEL_TILES_OF(name, depth, is_biased, is_split)                     \
    PANEL_TILE(3, depth, is_biased, is_split)                                \
    PANEL_TILE(4, depth, is_biased, is_split)                                \
    PANEL_TILE(5, depth, is_biased, is_split)                                \
    PANEL_TILE(6, depth, is_biased, is_split)                                \
    static void multiply_##name(const struct panel_product *p,               \
                                const struct panel_part *part,               \
                                struct ahead *next)                          \
    {                                                                        \
        static const panel_tile_fn tile_of[] = {                             \
            tile_3_##depth##_##is_biased##_##is_split,                       \
            tile_4_##depth##_##is_biased##_##is_split,                       \
            tile_5_##depth##_##is_biased##_##is_split,                       \
            tile_6_##depth##_##is_biased##_##is_split,                       \
        };                                                                   \
        panels_multiply(tile_of, p, part, next);                             \
    }
#define PANEL_TILES(depth, is_biased, is_split)                          \
    PANEL_TILES_OF(depth##_##is_biased##_##is_split, depth, is_biased,   \
                   is_split)

PANEL_TILES(16, 0, 0) /* q2_k, q5_1, q5_k */
PANEL_TILES(16, 1, 0) /* q3_k, q5_0 */
PANEL_TILES(16, 1, 1) /* q6_k */
PANEL_TILES(32, 0, 0) /* q4_1, q4_k */
PANEL_TILES(32, 1, 0) /* q4_0 */
PANEL_TILES(32, 1, 1) /* q8_0, iq4_nl, iq4_xs */

ALWAYS_INLINE struct panel_kind choose_kind(struct panel_form form,
                                            enum pnd_dtype dtype,
                                            panel_unpack_fn unpack)
{
    struct panel_kind kind = {dtype, PANEL_WIDTH, TILE, TILE_ASKS, unpack,
                              NULL};
    if (form.is_split) {
        kind.width = VF_LANES;
        kind.multiply = form.is_wide ? multiply_32_1_1 : multiply_16_1_1;
    } else if (form.is_wide) {
        kind.multiply = form.bias ? multiply_32_1_0 : multiply_32_0_0;
    } else {
        kind.multiply = form.bias ? multiply_16_1_0 : multiply_16_0_0;
    }
    return kind;
}

#endif
