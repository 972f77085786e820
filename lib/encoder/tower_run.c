/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "encoder/tower_parts.h"
#include "nn/rows.h"

static bool is_traced(const struct pnd_tower_run *run)
{
    return run->trace && run->trace->fn;
}

static void tell(const struct pnd_tower_run *run, const char *stage,
                 const float *values, uint32_t rank, const int64_t *shape)
{
    if (is_traced(run))
        run->trace->fn(stage, values, shape, rank, run->trace->user);
}

/* Values (N, T, D). */
static void tell_tokens(const struct pnd_tower_run *run, const char *stage,
                        const float *values)
{
    tell(run, stage, values, 3,
         (int64_t[]){run->items, run->length, run->tower->dims.width});
}

static void tell_block(const struct pnd_tower_run *run, uint32_t block,
                       const char *step, const float *values)
{
    char stage[48];
    snprintf(stage, sizeof stage, "block.%u%s", block, step);
    tell_tokens(run, stage, values);
}

/* LayerNorm of `state` into `normed`, where a row of zeros, the place of the
 * extra key, may follow each item. */
static void run_norm_1(const struct pnd_tower_run *run,
                       const struct pnd_tower_norm *norm, uint32_t block)
{
    const size_t d = run->tower->dims.width, length = run->length;
    if (run->stretch == length) {
        pnd_rows_layer_norm(run->ctx, run->items * length, d, run->state,
                            norm->weight, norm->bias, norm->eps, run->normed);
        tell_block(run, block, ".norm_1", run->normed);
        return;
    }
    for (size_t item = 0; item < run->items; item++) {
        float *to = run->normed + item * run->stretch * d;
        pnd_rows_layer_norm(run->ctx, length, d,
                            run->state + item * length * d, norm->weight,
                            norm->bias, norm->eps, to);
        memset(to + length * d, 0, d * sizeof *to);
        if (is_traced(run))
            memcpy(run->mixed + item * length * d, to, length * d * sizeof *to);
    }
    tell_block(run, block, ".norm_1", run->mixed);
}

/* Put bias_k and bias_v into the last row of each item of `wide`, whose keys
 * begin at column `key`, its values D later. */
static void set_extra_keys(const struct pnd_tower_run *run,
                           const struct pnd_tower_block *b, size_t key,
                           size_t columns)
{
    const size_t d = run->tower->dims.width;
    if (!b->bias_k)
        return;
    for (size_t item = 0; item < run->items; item++) {
        float *row = run->wide +
                     (item * run->stretch + run->length) * columns + key;
        memcpy(row, b->bias_k, d * sizeof *row);
        memcpy(row + d, b->bias_v, d * sizeof *row);
    }
}

/* All tokens ask; `wide` is (N, S, 3 D). */
static struct pnd_attention_shape get_full_shape(
    const struct pnd_tower_run *run)
{
    const struct pnd_tower_dims *dims = &run->tower->dims;
    const size_t d = dims->width;
    return (struct pnd_attention_shape){
        .batch = run->items, .queries = run->length, .keys = run->stretch,
        .heads = dims->heads, .kv_heads = dims->heads,
        .head_dim = dims->width / dims->heads,
        .causal = run->tower->spec->causal,
        .q_stride = 3 * d, .kv_stride = 3 * d, .out_stride = d,
        .q_batch_stride = run->stretch * 3 * d,
        .kv_batch_stride = run->stretch * 3 * d,
        .out_batch_stride = run->length * d,
    };
}

/* One token of each item asks, of all keys; `wide` is (N, S, 2 D). */
static struct pnd_attention_shape get_pooled_shape(
    const struct pnd_tower_run *run)
{
    const size_t d = run->tower->dims.width;
    struct pnd_attention_shape shape = get_full_shape(run);
    shape.queries = 1;
    shape.causal = false;
    shape.q_stride = shape.q_batch_stride = d;
    shape.out_stride = shape.out_batch_stride = d;
    shape.kv_stride = 2 * d;
    shape.kv_batch_stride = run->stretch * 2 * d;
    return shape;
}

/* x += layer(in), for x (rows, D); a trace is told the sum before, for which
 * `sum` is scratch like x. */
static void add_layer(const struct pnd_tower_run *run, uint32_t block,
                      const char *step, const struct pnd_linear *layer,
                      size_t rows, const float *in, float *x, float *sum)
{
    if (!is_traced(run)) {
        pnd_linear_run_end(run->ctx, layer, rows, in, x, PND_END_ADD,
                           run->scratch);
        return;
    }
    pnd_linear_run(run->ctx, layer, rows, in, sum, run->scratch);
    tell_block(run, block, step, sum);
    pnd_rows_add(run->ctx, rows, layer->out, sum, x);
}

/* x += MLP(norm_2(x)) for x (rows, D); norm and sum are scratch like it. */
static void run_mlp(const struct pnd_tower_run *run, uint32_t block,
                    size_t rows, float *x, float *norm, float *sum)
{
    const struct pnd_tower_block *b = &run->tower->blocks[block];
    const size_t d = run->tower->dims.width;
    pnd_rows_layer_norm(run->ctx, rows, d, x, b->norm_2.weight, b->norm_2.bias,
                        b->norm_2.eps, norm);
    tell_block(run, block, ".norm_2", norm);
    pnd_linear_run_end(run->ctx, &b->fc1, rows, norm, run->wide, PND_END_GELU,
                       run->scratch);
    add_layer(run, block, ".mlp", &b->fc2, rows, run->wide, x, sum);
}

static void run_block(const struct pnd_tower_run *run, uint32_t block)
{
    const struct pnd_tower_block *b = &run->tower->blocks[block];
    const struct pnd_context *ctx = run->ctx;
    const struct pnd_attention_shape shape = get_full_shape(run);
    const size_t d = run->tower->dims.width;
    const size_t rows = (size_t)run->items * run->length;
    run_norm_1(run, &b->norm_1, block);
    pnd_linear_run(ctx, &b->qkv, (size_t)run->items * run->stretch,
                   run->normed, run->wide, run->scratch);
    set_extra_keys(run, b, d, 3 * d);
    pnd_attention_run(ctx, &shape, run->wide, run->wide + d,
                      run->wide + 2 * d, run->mixed, run->scratch);
    add_layer(run, block, ".attn", &b->out, rows, run->mixed, run->state,
              run->normed);
    run_mlp(run, block, rows, run->state, run->mixed, run->normed);
    tell_block(run, block, "", run->state);
}

/* Attention of the pooled tokens' `query` into `few`. */
static void attend_pooled(const struct pnd_tower_run *run)
{
    const size_t d = run->tower->dims.width;
    struct pnd_attention_shape shape = get_pooled_shape(run);
    if (!run->tower->spec->causal) {
        pnd_attention_run(run->ctx, &shape, run->query, run->wide,
                          run->wide + d, run->few, run->scratch);
        return;
    }
    shape.batch = 1; /* each text has its own end */
    for (size_t item = 0; item < run->items; item++) {
        const float *keys = run->wide + item * run->stretch * 2 * d;
        shape.keys = pnd_tower_find_token(run, item) + 1;
        pnd_attention_run(run->ctx, &shape, run->query + item * d, keys,
                          keys + d, run->few + item * d, run->scratch);
    }
}

/* Row `find_token` of each item of x (N, tokens, D) to y (N, D). */
static void pick(const struct pnd_tower_run *run, const float *x,
                 size_t tokens, float *y)
{
    const size_t d = run->tower->dims.width;
    for (size_t item = 0; item < run->items; item++) {
        const size_t at = item * tokens + pnd_tower_find_token(run, item);
        memcpy(y + item * d, x + at * d, d * sizeof *y);
    }
}

/* The last block as far as the pooled tokens need it: keys and values of all
 * tokens, the rest of one token. */
static void run_last_block(const struct pnd_tower_run *run, uint32_t block)
{
    const struct pnd_tower_block *b = &run->tower->blocks[block];
    const struct pnd_context *ctx = run->ctx;
    const size_t d = run->tower->dims.width, items = run->items;
    run_norm_1(run, &b->norm_1, block);
    pnd_linear_run(ctx, &b->key_value, items * run->stretch, run->normed,
                   run->wide, run->scratch);
    set_extra_keys(run, b, 0, 2 * d);
    pick(run, run->state, run->length, run->pooled);
    pick(run, run->normed, run->stretch, run->few);
    pnd_linear_run(ctx, &b->query, items, run->few, run->query, run->scratch);
    attend_pooled(run);
    add_layer(run, block, ".attn", &b->out, items, run->few, run->pooled,
              run->query);
    run_mlp(run, block, items, run->pooled, run->few, run->query);
}

static void run_head(const struct pnd_tower_run *run, float *raw)
{
    const struct pnd_tower *t = run->tower;
    tell(run, "pooled", run->pooled, 2,
         (int64_t[]){run->items, t->dims.width});
    pnd_rows_layer_norm(run->ctx, run->items, t->dims.width, run->pooled,
                        t->head_norm.weight, t->head_norm.bias,
                        t->head_norm.eps, run->few);
    pnd_linear_run(run->ctx, &t->head, run->items, run->few, raw,
                   run->scratch);
    tell(run, "head", raw, 2,
         (int64_t[]){run->items, t->dims.embedding_dim});
}

static panda_status run_group(const struct pnd_tower_run *run, float *raw,
                              const struct pnd_watch *watch, double done,
                              double share)
{
    const struct pnd_tower *t = run->tower;
    const size_t rows = (size_t)run->items * run->length;
    const uint32_t blocks = t->dims.blocks;
    panda_status status = pnd_watch_check(watch, -1);
    if (status < 0)
        return status;
    pnd_stem_run(run);
    tell_tokens(run, "patches", run->state);
    if (t->pre_norm.weight) {
        pnd_rows_layer_norm(run->ctx, rows, t->dims.width, run->state,
                            t->pre_norm.weight, t->pre_norm.bias,
                            t->pre_norm.eps, run->state);
        tell_tokens(run, "pre_norm", run->state);
    }
    for (uint32_t i = 0; i < blocks; i++) {
        if (i + 1 == blocks && !is_traced(run))
            run_last_block(run, i);
        else
            run_block(run, i);
        status = pnd_watch_check(watch, done + share * (i + 1) / blocks);
        if (status < 0)
            return status;
    }
    if (is_traced(run))
        pick(run, run->state, run->length, run->pooled);
    run_head(run, raw);
    return PANDA_OK;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Scratch of the largest step of this run. */
static size_t find_scratch(const struct pnd_tower_run *run)
{
    const struct pnd_tower *t = run->tower;
    const size_t items = run->items, rows = items * run->stretch;
    const struct pnd_attention_shape full = get_full_shape(run);
    const struct pnd_attention_shape pooled = get_pooled_shape(run);
    size_t count = larger(pnd_attention_get_scratch(run->ctx, &full),
                          pnd_attention_get_scratch(run->ctx, &pooled));
    if (!t->stem.table)
        count = larger(count, pnd_linear_get_scratch(
            run->ctx, pnd_stem_get_layer(t, run->frames),
            items * pnd_stem_get_patches(t)));
    for (uint32_t i = 0; i < t->dims.blocks; i++) {
        const struct pnd_tower_block *b = &t->blocks[i];
        const struct pnd_linear *layers[] = {&b->qkv, &b->key_value, &b->query,
                                             &b->out, &b->fc1, &b->fc2};
        for (size_t j = 0; j < sizeof layers / sizeof *layers; j++)
            count = larger(count, pnd_linear_get_scratch(run->ctx, layers[j],
                                                         rows));
    }
    return larger(count, pnd_linear_get_scratch(run->ctx, &t->head, items));
}

static panda_status grow(struct pnd_workspace *ws, size_t count)
{
    if (count <= ws->count)
        return PANDA_OK;
    pnd_free(&ws->ctx->alloc, ws->memory); /* so that the two never add up */
    ws->memory = NULL;
    ws->count = 0;
    ws->memory = pnd_alloc_array(&ws->ctx->alloc, count, sizeof(float));
    if (!ws->memory)
        return pnd_fail_memory();
    ws->count = count;
    return PANDA_OK;
}

/* Lay the run's buffers out in the workspace, each aligned. */
static panda_status place_buffers(struct pnd_tower_run *run,
                                  struct pnd_workspace *ws)
{
    const struct pnd_tower *t = run->tower;
    const size_t d = t->dims.width, align = PND_ALIGN / sizeof(float);
    const size_t unfolded =
        t->stem.table ? 0
                      : pnd_stem_get_patches(t) *
                            pnd_stem_get_layer(t, run->frames)->in;
    const size_t wide = larger(larger(run->stretch * 3 * d,
                                      run->length * 4 * d), unfolded);
    struct {
        float **at;
        size_t rows, columns, offset;
    } buffers[] = {
        {&run->state, run->items, run->length * d, 0},
        {&run->normed, run->items, run->stretch * d, 0},
        {&run->mixed, run->items, run->length * d, 0},
        {&run->wide, run->items, wide, 0},
        {&run->pooled, run->items, d, 0},
        {&run->few, run->items, d, 0},
        {&run->query, run->items, d, 0},
        {&run->scratch, 1, find_scratch(run), 0},
    };
    const size_t count = sizeof buffers / sizeof *buffers;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        buffers[i].offset = total;
        if (!pnd_mul_size(&size, buffers[i].rows, buffers[i].columns) ||
            !pnd_add_size(&size, size, align - 1) ||
            !pnd_add_size(&total, total, size / align * align))
            return pnd_fail_memory();
    }
    panda_status status = grow(ws, total);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        *buffers[i].at = ws->memory + buffers[i].offset;
    return PANDA_OK;
}

void pnd_workspace_free(struct pnd_workspace *ws)
{
    if (!ws->ctx)
        return;
    pnd_free(&ws->ctx->alloc, ws->memory);
    pnd_free(&ws->ctx->alloc, ws->order);
    *ws = (struct pnd_workspace){.ctx = ws->ctx};
}

static size_t count_values(const struct pnd_tower *tower, uint32_t frames)
{
    const struct pnd_tower_dims *dims = &tower->dims;
    const struct pnd_tower_stem *s = &tower->stem;
    return dims->token_ids ? dims->tokens
                           : (size_t)s->channels * frames * s->height *
                                 s->width;
}

/* Texts in groups of about the same length. */
static panda_status run_texts(struct pnd_tower_run *run,
                              struct pnd_workspace *ws, uint32_t items,
                              float *raw, const struct pnd_watch *watch)
{
    const size_t dim = run->tower->dims.embedding_dim;
    panda_status status = pnd_texts_sort(run, ws, items);
    for (uint32_t first = 0; first < items && status == PANDA_OK;
         first += run->items) {
        run->order = ws->order + first;
        run->items = pnd_texts_count(ws->order + items, first, items);
        run->length = run->stretch = ws->order[items + first + run->items - 1];
        status = place_buffers(run, ws);
        if (status == PANDA_OK)
            status = run_group(run, raw + first * dim, watch,
                               (double)first / items,
                               (double)run->items / items);
    }
    if (status == PANDA_OK)
        pnd_texts_unsort(ws->order, items, dim, raw);
    return status;
}

panda_status pnd_tower_run(const struct pnd_tower *tower,
                           struct pnd_workspace *ws, uint32_t items,
                           uint32_t frames, const void *input, float *raw,
                           const struct pnd_watch *watch,
                           const struct pnd_trace *trace)
{
    panda_status status = pnd_stem_check(tower, items, frames, input);
    if (status < 0 || items == 0)
        return status;
    if (!tower->stem.still.weight)
        frames = 1;
    struct pnd_tower_run run = {.tower = tower, .ctx = ws->ctx,
                                .trace = trace, .frames = frames};
    if (tower->spec->causal && !is_traced(&run)) {
        run.input = input;
        return run_texts(&run, ws, items, raw, watch);
    }
    /* A trace shows all items at once. Otherwise groups of even size. */
    uint32_t most = PND_GROUP_TOKENS / tower->dims.tokens;
    most = is_traced(&run) ? items : most > 0 ? most : 1;
    const uint32_t groups = (items - 1) / most + 1;
    const uint32_t size = (items - 1) / groups + 1;
    const size_t values = count_values(tower, frames);
    for (uint32_t first = 0; first < items; first += run.items) {
        run.items = items - first < size ? items - first : size;
        run.input = (const char *)input + first * values * 4;
        run.length = tower->dims.tokens;
        run.stretch = run.length + (tower->spec->extra_key ? 1 : 0);
        status = place_buffers(&run, ws);
        if (status == PANDA_OK)
            status = run_group(&run,
                               raw + (size_t)first * tower->dims.embedding_dim,
                               watch, (double)first / items,
                               (double)run.items / items);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}
