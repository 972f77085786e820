/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TENSOR_QUANTIZE_H
#define PND_TENSOR_QUANTIZE_H

#include "tensor/tensor.h"

/* Floats into the types in which weights are stored. */

/** Whether pnd_quantize_rows can write this type. */
bool pnd_quantize_has(enum pnd_dtype dtype);

/** Whether `importance` makes a difference to this type. */
bool pnd_quantize_uses_importance(enum pnd_dtype dtype);

/** x[rows, columns] into `out`, rows * pnd_dtype_get_row_bytes(dtype, columns)
 *  bytes at any address. `columns` is whole blocks; `dtype` is one that
 *  pnd_quantize_has.
 *
 *  `importance` (columns), or NULL for all alike: how much the squared error of
 *  each column counts, >= 0 and finite in any unit, such as the mean square of
 *  the input that a column is multiplied with. Used by the formats that search
 *  (all block formats but Q8_0).
 *
 *  Returns rows * columns, or less: the place of the first element that the
 *  type cannot hold, being NaN, infinite or larger than 65504 (bf16: 3.38e38);
 *  what `out` then holds is undefined. Rows do not influence each other, and
 *  the result is the same on every machine. */
size_t pnd_quantize_rows(enum pnd_dtype dtype, size_t rows, size_t columns,
                         const float *x, const float *importance, void *out);

/** x[columns] as signed bytes times one scale: values codes[i] * *scale with
 *  codes from -127 to 127, or only the scale with `codes` NULL. Returns as
 *  pnd_quantize_rows of f16. */
size_t pnd_quantize_int8(size_t columns, const float *x, int8_t *codes,
                         float *scale);

#endif
