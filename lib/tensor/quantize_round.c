/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "tensor/quantize_parts.h"

/* Blocks of 32 as their public definition makes them, bit for bit, from finite
 * numbers. Each operation rounds to single precision, and the codes are taken
 * with the scale as it was before it was rounded to f16. */

/* The element of largest magnitude, the first of equal ones. */
static float find_peak(const float *x)
{
    float peak = 0;
    for (int i = 0; i < PND_BLOCK; i++) {
        if (fabsf(x[i]) > fabsf(peak))
            peak = x[i];
    }
    return peak;
}

/* 1 / d; a d whose inverse is no number is below any f16 scale: zeros. */
static float invert(float d)
{
    float inverse = 1.0f / d;
    return d == 0 || isinf(inverse) ? 0 : inverse;
}

/* Codes around `middle`, from 0 to `2 middle - 1`, and their scale. */
static uint16_t round_symmetric(const float *x, float middle, uint8_t *codes)
{
    const float d = find_peak(x) / -middle, inverse = invert(d);
    const float most = 2 * middle - 1;
    for (int i = 0; i < PND_BLOCK; i++) {
        float v = x[i] * inverse + (middle + 0.5f);
        codes[i] = (uint8_t)(v < most ? v : most);
    }
    return pnd_f32_to_f16(d);
}

static void round_range(const float *x, float most, uint8_t *codes, uint8_t *d,
                        uint8_t *m)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < PND_BLOCK; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float scale = (high - low) / most, inverse = invert(scale);
    for (int i = 0; i < PND_BLOCK; i++) {
        float v = (x[i] - low) * inverse + 0.5f;
        codes[i] = (uint8_t)(v < most ? v : most);
    }
    pnd_put_half(d, pnd_f32_to_f16(scale));
    pnd_put_half(m, pnd_f32_to_f16(low));
}

void pnd_round_q8_0(const float *x, struct pnd_block_q8_0 *out)
{
    const float d = fabsf(find_peak(x)) / 127, inverse = invert(d);
    pnd_put_half(out->d, pnd_f32_to_f16(d));
    for (int i = 0; i < PND_BLOCK; i++) {
        /* halves away from zero */
        float v = x[i] * inverse, whole = truncf(v);
        whole += (float)((v - whole >= 0.5f) - (v - whole <= -0.5f));
        out->codes[i] = (uint8_t)(int8_t)whole;
    }
}

void pnd_put_halves(const uint8_t *codes, uint8_t *to)
{
    for (int i = 0; i < 16; i++)
        to[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
}

void pnd_put_fifths(const uint8_t *codes, uint8_t *high, uint8_t *to)
{
    memset(high, 0, 4);
    for (int i = 0; i < 32; i++)
        high[i / 8] |= (uint8_t)((codes[i] >> 4) << i % 8);
    pnd_put_halves(codes, to);
}

void pnd_round_q4_0(const float *x, struct pnd_block_q4_0 *out)
{
    uint8_t codes[PND_BLOCK];
    pnd_put_half(out->d, round_symmetric(x, 8, codes));
    pnd_put_halves(codes, out->codes);
}

void pnd_round_q5_0(const float *x, struct pnd_block_q5_0 *out)
{
    uint8_t codes[PND_BLOCK];
    pnd_put_half(out->d, round_symmetric(x, 16, codes));
    pnd_put_fifths(codes, out->high, out->codes);
}

void pnd_round_q4_1(const float *x, struct pnd_block_q4_1 *out)
{
    uint8_t codes[PND_BLOCK];
    round_range(x, 15, codes, out->d, out->m);
    pnd_put_halves(codes, out->codes);
}

void pnd_round_q5_1(const float *x, struct pnd_block_q5_1 *out)
{
    uint8_t codes[PND_BLOCK];
    round_range(x, 31, codes, out->d, out->m);
    pnd_put_fifths(codes, out->high, out->codes);
}
