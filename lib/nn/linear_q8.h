/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_LINEAR_Q8_H
#define PND_NN_LINEAR_Q8_H

#include "nn/linear.h"

/* Linear layers whose weights are of block formats, with activations rounded to
 * 8 bits: y = W round(x) + bias [+ side path, of x as it is]. */

/* Layers of one input, such as q, k and v: x is rounded once, and all are
 * computed in one parallel loop. */
struct pnd_linear_group {
    uint32_t count;
    const struct pnd_linear *layers[4]; /* all of the same `in` */
    float *y[4];                        /* (rows, out) of each; tight */
};

/** Floats of scratch that pnd_linear_q8_run of up to `rows` rows of up to `in`
 *  elements needs, for all workers of `ctx` together; side paths of up to
 *  `rank` included. */
size_t pnd_linear_q8_get_scratch(const struct pnd_context *ctx, size_t in,
                                 size_t rank, size_t rows);

/** x[rows, in], tight, overlaps none of the results. Pieces are cut by shape,
 *  so the result does not depend on the number of threads. */
void pnd_linear_q8_run(const struct pnd_context *ctx,
                       const struct pnd_linear_group *group, size_t rows,
                       const float *x, float *scratch);

#endif
