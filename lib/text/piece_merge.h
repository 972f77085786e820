/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_PIECE_MERGE_H
#define PND_TEXT_PIECE_MERGE_H

#include "text/sentencepiece_model.h"

/* Byte-pair encoding: of all neighbours whose union is a piece, the pair with
 * the highest score is joined, the leftmost on a tie, until none is left. */

#define PND_MERGE_MAX ((size_t)UINT32_MAX) /* bytes of a text */

/** Append the ids (int32) of a text that was made ready by
 *  pnd_sentencepiece_normalize. `user_defined` are the model's pieces of that
 *  kind. `steps`, for tests, may be NULL: grows by the number of look-ups and
 *  of moves in the queue, O(n log n) for n bytes. */
panda_status pnd_merge_encode(const struct pnd_sentencepiece *model,
                              const struct pnd_prefixes *user_defined,
                              const uint8_t *text, size_t size,
                              struct pnd_buffer *ids, uint64_t *steps);

#endif
