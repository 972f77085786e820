/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/layers.h"

static void layer_norm(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *y)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - mean;
        variance += d * d;
    }
    variance /= (double)n;
    double scale = 1 / sqrt(variance + (double)eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * scale) * weight[i] + bias[i];
}

static void rms_norm(size_t n, const float *x, const float *weight, float eps,
                     float *y)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    float scale = (float)(1 / sqrt(squares / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * scale * weight[i];
}

const struct pnd_norm_kernels pnd_generic_norm = {layer_norm, rms_norm};
