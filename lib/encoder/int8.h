/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_ENCODER_INT8_H
#define PND_ENCODER_INT8_H

#include "encoder/tower_parts.h"

/* Rounding a trunk's matrices to int8.
 *
 * A few inputs of a layer may be far larger than the others: transformers learn
 * norms with such channels. Rounded together, the large ones leave nothing of
 * the small ones, and rounded weights of such columns are the largest error of
 * the layer. So these columns stay floats (struct pnd_outliers). Which they are
 * follows from the weights alone: a norm's output is about as large as its
 * weight and bias, and a layer's follows from its inputs'. */

#define PND_OUTLIERS_MOST 64

/** Whether a matrix of so many columns is worth rounding, to bf16 as well. The
 *  errors of long sums average out, those of short ones do not, and take
 *  little time. */
static inline bool pnd_int8_is_worth(uint32_t in)
{
    return in > 256;
}

/** The outliers among the inputs of a layer, whose typical sizes are `sizes`
 *  (count): `columns`, ascending; returns how many. */
uint32_t pnd_outliers_choose(uint32_t count, const float *sizes,
                             int32_t columns[PND_OUTLIERS_MOST]);

/** Typical sizes of a norm's outputs (count). */
void pnd_outliers_measure_norm(uint32_t count, const float *weight,
                               const float *bias, float *sizes);

/** Typical sizes (out) of the outputs of a layer of float weights, from those
 *  of its inputs (in). */
void pnd_outliers_measure_layer(const struct pnd_context *ctx,
                                const struct pnd_linear *layer,
                                const float *sizes, float *out);

/** Bytes of an int8 copy of the layer, all its parts; aligned parts follow each
 *  other in the order codes, scales, columns, outliers. */
size_t pnd_int8_get_bytes(const struct pnd_linear *layer, uint32_t outliers);

/** Turn a layer of float weights into one of PND_I8, in `memory` of so many
 *  bytes. PANDA_E_FORMAT (without a name) when a weight is not a number that
 *  f16 holds. */
panda_status pnd_int8_round(const struct pnd_context *ctx,
                            struct pnd_linear *layer, uint32_t outliers,
                            const int32_t *columns, void *memory);

#endif
