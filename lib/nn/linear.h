/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_LINEAR_H
#define PND_NN_LINEAR_H

#include <stdbool.h>

#include "base/context.h"
#include "tensor/tensor.h"

/* y = x W^T + bias, with an optional low-rank side path (LoRA):
 * y += scale * (x A^T) B^T. */

struct pnd_low_rank {
    uint32_t rank;
    float scale;
    const float *a; /* (rank, in) */
    const float *b; /* (out, rank) */
};

/* Columns of an int8 matrix that are kept as floats, because their inputs are
 * so much larger than others that int8 cannot hold both; the codes in these
 * columns are 0. */
struct pnd_outliers {
    uint32_t count;         /* 0: none */
    const int32_t *columns; /* (count), ascending */
    const float *weight;    /* (out, count) */
};

struct pnd_linear {
    enum pnd_dtype dtype;
    uint32_t in, out;
    const void *weight;              /* (out, in), rows tight; `in` is whole
                                        blocks of the dtype */
    const float *bias;               /* (out) or NULL */
    const struct pnd_low_rank *side; /* or NULL; not of PND_I8 */
    bool rounds; /* many rows are multiplied in bf16 where the kernels can */
    /* PND_I8 only: products are int8 with activations rounded row by row */
    const float *row_scale;          /* (out): weight = scale * code */
    struct pnd_outliers outliers;
};

/* What becomes of the sums. */
enum pnd_linear_end {
    PND_END_STORE, /* y = sums */
    PND_END_GELU,  /* y = gelu(sums) */
    PND_END_ADD    /* y += sums */
};

/** Whether pnd_linear_run may compute a layer of this type with `rounds` in
 *  bf16 here. */
bool pnd_linear_can_round(const struct pnd_context *ctx, enum pnd_dtype dtype);

/** Floats of scratch that any pnd_linear_run of up to `rows` rows of this layer
 *  needs, for all workers of `ctx` together; grows with the rows. Without a
 *  side path, and unless it is of PND_I8, it is the same for all layers and
 *  rows. */
size_t pnd_linear_get_scratch(const struct pnd_context *ctx,
                              const struct pnd_linear *layer, size_t rows);

/** y[rows, out] = layer(x[rows, in]); both tight; y must not overlap x. Few
 *  rows stream the weights once (matvec); more rows pack blocks of weights and
 *  multiply. The result does not depend on the number of
 *  threads. `scratch` as large as pnd_linear_get_scratch
 *  says. */
void pnd_linear_run(const struct pnd_context *ctx,
                    const struct pnd_linear *layer, size_t rows,
                    const float *x, float *y, float *scratch);

/** As pnd_linear_run, with the end done while a piece is in the cache. */
void pnd_linear_run_end(const struct pnd_context *ctx,
                        const struct pnd_linear *layer, size_t rows,
                        const float *x, float *y, enum pnd_linear_end end,
                        float *scratch);

#endif
