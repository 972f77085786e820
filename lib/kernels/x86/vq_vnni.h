/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VQ_VNNI_H
#define PND_KERNELS_VQ_VNNI_H

#include "kernels/x86/gather_halves.h"
#include "kernels/x86/vec_avx512.h"

/* Vectors of bytes (x86/q8_formats.h): AVX-512 F + BW + DQ + VL + VNNI. */

#define VQ_ROWS 2
#define VQ_BIAS 128

typedef uint8_t vq __attribute__((vector_size(64)));

static inline vq vq_set(uint8_t x)
{
    return (vq)_mm512_set1_epi8((char)x);
}

static inline vq vq_load(const int8_t *p)
{
    return (vq)_mm512_loadu_si512(p);
}

/* The second place comes by a masked load, which needs no shuffle. */
static inline vq vq_rows(const uint8_t *p, size_t stride)
{
    __m256i first = _mm256_loadu_si256((const void *)p);
    __m256i second = _mm256_loadu_si256((const void *)(p + stride));
    if (stride == 0)
        return (vq)_mm512_broadcast_i64x4(first);
    if (stride == 32)
        return (vq)_mm512_loadu_si512(p);
    return (vq)_mm512_mask_broadcast_i64x4(_mm512_castsi256_si512(first), 0xf0,
                                           second);
}

static inline vq vq_pairs(const uint8_t *p, size_t stride)
{
    __m128i first = _mm_loadu_si128((const void *)p);
    __m128i second = _mm_loadu_si128((const void *)(p + stride));
    return (vq)_mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(first),
                                           0xff00, second);
}

static inline vq vq_quads(const uint8_t *p, size_t stride)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const void *)p));
    v = _mm512_mask_broadcast_i32x4(
        v, 0x00f0, _mm_loadu_si128((const void *)(p + stride)));
    v = _mm512_mask_broadcast_i32x4(
        v, 0x0f00, _mm_loadu_si128((const void *)(p + 2 * stride)));
    return (vq)_mm512_mask_broadcast_i32x4(
        v, 0xf000, _mm_loadu_si128((const void *)(p + 3 * stride)));
}

static inline void vq_load_halves(const int8_t *p, vq out[2])
{
    const __m512i a = (__m512i)vq_load(p), b = (__m512i)vq_load(p + 64);
    out[0] = (vq)_mm512_shuffle_i64x2(a, b, 0x88);
    out[1] = (vq)_mm512_shuffle_i64x2(a, b, 0xdd);
}

static inline vq vq_shift_halves(vq v)
{
    return (vq)_mm512_srlv_epi64((__m512i)v,
                                 _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
}

static inline vq vq_shift_rows(vq v, int n, int step)
{
    if (step == 0)
        return (vq)_mm512_srli_epi64((__m512i)v, (unsigned)n);
    return (vq)_mm512_srlv_epi64(
        (__m512i)v, _mm512_setr_epi64(n, n, n, n, n + step, n + step, n + step,
                                      n + step));
}

static inline vq vq_shift_up(vq v, int n)
{
    return (vq)_mm512_slli_epi64((__m512i)v, (unsigned)n);
}

static inline vq vq_bits(const uint8_t *p, size_t stride)
{
    uint32_t first, second;
    memcpy(&first, p, sizeof first);
    memcpy(&second, p + stride, sizeof second);
    return (vq)_mm512_maskz_mov_epi8(first | (uint64_t)second << 32,
                                     _mm512_set1_epi8(16));
}

static inline vq vq_look_up(vq v, const int8_t *table)
{
    __m128i t = _mm_loadu_si128((const void *)table);
    t = _mm_xor_si128(t, _mm_set1_epi8((char)VQ_BIAS));
    return (vq)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), (__m512i)v);
}

static inline vq vq_zip_low32(vq a, vq b)
{
    return (vq)_mm512_unpacklo_epi32((__m512i)a, (__m512i)b);
}

static inline vq vq_zip_high32(vq a, vq b)
{
    return (vq)_mm512_unpackhi_epi32((__m512i)a, (__m512i)b);
}

static inline vq vq_zip_low64(vq a, vq b)
{
    return (vq)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
}

static inline vq vq_zip_high64(vq a, vq b)
{
    return (vq)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
}

static inline vq vq_shift_down(vq v, int n)
{
    return (vq)_mm512_srli_epi32((__m512i)v, (unsigned)n);
}

/* Sums of four neighbours' products: unsigned codes by signed ones. */
static inline vf vq_dot(vq w, vq x)
{
    return _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(
        _mm512_setzero_si512(), (__m512i)w, (__m512i)x));
}

static inline vf vq_dot_two(const vq w[2], const vq x[2])
{
    const __m512i first = _mm512_dpbusd_epi32(
        _mm512_setzero_si512(), (__m512i)w[0], (__m512i)x[0]);
    return _mm512_cvtepi32_ps(
        _mm512_dpbusd_epi32(first, (__m512i)w[1], (__m512i)x[1]));
}

/* With VQ_BIAS no codes are signed. */
static inline vf vq_dot_signed(vq w, vq x)
{
    return vq_dot(w, x);
}

static inline vf vq_dot_two_signed(const vq w[2], const vq x[2])
{
    return vq_dot_two(w, x);
}

/* Of 16 floats: those of the groups of part `part`. */
static inline vf vq_spread(const vf *groups, int part)
{
    const int a = 4 * part, b = a + 1, c = a + 2, d = a + 3;
    return _mm512_permutexvar_ps(
        _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d),
        groups[0]);
}

/* Of the blocks of step `step`. */
static inline vf vq_spread_halves(const vf *groups, int step)
{
    const int a = 8 * step, b = a + 2, c = a + 4, d = a + 6;
    return _mm512_permutexvar_ps(
        _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d),
        groups[0]);
}

static inline void vf_scale_bytes(__m128i bytes, float d, vf *out)
{
    out[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)) * vf_set(d);
}

static inline vf vf_gather_f16(const uint8_t *p, size_t stride)
{
    return _mm512_cvtph_ps(_mm256_set_m128i(
        gather_halves(p + 8 * stride, stride), gather_halves(p, stride)));
}

/* Where four blocks of 32, with an offset behind the scale, are within 64
 * bytes, they are read at once. */
static inline void vf_read_pairs(const uint8_t *p, size_t stride, vf *out)
{
    if (3 * stride + 4 > 64) {
        /* 16-bit lanes 0 0 1 1 2 2 ... */
        __m256i twice = _mm256_cvtepu16_epi32(gather_halves(p, stride));
        twice = _mm256_or_si256(twice, _mm256_slli_epi32(twice, 16));
        out[0] = _mm512_cvtph_ps(twice);
        return;
    }
    const short a = (short)(stride / 2), b = (short)(2 * a), c = (short)(3 * a);
    const __m512i from = _mm512_castsi256_si512(_mm256_setr_epi16(
        0, 0, a, a, b, b, c, c, 32, 32, (short)(32 + a), (short)(32 + a),
        (short)(32 + b), (short)(32 + b), (short)(32 + c), (short)(32 + c)));
    const __m512i halves = _mm512_permutex2var_epi16(
        _mm512_loadu_si512(p), from, _mm512_loadu_si512(p + 4 * stride));
    out[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
}

#endif
