/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_LLAMA_H
#define PND_DECODER_LLAMA_H

#include <pandagpt/model.h>

#include "base/context.h"
#include "format/config.h"
#include "format/weights.h"

/* A LLaMA-family decoder: immutable weights, and sessions with a key/value
 * cache. */

struct pnd_llama;

struct pnd_lora_options {
    struct pnd_weights *weights; /* the adapter; NULL: none */
    panda_lora_mode mode;        /* PANDA_LORA_* */
    float alpha;                 /* 0: equal to the rank */
};

/** Read and check all tensors; `weights` and `lora->weights` must outlive
 *  it. HF names (model.layers.N.self_attn.q_proj.weight...), or those of GGUF
 *  where `weights` are such a file (blk.N.attn_q.weight...). Matrices may be of
 *  any block format; without an output matrix a GGUF is tied. */
panda_status pnd_llama_load(struct pnd_llama **out,
                            const struct pnd_context *ctx,
                            struct pnd_weights *weights,
                            const struct pnd_llama_config *config,
                            const struct pnd_lora_options *lora);
void pnd_llama_free(struct pnd_llama *llama); /* NULL is allowed */

/** Whether activations are rounded to 8 bits where they meet matrices of block
 *  formats; before sessions are created. Without it all products are f32. */
void pnd_llama_set_rounding(struct pnd_llama *llama, bool rounds);

/** Whether it is asked for and some matrix is of a block format. */
bool pnd_llama_is_rounding(const struct pnd_llama *llama);

struct pnd_llama_dims {
    struct pnd_llama_config config;
    enum pnd_dtype dtype;  /* of the matrices */
    uint32_t lora_rank;    /* 0: none */
    bool lora_merged;
    float lora_alpha;
    uint64_t heap_bytes;   /* copies: merged matrices, norms */
};
const struct pnd_llama_dims *pnd_llama_get_dims(const struct pnd_llama *llama);

struct pnd_session; /* one thread at a time */

/** Keys and values are kept as `kv_dtype`: PND_F32 or PND_F16. */
panda_status pnd_session_create(struct pnd_session **out,
                                const struct pnd_context *ctx,
                                const struct pnd_llama *llama,
                                uint32_t context_length,
                                enum pnd_dtype kv_dtype);
void pnd_session_destroy(struct pnd_session *s); /* NULL is allowed */

/** A session that goes on from where `from` is, with a copy of its cache; the
 *  two are independent. */
panda_status pnd_session_fork(struct pnd_session **out,
                              const struct pnd_session *from);

/** Compute `count` positions from token ids (all in range), or from vectors
 *  [count, hidden]. PANDA_E_CONTEXT_FULL before anything is computed. Stopped
 *  by `watch`, the session has the positions it had before. */
panda_status pnd_session_push_tokens(struct pnd_session *s,
                                     const int32_t *tokens, size_t count,
                                     const struct pnd_watch *watch);
panda_status pnd_session_push_vectors(struct pnd_session *s,
                                      const float *vectors, size_t count,
                                      const struct pnd_watch *watch);

/* A token for one of several sessions. */
struct pnd_session_token {
    struct pnd_session *session;
    int32_t token;
    struct pnd_watch watch;
};

/** Compute the next position of each of `count` different sessions of one
 *  decoder together, reading the weights once. PANDA_E_CONTEXT_FULL before
 *  anything is computed; after any failure all have the positions they had. */
panda_status pnd_session_push_batch(const struct pnd_session_token *tokens,
                                    size_t count);

/** Logits [vocab_size] after the last position, computed when first asked for;
 *  NULL when the session is empty. Borrowed until the next call. */
const float *pnd_session_get_logits(struct pnd_session *s);

/** Logits after each of the positions [first, first + count), all in use, into
 *  `logits` [count, vocab_size]. */
panda_status pnd_session_read_logits(struct pnd_session *s, uint32_t first,
                                     uint32_t count, float *logits,
                                     const struct pnd_watch *watch);

/** Receives the residual stream, for tests: `layer` 0..layers-1 is the input
 *  of that layer, `layers` is after the final norm; [rows, hidden]. */
typedef void (*pnd_hidden_fn)(uint32_t layer, uint32_t rows,
                              const float *hidden, void *user);
void pnd_session_set_trace(struct pnd_session *s, pnd_hidden_fn fn,
                           void *user);

/** Receives what the matrices of a layer are multiplied with: x[rows, width],
 *  once for the matrices that share it. */
enum pnd_llama_input {
    PND_INPUT_QKV,
    PND_INPUT_O,
    PND_INPUT_GATE_UP,
    PND_INPUT_DOWN,
    PND_INPUT_OUTPUT /* of the model, every position; `layer` is 0 */
};
typedef void (*pnd_input_fn)(enum pnd_llama_input input, uint32_t layer,
                             uint32_t rows, uint32_t width, const float *x,
                             void *user);
void pnd_session_set_inputs(struct pnd_session *s, pnd_input_fn fn,
                            void *user);

uint32_t pnd_session_get_positions(const struct pnd_session *s);
uint32_t pnd_session_get_context(const struct pnd_session *s);

/** Keep the first `keep` positions. */
void pnd_session_truncate(struct pnd_session *s, uint32_t keep);

uint64_t pnd_session_get_cache_bytes(const struct pnd_session *s);
uint64_t pnd_session_get_scratch_bytes(const struct pnd_session *s);

#endif
