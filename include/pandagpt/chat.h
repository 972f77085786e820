/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_CHAT_H
#define PANDAGPT_CHAT_H

#include <pandagpt/decoder.h>
#include <pandagpt/encoder.h>

/** @file chat.h
 *  The simple API: a conversation about pictures, sounds and the like.
 *
 *      panda_chat *chat = NULL;
 *      panda_chat_create(&chat, model, NULL);
 *      panda_chat_attach_path(chat, PANDA_MODALITY_IMAGE, "cat.jpg");
 *      if (panda_chat_ask(chat, "What is this?", NULL, NULL, NULL) < 0)
 *          fprintf(stderr, "%s\n", panda_error_get_message());
 *      else
 *          puts(panda_chat_get_answer(chat));
 *      panda_chat_destroy(chat);
 *
 *  A chat owns one encoder, projector and decoder session and uses nothing
 *  but their public functions. */

PANDA_BEGIN_DECLS

/** A conversation. Thread safety: one thread at a time, except
 *  panda_chat_cancel. */
typedef struct panda_chat panda_chat;

typedef int32_t panda_compat;

enum {
    /** Only the stop piece is dropped from an answer, "##" within an answer
     *  does not end it, special tokens typed by a user stay text, and no
     *  media is needed. */
    PANDA_COMPAT_DEFAULT = 0,
    /** As the reference program does, its faults included: an answer ends at
     *  the token "##" (2277) wherever it stands, the last two ids are dropped
     *  whatever they are, special tokens in a question are special, top_k is
     *  50 when sampling, and a question without media is an error. */
    PANDA_COMPAT_REFERENCE = 1
};

typedef struct panda_chat_options {
    uint32_t struct_size;
    panda_compat compat;
    const panda_encoder_options *encoder; /**< borrowed; default: defaults */
    const panda_decoder_options *decoder; /**< borrowed; default: defaults */
} panda_chat_options;

/** Fill `options` with defaults and `struct_size`.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_options_init(panda_chat_options *options,
                                               uint32_t struct_size);

/** Create a conversation.
 *  @param out gives the chat; release with panda_chat_destroy
 *  @param model borrows; needs a decoder with its vocabulary; encoder and
 *         projection only once something is attached
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED naming the missing part;
 *          PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_create(panda_chat **out, panda_model *model,
                                         const panda_chat_options *options);

/** Destroy a conversation. NULL is allowed.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API void panda_chat_destroy(panda_chat *chat);

/** Attach an input to the conversation: it is encoded now, and every question
 *  from the next on sees it, together with those attached before.
 *  @param input borrows for the call
 *  @return as panda_encoder_encode; on failure the chat is as it was
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_attach(panda_chat *chat,
                                         const panda_input *input);

/** Attach a file with default options; see panda_chat_attach.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_attach_path(panda_chat *chat,
                                              panda_modality modality,
                                              const char *path);

/** Ask a question. Question and answer become a turn of the conversation.
 *  @param question borrows UTF-8
 *  @param options borrows; NULL for defaults; `stop` and `stop_tokens` add to
 *         the prompt's own rule (with PANDA_COMPAT_REFERENCE they are
 *         PANDA_E_UNSUPPORTED)
 *  @param on_text receives the answer as it comes; may be NULL
 *  @return PANDA_OK; as panda_decoder_generate. After PANDA_E_CANCELLED and
 *          PANDA_E_CALLBACK what was answered so far is kept as the turn's
 *          answer; after any other error the conversation is as it was
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_ask(panda_chat *chat, const char *question,
                                      const panda_generate_options *options,
                                      panda_text_fn on_text, void *user);

/** Text of the answer to the last question; "" before the first question and
 *  after one that failed.
 *  @return borrowed; valid until the next call on this chat
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API const char *panda_chat_get_answer(const panda_chat *chat);

typedef struct panda_chat_turn {
    uint32_t struct_size;   /**< set by the caller */
    uint32_t prompt_tokens; /**< positions before the answer, media included */
    uint32_t reused_positions; /**< of these, taken from the cache */
    uint32_t token_count;      /**< ids in `tokens` */
    const panda_token *tokens; /**< every generated id, the one that ended the
                                    answer included; borrowed until the next
                                    call on this chat */
    double prompt_seconds;     /**< until the first token could be chosen */
    double generate_seconds;   /**< from there to the end */
} panda_chat_turn;

/** Numbers of the last turn.
 *  @param out borrows; `struct_size` set by the caller, the rest is filled
 *  @return PANDA_OK; PANDA_E_STATE before the first question and after one
 *          that failed
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_get_turn(const panda_chat *chat,
                                           panda_chat_turn *out);

/** Forget the conversation and what was attached.
 *  @return PANDA_OK
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_chat_reset(panda_chat *chat);

/** Ask the running call, if any, to return PANDA_E_CANCELLED soon.
 *  Thread safety: any thread; signal handlers, too.
 *  @since 0.1 */
PANDA_API void panda_chat_cancel(panda_chat *chat);

PANDA_END_DECLS

#endif
