/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_METASPACE_H
#define PND_TEXT_METASPACE_H

#include "text/bpe.h"

/** Append the ids (int32) of well-formed UTF-8 without added tokens, for
 *  pieces that spell text: spaces become U+2581, what has no piece becomes
 *  bytes or unknown tokens. `first`: the stretch begins the text. */
panda_status pnd_metaspace_encode(const struct pnd_bpe *b, const uint8_t *text,
                                  size_t size, bool first,
                                  struct pnd_buffer *ids);

#endif
