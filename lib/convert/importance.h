/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_IMPORTANCE_H
#define PND_CONVERT_IMPORTANCE_H

#include "decoder/llama.h"
#include "format/arena.h"

/* How much each column of a decoder's matrices matters: the mean square of what
 * it is multiplied with, measured on a text. Kept as llama.cpp keeps it: a GGUF
 * of general.type "imatrix" with, for each matrix NAME, the sums NAME.in_sum2
 * (columns) and the number of positions NAME.counts (1), as f32. */

/** Run the decoder over the tokens in pieces of `context` positions, each
 *  beginning with `bos` (-1: none), and write the file. */
panda_status pnd_importance_measure(const struct pnd_context *ctx,
                                    const struct pnd_llama *llama,
                                    const int32_t *tokens, size_t count,
                                    int32_t bos, uint32_t context,
                                    const char *path,
                                    const struct pnd_watch *watch);

/** Open such a file; PANDA_E_FORMAT for another one. */
panda_status pnd_importance_open(struct pnd_weights **out,
                                 const struct pnd_context *ctx,
                                 const char *path);

/** The means of matrix `name`, of `columns` columns, into `out` (in the arena);
 *  NULL where the file has none. */
panda_status pnd_importance_read(const float **out, struct pnd_weights *w,
                                 struct pnd_arena *arena, const char *name,
                                 size_t columns);

#endif
