/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_ENCODE_H
#define PND_TEXT_ENCODE_H

#include <stdbool.h>

#include "modalities/text/vocab.h"

/** The token ids of a text: start, words, end, zeros up to `context`.
 *  @param text size bytes of UTF-8
 *  @param keep_end whether a text that is too long ends with the end token all
 *         the same (as ImageBind), or is just cut (as PandaGPT's copy)
 *  @param ids context ids, at least 2 */
panda_status pnd_clip_encode(int32_t *ids, uint32_t context,
                             const struct pnd_clip_vocab *vocab,
                             const panda_frontend_host *host,
                             const uint8_t *text, size_t size, bool repair,
                             bool keep_end);

#endif
