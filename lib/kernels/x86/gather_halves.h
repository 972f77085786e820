/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_GATHER_HALVES_H
#define PND_KERNELS_GATHER_HALVES_H

#include <immintrin.h>

#include "base/bytes.h"
#include "kernels/template/inline.h"

/* The f16 numbers of eight blocks. */
ALWAYS_INLINE __m128i gather_halves(const uint8_t *p, size_t stride)
{
    __m128i v = _mm_cvtsi32_si128(pnd_read_le16(p));
    v = _mm_insert_epi16(v, pnd_read_le16(p + stride), 1);
    v = _mm_insert_epi16(v, pnd_read_le16(p + 2 * stride), 2);
    v = _mm_insert_epi16(v, pnd_read_le16(p + 3 * stride), 3);
    v = _mm_insert_epi16(v, pnd_read_le16(p + 4 * stride), 4);
    v = _mm_insert_epi16(v, pnd_read_le16(p + 5 * stride), 5);
    v = _mm_insert_epi16(v, pnd_read_le16(p + 6 * stride), 6);
    return _mm_insert_epi16(v, pnd_read_le16(p + 7 * stride), 7);
}

#endif
