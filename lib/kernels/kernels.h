/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_KERNELS_H
#define PND_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/context.h"
#include "tensor/tensor.h"

/* The table of compute kernels of a runtime. Filled from generic C upwards:
 * each instruction-set layer overrides what it improves (select.c), then the
 * providers (OpenBLAS, oneDNN) where they may be used. Kernels work on one
 * thread, hold no state and cannot fail; cutting work into pieces is the
 * caller's business (nn/). Matrices are row-major with leading dimensions in
 * elements; float pointers are aligned to 4 bytes, no more. Stored weights
 * (`const void *`) may lie at any byte of a mapped file. */

/* Kernels may not allocate, and a packed block of a matrix is too large for the
 * stack: the caller of a product lends this many floats (288 KiB, about half of
 * a common level-two cache), which no other thread uses meanwhile. */
#define PND_GEMM_SCRATCH (72 * 1024)

typedef void (*pnd_gemm_fn)(size_t m, size_t n, size_t k, const float *a,
                            size_t lda, const void *b, size_t ldb, float *c,
                            size_t ldc, float *scratch);

struct pnd_gemm_kernels {
    /* c[m,n] = a[m,k] * transpose(b[n,k]), one row per type of b: weight types
     * and block formats, whose k and ldb are whole blocks */
    pnd_gemm_fn nt[PND_DTYPE_COUNT];
    /* c[m,n] = a[m,k] * b[k,n], b floats */
    pnd_gemm_fn f32_nn;
};

/* As pnd_gemm_kernels.nt, with a and b rounded to bf16, to the nearest and to
 * even ones; what is smaller than 2^-126 is zero, also among sums. Sums are
 * floats; their order is the implementation's. */
struct pnd_bf16_kernels {
    /* One row per weight type: f32, f16, bf16; NULL where the processor has no
     * such products, as by other means they are slower than f32 */
    pnd_gemm_fn nt[PND_DTYPE_COUNT];
};

/* One row per weight type or block format: how a stored row is used. Rows of
 * block formats are whole blocks. */
struct pnd_format_kernels {
    /* to[0..count) = row as floats */
    void (*to_f32)(size_t count, const void *row, float *to);
    /* y[r] = sum_i w[r,i] x[i] for `rows` rows, `row_bytes` apart */
    void (*matvec)(size_t rows, size_t k, const void *w, size_t row_bytes,
                   const float *x, float *y);
    /* y[i] = sum_r x[r] w[r,i] for k columns; NULL for block formats */
    void (*weigh)(size_t rows, size_t k, const void *w, size_t row_bytes,
                  const float *x, float *y);
};

/* Activations rounded to 8 bits: 256 consecutive elements of a row. The last
 * block of a row is filled up with zeros. */
struct pnd_q8_block {
    int8_t codes[256]; /* -127..127; value = scale * code */
    float scales[16];  /* of each 16 elements; two at a time are equal */
    float sums[16];    /* scale times the sum of the 16 codes */
    /* -128 times the sum of 16 and of 32 codes: what makes up for adding 128
     * to the codes of weights, for products that take unsigned ones */
    int32_t biases[16], wide_biases[8];
};

/** Blocks of a row of k elements. */
static inline size_t pnd_q8_count_blocks(size_t k)
{
    return (k + 255) / 256;
}

/* y[m, n] = a[m, k] * transpose(w[n, k]): rows of a are tight, rows of w
 * row_bytes apart. Sums of products of codes are exact, and so the same in all
 * implementations; the sums over a row are floats. `scratch` as for
 * pnd_gemm_fn. */
typedef void (*pnd_q8_product_fn)(size_t m, size_t n, size_t k,
                                  const struct pnd_q8_block *a, const void *w,
                                  size_t row_bytes, float *y, size_t ldy,
                                  float *scratch);

struct pnd_q8_kernels {
    /* A row of k floats as blocks, the same bits in all implementations. What
     * is not finite makes the scale of its 32 elements NaN. */
    void (*round)(size_t k, const float *x, struct pnd_q8_block *to);
    /* One row per block format; the others are NULL. */
    pnd_q8_product_fn product[PND_DTYPE_COUNT];
};

/* Products of int8 weights with activations that are rounded to int8 row by
 * row, in groups of so many consecutive elements with a scale of their own. */
#define PND_I8_GROUP 256

/* Codes of k whose products are summed before they are added to the result: the
 * same in all kernels of x86, which so give the same bits. */
#define PND_I8_DEPTH 1024

static inline size_t pnd_i8_count_groups(size_t k)
{
    return (k + PND_I8_GROUP - 1) / PND_I8_GROUP;
}

struct pnd_i8_kernels {
    /* A row of k floats as codes -127..127 and the scale of each group, the
     * same bits in all implementations. What is not finite makes the scale of
     * its group NaN. */
    void (*round)(size_t k, const float *x, int8_t *codes, float *scales);
    /* c[m,n] += a[m,k] * transpose(b[n,k]). Values of a are codes times
     * a_scales (m, groups, tight), of b codes -127..127 times b_scales (n).
     * Sums within a group are exact, the sums of groups are floats. `scratch`
     * as for pnd_gemm_fn. */
    void (*product)(size_t m, size_t n, size_t k, const int8_t *a, size_t lda,
                    const float *a_scales, const int8_t *b, size_t ldb,
                    const float *b_scales, float *c, size_t ldc,
                    float *scratch);
};

/* What another library may compute instead, for as many rows as make its calls
 * worth their cost; NULL where own kernels are as fast. Arguments are those of
 * the own kernel. Unlike own kernels it may fail: they return how many columns
 * of c they have computed, from the first, and the others are as they were. */
typedef size_t (*pnd_large_gemm_fn)(size_t m, size_t n, size_t k,
                                    const float *a, size_t lda, const void *b,
                                    size_t ldb, float *c, size_t ldc,
                                    float *scratch);

struct pnd_large_kernels {
    size_t least_rows;
    pnd_large_gemm_fn f32_nt; /* pnd_gemm_kernels.nt[PND_F32] */
    /* pnd_i8_kernels.product */
    size_t (*i8_product)(size_t m, size_t n, size_t k, const int8_t *a,
                         size_t lda, const float *a_scales, const int8_t *b,
                         size_t ldb, const float *b_scales, float *c,
                         size_t ldc, float *scratch);
};

struct pnd_norm_kernels {
    /* y = (x - mean) / sqrt(var + eps) * weight + bias; y may be x */
    void (*layer_norm)(size_t n, const float *x, const float *weight,
                       const float *bias, float eps, float *y);
    /* y = x / sqrt(mean(x^2) + eps) * weight; y may be x */
    void (*rms_norm)(size_t n, const float *x, const float *weight, float eps,
                     float *y);
};

struct pnd_vector_kernels {
    /* y += x */
    void (*add)(size_t n, const float *x, float *y);
    /* exact GELU in place: x * (1 + erf(x / sqrt 2)) / 2 */
    void (*gelu)(size_t n, float *x);
    /* gate = silu(gate) * up */
    void (*silu_mul)(size_t n, float *gate, const float *up);
    /* softmax(scale * x) in place over n values; scale > 0 */
    void (*softmax)(size_t n, float scale, float *x);
    /* y = x as f16 numbers, to the nearest */
    void (*to_f16)(size_t n, const float *x, uint16_t *y);
};

struct pnd_kernels {
    uint64_t cpu_used;       /* PANDA_CPU_* bits that chose the entries */
    uint32_t providers_used; /* PANDA_PROVIDER_* bits */
    struct pnd_gemm_kernels gemm;
    struct pnd_bf16_kernels bf16;
    struct pnd_format_kernels format[PND_DTYPE_COUNT];
    struct pnd_q8_kernels q8;
    struct pnd_i8_kernels i8;
    struct pnd_large_kernels large;
    struct pnd_norm_kernels norm;
    struct pnd_vector_kernels vector;
};

/** PANDA_CPU_* bits of this machine, with the operating system's support for
 *  the registers checked; PANDA_CPU_GENERIC is always set. */
uint64_t pnd_cpu_detect(void);

/** Ask the system for tiles, which it gives to the whole process and for good;
 *  any thread may, any number of times. It refuses where a thread's signal
 *  stack is too small for their contents. Only where an AMX bit is
 *  detected. */
bool pnd_cpu_request_tiles(void);

/** Fill the table for the bits in `cpu` (which must be detected) and the
 *  providers in `providers`; `flags` are PANDA_RUNTIME_* bits. */
void pnd_kernels_select(struct pnd_kernels *out, uint64_t cpu,
                        uint32_t providers, uint32_t flags);

/** Measure k->large, a few milliseconds, and keep what is clearly faster than
 *  own kernels. */
panda_status pnd_kernels_choose(struct pnd_kernels *k,
                                const struct pnd_context *ctx);

#endif
