/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_SPECIAL_TOKENS_H
#define PND_TEXT_SPECIAL_TOKENS_H

#include "base/context.h"
#include "text/vocabulary.h"

/* The files that HF puts beside tokenizer.model: tokenizer_config.json,
 * special_tokens_map.json (which wins) and added_tokens.json. Read as the
 * reference's tokenizer class reads them, after which the reference makes its
 * padding token the end token: a "pad_token" is found in parsed text, but it
 * is no special token. */

/** Add the tokens of added_tokens.json to the vocabulary, set the flags of all
 *  tokens that the files name, and set `bos` and `eos` where they do, and
 *  whether texts have them: BOS, unless "add_bos_token" is false, EOS only if
 *  "add_eos_token" is true. Files that are not there say nothing. */
panda_status pnd_special_tokens_read(struct pnd_vocabulary *v,
                                     const struct pnd_context *ctx,
                                     const char *path, const char *folder);

/** For a vocabulary whose own file has the added tokens: set `bos` and `eos`,
 *  and make special what tokenizer_config.json or special_tokens_map.json gives
 *  a role. Where neither is there, take both ids from generation_config.json,
 *  or else config.json. Whether texts have them is as it was, unless the class
 *  or "add_bos_token" and "add_eos_token" say otherwise. */
panda_status pnd_special_tokens_read_names(struct pnd_vocabulary *v,
                                           const struct pnd_context *ctx,
                                           const char *path,
                                           const char *folder);

#endif
