/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/tiles.h"
#include "kernels/x86/vec_avx512.h"

/* Products of int8 codes with AMX. As in i8_tmpl.h a block of b is packed into
 * panels, [word][32] each, and strips of a go past it; a group of 256 codes is
 * four steps of a tile's 16 words. The same operations in the same order as
 * there: the same bits. */

#define ROWS ((size_t)32)   /* of a strip */
#define WIDTH ((size_t)32)  /* of a panel */
#define DEPTH ((size_t)PND_I8_DEPTH) /* of k in a block */
#define BLOCK ((size_t)128) /* columns in a block */
#define GROUPS (DEPTH / PND_I8_GROUP)
#define SUMS (ROWS * WIDTH) /* of a group */

/* What lies in the caller's scratch. */
struct memory {
    int32_t sums[GROUPS][SUMS];
    int8_t strip[ROWS * DEPTH];
    int8_t panels[BLOCK * DEPTH];
};

_Static_assert(sizeof(struct memory) + 64 <= PND_GEMM_SCRATCH * sizeof(float),
               "all is in the caller's scratch");
_Static_assert(DEPTH % PND_I8_GROUP == 0 && PND_I8_GROUP % TILE_BYTES == 0,
               "groups are whole tiles, blocks whole groups");

/* 64 codes, of which `count` exist; the rest is zero. */
ALWAYS_INLINE __m512i load_codes(const int8_t *p, size_t count)
{
    if (count >= TILE_BYTES)
        return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi8((UINT64_C(1) << count) - 1, p);
}

/* Steps of 64 codes that k codes take. */
ALWAYS_INLINE size_t count_steps(size_t k)
{
    return (k + TILE_BYTES - 1) / TILE_BYTES;
}

/* 16 columns of a panel from as many rows of b; the rest is zero. */
static void pack_half(size_t rows, size_t k, const int8_t *b, size_t ldb,
                      int8_t *panel)
{
    for (size_t i = 0; i < k; i += TILE_BYTES, panel += 16 * WIDTH * 4) {
        vf square[16];
        UNROLL
        for (size_t r = 0; r < 16; r++)
            square[r] = r < rows ? (vf)load_codes(b + r * ldb + i, k - i)
                                 : vf_set(0);
        vf_transpose(square);
        UNROLL
        for (size_t w = 0; w < 16; w++)
            _mm512_store_si512(panel + w * WIDTH * 4, (__m512i)square[w]);
    }
}

static void pack(size_t n, size_t k, const int8_t *b, size_t ldb,
                 int8_t *panels)
{
    for (size_t j = 0; j < n; j += WIDTH, b += WIDTH * ldb) {
        const size_t first = n - j < 16 ? n - j : 16;
        const size_t both = n - j < WIDTH ? n - j : WIDTH;
        pack_half(first, k, b, ldb, panels);
        pack_half(both - first, k, b + first * ldb, ldb, panels + TILE_BYTES);
        panels += count_steps(k) * TILE_BYTES * WIDTH;
    }
}

/* Rows of a, DEPTH apart, zeros after the last code. */
static void fill_strip(size_t rows, size_t k, const int8_t *a, size_t lda,
                       int8_t *strip)
{
    for (size_t r = 0; r < rows; r++, a += lda, strip += DEPTH) {
        for (size_t i = 0; i < k; i += TILE_BYTES)
            _mm512_store_si512(strip + i, load_codes(a + i, k - i));
    }
}

static void multiply(struct tile_heights heights, size_t k,
                     const int8_t *strip, const int8_t *panel,
                     int32_t sums[GROUPS][SUMS])
{
    const size_t steps = count_steps(k), whole = PND_I8_GROUP / TILE_BYTES;
    for (size_t s = 0; s < steps; s++) {
        if (s % whole == 0)
            tiles_zero(heights);
        TILES_ADD(TILE_I8_I8, heights, strip, DEPTH, panel);
        strip += TILE_BYTES;
        panel += TILE_BYTES * WIDTH;
        if ((s + 1) % whole == 0 || s + 1 == steps)
            tiles_store(heights, sums[s / whole]);
    }
}

/* c[rows, columns] += what the sums stand for */
static void add_sums(size_t rows, size_t columns, size_t groups,
                     int32_t sums[GROUPS][SUMS], const float *a_scales,
                     size_t scale_stride, const float *b_scales, float *c,
                     size_t ldc)
{
    const uint32_t there = columns < 32 ? (1u << columns) - 1 : UINT32_MAX;
    const __mmask16 masks[] = {(__mmask16)there, (__mmask16)(there >> 16)};
    for (size_t v = 0; v < 2 && masks[v]; v++, b_scales += 16, c += 16) {
        const vf b_scale = _mm512_maskz_loadu_ps(masks[v], b_scales);
        for (size_t r = 0; r < rows; r++) {
            vf total = {0};
            for (size_t g = 0; g < groups; g++) {
                const int32_t *sum = &sums[g][r * WIDTH + v * 16];
                total = vf_fma(_mm512_cvtepi32_ps(_mm512_load_si512(sum)),
                               vf_set(a_scales[r * scale_stride + g]), total);
            }
            vf old = _mm512_maskz_loadu_ps(masks[v], c + r * ldc);
            _mm512_mask_storeu_ps(c + r * ldc, masks[v],
                                  vf_fma(total, b_scale, old));
        }
    }
}

/* c[m, n] += a[m, k] * panels, n <= BLOCK, k <= DEPTH */
static void multiply_block(size_t m, size_t n, size_t k, const int8_t *a,
                           size_t lda, const float *a_scales,
                           size_t scale_stride, const float *b_scales,
                           float *c, size_t ldc, struct memory *memory)
{
    const size_t strips = (m + ROWS - 1) / ROWS;
    const struct tile_heights heights = tiles_cut((m + strips - 1) / strips);
    tiles_start(heights, 16);
    for (size_t s = 0; s < strips; s++) {
        /* A lower strip's last row is one of the strip before. */
        const size_t rows = m / strips + (s < m % strips);
        fill_strip(rows, k, a, lda, memory->strip);
        for (size_t j = 0; j < n; j += WIDTH) {
            multiply(heights, k, memory->strip,
                     memory->panels + j * count_steps(k) * TILE_BYTES,
                     memory->sums);
            add_sums(rows, n - j, pnd_i8_count_groups(k), memory->sums,
                     a_scales, scale_stride, b_scales + j, c + j, ldc);
        }
        a += rows * lda;
        a_scales += rows * scale_stride;
        c += rows * ldc;
    }
    tiles_release();
}

static void product(size_t m, size_t n, size_t k, const int8_t *a, size_t lda,
                    const float *a_scales, const int8_t *b, size_t ldb,
                    const float *b_scales, float *c, size_t ldc,
                    float *scratch)
{
    struct memory *memory =
        (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t k0 = 0; m > 0 && k0 < k; k0 += DEPTH) {
        const size_t depth = k - k0 < DEPTH ? k - k0 : DEPTH;
        for (size_t n0 = 0; n0 < n; n0 += BLOCK) {
            const size_t block = n - n0 < BLOCK ? n - n0 : BLOCK;
            pack(block, depth, b + n0 * ldb + k0, ldb, memory->panels);
            multiply_block(m, block, depth, a + k0, lda,
                           a_scales + k0 / PND_I8_GROUP,
                           pnd_i8_count_groups(k), b_scales + n0, c + n0, ldc,
                           memory);
        }
    }
}

void pnd_kernels_add_amx_i8(struct pnd_kernels *k)
{
    k->i8.product = product;
}
