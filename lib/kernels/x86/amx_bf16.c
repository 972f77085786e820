/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/bf16.h"
#include "kernels/x86/tiles.h"

/* Products of bf16 numbers with AMX: sums stay in tiles over a block of k. */

#define ROWS ((size_t)32)  /* of a strip */
#define WIDTH ((size_t)32) /* of a panel */
#define DEPTH ((size_t)192) /* words of k in a block */
#define BLOCK ((size_t)256) /* columns in a block */

/* What lies in the caller's scratch. */
struct memory {
    float panels[BLOCK * DEPTH]; /* first */
    float strip[ROWS * DEPTH];
    float sums[ROWS * WIDTH];
};

_Static_assert(sizeof(struct memory) <= PND_GEMM_SCRATCH * sizeof(float),
               "all is in the caller's scratch");

/* c[rows, columns] (+)= sums */
static void finish(size_t rows, size_t columns, const float *sums, float *c,
                   size_t ldc, bool add)
{
    const uint32_t there = get_mask(columns);
    const __mmask16 masks[] = {(__mmask16)there, (__mmask16)(there >> 16)};
    for (size_t i = 0; i < 2 * rows; i++) {
        const size_t r = i / 2, h = i % 2;
        float *to = c + r * ldc + 16 * h;
        vf sum = vf_load_f32(sums + r * WIDTH + 16 * h);
        if (add)
            sum += _mm512_maskz_loadu_ps(masks[h], to);
        _mm512_mask_storeu_ps(to, masks[h], sum);
    }
}

/* As multiply_block_fn. */
static void bf16_multiply(size_t m, size_t n, size_t k, const float *a,
                          size_t lda, float *scratch, float *c, size_t ldc,
                          bool add)
{
    struct memory *memory = (void *)scratch;
    const size_t words = count_words(k), strips = (m + ROWS - 1) / ROWS;
    const struct tile_heights heights = tiles_cut((m + strips - 1) / strips);
    tiles_start(heights, 16);
    for (size_t s = 0; s < strips; s++) {
        /* A lower strip's last row is one of the strip before. */
        const size_t rows = m / strips + (s < m % strips);
        round_strip(rows, k, a, lda, memory->strip, DEPTH);
        for (size_t j = 0; j < n; j += WIDTH) {
            const float *panel = memory->panels + j * words;
            tiles_zero(heights);
            for (size_t w = 0; w < words; w += 16)
                TILES_ADD(TILE_BF16, heights, memory->strip + w,
                          DEPTH * sizeof(float), panel + w * WIDTH);
            tiles_store(heights, memory->sums);
            finish(rows, n - j, memory->sums, c + j, ldc, add);
        }
        a += rows * lda;
        c += rows * ldc;
    }
    tiles_release();
}

#define BF16_DEPTH (DEPTH * WORD_NUMBERS)
#define BF16_MOST BLOCK
#define BF16_NARROW false

BF16_PRODUCTS

void pnd_kernels_add_amx_bf16(struct pnd_kernels *k)
{
    BF16_ADD(k);
}
