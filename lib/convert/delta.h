/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_DELTA_H
#define PND_CONVERT_DELTA_H

#include "format/config.h"
#include "format/weights.h"

/* Vicuna v0 was published as what has to be added to LLaMA. As FastChat adds
 * it: tensor by tensor, the sum rounded to the delta's type; v0's delta has one
 * row of the embedding and of the output more than LLaMA, for [PAD], to which
 * nothing is added. Deltas from v1.1 on have as many rows as LLaMA. */

/** Whether a delta may be added to a base, both checked as decoders already.
 *  @return PANDA_OK; PANDA_E_SHAPE for other sizes, and for a delta of another
 *          version than v0; PANDA_E_UNSUPPORTED for GGUF files */
panda_status pnd_delta_check(const struct pnd_weights *base,
                             const struct pnd_llama_config *base_config,
                             const struct pnd_weights *delta,
                             const struct pnd_llama_config *delta_config);

#endif
