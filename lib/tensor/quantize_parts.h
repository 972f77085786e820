/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TENSOR_QUANTIZE_PARTS_H
#define PND_TENSOR_QUANTIZE_PARTS_H

#include "tensor/blocks.h"
#include "tensor/tensor.h"

/* What the files of the quantiser share. All formats are worked on in pieces
 * of 256 elements of a row: a block, or up to eight blocks of 32. */

/* 256 floats and what the error of each counts, about 1 on average. */
struct pnd_piece {
    float x[PND_SUPER_BLOCK];
    float w[PND_SUPER_BLOCK];
};

/* The values that a code stands for, before the scale. */
struct pnd_code_set {
    float low, high;   /* whole numbers between them, or the table's ends */
    bool table;        /* PND_IQ4_VALUES */
    float first, step; /* of the search: the largest element is tried as */
    uint32_t steps;    /* first, first + step, ... before clamping */
};

/* Groups of 16 or 32 elements with a scale each: scale * code. */
struct pnd_scales {
    int8_t codes[PND_SUPER_BLOCK]; /* of the table: its values */
    float scales[PND_SUPER_BLOCK / 16];
};

/* The same with an offset: scale * code - offset. */
struct pnd_offsets {
    uint8_t codes[PND_SUPER_BLOCK];
    float scales[PND_SUPER_BLOCK / 16];
    float offsets[PND_SUPER_BLOCK / 16];
};

/* Scales as whole numbers in units of an f16 number. */
struct pnd_whole_scales {
    int8_t codes[PND_SUPER_BLOCK];
    int8_t scales[PND_SUPER_BLOCK / 16];
    uint16_t d; /* f16 bits */
};

struct pnd_whole_offsets {
    uint8_t codes[PND_SUPER_BLOCK];
    uint8_t scales[PND_SUPER_BLOCK / 16];
    uint8_t offsets[PND_SUPER_BLOCK / 16];
    uint16_t d, dmin; /* f16 bits */
};

/** Each group of `size` elements with an f16 scale of its own. */
void pnd_search_scales(const struct pnd_piece *piece, uint32_t size,
                       const struct pnd_code_set *set, struct pnd_scales *out);

/** ... and an f16 offset of any sign; codes from 0 to `top`. */
void pnd_search_offsets(const struct pnd_piece *piece, uint32_t size,
                        uint32_t top, struct pnd_offsets *out);

/** Scales from `least` to -least - 1. */
void pnd_search_whole_scales(const struct pnd_piece *piece, uint32_t size,
                             const struct pnd_code_set *set, int32_t least,
                             struct pnd_whole_scales *out);

/** Scales and offsets from 0 to `most`, codes from 0 to `top`. */
void pnd_search_whole_offsets(const struct pnd_piece *piece, uint32_t size,
                              uint32_t top, uint32_t most,
                              struct pnd_whole_offsets *out);

/** Blocks of 32 as the formats' public definition rounds them: the scale from
 *  the largest element (or the range), then each to the nearest code. */
void pnd_round_q8_0(const float *x, struct pnd_block_q8_0 *out);
void pnd_round_q4_0(const float *x, struct pnd_block_q4_0 *out);
void pnd_round_q4_1(const float *x, struct pnd_block_q4_1 *out);
void pnd_round_q5_0(const float *x, struct pnd_block_q5_0 *out);
void pnd_round_q5_1(const float *x, struct pnd_block_q5_1 *out);

/** A piece as `blocks` blocks of 32, or as one of 256. */
typedef void (*pnd_pack_fn)(const struct pnd_piece *piece, size_t blocks,
                            uint8_t *out);
void pnd_pack_q4_0(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q4_1(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q5_0(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q5_1(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_iq4_nl(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q2_k(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q3_k(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q4_k(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q5_k(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_q6_k(const struct pnd_piece *p, size_t blocks, uint8_t *out);
void pnd_pack_iq4_xs(const struct pnd_piece *p, size_t blocks, uint8_t *out);

/** "Two halves of 16" of the lower four bits of 32 codes, and their fifth bits
 *  (tensor/blocks.h). */
void pnd_put_halves(const uint8_t *codes, uint8_t *to);
void pnd_put_fifths(const uint8_t *codes, uint8_t *high, uint8_t *to);

/** f16 bits, little-endian. */
static inline void pnd_put_half(uint8_t *to, uint16_t half)
{
    to[0] = (uint8_t)half;
    to[1] = (uint8_t)(half >> 8);
}

#endif
