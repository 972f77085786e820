/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VECTOR_TMPL_H
#define PND_KERNELS_VECTOR_TMPL_H

#include "kernels/template/norm_tmpl.h"

/* Element-wise operations, for the vectors of the vec_*.h included before. A
 * value's result does not depend on where in the row it stands: the last,
 * incomplete vector goes through the same operations. */

typedef int32_t vi __attribute__((vector_size(sizeof(vf))));

/* e^x within 2 units in the last place; 0 and infinity where floats end. */
static inline vf exponential(vf x)
{
    /* The bound first: vf_min and vf_max give their second argument where one
     * is not a number, and that must come through. */
    x = vf_min(vf_set(89), vf_max(vf_set(-104), x));
    /* x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to whole
     * numbers and leaves n in the low bits. */
    vf magic = vf_set(0x1.8p23f);
    vf shifted = vf_fma(x, vf_set(0x1.715476p0f), magic);
    vf n = shifted - magic;
    vf r = vf_fma(n, vf_set(-0x1.62e43p-1f), x);
    r = vf_fma(n, vf_set(0x1.05c61p-29f), r);
    /* (e^r - 1 - r) / r^2, minimax for the relative error of e^r: 3e-9 */
    vf p = vf_set(0.00138144658f);
    p = vf_fma(p, r, vf_set(0.00836878046f));
    p = vf_fma(p, r, vf_set(0.0416683942f));
    p = vf_fma(p, r, vf_set(0.166665201f));
    p = vf_fma(p, r, vf_set(0.499999934f));
    p = vf_fma(p * r, r, r) + 1;
    /* 2^n in two factors, since n may be 128 or below -126. */
    vi exponent = (vi)shifted - (vi)magic;
    vi half = exponent >> 1;
    vf low = (vf)((half + 127) << 23);
    vf high = (vf)((exponent - half + 127) << 23);
    return p * low * high;
}

/* x * (1 + erf(x / sqrt 2)) / 2 = max(x, 0) - |x| Q(|x|), where Q(a) is the
 * normal distribution's tail beyond a. Q(a) exp(a^2 / 2) is smooth and falls
 * slowly; a polynomial in u = 1 / (1 + 0.3 a) gives it for all a (the form of
 * Abramowitz and Stegun 26.2.17, fitted anew: minimax relative error 8e-8). */
static inline vf gelu_one(vf x)
{
    vf zero = vf_set(0);
    /* Beyond 16 the tail is 0, and infinity times 0 must not be asked for. */
    vf a = vf_min(vf_set(16), vf_max(zero - x, x));
    vf u = 1 / vf_fma(a, vf_set(0.3f), vf_set(1));
    vf g = vf_set(0.0367415644f);
    g = vf_fma(g, u, vf_set(-0.161679355f));
    g = vf_fma(g, u, vf_set(0.214133092f));
    g = vf_fma(g, u, vf_set(-0.0609201977f));
    g = vf_fma(g, u, vf_set(0.132440322f));
    g = vf_fma(g, u, vf_set(0.0987191838f));
    g = vf_fma(g, u, vf_set(0.120949076f));
    g = vf_fma(g, u, vf_set(0.119616273f));
    vf tail = g * u * exponential(a * a * -0.5f);
    return vf_max(zero, x) - a * tail;
}

static void add(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        store_some(y + i, count,
                   load_some(y + i, count) + load_some(x + i, count));
    }
}

static void gelu(size_t n, float *x)
{
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        store_some(x + i, count, gelu_one(load_some(x + i, count)));
    }
}

static void silu_mul(size_t n, float *gate, const float *up)
{
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        vf g = load_some(gate + i, count);
        vf silu = g / (exponential(-g) + 1);
        store_some(gate + i, count, silu * load_some(up + i, count));
    }
}

static float find_largest(size_t n, const float *x)
{
    size_t i = 0;
    vf most = vf_set(-INFINITY);
    float part[VF_LANES], largest = -INFINITY;
    for (; i + VF_LANES <= n; i += VF_LANES)
        most = vf_max(vf_load_f32(x + i), most);
    vf_store(part, most);
    for (size_t j = 0; j < VF_LANES; j++)
        largest = part[j] > largest ? part[j] : largest;
    for (; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

static void to_f16(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store_f16(y + i, vf_load_f32(x + i));
    if (i < n) {
        uint16_t part[VF_LANES];
        vf_store_f16(part, load_some(x + i, n - i));
        memcpy(y + i, part, (n - i) * sizeof *y);
    }
}

static void softmax(size_t n, float scale, float *x)
{
    vf largest = vf_set(find_largest(n, x)), factor = vf_set(scale);
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        vf d = load_some(x + i, count) - largest;
        store_some(x + i, count, exponential(d * factor));
    }
    vf inverse = vf_set(1 / sum_powers(1, n, x, 0));
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        store_some(x + i, count, load_some(x + i, count) * inverse);
    }
}

#endif
