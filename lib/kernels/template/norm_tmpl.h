/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_NORM_TMPL_H
#define PND_KERNELS_NORM_TMPL_H

#include <math.h>

#include "kernels/template/format_tmpl.h"

/* Norms, for the vectors of the vec_*.h included before. Rows are summed in
 * 4 * VF_LANES short chains, whose rounding errors stay far below those of one
 * long chain. */

/* Sum of (x - mean)^power, power 1 or 2 (a constant). */
ALWAYS_INLINE float sum_powers(int power, size_t n, const float *x, float mean)
{
    vf sums[4] = {{0}}, middle = vf_set(mean);
    size_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        UNROLL
        for (size_t j = 0; j < 4; j++) {
            vf d = vf_load_f32(x + i + j * VF_LANES) - middle;
            sums[j] = power == 2 ? vf_fma(d, d, sums[j]) : sums[j] + d;
        }
    }
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf d = vf_load_f32(x + i) - middle;
        sums[0] = power == 2 ? vf_fma(d, d, sums[0]) : sums[0] + d;
    }
    float rest = 0;
    for (; i < n; i++) {
        float d = x[i] - mean;
        rest += power == 2 ? d * d : d;
    }
    return vf_sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

/* y = (x - mean) * scale * weight [+ bias]; values beyond n stay as they
 * are. */
ALWAYS_INLINE void scale_row(size_t n, const float *x, float mean, float scale,
                             const float *weight, const float *bias, float *y)
{
    vf middle = vf_set(mean), factor = vf_set(scale);
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t count = n - i < VF_LANES ? n - i : VF_LANES;
        vf d = (load_some(x + i, count) - middle) * factor;
        vf w = load_some(weight + i, count);
        store_some(y + i, count,
                   bias ? vf_fma(d, w, load_some(bias + i, count)) : d * w);
    }
}

static void layer_norm(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *y)
{
    float mean = sum_powers(1, n, x, 0) / (float)n;
    float variance = sum_powers(2, n, x, mean) / (float)n;
    scale_row(n, x, mean, 1 / sqrtf(variance + eps), weight, bias, y);
}

static void rms_norm(size_t n, const float *x, const float *weight, float eps,
                     float *y)
{
    float square = sum_powers(2, n, x, 0) / (float)n;
    scale_row(n, x, 0, 1 / sqrtf(square + eps), weight, NULL, y);
}

#endif
