/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/forward.h"

/* Positions computed at once: enough that weights are read and turned into
 * floats rarely, few enough that activations stay small (38 MiB at LLaMA-7B's
 * sizes). */
#define CHUNK 256

#define BATCH 32 /* sessions computed at once */

struct pnd_session {
    const struct pnd_allocator *alloc;
    uint32_t context_length;
    uint32_t positions; /* rows of the cache that count */
    uint32_t chunk;     /* positions that scratch is made for */
    bool have_logits;   /* scratch.logits are those after `positions` */
    struct pnd_forward forward;
    float *block; /* owned: all of forward.scratch */
    size_t block_floats;
};

static panda_status create_parts(struct pnd_session *s,
                                 enum pnd_dtype kv_dtype)
{
    struct pnd_forward *f = &s->forward;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    panda_status status;
    PND_TRY(pnd_kv_cache_init(&f->cache, s->alloc, c->layers, kv_dtype,
                              c->kv_heads * c->head_dim, c->hidden,
                              s->context_length));
    s->block_floats = pnd_scratch_lay_out(&f->scratch, NULL, f->llama, kv_dtype,
                                          s->chunk, s->context_length);
    s->block = pnd_alloc_array(s->alloc, s->block_floats, sizeof *s->block);
    if (!s->block) {
        status = pnd_fail_memory();
        goto out;
    }
    pnd_scratch_lay_out(&f->scratch, s->block, f->llama, kv_dtype, s->chunk,
                        s->context_length);
out:
    return status;
}

panda_status pnd_session_create(struct pnd_session **out,
                                const struct pnd_context *ctx,
                                const struct pnd_llama *llama,
                                uint32_t context_length,
                                enum pnd_dtype kv_dtype)
{
    *out = NULL;
    if (context_length == 0)
        return pnd_fail(PANDA_E_ARGUMENT,
                        "a context of 0 positions, expected at least 1");
    struct pnd_session *s = pnd_alloc_zero(&ctx->alloc, sizeof *s);
    if (!s)
        return pnd_fail_memory();
    s->alloc = &ctx->alloc;
    s->context_length = context_length;
    s->chunk = context_length < CHUNK ? context_length : CHUNK;
    s->forward.ctx = ctx;
    s->forward.llama = llama;
    panda_status status = create_parts(s, kv_dtype);
    if (status < 0) {
        pnd_session_destroy(s);
        return status;
    }
    *out = s;
    return PANDA_OK;
}

void pnd_session_destroy(struct pnd_session *s)
{
    if (!s)
        return;
    pnd_kv_cache_free(&s->forward.cache);
    pnd_free(s->alloc, s->block);
    pnd_free(s->alloc, s);
}

panda_status pnd_session_fork(struct pnd_session **out,
                              const struct pnd_session *from)
{
    const struct pnd_forward *f = &from->forward;
    panda_status status;
    struct pnd_session *s;
    *out = NULL;
    PND_TRY(pnd_session_create(&s, f->ctx, f->llama, from->context_length,
                               f->cache.kv_dtype));
    status = pnd_kv_cache_copy(&s->forward.cache, &f->cache, from->positions);
    if (status < 0) {
        pnd_session_destroy(s);
        goto out;
    }
    s->positions = from->positions;
    *out = s;
out:
    return status;
}

static panda_status make_room(struct pnd_session *s, size_t count)
{
    if (count > s->context_length - s->positions)
        return pnd_fail(PANDA_E_CONTEXT_FULL,
                        "%zu more positions do not fit: %u of %u are in use",
                        count, s->positions, s->context_length);
    return pnd_kv_cache_reserve(&s->forward.cache, s->positions,
                                s->positions + (uint32_t)count);
}

/* From tokens, or from vectors where `tokens` is NULL. */
static panda_status push(struct pnd_session *s, const int32_t *tokens,
                         const float *vectors, size_t count,
                         const struct pnd_watch *watch)
{
    struct pnd_forward *f = &s->forward;
    const size_t hidden = f->llama->dims.config.hidden;
    panda_status status;
    PND_TRY(make_room(s, count));
    for (size_t done = 0; done < count;) {
        const size_t left = count - done;
        const uint32_t rows = left < s->chunk ? (uint32_t)left : s->chunk;
        if (tokens)
            pnd_forward_set_tokens(f, tokens + done, rows);
        else
            pnd_forward_set_vectors(f, vectors + done * hidden, rows);
        PND_TRY(pnd_forward_run(f, s->positions + (uint32_t)done, rows, watch,
                                (double)done / (double)count,
                                (double)(done + rows) / (double)count));
        done += rows;
    }
    PND_TRY(pnd_watch_check(watch, 1.0));
    /* Only now do the new rows count: whatever stopped us before this left the
     * session as it was. */
    s->positions += (uint32_t)count;
    s->have_logits = s->have_logits && count == 0;
out:
    return status;
}

panda_status pnd_session_push_tokens(struct pnd_session *s,
                                     const int32_t *tokens, size_t count,
                                     const struct pnd_watch *watch)
{
    const uint32_t vocab_size = s->forward.llama->dims.config.vocab_size;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= vocab_size)
            return pnd_fail(PANDA_E_ARGUMENT,
                            "token %d is not in the vocabulary of %u",
                            (int)tokens[i], vocab_size);
    }
    return push(s, tokens, NULL, count, watch);
}

panda_status pnd_session_push_vectors(struct pnd_session *s,
                                      const float *vectors, size_t count,
                                      const struct pnd_watch *watch)
{
    return push(s, NULL, vectors, count, watch);
}

panda_status pnd_session_push_batch(const struct pnd_session_token *tokens,
                                    size_t count)
{
    struct pnd_forward_row rows[BATCH];
    panda_status status = PANDA_OK;
    bool have_logits = true;
    for (size_t i = 0; i < count; i++)
        PND_TRY(make_room(tokens[i].session, 1));
    for (size_t i = 0; i < count; i++) /* they will be written over */
        tokens[i].session->have_logits = false;
    for (size_t done = 0; done < count;) {
        uint32_t n = 0;
        const uint32_t most = tokens[done].session->chunk;
        for (; n < BATCH && n < most && done + n < count; n++) {
            const struct pnd_session_token *t = &tokens[done + n];
            rows[n] = (struct pnd_forward_row){
                &t->session->forward, t->session->positions, t->token,
                t->watch};
        }
        PND_TRY(pnd_forward_run_batch(rows, n));
        have_logits =
            pnd_forward_compute_batch_logits(rows, n, most) && have_logits;
        done += n;
    }
    for (size_t i = 0; i < count; i++) {
        tokens[i].session->positions++;
        tokens[i].session->have_logits = have_logits;
    }
out:
    return status;
}

const float *pnd_session_get_logits(struct pnd_session *s)
{
    if (s->positions == 0)
        return NULL;
    if (!s->have_logits)
        pnd_forward_compute_logits(&s->forward, s->positions - 1, 1,
                                   s->forward.scratch.logits);
    s->have_logits = true;
    return s->forward.scratch.logits;
}

panda_status pnd_session_read_logits(struct pnd_session *s, uint32_t first,
                                     uint32_t count, float *logits,
                                     const struct pnd_watch *watch)
{
    const size_t vocab_size = s->forward.llama->dims.config.vocab_size;
    for (uint32_t done = 0; done < count;) {
        const uint32_t left = count - done;
        const uint32_t rows = left < s->chunk ? left : s->chunk;
        panda_status status = pnd_watch_check(watch, (double)done / count);
        if (status < 0)
            return status;
        pnd_forward_compute_logits(&s->forward, first + done, rows,
                                   logits + done * vocab_size);
        done += rows;
    }
    return PANDA_OK;
}

void pnd_session_set_trace(struct pnd_session *s, pnd_hidden_fn fn, void *user)
{
    s->forward.trace = fn;
    s->forward.trace_user = user;
}

void pnd_session_set_inputs(struct pnd_session *s, pnd_input_fn fn, void *user)
{
    s->forward.inputs = fn;
    s->forward.inputs_user = user;
}

uint32_t pnd_session_get_positions(const struct pnd_session *s)
{
    return s->positions;
}

uint32_t pnd_session_get_context(const struct pnd_session *s)
{
    return s->context_length;
}

void pnd_session_truncate(struct pnd_session *s, uint32_t keep)
{
    if (keep >= s->positions)
        return;
    s->positions = keep;
    s->have_logits = false;
}

uint64_t pnd_session_get_cache_bytes(const struct pnd_session *s)
{
    return pnd_kv_cache_get_bytes(&s->forward.cache);
}

uint64_t pnd_session_get_scratch_bytes(const struct pnd_session *s)
{
    return (uint64_t)s->block_floats * sizeof *s->block;
}
