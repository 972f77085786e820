/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/layers.h"

static void add(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void gelu(size_t n, float *x)
{
    const float half_root = 0.70710678118654752f;
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5f * x[i] * (1 + erff(x[i] * half_root));
}

static void silu_mul(size_t n, float *gate, const float *up)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static void softmax(size_t n, float scale, float *x)
{
    float largest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(scale * (x[i] - largest));
        sum += (double)x[i];
    }
    float inverse = (float)(1 / sum);
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
}

static void to_f16(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = pnd_f32_to_f16(x[i]);
}

const struct pnd_vector_kernels pnd_generic_vector = {add, gelu, silu_mul,
                                                      softmax, to_f16};
