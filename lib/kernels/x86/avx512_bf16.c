/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/bf16.h"

/* The products of two bf16 numbers in a word. */
ALWAYS_INLINE vf dot_words(vf a, vf b, vf sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* A tile's numbers are words here. */
#define TILE_ROWS 14
#define TILE_DOT dot_words
#include "kernels/template/tile_tmpl.h"

/* As multiply_block_fn; the strip's memory is behind the panels. */
static void bf16_multiply(size_t m, size_t n, size_t k, const float *a,
                          size_t lda, float *panels, float *c, size_t ldc,
                          bool add)
{
    float *strip = panels + DEPTH * BLOCK;
    const size_t strips = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t s = 0; s < strips; s++) {
        const size_t rows = m / strips + (s < m % strips);
        round_strip(rows, k, a, lda, strip, STRIP_STRIDE);
        a += rows * lda;
        multiply_strip(rows, n, count_words(k), strip, panels, c, ldc, add,
                       ahead_of(a, s + 1 < strips ? rows : 0, lda * sizeof *a,
                                k * sizeof *a, pnd_divide_up(n, TILE_WIDTH)));
        c += rows * ldc;
    }
}

#define BF16_DEPTH (DEPTH * WORD_NUMBERS)
#define BF16_MOST BLOCK
#define BF16_NARROW true

BF16_PRODUCTS

void pnd_kernels_add_avx512_bf16(struct pnd_kernels *k)
{
    BF16_ADD(k);
}
