/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/quantize_parts.h"

#define F16_MOST 65504.0f
#define BF16_MOST 0x1.fep+127f

static void round_f32(const float *x, size_t count, uint8_t *out)
{
    memcpy(out, x, count * sizeof *x);
}

static void round_f16(const float *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        pnd_put_half(out + 2 * i, pnd_f32_to_f16(x[i]));
}

/* To the nearest, halves to even; x is finite. */
static void round_bf16(const float *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits += 0x7fff + (bits >> 16 & 1);
        pnd_put_half(out + 2 * i, (uint16_t)(bits >> 16));
    }
}

#define ROUND_BLOCKS(type)                                                   \
    static void round_##type(const float *x, size_t count, uint8_t *out)     \
    {                                                                        \
        struct pnd_block_##type b;                                           \
        for (size_t i = 0; i < count; i += PND_BLOCK, out += sizeof b) {     \
            pnd_round_##type(x + i, &b);                                     \
            memcpy(out, &b, sizeof b);                                       \
        }                                                                    \
    }

ROUND_BLOCKS(q8_0)
ROUND_BLOCKS(q4_0)
ROUND_BLOCKS(q4_1)
ROUND_BLOCKS(q5_0)
ROUND_BLOCKS(q5_1)

/* `round` turns `count` elements into `out` without a search; `pack` searches,
 * and is used with importance, or where there is no `round`. Codes that are not
 * evenly spaced leave large elements with the largest errors; that these count
 * more makes a model better, while it makes one of even codes no better or
 * worse (docs/quantization.md). */
static const struct format {
    void (*round)(const float *x, size_t count, uint8_t *out);
    pnd_pack_fn pack;
    float most; /* largest magnitude */
    bool large_count_more;
} formats[PND_DTYPE_COUNT] = {
    [PND_F32] = {round_f32, NULL, FLT_MAX},
    [PND_F16] = {round_f16, NULL, F16_MOST},
    [PND_BF16] = {round_bf16, NULL, BF16_MOST},
    [PND_Q8_0] = {round_q8_0, NULL, F16_MOST},
    [PND_Q4_0] = {round_q4_0, pnd_pack_q4_0, F16_MOST},
    [PND_Q4_1] = {round_q4_1, pnd_pack_q4_1, F16_MOST},
    [PND_Q5_0] = {round_q5_0, pnd_pack_q5_0, F16_MOST},
    [PND_Q5_1] = {round_q5_1, pnd_pack_q5_1, F16_MOST},
    [PND_Q2_K] = {NULL, pnd_pack_q2_k, F16_MOST},
    [PND_Q3_K] = {NULL, pnd_pack_q3_k, F16_MOST},
    [PND_Q4_K] = {NULL, pnd_pack_q4_k, F16_MOST},
    [PND_Q5_K] = {NULL, pnd_pack_q5_k, F16_MOST},
    [PND_Q6_K] = {NULL, pnd_pack_q6_k, F16_MOST},
    [PND_IQ4_NL] = {NULL, pnd_pack_iq4_nl, F16_MOST, true},
    [PND_IQ4_XS] = {NULL, pnd_pack_iq4_xs, F16_MOST, true},
};

bool pnd_quantize_has(enum pnd_dtype dtype)
{
    return formats[dtype].round || formats[dtype].pack;
}

bool pnd_quantize_uses_importance(enum pnd_dtype dtype)
{
    return formats[dtype].pack != NULL;
}

/* Elements up to the first that is no number of at most this magnitude. */
static size_t count_good(const float *x, size_t count, float most)
{
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        int bad = 0;
        for (int j = 0; j < 16; j++)
            bad |= !(fabsf(x[i + (size_t)j]) <= most);
        if (bad)
            break;
    }
    while (i < count && fabsf(x[i]) <= most)
        i++;
    return i;
}

/* Columns that no input of the measured text used are used by others: they
 * count at least this part of the mean. */
#define LEAST_WEIGHT 0.01f

static void set_weights(const float *importance, size_t count, float *w)
{
    float sum = 0;
    for (size_t i = 0; i < PND_SUPER_BLOCK; i++)
        w[i] = 1 + LEAST_WEIGHT;
    for (size_t i = 0; i < count && importance; i++)
        sum += importance[i] / (float)count;
    for (size_t i = 0; i < count && sum > 0; i++)
        w[i] = importance[i] / sum + LEAST_WEIGHT;
}

/* Half by magnitude, in units of the root of the mean square. */
static void set_weights_by_size(const float *x, size_t count, float *w)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    const float size = sqrtf(sum / (float)count);
    for (size_t i = 0; i < PND_SUPER_BLOCK; i++)
        w[i] = size > FLT_MIN ? 1 + fabsf(x[i]) / size : 1;
}

static void pack_row(const struct format *format, size_t block_bytes,
                     size_t block, size_t columns, const float *x,
                     const float *importance, uint8_t *out)
{
    struct pnd_piece piece;
    for (size_t i = 0; i < columns; i += PND_SUPER_BLOCK) {
        size_t count = columns - i;
        if (count > PND_SUPER_BLOCK)
            count = PND_SUPER_BLOCK;
        memset(piece.x, 0, sizeof piece.x);
        memcpy(piece.x, x + i, count * sizeof *x);
        if (format->large_count_more && !importance)
            set_weights_by_size(piece.x, count, piece.w);
        else
            set_weights(importance ? importance + i : NULL, count, piece.w);
        format->pack(&piece, count / block, out);
        out += count / block * block_bytes;
    }
}

size_t pnd_quantize_rows(enum pnd_dtype dtype, size_t rows, size_t columns,
                         const float *x, const float *importance, void *out)
{
    const struct format *format = &formats[dtype];
    const size_t row_bytes = pnd_dtype_get_row_bytes(dtype, columns);
    const bool search = format->pack && (importance || !format->round);
    for (size_t r = 0; r < rows; r++, x += columns) {
        uint8_t *to = (uint8_t *)out + r * row_bytes;
        size_t good = count_good(x, columns, format->most);
        if (good < columns)
            return r * columns + good;
        if (search)
            pack_row(format, pnd_dtype_get_size(dtype),
                     pnd_dtype_get_block(dtype), columns, x, importance, to);
        else
            format->round(x, columns, to);
    }
    return rows * columns;
}

size_t pnd_quantize_int8(size_t columns, const float *x, int8_t *codes,
                         float *scale)
{
    float peak = 0;
    size_t good = count_good(x, columns, F16_MOST);
    if (good < columns)
        return good;
    for (size_t i = 0; i < columns; i++)
        peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
    *scale = peak / 127;
    const float inverse = *scale > FLT_MIN ? 1 / *scale : 0;
    for (size_t i = 0; i < columns && codes; i++)
        codes[i] = (int8_t)lrintf(x[i] * inverse);
    return columns;
}
