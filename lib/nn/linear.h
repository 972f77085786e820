/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_LINEAR_H
#define PND_NN_LINEAR_H

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

struct pnd_linear {
    enum pnd_dtype dtype;
    uint32_t in, out;
    const void *weight;              /* (out, in), rows tight; `in` is whole
                                        blocks of the dtype */
    const float *bias;               /* (out) or NULL */
    const struct pnd_low_rank *side; /* or NULL */
};

/** Floats of scratch that any pnd_linear_run of up to `rows` rows of this layer
 *  needs, for all workers of `ctx` together. Without a side path it is the
 *  same for all layers and rows. */
size_t pnd_linear_get_scratch(const struct pnd_context *ctx,
                              const struct pnd_linear *layer, size_t rows);

/** y[rows, out] = layer(x[rows, in]); both tight; y must not overlap x. Few
 *  rows stream the weights once (matvec); more rows pack blocks of weights and
 *  multiply. Pieces are cut by shape, so the result does not depend
 *  on the number of threads. `scratch` as large as pnd_linear_get_scratch
 *  says. */
void pnd_linear_run(const struct pnd_context *ctx,
                    const struct pnd_linear *layer, size_t rows,
                    const float *x, float *y, float *scratch);

#endif
