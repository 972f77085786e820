/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/blocks.h"

/* size: bytes of `block` elements */
static const struct {
    const char *name;
    size_t size, block;
} dtypes[PND_DTYPE_COUNT] = {
    [PND_F32] = {"f32", 4, 1},
    [PND_F16] = {"f16", 2, 1},
    [PND_BF16] = {"bf16", 2, 1},
    [PND_F64] = {"f64", 8, 1},
    [PND_I64] = {"i64", 8, 1},
    [PND_I32] = {"i32", 4, 1},
    [PND_I16] = {"i16", 2, 1},
    [PND_I8] = {"i8", 1, 1},
    [PND_U8] = {"u8", 1, 1},
    [PND_BOOL] = {"bool", 1, 1},
    [PND_Q8_0] = {"q8_0", sizeof(struct pnd_block_q8_0), PND_BLOCK},
    [PND_Q4_0] = {"q4_0", sizeof(struct pnd_block_q4_0), PND_BLOCK},
    [PND_Q4_1] = {"q4_1", sizeof(struct pnd_block_q4_1), PND_BLOCK},
    [PND_Q5_0] = {"q5_0", sizeof(struct pnd_block_q5_0), PND_BLOCK},
    [PND_Q5_1] = {"q5_1", sizeof(struct pnd_block_q5_1), PND_BLOCK},
    [PND_Q2_K] = {"q2_k", sizeof(struct pnd_block_q2_k), PND_SUPER_BLOCK},
    [PND_Q3_K] = {"q3_k", sizeof(struct pnd_block_q3_k), PND_SUPER_BLOCK},
    [PND_Q4_K] = {"q4_k", sizeof(struct pnd_block_q4_k), PND_SUPER_BLOCK},
    [PND_Q5_K] = {"q5_k", sizeof(struct pnd_block_q5_k), PND_SUPER_BLOCK},
    [PND_Q6_K] = {"q6_k", sizeof(struct pnd_block_q6_k), PND_SUPER_BLOCK},
    [PND_IQ4_NL] = {"iq4_nl", sizeof(struct pnd_block_iq4_nl), PND_BLOCK},
    [PND_IQ4_XS] = {"iq4_xs", sizeof(struct pnd_block_iq4_xs),
                    PND_SUPER_BLOCK},
};

size_t pnd_dtype_get_block(enum pnd_dtype dtype)
{
    return dtypes[dtype].block;
}

size_t pnd_dtype_get_size(enum pnd_dtype dtype)
{
    return dtypes[dtype].size;
}

size_t pnd_dtype_get_row_bytes(enum pnd_dtype dtype, size_t count)
{
    size_t bytes;
    if (count % dtypes[dtype].block != 0 ||
        __builtin_mul_overflow(count / dtypes[dtype].block, dtypes[dtype].size,
                               &bytes))
        return 0;
    return bytes;
}

const char *pnd_dtype_get_name(enum pnd_dtype dtype)
{
    return dtypes[dtype].name;
}

bool pnd_dtype_is_weight(enum pnd_dtype dtype)
{
    return dtype == PND_F32 || dtype == PND_F16 || dtype == PND_BF16;
}

bool pnd_dtype_is_block(enum pnd_dtype dtype)
{
    return dtypes[dtype].block > 1;
}

int64_t pnd_tensor_get_count(const struct pnd_tensor *t)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        count *= t->shape[i];
    return count;
}

bool pnd_tensor_has_shape(const struct pnd_tensor *t, uint32_t rank,
                          const int64_t *shape)
{
    if (t->rank != rank)
        return false;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] >= 0 && shape[i] != t->shape[i])
            return false;
    }
    return true;
}

void pnd_shape_format(char *text, size_t size, uint32_t rank,
                      const int64_t *shape)
{
    size_t used = 0;
    if (size == 0)
        return;
    text[0] = '\0';
    for (uint32_t i = 0; i <= rank && used < size; i++) {
        int n;
        if (i == rank)
            n = snprintf(text + used, size - used, i == 0 ? "[]" : "]");
        else if (shape[i] < 0)
            n = snprintf(text + used, size - used, i == 0 ? "[any" : ", any");
        else
            n = snprintf(text + used, size - used, i == 0 ? "[%lld" : ", %lld",
                         (long long)shape[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

float pnd_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = (h >> 10) & 31, mantissa = h & 1023;
    union {
        uint32_t u;
        float f;
    } v;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        v.f = (float)mantissa * 0x1p-24f;
        v.u |= sign;
    } else {
        uint32_t e = exponent == 31 ? 255 : exponent + 112;
        v.u = sign | e << 23 | mantissa << 13;
    }
    return v.f;
}

uint16_t pnd_f32_to_f16(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    uint16_t sign = (uint16_t)(v.u >> 16 & 0x8000);
    uint32_t magnitude = v.u & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return sign | 0x7e00; /* NaN */
    if (magnitude >= 0x477ff000)
        return sign | 0x7c00;     /* rounds to infinity */
    if (magnitude < 0x38800000) { /* subnormal: let the adder round */
        v.u = magnitude;
        v.f += 0.5f;
        return sign | (uint16_t)(v.u - 0x3f000000);
    }
    uint32_t odd = magnitude >> 13 & 1;
    return sign | (uint16_t)((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

uint16_t pnd_f32_to_bf16(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    if ((v.u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(v.u >> 16 | 0x40); /* NaN */
    return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}

float pnd_tensor_get_f32(const struct pnd_tensor *t, size_t index)
{
    const char *p = (const char *)t->data + index * dtypes[t->dtype].size;
    uint16_t half;
    float single;
    double wide;
    switch (t->dtype) {
    case PND_F32:
        memcpy(&single, p, sizeof single);
        return single;
    case PND_F64:
        memcpy(&wide, p, sizeof wide);
        return (float)wide;
    case PND_F16:
        memcpy(&half, p, sizeof half);
        return pnd_f16_to_f32(half);
    case PND_BF16:
        memcpy(&half, p, sizeof half);
        return pnd_bf16_to_f32(half);
    default:
        return NAN;
    }
}

void pnd_tensor_read_f32(const struct pnd_tensor *t, float *out)
{
    size_t count = (size_t)pnd_tensor_get_count(t);
    if (t->dtype == PND_F32) {
        memcpy(out, t->data, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = pnd_tensor_get_f32(t, i);
}
