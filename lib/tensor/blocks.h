/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TENSOR_BLOCKS_H
#define PND_TENSOR_BLOCKS_H

#include <stdint.h>

/* The block formats of GGUF files, byte by byte. A row is cut into blocks of
 * consecutive elements, and each element is stored as a small integer, its
 * code. Per element of a group of 16 or 32:
 *
 *     value = scale * code              Q8_0 Q4_0 Q5_0 Q3_K Q6_K IQ4_NL IQ4_XS
 *     value = scale * code + offset     Q4_1 Q5_1
 *     value = scale * code - offset     Q2_K Q4_K Q5_K
 *
 * in single precision, rounded after each operation; where the group's scale is
 * a product of the block's d and an integer, that product is rounded first.
 * f16 numbers are little-endian. Only bytes, so that a block may lie anywhere.
 *
 * "Two halves of N": byte i of N has element i in its low four bits and element
 * i + N in its high ones. "Four planes of 32": byte i of 32 has elements i,
 * i + 32, i + 64 and i + 96 in its bits 0-1, 2-3, 4-5 and 6-7. "Bits of 32":
 * bit b of byte i belongs to element 32 b + i. */

#define PND_BLOCK 32
#define PND_SUPER_BLOCK 256

struct pnd_block_q8_0 {
    uint8_t d[2];     /* f16 scale */
    uint8_t codes[32]; /* signed */
};

struct pnd_block_q4_0 {
    uint8_t d[2];      /* f16 scale */
    uint8_t codes[16]; /* two halves of 16, code + 8 */
};

struct pnd_block_q4_1 {
    uint8_t d[2];      /* f16 scale */
    uint8_t m[2];      /* f16 offset */
    uint8_t codes[16]; /* two halves of 16 */
};

struct pnd_block_q5_0 {
    uint8_t d[2];      /* f16 scale */
    uint8_t high[4];   /* bit i % 8 of byte i / 8: fifth bit of element i */
    uint8_t codes[16]; /* two halves of 16: the lower bits of code + 16 */
};

struct pnd_block_q5_1 {
    uint8_t d[2];      /* f16 scale */
    uint8_t m[2];      /* f16 offset */
    uint8_t high[4];   /* as q5_0 */
    uint8_t codes[16]; /* two halves of 16: the lower bits of the code */
};

struct pnd_block_q2_k {
    uint8_t scales[16]; /* of each 16 elements: low half times d is the scale,
                           high half times dmin the offset */
    uint8_t codes[2][32]; /* four planes of 32, for each 128 elements */
    uint8_t d[2];         /* f16 */
    uint8_t dmin[2];      /* f16 */
};

struct pnd_block_q3_k {
    uint8_t high[32];     /* bits of 32; not set: 4 less */
    uint8_t codes[2][32]; /* four planes of 32, for each 128 elements */
    uint8_t scales[12];   /* 16 of 6 bits, + 32: the lower four bits in two
                             halves of 8, the upper two in four planes of 4 */
    uint8_t d[2];         /* f16 */
};

struct pnd_block_q4_k {
    uint8_t d[2];          /* f16 */
    uint8_t dmin[2];       /* f16 */
    uint8_t scales[12];    /* 8 scales s and 8 offsets m of 6 bits, of each 32
                              elements. Byte i < 4: s[i], and above it the two
                              upper bits of s[i + 4]; byte 4 + i: the same of
                              m; byte 8 + i: the four lower bits of s[i + 4],
                              and above them those of m[i + 4] */
    uint8_t codes[4][32];  /* two halves of 32, for each 64 elements */
};

struct pnd_block_q5_k {
    uint8_t d[2];         /* f16 */
    uint8_t dmin[2];      /* f16 */
    uint8_t scales[12];   /* as q4_k */
    uint8_t high[32];     /* bits of 32: fifth bit of the code */
    uint8_t codes[4][32]; /* two halves of 32, for each 64 elements */
};

struct pnd_block_q6_k {
    uint8_t low[2][64];  /* two halves of 64, for each 128 elements: the lower
                            four bits of code + 32 */
    uint8_t high[2][32]; /* four planes of 32, for each 128: the upper two */
    uint8_t scales[16];  /* signed, of each 16 elements */
    uint8_t d[2];        /* f16 */
};

/* The codes of the two formats below are places in this table. */
#define PND_IQ4_VALUES                                                       \
    {                                                                        \
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, \
            113                                                              \
    }

struct pnd_block_iq4_nl {
    uint8_t d[2];      /* f16 scale */
    uint8_t codes[16]; /* two halves of 16 */
};

struct pnd_block_iq4_xs {
    uint8_t d[2];           /* f16 */
    uint8_t scales_high[2]; /* 8 of 6 bits, + 32, of each 32 elements: bits
                               2 i and 2 i + 1 of the little-endian number are
                               the upper two of scale i */
    uint8_t scales_low[4];  /* the lower four: of 2 i in the low half of byte
                               i, of 2 i + 1 in the high half */
    uint8_t codes[8][16];   /* two halves of 16, for each 32 elements */
};

_Static_assert(sizeof(struct pnd_block_q8_0) == 34, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q4_0) == 18, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q4_1) == 20, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q5_0) == 22, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q5_1) == 24, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q2_k) == 84, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q3_k) == 110, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q4_k) == 144, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q5_k) == 176, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_q6_k) == 210, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_iq4_nl) == 18, "as GGUF has it");
_Static_assert(sizeof(struct pnd_block_iq4_xs) == 136, "as GGUF has it");

/* row(dtype, type) for each of them */
#define FOR_BLOCK_FORMATS(row)                                             \
    row(PND_Q8_0, q8_0) row(PND_Q4_0, q4_0) row(PND_Q4_1, q4_1)            \
    row(PND_Q5_0, q5_0) row(PND_Q5_1, q5_1) row(PND_Q2_K, q2_k)            \
    row(PND_Q3_K, q3_k) row(PND_Q4_K, q4_k) row(PND_Q5_K, q5_k)            \
    row(PND_Q6_K, q6_k) row(PND_IQ4_NL, iq4_nl) row(PND_IQ4_XS, iq4_xs)

#endif
