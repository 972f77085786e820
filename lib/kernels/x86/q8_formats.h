/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_Q8_FORMATS_H
#define PND_KERNELS_Q8_FORMATS_H

#include "base/bytes.h"
#include "kernels/kernels.h"
#include "kernels/template/inline.h"
#include "tensor/blocks.h"

/* Block formats a unit of 256 elements at a time: one block, or eight of 32.
 * `scales` fills what the 16 groups of 16 elements are multiplied with and
 * what is added; `codes` gives the codes of a part, one vector of bytes, as
 * numbers of 0..255 from which `bias` is to be taken, VQ_BIAS where they are
 * signed.
 * The vq_*.h included before have the vectors:
 *
 *   vq                     bytes: 32 (AVX2) or 64 (AVX-512), with + | &
 *   VQ_ROWS                rows of 32 bytes in it
 *   VQ_BIAS                added to signed codes: 128 where products take
 *                          unsigned ones only, or 0
 *   vq_set(x)              x everywhere
 *   vq_rows(p, stride)     32 bytes of each of VQ_ROWS places
 *   vq_pairs(p, stride)    16 bytes of each of them, twice
 *   vq_quads(p, stride)    16 bytes of each of 2 VQ_ROWS places
 *   vq_load_halves(p, o)   of 2 VQ_ROWS times 32: first the first 16 of each
 *   vq_shift_halves(v)     the second 16 of every 32 bytes 4 bits to the right
 *   vq_shift_rows(v, n, s) row r of 32 bytes n + r s bits to the right; bits of
 *                          a neighbour come in, here as well
 *   vq_shift_up(v, n)      n to the left; nothing may be lost
 *   vq_bits(p, stride)     16 where a bit is set: 32 bits of each place
 *   vq_look_up(v, table)   table[v] + VQ_BIAS, v < 16
 *   vf_scale_bytes(b, d, out)  d times 16 signed bytes
 *   vf_read_pairs(p, s, out)  8 f16 numbers, s bytes apart, each twice
 *   vf_gather_f16(p, s)       VF_LANES f16 numbers, s bytes apart */

#define VF_COUNT (16 / VF_LANES) /* vectors of 16 floats */
#define PARTS (8 / VQ_ROWS)      /* of a unit */

struct q8_format {
    void (*scales)(const uint8_t *unit, vf *scales, vf *offsets);
    vq (*codes)(const uint8_t *unit, int part);
    /* Codes of two parts, in the order of vq_load_halves; or NULL */
    void (*halves)(const uint8_t *unit, int step, vq out[2]);
    size_t block, bytes;  /* elements and bytes of a block */
    bool has_offset;      /* otherwise `offsets` is not filled */
    bool is_signed;       /* codes are, but for VQ_BIAS */
    bool has_wide_groups; /* scales of two groups at a time are equal */
    uint8_t bias;         /* to be taken from codes */
    uint8_t bits;         /* of a code */
};

static const int8_t iq4_values[16] = PND_IQ4_VALUES;

ALWAYS_INLINE float read_half(const uint8_t *p)
{
    return f16_to_f32(pnd_read_le16(p));
}

/* Eight blocks with a scale, or with an offset behind it. */
ALWAYS_INLINE void simple_scales(const uint8_t *p, size_t bytes, vf *scales)
{
    vf_read_pairs(p, bytes, scales);
}

ALWAYS_INLINE vq read_nibbles(const uint8_t *p, size_t stride)
{
    return vq_shift_halves(vq_pairs(p, stride)) & vq_set(15);
}

/* The first block of a part, where a unit has eight. */
#define FIRST(type, unit, part) \
    ((const struct pnd_block_##type *)(const void *)(unit) + VQ_ROWS * (part))

#define SIMPLE_FORMAT(type, read)                                           \
    ALWAYS_INLINE void scales_##type(const uint8_t *p, vf *s, vf *o)        \
    {                                                                       \
        simple_scales(p, sizeof(struct pnd_block_##type), s);               \
        (void)o;                                                            \
    }                                                                       \
    FORMAT_CODES(type, read)

#define OFFSET_FORMAT(type, read)                                           \
    ALWAYS_INLINE void scales_##type(const uint8_t *p, vf *s, vf *o)        \
    {                                                                       \
        simple_scales(p, sizeof(struct pnd_block_##type), s);               \
        simple_scales(p + 2, sizeof(struct pnd_block_##type), o);           \
    }                                                                       \
    FORMAT_CODES(type, read)

#define FORMAT_CODES(type, read)                                            \
    ALWAYS_INLINE vq codes_##type(const uint8_t *p, int part)               \
    {                                                                       \
        const struct pnd_block_##type *b = FIRST(type, p, part);            \
        return read;                                                        \
    }

SIMPLE_FORMAT(q8_0, vq_rows(b->codes, sizeof *b) + vq_set(VQ_BIAS))
SIMPLE_FORMAT(q4_0, read_nibbles(b->codes, sizeof *b))
SIMPLE_FORMAT(q5_0,
              read_nibbles(b->codes, sizeof *b) | vq_bits(b->high, sizeof *b))
SIMPLE_FORMAT(iq4_nl,
              vq_look_up(read_nibbles(b->codes, sizeof *b), iq4_values))
OFFSET_FORMAT(q4_1, read_nibbles(b->codes, sizeof *b))
OFFSET_FORMAT(q5_1,
              read_nibbles(b->codes, sizeof *b) | vq_bits(b->high, sizeof *b))

/* The codes of 2 VQ_ROWS blocks: the first 16 of each, and the second. */
#define NIBBLE_HALVES(type, read)                                           \
    ALWAYS_INLINE void halves_##type(const uint8_t *p, int step, vq out[2]) \
    {                                                                       \
        const struct pnd_block_##type *b = FIRST(type, p, 2 * step);        \
        const vq both = vq_quads(b->codes, sizeof *b);                      \
        out[0] = read(both & vq_set(15));                                   \
        out[1] = read(vq_shift_rows(both, 4, 0) & vq_set(15));              \
    }
#define READ_IQ4(v) vq_look_up(v, iq4_values)

NIBBLE_HALVES(q4_0, )
NIBBLE_HALVES(q4_1, )
NIBBLE_HALVES(iq4_nl, READ_IQ4)

/* Rows of 32 codes, of `bits` bits each, from planes of the same 32 bytes,
 * beginning with plane `plane`. */
ALWAYS_INLINE vq read_planes(const uint8_t *p, int plane, int bits)
{
    return vq_shift_rows(vq_rows(p, 0), plane * bits, bits) &
           vq_set((uint8_t)((1 << bits) - 1));
}

/* 8 bytes, each twice. */
ALWAYS_INLINE __m128i repeat_bytes(uint64_t bytes)
{
    __m128i v = _mm_cvtsi64_si128((long long)bytes);
    return _mm_unpacklo_epi8(v, v);
}

/* Scales and offsets of q4_k and q5_k. */
ALWAYS_INLINE void read_k_scales(const uint8_t *p, float d, float dmin,
                                 vf *scales, vf *offsets)
{
    const uint32_t low = 0x0f0f0f0f, two = 0x03030303, six = 0x3f3f3f3f;
    const uint32_t s = pnd_read_le32(p), m = pnd_read_le32(p + 4);
    const uint32_t rest = pnd_read_le32(p + 8);
    const uint32_t s4 = (rest & low) | (s >> 6 & two) << 4;
    const uint32_t m4 = (rest >> 4 & low) | (m >> 6 & two) << 4;
    vf_scale_bytes(repeat_bytes((s & six) | (uint64_t)s4 << 32), d, scales);
    vf_scale_bytes(repeat_bytes((m & six) | (uint64_t)m4 << 32), -dmin,
                   offsets);
}

ALWAYS_INLINE void scales_q4_k(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_q4_k *b = (const void *)p;
    read_k_scales(b->scales, read_half(b->d), read_half(b->dmin), s, o);
}

ALWAYS_INLINE vq codes_q4_k(const uint8_t *p, int part)
{
    const struct pnd_block_q4_k *b = (const void *)p;
    const int row = part * VQ_ROWS;
    return read_planes(b->codes[row / 2], row % 2, 4);
}

ALWAYS_INLINE void scales_q5_k(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_q5_k *b = (const void *)p;
    read_k_scales(b->scales, read_half(b->d), read_half(b->dmin), s, o);
}

ALWAYS_INLINE vq codes_q5_k(const uint8_t *p, int part)
{
    const struct pnd_block_q5_k *b = (const void *)p;
    const int row = part * VQ_ROWS;
    return read_planes(b->codes[row / 2], row % 2, 4) |
           vq_shift_up(read_planes(b->high, row, 1), 4);
}

ALWAYS_INLINE void scales_q6_k(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_q6_k *b = (const void *)p;
    vf_scale_bytes(_mm_loadu_si128((const void *)b->scales), read_half(b->d),
                   s);
    (void)o;
}

ALWAYS_INLINE vq codes_q6_k(const uint8_t *p, int part)
{
    const struct pnd_block_q6_k *b = (const void *)p;
    const int half = part * VQ_ROWS / 4, row = part * VQ_ROWS % 4;
    vq low = vq_rows(b->low[half] + 32 * (row % 2), 32);
    low = vq_shift_rows(low, row / 2 * 4, 0) & vq_set(15);
    return low | vq_shift_up(read_planes(b->high[half], row, 2), 4);
}

ALWAYS_INLINE void scales_q2_k(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_q2_k *b = (const void *)p;
    const __m128i low = _mm_set1_epi8(15);
    const __m128i both = _mm_loadu_si128((const void *)b->scales);
    vf_scale_bytes(_mm_and_si128(both, low), read_half(b->d), s);
    vf_scale_bytes(_mm_and_si128(_mm_srli_epi16(both, 4), low),
                   -read_half(b->dmin), o);
}

ALWAYS_INLINE vq codes_q2_k(const uint8_t *p, int part)
{
    const struct pnd_block_q2_k *b = (const void *)p;
    const int row = part * VQ_ROWS;
    return read_planes(b->codes[row / 4], row % 4, 2);
}

ALWAYS_INLINE void scales_q3_k(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_q3_k *b = (const void *)p;
    const uint64_t nibbles = UINT64_C(0x0f0f0f0f0f0f0f0f);
    const uint64_t low = pnd_read_le64(b->scales);
    const uint32_t two = 0x03030303, high = pnd_read_le32(b->scales + 8);
    const uint64_t first =
        (high & two) | (uint64_t)(high >> 2 & two) << 32;
    const uint64_t second =
        (high >> 4 & two) | (uint64_t)(high >> 6 & two) << 32;
    const __m128i codes =
        _mm_set_epi64x((long long)((low >> 4 & nibbles) | second << 4),
                       (long long)((low & nibbles) | first << 4));
    vf_scale_bytes(_mm_sub_epi8(codes, _mm_set1_epi8(32)), read_half(b->d), s);
    (void)o;
}

ALWAYS_INLINE vq codes_q3_k(const uint8_t *p, int part)
{
    const struct pnd_block_q3_k *b = (const void *)p;
    const int row = part * VQ_ROWS;
    return read_planes(b->codes[row / 4], row % 4, 2) |
           vq_shift_up(read_planes(b->high, row, 1), 2);
}

ALWAYS_INLINE void scales_iq4_xs(const uint8_t *p, vf *s, vf *o)
{
    const struct pnd_block_iq4_xs *b = (const void *)p;
    const unsigned high = pnd_read_le16(b->scales_high);
    uint64_t codes = 0;
    for (int i = 0; i < 8; i++) {
        unsigned code = b->scales_low[i / 2] >> i % 2 * 4 & 15;
        code = (code | (high >> 2 * i & 3) << 4) - 32;
        codes |= (uint64_t)(code & 255) << 8 * i;
    }
    vf_scale_bytes(repeat_bytes(codes), read_half(b->d), s);
    (void)o;
}

ALWAYS_INLINE vq codes_iq4_xs(const uint8_t *p, int part)
{
    const struct pnd_block_iq4_xs *b = (const void *)p;
    return vq_look_up(read_nibbles(b->codes[part * VQ_ROWS], 16), iq4_values);
}

#define Q8_FORMAT(type, elements, halves, has_offset, is_signed,             \
                  has_wide_groups, bias, bits)                               \
    static const struct q8_format format_##type = {                          \
        scales_##type, codes_##type, halves, elements,                       \
        sizeof(struct pnd_block_##type), has_offset, is_signed,              \
        has_wide_groups, bias, bits};

Q8_FORMAT(q8_0, 32, NULL, false, true, true, VQ_BIAS, 8)
Q8_FORMAT(q4_0, 32, halves_q4_0, false, false, true, 8, 4)
Q8_FORMAT(q4_1, 32, halves_q4_1, true, false, true, 0, 4)
Q8_FORMAT(q5_0, 32, NULL, false, false, true, 16, 5)
Q8_FORMAT(q5_1, 32, NULL, true, false, true, 0, 5)
Q8_FORMAT(q2_k, 256, NULL, true, false, false, 0, 2)
Q8_FORMAT(q3_k, 256, NULL, false, false, false, 4, 3)
Q8_FORMAT(q4_k, 256, NULL, true, false, true, 0, 4)
Q8_FORMAT(q5_k, 256, NULL, true, false, true, 0, 5)
Q8_FORMAT(q6_k, 256, NULL, false, false, false, 32, 6)
Q8_FORMAT(iq4_nl, 32, halves_iq4_nl, false, true, true, VQ_BIAS, 8)
Q8_FORMAT(iq4_xs, 256, NULL, false, true, true, VQ_BIAS, 8)

#endif
