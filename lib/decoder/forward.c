/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/forward.h"

#include <string.h>

#include "kernels/kernels.h"
#include "nn/attention.h"
#include "nn/linear_q8.h"
#include "nn/rows.h"

/* Queries at the last of `keys` positions against all of them. */
static struct pnd_attention_shape get_attention(const struct pnd_llama *llama,
                                                enum pnd_dtype kv_dtype,
                                                uint32_t rows, uint32_t keys)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    return (struct pnd_attention_shape){
        .batch = 1,
        .queries = rows,
        .keys = keys,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .kv_dtype = kv_dtype,
        .causal = true,
        .q_stride = (size_t)c->heads * c->head_dim,
        .kv_stride = (size_t)c->kv_heads * c->head_dim,
        .out_stride = (size_t)c->heads * c->head_dim,
    };
}

static size_t get_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool is_rounded(const struct pnd_llama *llama,
                       const struct pnd_linear *layer)
{
    return llama->rounds && pnd_dtype_is_block(layer->dtype);
}

static size_t get_linear_work(const struct pnd_llama *llama,
                              const struct pnd_linear *layer, uint32_t rows)
{
    return is_rounded(llama, layer)
               ? pnd_linear_q8_get_scratch(
                     llama->ctx, layer->in,
                     layer->side ? layer->side->rank : 0, rows)
               : pnd_linear_get_scratch(llama->ctx, layer, rows);
}

/* The operations run one after the other and share the largest one's. */
static size_t get_work(const struct pnd_llama *llama, enum pnd_dtype kv_dtype,
                       uint32_t rows, uint32_t context)
{
    const struct pnd_context *ctx = llama->ctx;
    const struct pnd_attention_shape shape =
        get_attention(llama, kv_dtype, rows, context);
    size_t work = get_max(pnd_attention_get_scratch(ctx, &shape),
                          get_linear_work(llama, &llama->output, rows));
    for (uint32_t i = 0; i < llama->dims.config.layers; i++) {
        const struct pnd_llama_layer *l = &llama->layers[i];
        const struct pnd_linear *const linears[] = {
            &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t j = 0; j < sizeof linears / sizeof *linears; j++)
            work = get_max(work, get_linear_work(llama, linears[j], rows));
    }
    return work;
}

size_t pnd_scratch_lay_out(struct pnd_scratch *s, float *base,
                           const struct pnd_llama *llama,
                           enum pnd_dtype kv_dtype, uint32_t rows,
                           uint32_t context)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    const uint64_t q_dim = (uint64_t)c->heads * c->head_dim;
    const uint64_t kv_dim = (uint64_t)c->kv_heads * c->head_dim;
    const struct {
        float **place;
        uint64_t floats;
    } pieces[] = {
        {&s->x, (uint64_t)rows * c->hidden},
        {&s->normed, (uint64_t)rows * c->hidden},
        {&s->q, rows * q_dim},
        {&s->attended, rows * q_dim},
        {&s->k, rows * kv_dim},
        {&s->v, rows * kv_dim},
        {&s->gate, (uint64_t)rows * c->intermediate},
        {&s->up, (uint64_t)rows * c->intermediate},
        {&s->cosine, (uint64_t)rows * (c->head_dim / 2)},
        {&s->sine, (uint64_t)rows * (c->head_dim / 2)},
        {&s->logits, c->vocab_size},
        {&s->work, get_work(llama, kv_dtype, rows, context)},
    };
    const uint64_t line = PND_ALIGN / sizeof(float);
    uint64_t used = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        if (base)
            *pieces[i].place = base + used;
        used += (pieces[i].floats + line - 1) / line * line;
    }
    return used <= SIZE_MAX / sizeof(float) ? (size_t)used : 0;
}

static void set_token(struct pnd_forward *f, uint32_t row, int32_t token)
{
    const struct pnd_tensor *table = &f->llama->embedding;
    const size_t hidden = f->llama->dims.config.hidden;
    const size_t row_bytes = pnd_dtype_get_row_bytes(table->dtype, hidden);
    f->ctx->kernels->format[table->dtype].to_f32(
        hidden, (const char *)table->data + (size_t)token * row_bytes,
        f->scratch.x + row * hidden);
}

void pnd_forward_set_tokens(struct pnd_forward *f, const int32_t *tokens,
                            uint32_t rows)
{
    for (uint32_t r = 0; r < rows; r++)
        set_token(f, r, tokens[r]);
}

void pnd_forward_set_vectors(struct pnd_forward *f, const float *vectors,
                             uint32_t rows)
{
    const size_t hidden = f->llama->dims.config.hidden;
    memcpy(f->scratch.x, vectors, rows * hidden * sizeof *vectors);
}

static void show_input(const struct pnd_forward *f, enum pnd_llama_input input,
                       uint32_t layer, uint32_t rows, uint32_t width,
                       const float *x)
{
    if (f->inputs)
        f->inputs(input, layer, rows, width, x, f->inputs_user);
}

/* Layers of the same x: those that round it together, the others in turn. */
static void run_linears(struct pnd_forward *f, uint32_t count,
                        const struct pnd_linear *const *layers, uint32_t rows,
                        const float *x, float *const *y)
{
    struct pnd_linear_group group = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (is_rounded(f->llama, layers[i])) {
            group.layers[group.count] = layers[i];
            group.y[group.count++] = y[i];
        } else {
            pnd_linear_run(f->ctx, layers[i], rows, x, y[i], f->scratch.work);
        }
    }
    if (group.count > 0)
        pnd_linear_q8_run(f->ctx, &group, rows, x, f->scratch.work);
}

static void run_linear(struct pnd_forward *f, const struct pnd_linear *layer,
                       uint32_t rows, const float *x, float *y)
{
    run_linears(f, 1, &layer, rows, x, &y);
}

/* q, k, v = rms_norm(x) of a layer's matrices, q and k turned. */
static void project(struct pnd_forward *f, uint32_t layer,
                    const struct pnd_rotary *rotary, float *k, float *v)
{
    const struct pnd_context *ctx = f->ctx;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_llama_layer *w = &f->llama->layers[layer];
    const struct pnd_scratch *s = &f->scratch;
    const uint32_t rows = rotary->rows;

    pnd_rows_rms_norm(ctx, rows, c->hidden, s->x, w->attention_norm, c->rms_eps,
                      s->normed);
    show_input(f, PND_INPUT_QKV, layer, rows, w->q.in, s->normed);
    run_linears(f, 3, (const struct pnd_linear *[]){&w->q, &w->k, &w->v}, rows,
                s->normed, (float *[]){s->q, k, v});
    pnd_rotary_apply(ctx, rotary, c->heads, s->q);
    pnd_rotary_apply(ctx, rotary, c->kv_heads, k);
}

/* Keys and values of positions [first, first + rows) into the cache, unless
 * they were computed there. */
static void store(struct pnd_forward *f, uint32_t layer, uint32_t first,
                  uint32_t rows, const float *k, const float *v)
{
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const size_t count = (size_t)rows * c->kv_heads * c->head_dim;
    void *keys = pnd_kv_cache_get_key(&f->cache, layer, first);
    void *values = pnd_kv_cache_get_value(&f->cache, layer, first);
    if (f->cache.kv_dtype != PND_F32) {
        f->ctx->kernels->vector.to_f16(count, k, keys);
        f->ctx->kernels->vector.to_f16(count, v, values);
    } else if (k != keys) {
        memcpy(keys, k, count * sizeof *k);
        memcpy(values, v, count * sizeof *v);
    }
}

/* attended = softmax(q keys^T / sqrt(head_dim)) values, with the keys and
 * values of all positions up to each row's. */
static void attend(const struct pnd_forward *f, uint32_t layer, uint32_t first,
                   uint32_t rows, const float *q, float *attended)
{
    const struct pnd_attention_shape shape =
        get_attention(f->llama, f->cache.kv_dtype, rows, first + rows);
    pnd_attention_run(f->ctx, &shape, q,
                      pnd_kv_cache_get_key(&f->cache, layer, 0),
                      pnd_kv_cache_get_value(&f->cache, layer, 0), attended,
                      f->scratch.work);
}

/* x += O attended */
static void add_attended(struct pnd_forward *f, uint32_t layer, uint32_t rows)
{
    const struct pnd_llama_layer *w = &f->llama->layers[layer];
    const struct pnd_scratch *s = &f->scratch;
    show_input(f, PND_INPUT_O, layer, rows, w->o.in, s->attended);
    run_linear(f, &w->o, rows, s->attended, s->normed);
    pnd_rows_add(f->ctx, rows, f->llama->dims.config.hidden, s->normed, s->x);
}

static void add_attention(struct pnd_forward *f, uint32_t layer,
                          const struct pnd_rotary *rotary, uint32_t first)
{
    const struct pnd_scratch *s = &f->scratch;
    const bool is_stored = f->cache.kv_dtype == PND_F32;
    float *k =
        is_stored ? pnd_kv_cache_get_key(&f->cache, layer, first) : s->k;
    float *v =
        is_stored ? pnd_kv_cache_get_value(&f->cache, layer, first) : s->v;
    project(f, layer, rotary, k, v);
    store(f, layer, first, rotary->rows, k, v);
    attend(f, layer, first, rotary->rows, s->q, s->attended);
    add_attended(f, layer, rotary->rows);
}

/* n = rms_norm(x)
 * x += Down (silu(Gate n) * Up n) */
static void add_mlp(struct pnd_forward *f, uint32_t layer, uint32_t rows)
{
    const struct pnd_context *ctx = f->ctx;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_llama_layer *w = &f->llama->layers[layer];
    const struct pnd_scratch *s = &f->scratch;

    pnd_rows_rms_norm(ctx, rows, c->hidden, s->x, w->mlp_norm, c->rms_eps,
                      s->normed);
    show_input(f, PND_INPUT_GATE_UP, layer, rows, w->gate.in, s->normed);
    run_linears(f, 2, (const struct pnd_linear *[]){&w->gate, &w->up}, rows,
                s->normed, (float *[]){s->gate, s->up});
    pnd_rows_silu_mul(ctx, rows, c->intermediate, s->gate, s->up);
    show_input(f, PND_INPUT_DOWN, layer, rows, w->down.in, s->gate);
    run_linear(f, &w->down, rows, s->gate, s->normed);
    pnd_rows_add(ctx, rows, c->hidden, s->normed, s->x);
}

static void trace(const struct pnd_forward *f, uint32_t layer, uint32_t rows,
                  const float *hidden)
{
    if (f->trace)
        f->trace(layer, rows, hidden, f->trace_user);
}

panda_status pnd_forward_run(struct pnd_forward *f, uint32_t first,
                             uint32_t rows, const struct pnd_watch *watch,
                             double begin, double end)
{
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_scratch *s = &f->scratch;
    struct pnd_rotary rotary = {rows, c->head_dim, s->cosine, s->sine,
                                f->llama->interleaved};
    pnd_rotary_set(&rotary, f->llama->inv_freq, first);
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        panda_status status = pnd_watch_check(
            watch, begin + (end - begin) * layer / c->layers);
        if (status < 0)
            return status;
        trace(f, layer, rows, s->x);
        add_attention(f, layer, &rotary, first);
        add_mlp(f, layer, rows);
    }
    memcpy(pnd_kv_cache_get_final(&f->cache, first), s->x,
           (size_t)rows * c->hidden * sizeof *s->x);
    if (f->trace || f->inputs) {
        pnd_rows_rms_norm(f->ctx, rows, c->hidden, s->x, f->llama->norm,
                          c->rms_eps, s->normed);
        trace(f, c->layers, rows, s->normed);
        show_input(f, PND_INPUT_OUTPUT, 0, rows, c->hidden, s->normed);
    }
    return PANDA_OK;
}

/* As add_attention, each row with the cache of its session, which also lends
 * the memory for as many keys as it has. */
static void add_batch_attention(const struct pnd_forward_row *rows,
                                uint32_t layer,
                                const struct pnd_rotary *rotary)
{
    struct pnd_forward *f = rows[0].forward;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_scratch *s = &f->scratch;
    const size_t q_dim = (size_t)c->heads * c->head_dim;
    const size_t kv_dim = (size_t)c->kv_heads * c->head_dim;
    project(f, layer, rotary, s->k, s->v);
    for (size_t i = 0; i < rotary->rows; i++) {
        struct pnd_forward *own = rows[i].forward;
        store(own, layer, rows[i].position, 1, s->k + i * kv_dim,
              s->v + i * kv_dim);
        attend(own, layer, rows[i].position, 1, s->q + i * q_dim,
               s->attended + i * q_dim);
    }
    add_attended(f, layer, rotary->rows);
}

panda_status pnd_forward_run_batch(const struct pnd_forward_row *rows,
                                   uint32_t count)
{
    struct pnd_forward *f = rows[0].forward;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_scratch *s = &f->scratch;
    struct pnd_rotary rotary = {count, c->head_dim, s->cosine, s->sine,
                                f->llama->interleaved};
    for (size_t i = 0; i < count; i++) {
        const size_t half = c->head_dim / 2;
        struct pnd_rotary one = {1, c->head_dim, s->cosine + i * half,
                                 s->sine + i * half, rotary.interleaved};
        pnd_rotary_set(&one, f->llama->inv_freq, rows[i].position);
        set_token(f, (uint32_t)i, rows[i].token);
    }
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        for (uint32_t i = 0; i < count; i++) {
            panda_status status = pnd_watch_check(&rows[i].watch, -1);
            if (status < 0)
                return status;
        }
        add_batch_attention(rows, layer, &rotary);
        add_mlp(f, layer, count);
    }
    for (size_t i = 0; i < count; i++)
        memcpy(pnd_kv_cache_get_final(&rows[i].forward->cache,
                                      rows[i].position),
               s->x + i * c->hidden, c->hidden * sizeof *s->x);
    return PANDA_OK;
}

bool pnd_forward_compute_batch_logits(const struct pnd_forward_row *rows,
                                      uint32_t count, uint32_t chunk)
{
    struct pnd_forward *f = rows[0].forward;
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_scratch *s = &f->scratch;
    float *logits = s->gate; /* (count, vocab_size), unused between layers */
    if ((uint64_t)count * c->vocab_size > (uint64_t)chunk * c->intermediate)
        return false;
    pnd_rows_rms_norm(f->ctx, count, c->hidden, s->x, f->llama->norm,
                      c->rms_eps, s->normed);
    run_linear(f, &f->llama->output, count, s->normed, logits);
    for (size_t i = 0; i < count; i++)
        memcpy(rows[i].forward->scratch.logits, logits + i * c->vocab_size,
               c->vocab_size * sizeof *logits);
    return true;
}

void pnd_forward_compute_logits(struct pnd_forward *f, uint32_t first,
                                uint32_t rows, float *logits)
{
    const struct pnd_llama_config *c = &f->llama->dims.config;
    const struct pnd_scratch *s = &f->scratch;
    pnd_rows_rms_norm(f->ctx, rows, c->hidden,
                      pnd_kv_cache_get_final(&f->cache, first),
                      f->llama->norm, c->rms_eps, s->normed);
    run_linear(f, &f->llama->output, rows, s->normed, logits);
}
