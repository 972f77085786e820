/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_X86_TILES_H
#define PND_KERNELS_X86_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/template/inline.h"

/* AMX: eight registers of up to 16 rows of 64 bytes, and products of two of
 * them that are added to a third: dest[i][j] += sum_w a[i][w] . b[w][j], where
 * an element is a word of 32 bits and . multiplies what lies in two words: four
 * codes (int32 sums), or two bf16 numbers (float sums). Every user here has its
 * sums in tiles 0 to 3, two by two, rows of activations in 4 and 5, and 16
 * words of 32 columns in 6 and 7.
 *
 * The instructions are written down rather than taken from the compiler's
 * headers, since these do not all tell that memory is read. Tile numbers are
 * literals; addresses and strides (in bytes) are free. */

#define TILE_BYTES ((size_t)64) /* of a row */
#define TILE_ROWS ((size_t)16)

/* As the instruction reads it. */
struct tile_config {
    uint8_t palette, start_row, zeros[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

_Static_assert(sizeof(struct tile_config) == 64, "as the instruction reads it");

/* A thread's tiles are as shaped here until tiles_release, which also spares
 * the system saving them. */
ALWAYS_INLINE void tiles_configure(const struct tile_config *config)
{
    __asm__ volatile("ldtilecfg %0" ::"m"(*config) : "memory");
}

ALWAYS_INLINE void tiles_release(void)
{
    __asm__ volatile("tilerelease" ::: "memory");
}

#define TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")

#define TILE_LOAD(tile, from, stride)                       \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::  \
                     "r"((const void *)(from)),             \
                     "r"((size_t)(stride)) : "memory")

#define TILE_STORE(tile, to, stride)                        \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" :: \
                     "r"((void *)(to)),                     \
                     "r"((size_t)(stride)) : "memory")

/* TILE_<kind of a, of b>(dest, a, b) */
#define TILE_DOT(instruction, dest, a, b)                                \
    __asm__ volatile(instruction " %%tmm" #b ", %%tmm" #a ", %%tmm" #dest \
                     ::: "memory")
#define TILE_I8_I8(dest, a, b) TILE_DOT("tdpbssd", dest, a, b)
#define TILE_I8_U8(dest, a, b) TILE_DOT("tdpbsud", dest, a, b)
#define TILE_BF16(dest, a, b) TILE_DOT("tdpbf16ps", dest, a, b)

/* Heights of the two tiles that lie one above the other: `second` may be 0. */
struct tile_heights {
    size_t first, second;
};

/* For up to 32 rows. */
ALWAYS_INLINE struct tile_heights tiles_cut(size_t rows)
{
    if (rows <= TILE_ROWS)
        return (struct tile_heights){rows, 0};
    return (struct tile_heights){(rows + 1) / 2, rows / 2};
}

/* Of products of rows as high as this, `words` words at a time (at most 16). */
ALWAYS_INLINE void tiles_start(struct tile_heights heights, size_t words)
{
    struct tile_config config = {.palette = 1};
    for (size_t t = 0; t < 8; t++) {
        size_t rows = t < 2 || t == 4 ? heights.first : heights.second;
        if (t >= 6)
            rows = words;
        const size_t bytes = t == 4 || t == 5 ? words * 4 : TILE_BYTES;
        config.rows[t] = (uint8_t)rows;
        config.row_bytes[t] = rows > 0 ? (uint16_t)bytes : 0;
    }
    tiles_configure(&config);
}

/* Tiles 0 to 3 (+)= the next words, from `a` (rows, `stride` bytes apart) and
 * `b` (words, 32); `dot` is one of the above. */
#define TILES_ADD(dot, heights, a, stride, b)                             \
    do {                                                                  \
        TILE_LOAD(6, b, 2 * TILE_BYTES);                                  \
        TILE_LOAD(4, a, stride);                                          \
        TILE_LOAD(7, (const char *)(b) + TILE_BYTES, 2 * TILE_BYTES);     \
        dot(0, 4, 6);                                                     \
        dot(1, 4, 7);                                                     \
        if ((heights).second > 0) {                                       \
            TILE_LOAD(5, (const char *)(a) + (heights).first * (stride),  \
                      stride);                                            \
            dot(2, 5, 6);                                                 \
            dot(3, 5, 7);                                                 \
        }                                                                 \
    } while (0)

ALWAYS_INLINE void tiles_zero(struct tile_heights heights)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    if (heights.second > 0) {
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
}

/* Tiles 0 to 3 as (rows, 32) words. */
ALWAYS_INLINE void tiles_store(struct tile_heights heights, void *sums)
{
    const size_t stride = 2 * TILE_BYTES;
    char *second = (char *)sums + heights.first * stride;
    TILE_STORE(0, sums, stride);
    TILE_STORE(1, (char *)sums + TILE_BYTES, stride);
    if (heights.second > 0) {
        TILE_STORE(2, second, stride);
        TILE_STORE(3, second + TILE_BYTES, stride);
    }
}

#endif
