/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_X86_PANELS_H
#define PND_KERNELS_X86_PANELS_H

#include "kernels/kernels.h"
#include "kernels/x86/vq_vnni.h"

/* Products of block formats with many rows of activations: rows of weights are
 * unpacked once to one byte a code, 32 rows by CHUNK units of 256 elements, in
 * an order in which a vector has four neighbours of 16 rows. Such a panel stays
 * in the level-one cache while rows of activations pass, and PANELS of them in
 * the level-two cache. */

#define CHUNK 4 /* units */
#define PANELS 5

/* From so many rows on a panel pays. */
#define PANEL_ROWS 12

struct panel_unit {
    vq codes[64][2];  /* of elements 4 i to 4 i + 3, of 16 rows twice */
    vf scales[16][2]; /* of each group of 16 elements, or of 32 */
    vf offsets[16][2]; /* where codes are not biased; over -128 */
};

struct panel {
    struct panel_unit units[CHUNK];
    bool is_wide;   /* groups have 32 elements, not 16 */
    bool is_biased; /* 128 is in each code; there are no offsets */
};

#define PANEL_MEMORY (24 * 1024) /* bytes, for panels_multiply_fn */

_Static_assert(PANELS * sizeof(struct panel) + PANEL_MEMORY + 64 <=
                   PND_GEMM_SCRATCH * sizeof(float),
               "all is in the caller's scratch");

/* The rows of weights that a panel is made of. */
struct panel_rows {
    const uint8_t *w; /* the first */
    size_t row_bytes;
    size_t count; /* at most 32; the last one stands for those missing */
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

/* Built for AVX-512 VNNI, like the products of few rows. */
extern const panel_unpack_fn pnd_vnni_unpack[PND_DTYPE_COUNT];
extern const struct pnd_q8_kernels pnd_vnni_q8;

/* Rows to fetch from row `next` of n on. */
static inline size_t panels_count_next(size_t n, size_t next, bool is_there)
{
    if (!is_there)
        return 0;
    return n - next < 32 ? n - next : 32;
}

/* As pnd_q8_product_fn, for weights of that type; m >= PANEL_ROWS. */
ALWAYS_INLINE void panels_run(enum pnd_dtype dtype, panels_multiply_fn multiply,
                              size_t m, size_t n, size_t k,
                              const struct pnd_q8_block *a, const uint8_t *w,
                              size_t row_bytes, float *y, size_t ldy,
                              float *scratch)
{
    const size_t stride = pnd_q8_count_blocks(k);
    const size_t whole = pnd_dtype_get_row_bytes(dtype, k);
    const size_t unit_bytes = pnd_dtype_get_row_bytes(dtype, 256);
    struct panel *panels =
        (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t u = 0; u < stride; u += CHUNK) {
        const size_t units = stride - u < CHUNK ? stride - u : CHUNK;
        const size_t at = u * unit_bytes;
        for (size_t first = 0; first < n; first += 32 * PANELS) {
            const size_t columns =
                n - first < 32 * PANELS ? n - first : 32 * PANELS;
            for (size_t j = 0; j < columns; j += 32) {
                const size_t row = first + j, next = row + 32;
                const bool is_last = next >= n;
                const struct panel_rows rows = {
                    .w = w + row * row_bytes + at,
                    .row_bytes = row_bytes,
                    .count = n - row < 32 ? n - row : 32,
                    .bytes = whole - at,
                    .next = is_last ? w + at + units * unit_bytes
                                    : w + next * row_bytes + at,
                    .next_count = panels_count_next(
                        n, is_last ? 0 : next,
                        !is_last || u + units < stride),
                };
                pnd_vnni_unpack[dtype](&rows, units, &panels[j / 32]);
            }
            multiply(m, u, units, panels, columns, a, stride, y + first, ldy);
        }
    }
}

#endif
