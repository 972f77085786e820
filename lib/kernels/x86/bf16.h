/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_X86_BF16_H
#define PND_KERNELS_X86_BF16_H

#include "kernels/kernels.h"
#include "kernels/x86/vec_avx512.h"

/* Numbers as bf16, two to a word: AVX-512 BF16. Words are kept as floats, which
 * they are not: they are only moved. */

#define WORD_NUMBERS ((size_t)2)
#define VECTOR_NUMBERS ((size_t)32) /* of 16 words */

/* 32 stored numbers, of which those in `mask` exist; the others are zero. */
typedef vf (*load_words_fn)(const unsigned char *p, uint32_t mask);

ALWAYS_INLINE vf round_words(__m512 low, __m512 high)
{
    return (vf)_mm512_cvtne2ps_pbh(high, low);
}

ALWAYS_INLINE vf load_words_f32(const unsigned char *p, uint32_t mask)
{
    return round_words(
        _mm512_maskz_loadu_ps((__mmask16)mask, p),
        _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), p + 64));
}

ALWAYS_INLINE vf load_words_f16(const unsigned char *p, uint32_t mask)
{
    __m512i both = _mm512_maskz_loadu_epi16(mask, p);
    return round_words(_mm512_cvtph_ps(_mm512_castsi512_si256(both)),
                       _mm512_cvtph_ps(_mm512_extracti64x4_epi64(both, 1)));
}

ALWAYS_INLINE vf load_words_bf16(const unsigned char *p, uint32_t mask)
{
    return (vf)_mm512_maskz_loadu_epi16(mask, p);
}

/* The mask of numbers that exist where `left` are left. */
ALWAYS_INLINE uint32_t get_mask(size_t left)
{
    return left < VECTOR_NUMBERS ? (1u << left) - 1 : UINT32_MAX;
}

/* Words of a row of k numbers, filled up with zeros to whole vectors. */
ALWAYS_INLINE size_t count_words(size_t k)
{
    return (k + VECTOR_NUMBERS - 1) / VECTOR_NUMBERS * 16;
}

/* 16 columns of a panel, [word][width], from as many rows of b, `row_bytes`
 * apart; the rest is zero. */
ALWAYS_INLINE void pack_columns(load_words_fn load, size_t size, size_t rows,
                                size_t width, size_t k, const unsigned char *b,
                                size_t row_bytes, float *panel)
{
    for (size_t i = 0; i < k; i += VECTOR_NUMBERS, panel += 16 * width) {
        const uint32_t mask = get_mask(k - i);
        vf square[16];
        UNROLL
        for (size_t r = 0; r < 16; r++)
            square[r] = r < rows ? load(b + r * row_bytes + i * size, mask)
                                 : vf_set(0);
        vf_transpose(square);
        UNROLL
        for (size_t w = 0; w < 16; w++)
            vf_store(panel + w * width, square[w]);
    }
}

/* Rows of a, `stride` words apart. */
ALWAYS_INLINE void round_strip(size_t rows, size_t k, const float *a,
                               size_t lda, float *strip, size_t stride)
{
    for (size_t r = 0; r < rows; r++, a += lda, strip += stride) {
        for (size_t i = 0; i < k; i += VECTOR_NUMBERS)
            vf_store(strip + i / WORD_NUMBERS,
                     load_words_f32((const unsigned char *)(a + i),
                                    get_mask(k - i)));
    }
}

/* c[m, n] (+)= a[m, k] * panels, n and k at most those of a block */
typedef void (*multiply_block_fn)(size_t m, size_t n, size_t k, const float *a,
                                  size_t lda, float *scratch, float *c,
                                  size_t ldc, bool add);

/* As pnd_gemm_fn, in blocks of `depth` numbers of k and `most` columns, whose
 * panels are at the beginning of the scratch and `width` wide; with `narrow`
 * the last one may be of 16 columns. */
ALWAYS_INLINE void bf16_run(load_words_fn load, size_t size,
                            multiply_block_fn multiply, size_t depth,
                            size_t most, bool narrow, size_t m, size_t n,
                            size_t k, const float *a, size_t lda,
                            const unsigned char *b, size_t ldb, float *c,
                            size_t ldc, float *scratch)
{
    for (size_t i = 0; k == 0 && i < m; i++)
        memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t k0 = 0; m > 0 && k0 < k; k0 += depth) {
        const size_t part = k - k0 < depth ? k - k0 : depth;
        for (size_t n0 = 0; n0 < n; n0 += most) {
            const size_t block = n - n0 < most ? n - n0 : most;
            float *panel = scratch;
            for (size_t j = 0, width; j < block; j += width) {
                const size_t left = block - j;
                width = narrow && left <= 16 ? 16 : 32;
                for (size_t half = 0; half < width; half += 16)
                    pack_columns(load, size, left > half ? left - half : 0,
                                 width, part,
                                 b + ((n0 + j + half) * ldb + k0) * size,
                                 ldb * size, panel + half);
                panel += count_words(part) * width;
            }
            multiply(m, block, part, a + k0, lda, scratch, c + n0, ldc,
                     k0 > 0);
        }
    }
}

/* The products of a file that has defined bf16_multiply, BF16_DEPTH, BF16_MOST
 * and BF16_NARROW. */
#define BF16_PRODUCT(type, size)                                              \
    static void bf16_nt_##type(size_t m, size_t n, size_t k, const float *a,  \
                               size_t lda, const void *b, size_t ldb,         \
                               float *c, size_t ldc, float *scratch)          \
    {                                                                         \
        bf16_run(load_words_##type, size, bf16_multiply, BF16_DEPTH,          \
                 BF16_MOST, BF16_NARROW, m, n, k, a, lda, b, ldb, c, ldc,     \
                 scratch);                                                    \
    }
#define BF16_PRODUCTS \
    BF16_PRODUCT(f32, 4) BF16_PRODUCT(f16, 2) BF16_PRODUCT(bf16, 2)

#define BF16_ADD(k)                             \
    do {                                        \
        (k)->bf16.nt[PND_F32] = bf16_nt_f32;    \
        (k)->bf16.nt[PND_F16] = bf16_nt_f16;    \
        (k)->bf16.nt[PND_BF16] = bf16_nt_bf16;  \
    } while (0)

#endif
