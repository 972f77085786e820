/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VEC_AVX512_H
#define PND_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/template/inline.h"

/* Vectors for the templates: AVX-512 F + BW + DQ + VL. */

#define VF_LANES 16

typedef float vf __attribute__((vector_size(64)));

static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vf vf_load_f32(const void *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static inline vf vf_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

static inline void vf_store_f16(void *p, vf v)
{
    _mm256_storeu_si256(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vf vf_load_bf16(const void *p)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline float f16_to_f32(uint16_t h)
{
    return _cvtsh_ss(h);
}

static inline vf vf_load_i8(const int8_t *p)
{
    __m512i wide = _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p));
    return _mm512_cvtepi32_ps(wide);
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
    return _mm512_fmadd_ps(a, b, c);
}

/* The larger; b where one is not a number. */
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

/* The smaller; b where one is not a number. */
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline float vf_sum(vf v)
{
    return _mm512_reduce_add_ps(v);
}

/* rows[i][j] <-> rows[j][i] */
ALWAYS_INLINE void vf_transpose(vf rows[VF_LANES])
{
    vf pairs[16], fours[16], halves[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    /* fours[4 g + c]: rows 4 g to 4 g + 3 of columns c, c + 4, c + 8, c + 12 */
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        fours[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        halves[i] = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0x88);
        halves[i + 4] = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0xdd);
        halves[i + 8] = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0x88);
        halves[i + 12] =
            _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0xdd);
    }
    UNROLL
    for (int i = 0; i < 8; i++) {
        rows[i] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0x88);
        rows[i + 8] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0xdd);
    }
}

#endif
