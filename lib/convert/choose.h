/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_CHOOSE_H
#define PND_CONVERT_CHOOSE_H

#include "convert/plan.h"

/* Which type each tensor gets. */

/* The decoder as a whole, for mixes that treat layers differently. */
struct pnd_choose_model {
    uint32_t layers, heads, kv_heads;
    bool tied;     /* the embedding is the output matrix, too */
    bool measured; /* there is importance data */
};

/** The type of a tensor when all are to be written in `format`; what cannot be
 *  written in it (a width that is not whole blocks, a vector) gets another.
 *  docs/quantization.md has the rules.
 *  @param t its role, layer, shape, and as dtype the source's */
enum pnd_dtype pnd_choose_dtype(const struct pnd_plan_tensor *t,
                                const struct pnd_choose_model *model,
                                panda_format format);

#endif
