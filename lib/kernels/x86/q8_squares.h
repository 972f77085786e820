/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_SQUARES_H
#define PND_KERNELS_Q8_SQUARES_H

#include "kernels/x86/q8_formats.h"

/* Codes of VF_LANES rows in the order of panels: bytes are brought into that
 * order as they lie in the file, where there are fewer of them than codes, and
 * then become codes. For the formats that most files are made of; others are
 * unpacked row by row. The vq_*.h included before have
 *
 *   vq_quads(p, stride)      16 bytes of each of VF_LANES / 4 places
 *   vq_zip_low32(a, b), ...  words, or pairs of words, of a and b in turn: of
 *                            the lower or the higher half of each 16 bytes
 *   vq_shift_down(v, n)      n to the right; bits of a neighbour come in */

/* A whole unit of VF_LANES rows, row_bytes apart; `more` is added to each code.
 * Codes of elements 4 i to 4 i + 3 go to to[2 i]. */
typedef void (*panel_squares_fn)(const uint8_t *unit, size_t row_bytes,
                                 uint8_t more, vq *to);

/* out[i] = bytes 4 i to 4 i + 3 of each row */
ALWAYS_INLINE void load_square(const uint8_t *p, size_t row_bytes, vq out[4])
{
    const vq a = vq_quads(p, 4 * row_bytes);
    const vq b = vq_quads(p + row_bytes, 4 * row_bytes);
    const vq c = vq_quads(p + 2 * row_bytes, 4 * row_bytes);
    const vq d = vq_quads(p + 3 * row_bytes, 4 * row_bytes);
    const vq ab = vq_zip_low32(a, b), ab2 = vq_zip_high32(a, b);
    const vq cd = vq_zip_low32(c, d), cd2 = vq_zip_high32(c, d);
    out[0] = vq_zip_low64(ab, cd);
    out[1] = vq_zip_high64(ab, cd);
    out[2] = vq_zip_low64(ab2, cd2);
    out[3] = vq_zip_high64(ab2, cd2);
}

/* Bits `at` to `at` + `bits` - 1 of each byte */
ALWAYS_INLINE vq take_bits(vq v, int at, int bits)
{
    return vq_shift_down(v, at) & vq_set((uint8_t)((1 << bits) - 1));
}

/* 16 bytes of nibbles: first the low ones, then, `step` vectors of codes on,
 * the high ones. */
ALWAYS_INLINE void store_nibbles(const uint8_t *p, size_t row_bytes,
                                 const int8_t *table, uint8_t more, size_t step,
                                 vq *to)
{
    vq square[4];
    load_square(p, row_bytes, square);
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        vq low = take_bits(square[i], 0, 4), high = take_bits(square[i], 4, 4);
        to[2 * i] = (table ? vq_look_up(low, table) : low) + vq_set(more);
        to[2 * (i + step)] =
            (table ? vq_look_up(high, table) : high) + vq_set(more);
    }
}

#define NIBBLE_SQUARES(type, table)                                          \
    static void squares_##type(const uint8_t *unit, size_t row_bytes,        \
                               uint8_t more, vq *to)                         \
    {                                                                        \
        const struct pnd_block_##type *b = (const void *)unit;               \
        for (size_t i = 0; i < 8; i++)                                       \
            store_nibbles(b[i].codes, row_bytes, table, more, 4,             \
                          to + 16 * i);                                      \
    }

NIBBLE_SQUARES(q4_0, NULL)
NIBBLE_SQUARES(q4_1, NULL)
NIBBLE_SQUARES(iq4_nl, iq4_values)

static void squares_iq4_xs(const uint8_t *unit, size_t row_bytes, uint8_t more,
                           vq *to)
{
    const struct pnd_block_iq4_xs *b = (const void *)unit;
    for (size_t i = 0; i < 8; i++)
        store_nibbles(b->codes[i], row_bytes, iq4_values, more, 4, to + 16 * i);
}

static void squares_q8_0(const uint8_t *unit, size_t row_bytes, uint8_t more,
                         vq *to)
{
    const struct pnd_block_q8_0 *b = (const void *)unit;
    (void)more; /* codes are signed: 128 */
    for (size_t i = 0; i < 16; i++) {
        vq square[4];
        load_square((const uint8_t *)b[i / 2].codes + i % 2 * 16, row_bytes,
                    square);
        UNROLL
        for (size_t j = 0; j < 4; j++)
            to[2 * (4 * i + j)] = square[j] ^ vq_set(128);
    }
}

static void squares_q4_k(const uint8_t *unit, size_t row_bytes, uint8_t more,
                         vq *to)
{
    const struct pnd_block_q4_k *b = (const void *)unit;
    for (size_t i = 0; i < 8; i++)
        store_nibbles(b->codes[i / 2] + i % 2 * 16, row_bytes, NULL, more, 8,
                      to + 2 * (i / 2 * 16 + i % 2 * 4));
}

static void squares_q5_k(const uint8_t *unit, size_t row_bytes, uint8_t more,
                         vq *to)
{
    const struct pnd_block_q5_k *b = (const void *)unit;
    (void)more; /* there are offsets */
    for (size_t part = 0; part < 2; part++) {
        vq high[4];
        load_square(b->high + 16 * part, row_bytes, high);
        for (int i = 0; i < 4; i++) {
            vq square[4], *at = to + 2 * (16 * i + 4 * part);
            load_square(b->codes[i] + 16 * part, row_bytes, square);
            UNROLL
            for (size_t j = 0; j < 4; j++) {
                at[2 * j] = take_bits(square[j], 0, 4) |
                            vq_shift_up(take_bits(high[j], 2 * i, 1), 4);
                at[2 * (j + 8)] =
                    take_bits(square[j], 4, 4) |
                    vq_shift_up(take_bits(high[j], 2 * i + 1, 1), 4);
            }
        }
    }
}

static void squares_q6_k(const uint8_t *unit, size_t row_bytes, uint8_t more,
                         vq *to)
{
    const struct pnd_block_q6_k *b = (const void *)unit;
    for (size_t i = 0; i < 4; i++) { /* 16 bytes of the high bits */
        const size_t half = i / 2, part = i % 2 * 16;
        vq high[4];
        load_square(b->high[half] + part, row_bytes, high);
        for (int row = 0; row < 2; row++) {
            vq square[4], *at = to + 2 * (32 * half + 8 * row + part / 4);
            load_square(b->low[half] + 32 * row + part, row_bytes, square);
            UNROLL
            for (size_t j = 0; j < 4; j++) {
                at[2 * j] = (take_bits(square[j], 0, 4) |
                             vq_shift_up(take_bits(high[j], 2 * row, 2), 4)) +
                            vq_set(more);
                at[2 * (j + 16)] =
                    (take_bits(square[j], 4, 4) |
                     vq_shift_up(take_bits(high[j], 2 * row + 4, 2), 4)) +
                    vq_set(more);
            }
        }
    }
}

#define squares_q5_0 NULL
#define squares_q5_1 NULL
#define squares_q2_k NULL
#define squares_q3_k NULL

#endif
