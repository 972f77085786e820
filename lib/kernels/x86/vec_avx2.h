/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VEC_AVX2_H
#define PND_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/template/inline.h"

/* Vectors for the templates: AVX2 + FMA + F16C. */

#define VF_LANES 8

typedef float vf __attribute__((vector_size(32)));

static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vf vf_load_f32(const void *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

static inline vf vf_load_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

static inline void vf_store_f16(void *p, vf v)
{
    _mm_storeu_si128(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vf vf_load_bf16(const void *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline float f16_to_f32(uint16_t h)
{
    return _cvtsh_ss(h);
}

static inline vf vf_load_i8(const int8_t *p)
{
    __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p));
    return _mm256_cvtepi32_ps(wide);
}

/* to[i] = table[index[i]] for indexes below 16 */
static inline void look_up_16(const int8_t *table, const int8_t *index,
                              int8_t *to)
{
    __m128i found = _mm_shuffle_epi8(_mm_loadu_si128((const void *)table),
                                     _mm_loadu_si128((const void *)index));
    _mm_storeu_si128((void *)to, found);
}

/* a * b + c */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* The larger; b where one is not a number. */
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

/* The smaller; b where one is not a number. */
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline float vf_sum(vf v)
{
    __m128 s =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* rows[i][j] <-> rows[j][i] */
static inline void vf_transpose(vf rows[VF_LANES])
{
    vf pairs[8], fours[8];
    UNROLL
    for (int i = 0; i < 4; i++) {
        pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}

#endif
