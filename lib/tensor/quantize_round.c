/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "tensor/quantize_lanes.h"

/* Blocks of 32 as their public definition makes them, bit for bit, from finite
 * numbers. Each operation rounds to single precision, and the codes are taken
 * with the scale as it was before it was rounded to f16. */

#define PARTS (PND_BLOCK / LANES)

/* Of a block's vectors; the sign of a zero is any. */
INLINE void find_ends(const vq *v, float *low, float *high)
{
    vq lows = v[0], highs = v[0];
    for (int i = 1; i < PARTS; i++) {
        lows = least(lows, v[i]);
        highs = most(highs, v[i]);
    }
    *low = lows[0];
    *high = highs[0];
    for (int i = 1; i < LANES; i++) {
        *low = lows[i] < *low ? lows[i] : *low;
        *high = highs[i] > *high ? highs[i] : *high;
    }
}

/* The element of largest magnitude, the first of equal ones; 0 for zeros. */
INLINE float find_peak(const float *x, const vq *v)
{
    float low, high, peak = 0;
    find_ends(v, &low, &high);
    if (high != -low)
        return high > -low ? high : low;
    for (int i = 0; i < PND_BLOCK; i++) {
        if (fabsf(x[i]) > fabsf(peak))
            peak = x[i];
    }
    return peak;
}

/* 1 / d; a d whose inverse is no number is below any f16 scale: zeros. */
static float invert_scale(float d)
{
    float inverse = 1.0f / d;
    return d == 0 || isinf(inverse) ? 0 : inverse;
}

/* (v - low) * inverse + add, cut off to a whole number, at most `top`. */
INLINE void cut_codes(const vq *v, float low, float inverse, float add,
                      float top, uint8_t *codes)
{
    vq out[PARTS];
    for (int i = 0; i < PARTS; i++) {
        vq code = (v[i] - set(low)) * set(inverse) + set(add);
        out[i] = least(code, set(top));
    }
    put_codes(out, codes);
    put_codes(out + PARTS / 2, codes + PND_BLOCK / 2);
}

/* Codes around `middle`, from 0 to `2 middle - 1`, and their scale. */
INLINE uint16_t round_symmetric(const float *x, float middle, uint8_t *codes)
{
    vq v[PARTS];
    memcpy(v, x, sizeof v);
    const float d = find_peak(x, v) / -middle;
    cut_codes(v, 0, invert_scale(d), middle + 0.5f, 2 * middle - 1, codes);
    return pnd_f32_to_f16(d);
}

INLINE void round_range(const float *x, float top, uint8_t *codes, uint8_t *d,
                        uint8_t *m)
{
    vq v[PARTS];
    float low, high;
    memcpy(v, x, sizeof v);
    find_ends(v, &low, &high);
    if (low == 0 || high == 0) { /* of zeros, the first */
        low = high = x[0];
        for (int i = 1; i < PND_BLOCK; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
    }
    const float scale = (high - low) / top;
    cut_codes(v, low, invert_scale(scale), 0.5f, top, codes);
    pnd_put_half(d, pnd_f32_to_f16(scale));
    pnd_put_half(m, pnd_f32_to_f16(low));
}

void pnd_round_q8_0(const float *x, struct pnd_block_q8_0 *out)
{
    vq v[PARTS];
    memcpy(v, x, sizeof v);
    const float d = fabsf(find_peak(x, v)) / 127, inverse = invert_scale(d);
    pnd_put_half(out->d, pnd_f32_to_f16(d));
    for (int i = 0; i < PARTS; i++) {
        /* halves away from zero */
        vq code = v[i] * set(inverse);
        vq half = (vq)((vm)set(0.5f) | ((vm)code & INT32_MIN));
        vq whole = __builtin_convertvector(
            __builtin_convertvector(code, vm), vq);
        vm far = magnitude(code - whole) >= set(0.5f);
        v[i] = whole + (vq)((vm)(half + half) & far);
    }
    put_codes(v, out->codes);
    put_codes(v + PARTS / 2, out->codes + PND_BLOCK / 2);
}

typedef uint8_t bytes __attribute__((vector_size(16)));

void pnd_put_halves(const uint8_t *codes, uint8_t *to)
{
    bytes low, high;
    memcpy(&low, codes, sizeof low);
    memcpy(&high, codes + sizeof low, sizeof high);
    low = (low & 15) | high << 4;
    memcpy(to, &low, sizeof low);
}

/* Each fifth bit goes to its place in its byte, and the eight are added. */
void pnd_put_fifths(const uint8_t *codes, uint8_t *high, uint8_t *to)
{
    static const bytes places = {1, 2, 4, 8, 16, 32, 64, 128,
                                 1, 2, 4, 8, 16, 32, 64, 128};
    for (int half = 0; half < 2; half++) {
        bytes b;
        memcpy(&b, codes + 16 * half, sizeof b);
        b = (bytes)(b > 15) & places;
        for (int i = 0; i < 2; i++) {
            uint64_t eight;
            memcpy(&eight, (const uint8_t *)&b + 8 * i, sizeof eight);
            high[2 * half + i] =
                (uint8_t)(eight * UINT64_C(0x0101010101010101) >> 56);
        }
    }
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
