/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_ROWS_H
#define PND_NN_ROWS_H

#include "base/context.h"

/* Row-wise operations over [rows, n], cut into pieces of rows. */

void pnd_rows_layer_norm(const struct pnd_context *ctx, size_t rows, size_t n,
                         const float *x, const float *weight,
                         const float *bias, float eps, float *y);
void pnd_rows_rms_norm(const struct pnd_context *ctx, size_t rows, size_t n,
                       const float *x, const float *weight, float eps,
                       float *y);
void pnd_rows_gelu(const struct pnd_context *ctx, size_t rows, size_t n,
                   float *x);
void pnd_rows_silu_mul(const struct pnd_context *ctx, size_t rows, size_t n,
                       float *gate, const float *up);
void pnd_rows_add(const struct pnd_context *ctx, size_t rows, size_t n,
                  const float *x, float *y);

#endif
