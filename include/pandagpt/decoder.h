/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_DECODER_H
#define PANDAGPT_DECODER_H

#include <pandagpt/projector.h>

/** @file decoder.h
 *  Decoder session: prompt in, words out, with its own key/value cache.
 *
 *      panda_decoder *decoder = NULL;
 *      panda_decoder_create(&decoder, model, NULL);
 *      panda_decoder_push_text(decoder, "### Human: <Img>", 16,
 *                              PANDA_TOKENIZE_BOS);
 *      panda_decoder_push_prefix(decoder, prefix);
 *      panda_decoder_push_text(decoder, rest, strlen(rest), 0);
 *      panda_decoder_generate(decoder, NULL, print_text, NULL);
 *      panda_decoder_destroy(decoder);
 *
 *  chat.h does all of this, with conversations of several turns. */

PANDA_BEGIN_DECLS

/** A session. Thread safety: one thread at a time, except
 *  panda_decoder_cancel. */
typedef struct panda_decoder panda_decoder;

typedef int32_t panda_kv_format;

/** How a session keeps the keys and values of its positions. */
enum {
    /** F16 where activations are rounded anyway (block formats, unless the
     *  model was opened for exact products), otherwise F32. */
    PANDA_KV_DEFAULT = 0,
    PANDA_KV_F32 = 1,
    PANDA_KV_F16 = 2 /**< half the memory, and faster with long contexts */
};

typedef struct panda_decoder_options {
    uint32_t struct_size;
    uint32_t context_length; /**< positions of the cache; default: the model's,
                                  at most 4096 */
    panda_kv_format kv_format; /**< numbers of the cache */
    uint32_t reserved;         /**< 0 */
} panda_decoder_options;

/** Fill `options` with defaults and `struct_size`.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_options_init(
    panda_decoder_options *options, uint32_t struct_size);

typedef int32_t panda_sampling;

enum {
    PANDA_SAMPLING_DEFAULT = 0, /**< as RANDOM */
    PANDA_SAMPLING_RANDOM = 1,  /**< temperature, then top_k, then top_p */
    PANDA_SAMPLING_GREEDY = 2 /**< the most likely token; lowest id on a tie */
};

/** Receives each generated token as it is chosen, the one that ends the answer
 *  included. Called on the generating thread; must not call into the same
 *  session, except its cancel. Return 0 to go on, anything else to end the
 *  call with PANDA_E_CALLBACK. */
typedef int32_t (*panda_token_fn)(panda_token token, void *user);

typedef struct panda_generate_options {
    uint32_t struct_size;
    uint32_t max_tokens;     /**< tokens of an answer; default 512 */
    panda_sampling sampling; /**< default RANDOM */
    float temperature;       /**< > 0; default 1 */
    float top_p;             /**< (0, 1]; default 0.01, as PandaGPT's demo */
    uint32_t top_k;          /**< keep the k most likely; default all */
    uint64_t seed;           /**< of the random numbers; default 0, itself a
                                  fixed seed: equal calls give equal answers */
    /** Stop strings: generation ends where one begins, and it is not part of
     *  the text. One that begins with a line break also stands for itself
     *  without it at the very start of the answer. Borrowed; NULL-terminated
     *  list; default none. The end tokens of the model always end the
     *  answer. */
    const char *const *stop;
    /** Stop tokens, beside the end token. Borrowed; default none. */
    const panda_token *stop_tokens;
    size_t stop_token_count;
    panda_token_fn on_token; /**< default none */
    void *token_user;        /**< passed to `on_token` */
} panda_generate_options;

/** Fill `options` with defaults and `struct_size`.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_generate_options_init(
    panda_generate_options *options, uint32_t struct_size);

/** Receives a piece of the answer: whole UTF-8 characters, not
 *  zero-terminated, borrowed for the call. Called on the generating thread;
 *  must not call into the same session, except its cancel. Return 0 to go on,
 *  anything else to end the call with PANDA_E_CALLBACK. */
typedef int32_t (*panda_text_fn)(const char *text, size_t length, void *user);

/** Create a session.
 *  @param out gives the session; release with panda_decoder_destroy
 *  @param model borrows; kept alive by the session
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED when the model has no decoder;
 *          PANDA_E_ARGUMENT; PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status
panda_decoder_create(panda_decoder **out, panda_model *model,
                     const panda_decoder_options *options);

/** Create a session that goes on from where another one is: what both have in
 *  common (instructions, examples, a picture's prefix) is computed once. The
 *  positions are copied, and a token that was chosen last, and the random
 *  state; the two are independent from then on. Counters begin at 0.
 *
 *      panda_decoder_push_text(first, instructions, length, flags);
 *      panda_decoder_fork(&second, first);
 *
 *  @param out gives the session; release with panda_decoder_destroy
 *  @param decoder borrows; stays as it is
 *  @return PANDA_OK; PANDA_E_ARGUMENT; PANDA_E_MEMORY
 *  Thread safety: one thread at a time for `decoder`.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_fork(panda_decoder **out,
                                          const panda_decoder *decoder);

/** Destroy a session. NULL is allowed.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API void panda_decoder_destroy(panda_decoder *decoder);

/** Generate an answer to what was pushed, through `on_text`. The tokens of the
 *  answer stay in the context; a token that ended it does not. The last of
 *  `max_tokens` is computed only when something follows, so that it fits even
 *  into a context that is full.
 *  @param options borrows; NULL for defaults
 *  @param on_text may be NULL: only the tokens count then
 *  @return PANDA_OK when the answer ended or `max_tokens` is reached;
 *          PANDA_E_CONTEXT_FULL; PANDA_E_STATE when nothing was pushed;
 *          PANDA_E_CALLBACK; PANDA_E_CANCELLED
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_generate(
    panda_decoder *decoder, const panda_generate_options *options,
    panda_text_fn on_text, void *user);

/** Append text to the prompt.
 *  @param text borrows UTF-8, `length` bytes
 *  @param flags PANDA_TOKENIZE_* bits
 *  @return PANDA_OK; PANDA_E_CONTEXT_FULL with both numbers, nothing was
 *          appended; PANDA_E_UNSUPPORTED without a vocabulary;
 *          PANDA_E_CANCELLED
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_push_text(panda_decoder *decoder,
                                               const char *text, size_t length,
                                               uint32_t flags);

/** Append tokens to the prompt.
 *  @return as panda_decoder_push_text; PANDA_E_ARGUMENT for an id out of range
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_push_tokens(panda_decoder *decoder,
                                                 const panda_token *tokens,
                                                 size_t count);

/** Append a token to each of several sessions of one model, computed together:
 *  the weights are read once for all of them.
 *
 *      for (i = 0; i < count; i++)
 *          panda_decoder_next_token(decoders[i], &tokens[i], NULL);
 *      panda_decoder_push_batch(decoders, NULL, count);
 *
 *  @param decoders borrows `count` different sessions, at most 64
 *  @param tokens one for each session; NULL: those that
 *         panda_decoder_next_token chose last
 *  @return PANDA_OK; after an error no session has got its token:
 *          PANDA_E_ARGUMENT; PANDA_E_CONTEXT_FULL when one of them is;
 *          PANDA_E_CANCELLED by panda_decoder_cancel of any; PANDA_E_MEMORY
 *  Thread safety: one thread at a time for all of the sessions.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_push_batch(panda_decoder *const *decoders,
                                                const panda_token *tokens,
                                                size_t count);

/** Append soft tokens to the prompt.
 *  @param prefix borrows
 *  @return as panda_decoder_push_text; PANDA_E_SHAPE when its width is not the
 *          decoder's
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_push_prefix(panda_decoder *decoder,
                                                 const panda_prefix *prefix);

/** Choose one token after what was pushed, and append it (it is computed when
 *  something follows, as in panda_decoder_generate).
 *  @param out gives the token; -1 on failure
 *  @param options as for generate; `max_tokens`, `stop` and `on_token` are not
 *         looked at. The random state goes on from call to call; it starts anew
 *         when `seed` changes or after panda_decoder_reset
 *  @return PANDA_OK; PANDA_END when the token ends the answer (it is given,
 *          but not appended); errors as panda_decoder_generate
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status
panda_decoder_next_token(panda_decoder *decoder, panda_token *out,
                         const panda_generate_options *options);

/** Copy out the logits after the last position.
 *  @param count must equal the vocabulary size
 *  @return PANDA_OK; PANDA_E_STATE when nothing was pushed; PANDA_E_SHAPE;
 *          PANDA_E_CONTEXT_FULL when a generated token did not fit;
 *          PANDA_E_MEMORY; PANDA_E_CANCELLED
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_read_logits(panda_decoder *decoder,
                                                 float *logits, size_t count);

/** Copy out the logits after each of `positions` positions in use, from `first`
 *  on: what the model expected next at every place of a text (perplexity, the
 *  likelihood of given answers).
 *  @param logits gives [positions, vocabulary size]
 *  @param count must equal `positions` times the vocabulary size
 *  @return PANDA_OK; PANDA_E_ARGUMENT when not all of the positions are in use;
 *          PANDA_E_SHAPE; PANDA_E_CONTEXT_FULL when a generated token did not
 *          fit; PANDA_E_MEMORY; PANDA_E_CANCELLED. Equal to what
 *          panda_decoder_read_logits gives, within rounding
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_read_logits_at(panda_decoder *decoder,
                                                    uint32_t first,
                                                    uint32_t positions,
                                                    float *logits,
                                                    size_t count);

/** Positions used: what was pushed and generated, one more than the context
 *  has when the last token was generated into a full one. 0 for NULL.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API uint32_t panda_decoder_get_positions(const panda_decoder *decoder);

/** Forget all positions from `keep` on; 0 starts over. Random state included.
 *  @param keep at most the number of positions used
 *  @return PANDA_OK, PANDA_E_ARGUMENT
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_reset(panda_decoder *decoder,
                                           uint32_t keep);

/** Ask the running call, if any, to return PANDA_E_CANCELLED soon.
 *  Thread safety: any thread; signal handlers, too.
 *  @since 0.1 */
PANDA_API void panda_decoder_cancel(panda_decoder *decoder);

typedef struct panda_decoder_stats {
    uint32_t struct_size;      /**< set by the caller */
    uint32_t context_length;   /**< positions the cache holds */
    uint32_t positions;        /**< positions used */
    uint32_t reserved;         /**< 0 */
    uint64_t prompt_positions; /**< positions computed by push, in total */
    uint64_t generated_tokens; /**< tokens generated, in total */
    double prompt_seconds;     /**< time spent in push */
    double generate_seconds;   /**< time spent generating */
    uint64_t cache_bytes;      /**< key/value cache */
    uint64_t scratch_bytes;    /**< other memory of the session */
} panda_decoder_stats;

/** Counters and memory.
 *  @param out borrows; `struct_size` set by the caller, the rest is filled
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_decoder_get_stats(const panda_decoder *decoder,
                                               panda_decoder_stats *out);

PANDA_END_DECLS

#endif
