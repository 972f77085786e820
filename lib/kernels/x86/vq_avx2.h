/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VQ_AVX2_H
#define PND_KERNELS_VQ_AVX2_H

#include "kernels/x86/gather_halves.h"
#include "kernels/x86/vec_avx2.h"

/* Vectors of bytes (x86/q8_formats.h): AVX2. */

#define VQ_ROWS 1
#define VQ_BIAS 0

typedef uint8_t vq __attribute__((vector_size(32)));
typedef uint16_t vq16 __attribute__((vector_size(32)));

static inline vq vq_set(uint8_t x)
{
    return (vq)_mm256_set1_epi8((char)x);
}

static inline vq vq_load(const int8_t *p)
{
    return (vq)_mm256_loadu_si256((const void *)p);
}

static inline vq vq_rows(const uint8_t *p, size_t stride)
{
    (void)stride;
    return (vq)_mm256_loadu_si256((const void *)p);
}

static inline vq vq_pairs(const uint8_t *p, size_t stride)
{
    (void)stride;
    return (vq)_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)p));
}

static inline vq vq_quads(const uint8_t *p, size_t stride)
{
    const __m128i first = _mm_loadu_si128((const void *)p);
    const __m128i second = _mm_loadu_si128((const void *)(p + stride));
    return (vq)_mm256_set_m128i(second, first);
}

static inline void vq_load_halves(const int8_t *p, vq out[2])
{
    const __m256i a = (__m256i)vq_load(p), b = (__m256i)vq_load(p + 32);
    out[0] = (vq)_mm256_permute2x128_si256(a, b, 0x20);
    out[1] = (vq)_mm256_permute2x128_si256(a, b, 0x31);
}

static inline vq vq_shift_halves(vq v)
{
    return (vq)_mm256_srlv_epi32((__m256i)v,
                                 _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
}

static inline vq vq_shift_rows(vq v, int n, int step)
{
    (void)step;
    return (vq)((vq16)v >> (uint16_t)n);
}

static inline vq vq_shift_up(vq v, int n)
{
    return (vq)((vq16)v << (uint16_t)n);
}

static inline vq vq_bits(const uint8_t *p, size_t stride)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    (void)stride;
    const __m256i place = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i from = _mm256_setr_epi64x(
        0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), from);
    v = _mm256_cmpeq_epi8(_mm256_and_si256(v, place), place);
    return (vq)_mm256_and_si256(v, _mm256_set1_epi8(16));
}

static inline vq vq_look_up(vq v, const int8_t *table)
{
    __m128i t = _mm_loadu_si128((const void *)table);
    return (vq)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), (__m256i)v);
}

static inline vq vq_zip_low32(vq a, vq b)
{
    return (vq)_mm256_unpacklo_epi32((__m256i)a, (__m256i)b);
}

static inline vq vq_zip_high32(vq a, vq b)
{
    return (vq)_mm256_unpackhi_epi32((__m256i)a, (__m256i)b);
}

static inline vq vq_zip_low64(vq a, vq b)
{
    return (vq)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
}

static inline vq vq_zip_high64(vq a, vq b)
{
    return (vq)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
}

static inline vq vq_shift_down(vq v, int n)
{
    return (vq)_mm256_srli_epi32((__m256i)v, n);
}

/* Sums of four neighbours' products: codes 0..127 by -127..127, so that two of
 * them stay within 16 bits. */
static inline vf vq_dot(vq w, vq x)
{
    __m256i pairs = _mm256_maddubs_epi16((__m256i)w, (__m256i)x);
    return _mm256_cvtepi32_ps(
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Signed codes: their magnitudes by x with their signs. */
static inline vf vq_dot_signed(vq w, vq x)
{
    return vq_dot((vq)_mm256_abs_epi8((__m256i)w),
                  (vq)_mm256_sign_epi8((__m256i)x, (__m256i)w));
}

/* The same of two vectors; codes are at most 63, so that four products stay
 * within 16 bits. */
static inline vf vq_dot_two(const vq w[2], const vq x[2])
{
    __m256i pairs = _mm256_add_epi16(
        _mm256_maddubs_epi16((__m256i)w[0], (__m256i)x[0]),
        _mm256_maddubs_epi16((__m256i)w[1], (__m256i)x[1]));
    return _mm256_cvtepi32_ps(
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline vf vq_dot_two_signed(const vq w[2], const vq x[2])
{
    return vq_dot_signed(w[0], x[0]) + vq_dot_signed(w[1], x[1]);
}

/* Of 16 floats in two vectors: those of the groups of part `part`. */
static inline vf vq_spread(const vf *groups, int part)
{
    const int first = part % 4 * 2;
    return _mm256_permutevar8x32_ps(
        groups[part / 4], _mm256_setr_epi32(first, first, first, first,
                                            first + 1, first + 1, first + 1,
                                            first + 1));
}

/* Of the blocks of step `step`. */
static inline vf vq_spread_halves(const vf *groups, int step)
{
    const int a = step % 2 * 4, b = a + 2;
    return _mm256_permutevar8x32_ps(groups[step / 2],
                                    _mm256_setr_epi32(a, a, a, a, b, b, b, b));
}

static inline void vf_scale_bytes(__m128i bytes, float d, vf *out)
{
    __m256i low = _mm256_cvtepi8_epi32(bytes);
    __m256i high = _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8));
    out[0] = _mm256_cvtepi32_ps(low) * vf_set(d);
    out[1] = _mm256_cvtepi32_ps(high) * vf_set(d);
}

static inline vf vf_gather_f16(const uint8_t *p, size_t stride)
{
    return _mm256_cvtph_ps(gather_halves(p, stride));
}

static inline void vf_read_pairs(const uint8_t *p, size_t stride, vf *out)
{
    const __m128i halves = gather_halves(p, stride);
    out[0] = _mm256_cvtph_ps(_mm_unpacklo_epi16(halves, halves));
    out[1] = _mm256_cvtph_ps(_mm_unpackhi_epi16(halves, halves));
}

#endif
