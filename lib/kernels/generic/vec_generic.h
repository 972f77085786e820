/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VEC_GENERIC_H
#define PND_KERNELS_VEC_GENERIC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tensor/tensor.h"

/* Vectors of floats for the templates, in the compilers' portable vector
 * types: SSE2 or NEON registers where the baseline has them, plain code
 * elsewhere. The same names in the other vec_*.h are for wider registers. */

#define VF_LANES 4

typedef float vf __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
typedef uint16_t vh __attribute__((vector_size(8)));

static inline vf vf_set(float x)
{
    return (vf){x, x, x, x};
}

static inline vf vf_load_f32(const void *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void vf_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

static inline vf vf_load_bf16(const void *p)
{
    vh h;
    memcpy(&h, p, sizeof h);
    return (vf)(__builtin_convertvector(h, vu) << 16);
}

static inline vf vf_load_f16(const void *p)
{
    vh h;
    memcpy(&h, p, sizeof h);
    vu bits = __builtin_convertvector(h, vu);
    vu shifted = (bits & 0x7fff) << 13;
    vu small = (vu)(shifted < (1u << 23));     /* zero or subnormal */
    vu large = (vu)(shifted >= (31u << 23));   /* infinite or not a number */
    vu normal = shifted + (112u << 23) + (large & (112u << 23));
    /* 2^-14 (1 + m / 1024) - 2^-14 is exact and needs no subnormal floats,
     * which many processors are slow at. */
    vf tiny = (vf)(shifted + (113u << 23)) - 0x1p-14f;
    return (vf)((small & (vu)tiny) | (~small & normal) | (bits & 0x8000) << 16);
}

static inline float f16_to_f32(uint16_t h)
{
    return pnd_f16_to_f32(h);
}

static inline vf vf_load_i8(const int8_t *p)
{
    return (vf){p[0], p[1], p[2], p[3]};
}

/* to[i] = table[index[i]] for indexes below 16 */
static inline void look_up_16(const int8_t *table, const int8_t *index,
                              int8_t *to)
{
    for (int i = 0; i < 16; i++)
        to[i] = table[index[i]];
}

/* a * b + c */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

static inline float vf_sum(vf v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

/* rows[i][j] <-> rows[j][i] */
static inline void vf_transpose(vf rows[VF_LANES])
{
    vf a = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
    vf b = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
    vf c = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    vf d = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    rows[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    rows[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    rows[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

#endif
