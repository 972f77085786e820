/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_FORWARD_H
#define PND_DECODER_FORWARD_H

#include "decoder/kv_cache.h"
#include "decoder/llama_weights.h"
#include "decoder/rotary.h"

/* The forward pass over a chunk of consecutive positions. */

/* Activations of a chunk of up to `rows` positions, and what the operations
 * need: one block of memory, cut by pnd_scratch_lay_out. */
struct pnd_scratch {
    float *x;        /* (rows, hidden) residual stream */
    float *normed;   /* (rows, hidden) */
    float *q;        /* (rows, heads * head_dim) */
    float *attended; /* (rows, heads * head_dim) */
    float *k, *v;    /* (rows, kv_heads * head_dim) on the way to the cache */
    float *gate;     /* (rows, intermediate) */
    float *up;       /* (rows, intermediate) */
    float *cosine;   /* (rows, head_dim / 2) */
    float *sine;     /* (rows, head_dim / 2) */
    float *logits;   /* (vocab_size) */
    float *work;     /* of the operation that runs: linear or attention */
};

/** Cut `base` into the pieces for chunks of `rows` of a session with `context`
 *  positions, its keys and values stored as `kv_dtype`; with `base` NULL only
 *  count. Returns the floats needed, or 0 when that is more than a size_t of
 *  bytes. */
size_t pnd_scratch_lay_out(struct pnd_scratch *scratch, float *base,
                           const struct pnd_llama *llama,
                           enum pnd_dtype kv_dtype, uint32_t rows,
                           uint32_t context);

struct pnd_forward {
    const struct pnd_context *ctx;
    const struct pnd_llama *llama;
    struct pnd_kv_cache cache;
    struct pnd_scratch scratch;
    pnd_hidden_fn trace; /* or NULL */
    void *trace_user;
    pnd_input_fn inputs; /* or NULL */
    void *inputs_user;
};

/** Put the embeddings of `rows` tokens, or `rows` vectors, into scratch.x. */
void pnd_forward_set_tokens(struct pnd_forward *f, const int32_t *tokens,
                            uint32_t rows);
void pnd_forward_set_vectors(struct pnd_forward *f, const float *vectors,
                             uint32_t rows);

/** Compute positions [first, first + rows) from scratch.x into the cache, which
 *  has room for them. `watch` is asked before every layer, with a progress
 *  from `begin` to `end`; stopped by it, the rows before `first` are as they
 *  were. */
panda_status pnd_forward_run(struct pnd_forward *f, uint32_t first,
                             uint32_t rows, const struct pnd_watch *watch,
                             double begin, double end);

/* One of several sessions of a model that are computed together. */
struct pnd_forward_row {
    struct pnd_forward *forward;
    uint32_t position; /* its next one, for which its cache has room */
    int32_t token;
    struct pnd_watch watch;
};

/** Compute the next position of `count` sessions in the scratch memory of the
 *  first, which has to be made for as many rows. Stopped by a watch, all rows
 *  before are as they were. */
panda_status pnd_forward_run_batch(const struct pnd_forward_row *rows,
                                   uint32_t count);

/** Right after it: all rows' logits into their own scratch.logits, in one
 *  product. False, and nothing is done, where the memory of the first session,
 *  made for `chunk` rows, has no room for them. */
bool pnd_forward_compute_batch_logits(const struct pnd_forward_row *rows,
                                      uint32_t count, uint32_t chunk);

/** Logits after each of the positions [first, first + rows), which are in the
 *  cache, into `logits` [rows, vocab_size]. */
void pnd_forward_compute_logits(struct pnd_forward *f, uint32_t first,
                                uint32_t rows, float *logits);

#endif
