/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_CHAT_SESSION_H
#define PND_API_CHAT_SESSION_H

#include <pandagpt/chat.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buffer.h"

/* A conversation is one prompt string, tokenised anew at every turn, as the
 * reference does; the decoder's cache is kept up to the first position that
 * differs. */

struct panda_chat {
    struct pnd_allocator alloc;
    panda_model *model; /* kept alive by `decoder` */
    panda_compat compat;
    panda_encoder *encoder;     /* NULL: the model has none */
    panda_projector *projector; /* NULL: the model has none */
    panda_decoder *decoder;
    atomic_int cancelled;

    struct pnd_buffer media; /* panda_embedding *, owned */
    panda_prefix *prefix;    /* of `media`; NULL: none, or not made yet */

    struct pnd_buffer history; /* text of all turns, up to "### Human: " */
    struct pnd_buffer answer;  /* text of the last turn, zero-terminated */
    struct pnd_buffer tokens;  /* panda_token: generated in the last turn */
    bool has_turn;
    panda_chat_turn turn;

    /* What the decoder holds: ids, and SOFT where a soft token is. */
    struct pnd_buffer positions; /* panda_token */
    panda_prefix *cached_prefix; /* whose soft tokens these are */
};

#define PND_CHAT_SOFT (-1)

/** Make the decoder hold the prompt of this question; `turn` gets its counts
 *  and time. */
panda_status pnd_chat_push_prompt(panda_chat *chat, const char *question);

/** Generate the answer into `answer` and `tokens`. */
panda_status pnd_chat_answer(panda_chat *chat,
                             const panda_generate_options *options,
                             panda_text_fn on_text, void *user);

/** Add the turn to the history. */
panda_status pnd_chat_keep_turn(panda_chat *chat, const char *question);

/** PANDA_E_CANCELLED when panda_chat_cancel was called. */
panda_status pnd_chat_check_cancelled(const panda_chat *chat);

#endif
