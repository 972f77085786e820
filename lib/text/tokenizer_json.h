/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_JSON_H
#define PND_TEXT_TOKENIZER_JSON_H

#include "base/context.h"
#include "text/bpe.h"

/** Read HF's `tokenizer.json`: vocabularies of type BPE, byte-level or with
 *  U+2581 for spaces. Its vocabulary is indexed; bos, eos, and what
 *  pnd_bpe_finish does are left to the caller.
 *  @return PANDA_OK; PANDA_E_FORMAT; PANDA_E_UNSUPPORTED naming what this
 *          library does not do; PANDA_E_MEMORY */
panda_status pnd_tokenizer_json_parse(struct pnd_bpe *out,
                                      const struct pnd_context *ctx,
                                      const char *text, size_t size,
                                      const char *path);

/** Whether the bytes begin like such a file. */
bool pnd_tokenizer_json_probe(const uint8_t *data, size_t size);

#endif
