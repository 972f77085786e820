/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_CHAT_TEMPLATE_H
#define PND_CONVERT_CHAT_TEMPLATE_H

#include "base/context.h"
#include "format/gguf_write.h"

/* How other programs make a prompt of a conversation. This library only keeps
 * it: PandaGPT has its own. */

/** Put what lies beside a vocabulary, under the keys that llama.cpp's converter
 *  uses: chat_template.jinja, or else "chat_template" of tokenizer_config.json,
 *  as tokenizer.chat_template; further named ones as
 *  tokenizer.chat_template.NAME, listed in tokenizer.chat_templates. Nothing
 *  where there is none; PANDA_E_FORMAT for what cannot be one. */
panda_status pnd_chat_template_put(struct pnd_gguf_writer *w,
                                   const struct pnd_context *ctx,
                                   const char *tokenizer_path);

#endif
