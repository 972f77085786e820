/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_ADDED_TOKENS_H
#define PND_TEXT_ADDED_TOKENS_H

#include "text/vocabulary.h"

/* Finding added tokens in a text, as HF's `tokenizers` does. */

/** Take a stretch of text, or a token (then size is 0). `first`: the stretch
 *  begins the text. */
typedef panda_status (*pnd_stretch_fn)(void *user, const uint8_t *text,
                                       size_t size, bool first,
                                       const struct pnd_piece *token);

/** Call `take` for what the text consists of. Special tokens are found only
 *  when `parse_special`; otherwise the text of one is plain, and nothing is
 *  found within it. */
panda_status pnd_added_split(const struct pnd_prefixes *tokens,
                             bool parse_special, const uint8_t *text,
                             size_t size, bool first, pnd_stretch_fn take,
                             void *user);

#endif
