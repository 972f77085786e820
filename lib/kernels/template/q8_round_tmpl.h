/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_ROUND_TMPL_H
#define PND_KERNELS_Q8_ROUND_TMPL_H

#include "kernels/kernels.h"
#include "kernels/template/inline.h"

/* Rounding activations to 8 bits, for the vectors of the vec_*.h included
 * before. */

typedef int32_t vs __attribute__((vector_size(VF_LANES * 4)));

/* Added to a small number, it leaves the number's nearest integer (even ones
 * first) in the low bits. */
#define ROUNDER 12582912.0f /* 1.5 * 2^23 */

/* The largest magnitude of 32 numbers, as bits, which are in the same order;
 * what is not a number is larger than all. */
ALWAYS_INLINE int32_t find_largest(const float *x)
{
    vs most = {0};
    for (size_t i = 0; i < 32; i += VF_LANES) {
        vs bits = (vs)vf_load_f32(x + i) & INT32_MAX;
        vs larger = bits > most;
        most = (bits & larger) | (most & ~larger);
    }
    int32_t result = 0;
    for (size_t i = 0; i < VF_LANES; i++)
        result = most[i] > result ? most[i] : result;
    return result;
}

ALWAYS_INLINE int32_t sum_codes(const int8_t *codes)
{
    int32_t sum = 0;
    for (size_t i = 0; i < 16; i++)
        sum += codes[i];
    return sum;
}

/* Elements 32 part to 32 part + 31 of a block. */
ALWAYS_INLINE void round_32(const float *x, size_t part,
                            struct pnd_q8_block *to)
{
    union {
        int32_t bits;
        float value;
    } largest = {find_largest(x)};
    const bool is_finite = largest.bits < 0x7f800000;
    int8_t *codes = to->codes + 32 * part;
    float scale = largest.value / 127, inverse = 0;
    if (is_finite && largest.value > 127 * 0x1p-126f)
        inverse = 127 / largest.value;
    else
        scale = is_finite ? 0 : largest.value * 0; /* tiny; NaN */
    for (size_t i = 0; i < 32; i += VF_LANES) {
        vf scaled = vf_set(0);
        if (is_finite)
            scaled = vf_load_f32(x + i) * vf_set(inverse);
        vs rounded = (vs)(scaled + vf_set(ROUNDER));
        for (size_t j = 0; j < VF_LANES; j++)
            codes[i + j] = (int8_t)(uint8_t)(rounded[j] & 255);
    }
    to->wide_biases[part] = 0;
    for (size_t i = 0; i < 2; i++) {
        const int32_t sum = sum_codes(codes + 16 * i);
        to->scales[2 * part + i] = scale;
        to->sums[2 * part + i] = scale * (float)sum;
        to->biases[2 * part + i] = -128 * sum;
        to->wide_biases[part] -= 128 * sum;
    }
}

static void q8_round(size_t k, const float *x, struct pnd_q8_block *to)
{
    for (; k > 0; to++) {
        if (k < 256)
            memset(to, 0, sizeof *to);
        for (size_t part = 0; part < 8 && k > 0; part++, x += 32, k -= 32)
            round_32(x, part, to);
    }
}

#endif
