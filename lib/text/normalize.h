/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_NORMALIZE_H
#define PND_TEXT_NORMALIZE_H

#include "text/sentencepiece_model.h"

#define PND_SPACE_SYMBOL "\xe2\x96\x81" /* U+2581, a space in a piece */
#define PND_SPACE_SIZE 3
#define PND_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, bytes that are not UTF-8 */
#define PND_REPLACEMENT_SIZE 3

/** Append the text as merging wants it: bytes that are not UTF-8 become
 *  U+FFFD, spaces U+2581, with one in front where the model wants it. `whole`
 *  are the model's user-defined pieces. */
panda_status pnd_sentencepiece_normalize(const struct pnd_sentencepiece *model,
                                         const struct pnd_prefixes *whole,
                                         const uint8_t *text, size_t size,
                                         struct pnd_buffer *out);

#endif
