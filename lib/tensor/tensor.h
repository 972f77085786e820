/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TENSOR_TENSOR_H
#define PND_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element types and views of tensors in weight files. */

enum pnd_dtype {
    PND_F32 = 0,
    PND_F16,
    PND_BF16,
    PND_F64,
    PND_I64,
    PND_I32,
    PND_I16,
    PND_I8,
    PND_U8,
    PND_BOOL,
    /* Block formats, laid out in tensor/blocks.h. */
    PND_Q8_0,
    PND_Q4_0,
    PND_Q4_1,
    PND_Q5_0,
    PND_Q5_1,
    PND_Q2_K,
    PND_Q3_K,
    PND_Q4_K,
    PND_Q5_K,
    PND_Q6_K,
    PND_IQ4_NL,
    PND_IQ4_XS,
    PND_DTYPE_COUNT
};

#define PND_MAX_RANK 8

/* A borrowed view, contiguous and row-major. */
struct pnd_tensor {
    const char *name; /* zero-terminated, owned by the weights */
    enum pnd_dtype dtype;
    uint32_t rank;               /* 0: a scalar */
    int64_t shape[PND_MAX_RANK]; /* slowest first */
    const void *data;            /* bytes bytes; aligned to 1 */
    size_t bytes;
};

/** Elements that are stored together, consecutive ones of a row: 32 or 256 for
 *  the block formats, otherwise 1. */
size_t pnd_dtype_get_block(enum pnd_dtype dtype);

/** Bytes of one block: of one element, unless it is a block format. */
size_t pnd_dtype_get_size(enum pnd_dtype dtype);

/** Bytes of `count` consecutive elements; 0 when they are not whole blocks, or
 *  more than a size_t of bytes. */
size_t pnd_dtype_get_row_bytes(enum pnd_dtype dtype, size_t count);

/** Such as "f16"; static storage. */
const char *pnd_dtype_get_name(enum pnd_dtype dtype);

/** Whether it is f32, f16 or bf16: what any weights may be. */
bool pnd_dtype_is_weight(enum pnd_dtype dtype);

/** Whether it is a block format: what a decoder's matrices may be, too. */
bool pnd_dtype_is_block(enum pnd_dtype dtype);

/** Product of the shape; 1 for a scalar. Views are built so that it does not
 *  overflow. */
int64_t pnd_tensor_get_count(const struct pnd_tensor *t);

/** Whether the shape is exactly the `rank` numbers given; -1 matches any. */
bool pnd_tensor_has_shape(const struct pnd_tensor *t, uint32_t rank,
                          const int64_t *shape);

/** "[64, 3, 2]" into `text`, cut to `size` bytes. */
void pnd_shape_format(char *text, size_t size, uint32_t rank,
                      const int64_t *shape);

/* Half-precision numbers as bits. */
float pnd_f16_to_f32(uint16_t h);
uint16_t pnd_f32_to_f16(float f); /* round to nearest even */
uint16_t pnd_f32_to_bf16(float f); /* likewise */
static inline float pnd_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)h << 16};
    return v.f;
}

/** Element `index` of an f32, f16, bf16 or f64 tensor as float; unaligned
 *  data is fine. */
float pnd_tensor_get_f32(const struct pnd_tensor *t, size_t index);

/** The whole f32, f16, bf16 or f64 tensor as floats into `out`. */
void pnd_tensor_read_f32(const struct pnd_tensor *t, float *out);

#endif
