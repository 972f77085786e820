/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VEC_NEON_H
#define PND_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/template/inline.h"

/* Vectors for the templates: NEON of 64-bit ARM, which has conversions of half
 * precision and fused multiply-add in its baseline. */

#define VF_LANES 4

typedef float32x4_t vf;

static inline vf vf_set(float x)
{
    return vdupq_n_f32(x);
}

/* Stored weights may lie at any byte, so as bytes. */
static inline vf vf_load_f32(const void *p)
{
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

static inline void vf_store(float *p, vf v)
{
    vst1q_f32(p, v);
}

static inline vf vf_load_f16(const void *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline void vf_store_f16(void *p, vf v)
{
    vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(v)));
}

static inline vf vf_load_bf16(const void *p)
{
    uint16x4_t high = vreinterpret_u16_u8(vld1_u8(p));
    return vreinterpretq_f32_u32(vshll_n_u16(high, 16));
}

static inline float f16_to_f32(uint16_t h)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))),
                          0);
}

static inline vf vf_load_i8(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

/* to[i] = table[index[i]] for indexes below 16 */
static inline void look_up_16(const int8_t *table, const int8_t *index,
                              int8_t *to)
{
    uint8x16_t places = vreinterpretq_u8_s8(vld1q_s8(index));
    vst1q_s8(to, vqtbl1q_s8(vld1q_s8(table), places));
}

/* a * b + c */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

/* The larger; b where one is not a number. */
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

/* The smaller; b where one is not a number. */
static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline float vf_sum(vf v)
{
    return vaddvq_f32(v);
}

/* rows[i][j] <-> rows[j][i] */
static inline void vf_transpose(vf rows[VF_LANES])
{
    float64x2_t even_low = vreinterpretq_f64_f32(vtrn1q_f32(rows[0], rows[1]));
    float64x2_t odd_low = vreinterpretq_f64_f32(vtrn2q_f32(rows[0], rows[1]));
    float64x2_t even_high = vreinterpretq_f64_f32(vtrn1q_f32(rows[2], rows[3]));
    float64x2_t odd_high = vreinterpretq_f64_f32(vtrn2q_f32(rows[2], rows[3]));
    rows[0] = vreinterpretq_f32_f64(vzip1q_f64(even_low, even_high));
    rows[1] = vreinterpretq_f32_f64(vzip1q_f64(odd_low, odd_high));
    rows[2] = vreinterpretq_f32_f64(vzip2q_f64(even_low, even_high));
    rows[3] = vreinterpretq_f32_f64(vzip2q_f64(odd_low, odd_high));
}

#endif
