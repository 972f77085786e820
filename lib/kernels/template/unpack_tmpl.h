/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_UNPACK_TMPL_H
#define PND_KERNELS_UNPACK_TMPL_H

#include "base/bytes.h"
#include "kernels/template/inline.h"
#include "tensor/blocks.h"

/* Block formats (tensor/blocks.h), for the vectors of the vec_*.h included
 * before: each has an `unpack` from the packed bits of a block to one byte per
 * code, with scales and offsets. The values are those of the format's
 * definition to the last bit. */

struct unpacked {
    int8_t codes[PND_SUPER_BLOCK];
    float scales[PND_SUPER_BLOCK / 16];  /* of each group */
    float offsets[PND_SUPER_BLOCK / 16]; /* added */
};

/* Sixteen codes at once, in a register of every machine with vectors. */
typedef uint8_t vb __attribute__((vector_size(16)));
typedef uint64_t vl __attribute__((vector_size(16)));

ALWAYS_INLINE vb vb_load(const uint8_t *p)
{
    vb v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS_INLINE void vb_store(int8_t *p, vb v)
{
    memcpy(p, &v, sizeof v);
}

ALWAYS_INLINE float read_half(const uint8_t *p)
{
    return f16_to_f32(pnd_read_le16(p));
}

/* Sixteen bytes as two halves of 16 codes. */
ALWAYS_INLINE void unpack_halves(const uint8_t *from, uint8_t bias, int8_t *to)
{
    vb v = vb_load(from);
    vb_store(to, (v & 15) - bias);
    vb_store(to + 16, (v >> 4) - bias);
}

/* 16 for each of the 16 bits that is set, otherwise 0. */
ALWAYS_INLINE vb spread_bits(const uint8_t *bits)
{
    const vb places = {1, 2, 4, 8, 16, 32, 64, 128,
                       1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t each = UINT64_C(0x0101010101010101);
    const vb v = (vb)(vl){bits[0] * each, bits[1] * each};
    return (vb)((v & places) != 0) & 16;
}

ALWAYS_INLINE void unpack_fifths(const uint8_t *from, const uint8_t *high,
                                 uint8_t bias, int8_t *to)
{
    vb v = vb_load(from);
    vb_store(to, ((v & 15) | spread_bits(high)) - bias);
    vb_store(to + 16, ((v >> 4) | spread_bits(high + 2)) - bias);
}

ALWAYS_INLINE void unpack_q8_0(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q8_0 *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    memcpy(to->codes, b->codes, sizeof b->codes);
}

ALWAYS_INLINE void unpack_q4_0(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q4_0 *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    unpack_halves(b->codes, 8, to->codes);
}

ALWAYS_INLINE void unpack_q4_1(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q4_1 *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    to->offsets[0] = read_half(b->m);
    unpack_halves(b->codes, 0, to->codes);
}

ALWAYS_INLINE void unpack_q5_0(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q5_0 *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    unpack_fifths(b->codes, b->high, 16, to->codes);
}

ALWAYS_INLINE void unpack_q5_1(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q5_1 *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    to->offsets[0] = read_half(b->m);
    unpack_fifths(b->codes, b->high, 0, to->codes);
}

ALWAYS_INLINE void unpack_q2_k(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q2_k *b = (const void *)p;
    const float d = read_half(b->d), dmin = read_half(b->dmin);
    for (int i = 0; i < 16; i++) {
        to->scales[i] = d * (float)(b->scales[i] & 15);
        to->offsets[i] = -(dmin * (float)(b->scales[i] >> 4));
    }
    for (int i = 0; i < 64; i += 16) {
        vb v = vb_load(b->codes[0] + i);
        int8_t *codes = to->codes + i / 32 * 128 + i % 32;
        for (int plane = 0; plane < 4; plane++, v >>= 2)
            vb_store(codes + 32 * plane, v & 3);
    }
}

ALWAYS_INLINE void unpack_q3_k(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q3_k *b = (const void *)p;
    const float d = read_half(b->d);
    for (int i = 0; i < 16; i++) {
        int low = b->scales[i % 8] >> i / 8 * 4 & 15;
        int high = b->scales[8 + i % 4] >> i / 4 * 2 & 3;
        to->scales[i] = d * (float)((low | high << 4) - 32);
    }
    for (int i = 0; i < 64; i += 16) {
        vb v = vb_load(b->codes[0] + i);
        vb high = vb_load(b->high + i % 32) >> i / 32 * 4;
        int8_t *codes = to->codes + i / 32 * 128 + i % 32;
        for (int plane = 0; plane < 4; plane++, v >>= 2, high >>= 1)
            vb_store(codes + 32 * plane, (v & 3) + (high & 1) * 4 - 4);
    }
}

/* Scales and offsets of q4_k and q5_k. */
ALWAYS_INLINE void unpack_scales(const uint8_t *p, float d, float dmin,
                                 struct unpacked *to)
{
    for (int i = 0; i < 4; i++) {
        int s = p[i], m = p[4 + i], low = p[8 + i];
        to->scales[i] = d * (float)(s & 63);
        to->offsets[i] = -(dmin * (float)(m & 63));
        to->scales[4 + i] = d * (float)((low & 15) | s >> 6 << 4);
        to->offsets[4 + i] = -(dmin * (float)(low >> 4 | m >> 6 << 4));
    }
}

ALWAYS_INLINE void unpack_q4_k(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q4_k *b = (const void *)p;
    unpack_scales(b->scales, read_half(b->d), read_half(b->dmin), to);
    for (int i = 0; i < 128; i += 16) {
        vb v = vb_load(b->codes[0] + i);
        int8_t *codes = to->codes + i / 32 * 64 + i % 32;
        vb_store(codes, v & 15);
        vb_store(codes + 32, v >> 4);
    }
}

ALWAYS_INLINE void unpack_q5_k(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q5_k *b = (const void *)p;
    unpack_scales(b->scales, read_half(b->d), read_half(b->dmin), to);
    for (int i = 0; i < 128; i += 16) {
        vb v = vb_load(b->codes[0] + i);
        vb high = vb_load(b->high + i % 32) >> i / 32 * 2;
        int8_t *codes = to->codes + i / 32 * 64 + i % 32;
        vb_store(codes, (v & 15) | (high & 1) << 4);
        vb_store(codes + 32, v >> 4 | (high & 2) << 3);
    }
}

ALWAYS_INLINE void unpack_q6_k(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_q6_k *b = (const void *)p;
    const float d = read_half(b->d);
    for (int i = 0; i < 16; i++)
        to->scales[i] = d * (float)(int8_t)b->scales[i];
    for (int i = 0; i < 64; i += 16) {
        const uint8_t *low = b->low[i / 32] + i % 32;
        vb v = vb_load(low), next = vb_load(low + 32);
        vb high = vb_load(b->high[0] + i);
        int8_t *codes = to->codes + i / 32 * 128 + i % 32;
        vb_store(codes, ((v & 15) | (high & 3) << 4) - 32);
        vb_store(codes + 32, ((next & 15) | (high & 12) << 2) - 32);
        vb_store(codes + 64, (v >> 4 | (high & 48)) - 32);
        vb_store(codes + 96, (next >> 4 | high >> 6 << 4) - 32);
    }
}

static const int8_t iq4_values[16] = PND_IQ4_VALUES;

ALWAYS_INLINE void unpack_places(const uint8_t *from, int8_t *to)
{
    int8_t places[32];
    unpack_halves(from, 0, places);
    look_up_16(iq4_values, places, to);
    look_up_16(iq4_values, places + 16, to + 16);
}

ALWAYS_INLINE void unpack_iq4_nl(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_iq4_nl *b = (const void *)p;
    to->scales[0] = read_half(b->d);
    unpack_places(b->codes, to->codes);
}

ALWAYS_INLINE void unpack_iq4_xs(const uint8_t *p, struct unpacked *to)
{
    const struct pnd_block_iq4_xs *b = (const void *)p;
    const float d = read_half(b->d);
    const int high = pnd_read_le16(b->scales_high);
    for (int i = 0; i < 8; i++) {
        int low = b->scales_low[i / 2] >> i % 2 * 4 & 15;
        to->scales[i] = d * (float)((low | (high >> 2 * i & 3) << 4) - 32);
        unpack_places(b->codes[i], to->codes + 32 * i);
    }
}

/* How a format is cut: all constants wherever they are used. */
struct cut {
    void (*unpack)(const uint8_t *block, struct unpacked *to);
    size_t block, bytes;
    size_t group; /* elements of one scale */
    bool has_offset;
};

#define CUT(type, elements, group, has_offset)                               \
    static const struct cut cut_##type = {unpack_##type, elements,           \
                                          sizeof(struct pnd_block_##type),   \
                                          group, has_offset};

CUT(q8_0, 32, 32, false)
CUT(q4_0, 32, 32, false)
CUT(q4_1, 32, 32, true)
CUT(q5_0, 32, 32, false)
CUT(q5_1, 32, 32, true)
CUT(q2_k, 256, 16, true)
CUT(q3_k, 256, 16, false)
CUT(q4_k, 256, 32, true)
CUT(q5_k, 256, 32, true)
CUT(q6_k, 256, 16, false)
CUT(iq4_nl, 32, 32, false)
CUT(iq4_xs, 256, 32, false)

#endif
