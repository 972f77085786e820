/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tensor/quantize_parts.h"

/* What the search found, laid out as tensor/blocks.h says. */

#define HALF (PND_SUPER_BLOCK / 2)

static const struct pnd_code_set set_q4_0 = {-8, 7, false, -7, -0.25f, 9};
static const struct pnd_code_set set_q5_0 = {-16, 15, false, -15, -0.25f, 9};
static const struct pnd_code_set set_q3_k = {-4, 3, false, -3.2f, -0.3f, 6};
static const struct pnd_code_set set_q6_k = {-32, 31, false, -31, -0.3f, 7};
static const struct pnd_code_set set_iq4 = {-127, 113, true, -112, -4, 8};

void pnd_pack_q4_0(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_scales found;
    struct pnd_block_q4_0 b;
    pnd_search_scales(p, PND_BLOCK, &set_q4_0, &found);
    for (size_t k = 0; k < blocks; k++, out += sizeof b) {
        uint8_t codes[PND_BLOCK];
        for (int i = 0; i < PND_BLOCK; i++)
            codes[i] = (uint8_t)(found.codes[k * PND_BLOCK + i] + 8);
        pnd_put_half(b.d, pnd_f32_to_f16(found.scales[k]));
        pnd_put_halves(codes, b.codes);
        memcpy(out, &b, sizeof b);
    }
}

void pnd_pack_q5_0(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_scales found;
    struct pnd_block_q5_0 b;
    pnd_search_scales(p, PND_BLOCK, &set_q5_0, &found);
    for (size_t k = 0; k < blocks; k++, out += sizeof b) {
        uint8_t codes[PND_BLOCK];
        for (int i = 0; i < PND_BLOCK; i++)
            codes[i] = (uint8_t)(found.codes[k * PND_BLOCK + i] + 16);
        pnd_put_half(b.d, pnd_f32_to_f16(found.scales[k]));
        pnd_put_fifths(codes, b.high, b.codes);
        memcpy(out, &b, sizeof b);
    }
}

void pnd_pack_q4_1(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_offsets found;
    struct pnd_block_q4_1 b;
    pnd_search_offsets(p, PND_BLOCK, 15, &found);
    for (size_t k = 0; k < blocks; k++, out += sizeof b) {
        pnd_put_half(b.d, pnd_f32_to_f16(found.scales[k]));
        pnd_put_half(b.m, pnd_f32_to_f16(-found.offsets[k]));
        pnd_put_halves(found.codes + k * PND_BLOCK, b.codes);
        memcpy(out, &b, sizeof b);
    }
}

void pnd_pack_q5_1(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_offsets found;
    struct pnd_block_q5_1 b;
    pnd_search_offsets(p, PND_BLOCK, 31, &found);
    for (size_t k = 0; k < blocks; k++, out += sizeof b) {
        pnd_put_half(b.d, pnd_f32_to_f16(found.scales[k]));
        pnd_put_half(b.m, pnd_f32_to_f16(-found.offsets[k]));
        pnd_put_fifths(found.codes + k * PND_BLOCK, b.high, b.codes);
        memcpy(out, &b, sizeof b);
    }
}

/* Place of a value in PND_IQ4_VALUES. */
static uint8_t find_place(int8_t value)
{
    static const int8_t values[16] = PND_IQ4_VALUES;
    uint8_t place = 0;
    for (int i = 1; i < 16; i++)
        place = (uint8_t)(place + (value >= values[i]));
    return place;
}

static void put_places(const int8_t *values, uint8_t *to)
{
    for (int i = 0; i < 16; i++)
        to[i] = (uint8_t)(find_place(values[i]) |
                          find_place(values[i + 16]) << 4);
}

void pnd_pack_iq4_nl(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_scales found;
    struct pnd_block_iq4_nl b;
    pnd_search_scales(p, PND_BLOCK, &set_iq4, &found);
    for (size_t k = 0; k < blocks; k++, out += sizeof b) {
        pnd_put_half(b.d, pnd_f32_to_f16(found.scales[k]));
        put_places(found.codes + k * PND_BLOCK, b.codes);
        memcpy(out, &b, sizeof b);
    }
}

void pnd_pack_iq4_xs(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_scales found;
    struct pnd_block_iq4_xs b = {0};
    uint32_t high = 0;
    (void)blocks;
    pnd_search_whole_scales(p, 32, &set_iq4, -32, &found);
    for (int i = 0; i < 8; i++) {
        uint32_t scale = (uint32_t)(found.scales[i] + 32);
        b.scales_low[i / 2] |= (uint8_t)((scale & 15) << i % 2 * 4);
        high |= (scale >> 4) << 2 * i;
        put_places(found.codes + 32 * i, b.codes[i]);
    }
    pnd_put_half(b.d, found.d);
    pnd_put_half(b.scales_high, (uint16_t)high);
    memcpy(out, &b, sizeof b);
}

void pnd_pack_q2_k(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_offsets found;
    struct pnd_block_q2_k b;
    (void)blocks;
    pnd_search_whole_offsets(p, 16, 3, 15, &found);
    for (int i = 0; i < 16; i++)
        b.scales[i] = (uint8_t)(found.scales[i] | found.offsets[i] << 4);
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = found.codes + i / 32 * HALF + i % 32;
        b.codes[i / 32][i % 32] =
            (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
    pnd_put_half(b.d, found.d);
    pnd_put_half(b.dmin, found.dmin);
    memcpy(out, &b, sizeof b);
}

void pnd_pack_q3_k(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_scales found;
    struct pnd_block_q3_k b = {0};
    (void)blocks;
    pnd_search_whole_scales(p, 16, &set_q3_k, -32, &found);
    for (int i = 0; i < 16; i++) {
        uint32_t scale = (uint32_t)(found.scales[i] + 32);
        b.scales[i % 8] |= (uint8_t)((scale & 15) << i / 8 * 4);
        b.scales[8 + i % 4] |= (uint8_t)((scale >> 4) << i / 4 * 2);
    }
    for (int i = 0; i < PND_SUPER_BLOCK; i++) {
        uint32_t code = (uint32_t)(found.codes[i] + 4);
        b.high[i % 32] |= (uint8_t)((code >> 2) << i / 32);
        b.codes[i / HALF][i % 32] |=
            (uint8_t)((code & 3) << i % HALF / 32 * 2);
    }
    pnd_put_half(b.d, found.d);
    memcpy(out, &b, sizeof b);
}

/* Six bits each, of q4_k and q5_k. */
static void put_scales(const struct pnd_whole_offsets *found, uint8_t *to)
{
    for (int i = 0; i < 4; i++) {
        const uint8_t s = found->scales[i + 4], m = found->offsets[i + 4];
        to[i] = (uint8_t)(found->scales[i] | s >> 4 << 6);
        to[4 + i] = (uint8_t)(found->offsets[i] | m >> 4 << 6);
        to[8 + i] = (uint8_t)((s & 15) | (m & 15) << 4);
    }
}

void pnd_pack_q4_k(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_offsets found;
    struct pnd_block_q4_k b;
    (void)blocks;
    pnd_search_whole_offsets(p, 32, 15, 63, &found);
    put_scales(&found, b.scales);
    for (int i = 0; i < HALF; i++) {
        const uint8_t *c = found.codes + i / 32 * 64 + i % 32;
        b.codes[i / 32][i % 32] = (uint8_t)(c[0] | c[32] << 4);
    }
    pnd_put_half(b.d, found.d);
    pnd_put_half(b.dmin, found.dmin);
    memcpy(out, &b, sizeof b);
}

void pnd_pack_q5_k(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_offsets found;
    struct pnd_block_q5_k b = {0};
    (void)blocks;
    pnd_search_whole_offsets(p, 32, 31, 63, &found);
    put_scales(&found, b.scales);
    for (int i = 0; i < HALF; i++) {
        const uint8_t *c = found.codes + i / 32 * 64 + i % 32;
        b.codes[i / 32][i % 32] = (uint8_t)((c[0] & 15) | (c[32] & 15) << 4);
    }
    for (int i = 0; i < PND_SUPER_BLOCK; i++)
        b.high[i % 32] |= (uint8_t)(found.codes[i] >> 4 << i / 32);
    pnd_put_half(b.d, found.d);
    pnd_put_half(b.dmin, found.dmin);
    memcpy(out, &b, sizeof b);
}

void pnd_pack_q6_k(const struct pnd_piece *p, size_t blocks, uint8_t *out)
{
    struct pnd_whole_scales found;
    struct pnd_block_q6_k b = {0};
    (void)blocks;
    pnd_search_whole_scales(p, 16, &set_q6_k, -128, &found);
    for (int i = 0; i < PND_SUPER_BLOCK; i++) {
        uint32_t code = (uint32_t)(found.codes[i] + 32);
        int half = i / HALF, j = i % HALF;
        b.low[half][j % 64] |= (uint8_t)((code & 15) << j / 64 * 4);
        b.high[half][j % 32] |= (uint8_t)((code >> 4) << j / 32 * 2);
    }
    memcpy(b.scales, found.scales, sizeof b.scales);
    pnd_put_half(b.d, found.d);
    memcpy(out, &b, sizeof b);
}
