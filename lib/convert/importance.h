/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_IMPORTANCE_H
#define PND_CONVERT_IMPORTANCE_H

#include "decoder/llama.h"

/* How much each column of a decoder's matrices matters: the mean square of what
 * it is multiplied with, measured on a text. Kept as llama.cpp keeps it: a GGUF
 * of general.type "imatrix" with, for each matrix NAME, the sums NAME.in_sum2
 * (columns) and the number of positions NAME.counts (1), as f32; read by
 * convert/importance_file.h. */

/** Run the decoder over the tokens in pieces of `context` positions, each
 *  beginning with `bos` (-1: none), and write the file. */
panda_status pnd_importance_measure(const struct pnd_context *ctx,
                                    const struct pnd_llama *llama,
                                    const int32_t *tokens, size_t count,
                                    int32_t bos, uint32_t context,
                                    const char *path,
                                    const struct pnd_watch *watch);

#endif
