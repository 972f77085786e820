/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_LINEAR_PARTS_H
#define PND_NN_LINEAR_PARTS_H

#include "nn/linear.h"

/* What the files of linear layers share. */

/* The most of y in one piece. */
#define PND_LINEAR_ROWS 336
#define PND_LINEAR_COLUMNS 256

struct pnd_linear_pieces {
    size_t rows, columns;           /* of y in one piece */
    size_t row_count, column_count; /* of pieces */
};

/** Few and large pieces, since each reads its inputs and weights anew. They
 *  depend on the threads where own kernels compute: these sum a value in the
 *  same order in whichever piece it lies. A provider's may not. */
struct pnd_linear_pieces pnd_linear_cut(const struct pnd_context *ctx,
                                        const struct pnd_linear *layer,
                                        size_t rows);

/* Layers of PND_I8, for the functions of linear.h. */
size_t pnd_linear_i8_get_scratch(const struct pnd_context *ctx,
                                 const struct pnd_linear *layer, size_t rows);
void pnd_linear_i8_run(const struct pnd_context *ctx,
                       const struct pnd_linear *layer, size_t rows,
                       const float *x, float *y, enum pnd_linear_end end,
                       float *scratch);

#endif
