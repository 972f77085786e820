/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_WRITE_H
#define PND_TEXT_TOKENIZER_WRITE_H

#include "format/gguf_write.h"
#include "text/tokenizer.h"

/* A vocabulary as keys of a GGUF file: tokenizer.ggml.*, as other programs
 * write and read them, and beside them pandagpt.tokenizer.*, without which some
 * texts would become other tokens than by the files that it came from. */

/** @param rows of the decoder's embedding; tokens that the vocabulary lacks
 *         are made up. 0: no decoder
 *  @param own whether to put pandagpt.tokenizer.*, too
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED for a way to split text that GGUF
 *          files have no name for; PANDA_E_MEMORY */
panda_status pnd_tokenizer_write(const struct pnd_tokenizer *t,
                                 struct pnd_gguf_writer *w, uint32_t rows,
                                 bool own);

#endif
