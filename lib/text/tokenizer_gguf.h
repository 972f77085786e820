/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_GGUF_H
#define PND_TEXT_TOKENIZER_GGUF_H

#include "format/gguf.h"
#include "text/tokenizer_parts.h"

/** Read the vocabulary of a GGUF's metadata (tokenizer.ggml.*) into an empty
 *  tokenizer: kind, vocabulary with flags, bos, eos. Models "llama" and "gpt2";
 *  messages name the file.
 *  @return PANDA_OK; PANDA_E_FORMAT; PANDA_E_UNSUPPORTED naming what this
 *          library does not do; PANDA_E_MEMORY */
panda_status pnd_tokenizer_gguf_read(struct pnd_tokenizer *t,
                                     const struct pnd_context *ctx,
                                     const struct pnd_gguf *gguf);

#endif
