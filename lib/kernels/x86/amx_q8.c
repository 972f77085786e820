/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/tiles.h"
#include "kernels/x86/vnni_panels.h"
#include "tensor/blocks.h"

/* Products of block formats with AMX: panels as VNNI has them, strips of up to
 * 32 rows of activations from where they are. A group with one scale is one
 * product of tiles; what becomes of its sums takes longer than that. The same
 * operations in the same order as in q8_panel.h: the same bits. */

#define ROWS ((size_t)32)
#define LEAST_ROWS 12 /* fewer are left to VNNI */
#define WIDTH PANEL_WIDTH
#define BATCH ((size_t)4) /* groups whose sums are added together */
#define STRIP_ASKS (256 / 32 / BATCH)

/* Behind the panels. */
struct memory {
    int32_t dots[BATCH][ROWS * WIDTH];
    float sums[ROWS * WIDTH];
};

_Static_assert(sizeof(struct memory) <= PANEL_MEMORY, "it is in the scratch");

/* A batch of groups: constants but for where it begins. */
struct batch {
    size_t first; /* group of a unit */
    size_t depth; /* elements of a group: 16 or 32 */
    bool is_biased;
};

/* dots = the products of the codes in each group */
static void multiply_codes(struct tile_heights heights, struct batch b,
                           const struct panel_unit *w,
                           const struct pnd_q8_block *x, size_t stride,
                           int32_t dots[BATCH][ROWS * WIDTH])
{
    const size_t row_bytes = stride * sizeof *x;
    for (size_t i = 0; i < BATCH; i++) {
        const size_t at = (b.first + i) * b.depth;
        tiles_zero(heights);
        TILES_ADD(TILE_I8_U8, heights, x->codes + at, row_bytes,
                  w->codes[at / 4]);
        tiles_store(heights, dots[i]);
    }
}

/* sums[rows, 32] += what the dots stand for */
ALWAYS_INLINE void add_dots(size_t rows, struct batch b,
                            const struct panel_unit *w,
                            const struct pnd_q8_block *x, size_t stride,
                            struct memory *memory)
{
    for (size_t r = 0; r < rows; r++, x += stride) {
        float *to = memory->sums + r * WIDTH;
        vf sums[2] = {_mm512_load_ps(to), _mm512_load_ps(to + 16)};
        UNROLL
        for (size_t i = 0; i < BATCH; i++) {
            const size_t group = b.first + i;
            const int32_t *dots = memory->dots[i] + r * WIDTH;
            const vf scale = vf_set(x->scales[group * b.depth / 16]);
            const __m512i bias = _mm512_set1_epi32(
                b.depth == 32 ? x->wide_biases[group] : x->biases[group]);
            UNROLL
            for (size_t h = 0; h < 2; h++) {
                __m512i dot = _mm512_load_si512(dots + 16 * h);
                if (b.is_biased)
                    dot = _mm512_add_epi32(dot, bias);
                vf sum = _mm512_cvtepi32_ps(dot) * w->scales[group][h];
                if (!b.is_biased)
                    sum = vf_fma(w->offsets[group][h],
                                 _mm512_cvtepi32_ps(bias), sum);
                sums[h] = vf_fma(sum, scale, sums[h]);
            }
        }
        _mm512_store_ps(to, sums[0]);
        _mm512_store_ps(to + 16, sums[1]);
    }
}

/* memory->sums[rows, 32] = x[rows] * panel */
ALWAYS_INLINE void multiply_strip(struct tile_heights heights, struct batch b,
                                  size_t units, const struct panel *panel,
                                  const struct pnd_q8_block *x, size_t stride,
                                  struct memory *memory, struct ahead *next)
{
    const size_t rows = heights.first + heights.second;
    memset(memory->sums, 0, rows * WIDTH * sizeof(float));
    for (size_t u = 0; u < units; u++) {
        for (b.first = 0; b.first < 256 / b.depth; b.first += BATCH) {
            multiply_codes(heights, b, &panel->units[u], x + u, stride,
                           memory->dots);
            add_dots(rows, b, &panel->units[u], x + u, stride, memory);
            ahead_ask(next);
        }
    }
}

typedef void (*strip_fn)(struct tile_heights heights, size_t units,
                         const struct panel *panel,
                         const struct pnd_q8_block *x, size_t stride,
                         struct memory *memory, struct ahead *next);

#define STRIP(depth, is_biased)                                               \
    static void strip_##depth##_##is_biased(                                  \
        struct tile_heights heights, size_t units, const struct panel *panel, \
        const struct pnd_q8_block *x, size_t stride, struct memory *memory,   \
        struct ahead *next)                                                   \
    {                                                                         \
        const struct batch b = {0, depth, is_biased};                         \
        multiply_strip(heights, b, units, panel, x, stride, memory, next);    \
    }

STRIP(16, 0) STRIP(16, 1) STRIP(32, 0) STRIP(32, 1)

/* By what a panel says. */
static const strip_fn strips[2][2] = {{strip_16_0, strip_16_1},
                                      {strip_32_0, strip_32_1}};

/* y (+)= sums: the rows from `first` on */
static void finish(size_t first, size_t rows, size_t columns,
                   const float *sums, float *y, size_t ldy, bool add)
{
    const uint32_t there = columns < 32 ? (1u << columns) - 1 : UINT32_MAX;
    const __mmask16 masks[] = {(__mmask16)there, (__mmask16)(there >> 16)};
    for (size_t i = 2 * first; i < 2 * rows; i++) {
        const size_t r = i / 2, h = i % 2;
        float *to = y + r * ldy + 16 * h;
        vf sum = _mm512_load_ps(sums + r * WIDTH + 16 * h);
        if (add)
            sum += _mm512_maskz_loadu_ps(masks[h], to);
        _mm512_mask_storeu_ps(to, masks[h], sum);
    }
}

/* As panels_multiply_fn. */
static void multiply(const struct panel_product *p,
                     const struct panel_part *part, struct ahead *next)
{
    const struct panel *panels = p->panels;
    struct memory *memory = (void *)(p->panels + PANELS);
    const size_t count = (p->m + ROWS - 1) / ROWS;
    const size_t rows = (p->m + count - 1) / count;
    const struct tile_heights heights = tiles_cut(rows);
    const strip_fn strip = strips[panels->is_wide][panels->is_biased];
    tiles_start(heights, panels->is_wide ? 8 : 4);
    for (size_t j = 0; j < part->columns; j += WIDTH) {
        for (size_t s = 0; s < count; s++) {
            /* The last strip is as high as the others: its first rows may have
             * been in the one before, and are left as they are. */
            const size_t from = s * rows;
            const size_t row = s + 1 < count ? from : p->m - rows;
            strip(heights, part->units, &panels[j / WIDTH],
                  p->a + row * p->stride + part->unit, p->stride, memory,
                  next);
            finish(from - row, rows, part->columns - j, memory->sums,
                   p->y + part->column + row * p->ldy + j, p->ldy,
                   part->unit > 0);
        }
    }
    tiles_release();
}

#define PRODUCT(dtype, type)                                                 \
    static void product_##type(size_t m, size_t n, size_t k,                 \
                               const struct pnd_q8_block *a, const void *w,  \
                               size_t row_bytes, float *y, size_t ldy,       \
                               float *scratch)                               \
    {                                                                        \
        if (m < LEAST_ROWS)                                                  \
            pnd_vnni_q8.product[dtype](m, n, k, a, w, row_bytes, y, ldy,     \
                                       scratch);                             \
        else                                                                 \
            panels_run((struct panel_kind){dtype, WIDTH, ROWS, STRIP_ASKS,   \
                                           pnd_vnni_unpack[dtype],           \
                                           multiply},                        \
                       m, n, k, a, w, row_bytes, y, ldy, scratch);           \
    }

FOR_BLOCK_FORMATS(PRODUCT)

#define ROW(dtype, type) k->q8.product[dtype] = product_##type;

void pnd_kernels_add_amx_q8(struct pnd_kernels *k)
{
    FOR_BLOCK_FORMATS(ROW)
}
