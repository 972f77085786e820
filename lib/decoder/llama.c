/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/llama.h"

#include <inttypes.h>
#include <stdio.h>

#include "decoder/llama_weights.h"
#include "decoder/rotary.h"

#define MAX_WIDTH (1u << 20) /* of any product of head count and head size */

/* The numbers are a file's: what follows divides by some and multiplies
 * others. */
static panda_status check_config(const struct pnd_llama_config *c,
                                 const char *path)
{
    if (c->hidden == 0 || c->layers == 0 || c->heads == 0 ||
        c->intermediate == 0 || c->vocab_size == 0 || c->vocab_size > INT32_MAX)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: hidden %u, layers %u, heads %u, intermediate %u, "
                        "vocabulary %u: each has to be at least 1",
                        path, c->hidden, c->layers, c->heads, c->intermediate,
                        c->vocab_size);
    if (c->kv_heads == 0 || c->heads % c->kv_heads != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %u key/value heads do not divide %u heads", path,
                        c->kv_heads, c->heads);
    if (c->head_dim == 0 || c->head_dim % 2 != 0 ||
        (uint64_t)c->heads * c->head_dim > MAX_WIDTH)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %u heads of %u channels; expected an even size "
                        "and at most %u channels together",
                        path, c->heads, c->head_dim, MAX_WIDTH);
    return PANDA_OK;
}

static void set_linear(struct pnd_linear *out, const struct pnd_tensor *t)
{
    *out = (struct pnd_linear){.dtype = t->dtype,
                               .in = (uint32_t)t->shape[1],
                               .out = (uint32_t)t->shape[0],
                               .weight = t->data};
}

static panda_status load_linear(struct pnd_linear *out, struct pnd_weights *w,
                                uint32_t layer, const char *name, uint32_t rows,
                                uint32_t columns)
{
    const struct pnd_tensor *t;
    panda_status status = pnd_weights_require_named(
        &t, w, 2, (int64_t[]){rows, columns},
        "model.layers.%" PRIu32 ".%s.weight", layer, name);
    if (status == PANDA_OK)
        set_linear(out, t);
    return status;
}

static panda_status load_layer(struct pnd_llama *llama, struct pnd_weights *w,
                               uint32_t index)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    const uint32_t q_dim = c->heads * c->head_dim;
    const uint32_t kv_dim = c->kv_heads * c->head_dim;
    struct pnd_llama_layer *layer = &llama->layers[index];
    const struct {
        struct pnd_linear *linear;
        const char *name;
        uint32_t rows, columns;
    } linears[] = {
        {&layer->q, "self_attn.q_proj", q_dim, c->hidden},
        {&layer->k, "self_attn.k_proj", kv_dim, c->hidden},
        {&layer->v, "self_attn.v_proj", kv_dim, c->hidden},
        {&layer->o, "self_attn.o_proj", c->hidden, q_dim},
        {&layer->gate, "mlp.gate_proj", c->intermediate, c->hidden},
        {&layer->up, "mlp.up_proj", c->intermediate, c->hidden},
        {&layer->down, "mlp.down_proj", c->hidden, c->intermediate},
    };
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        PND_TRY(load_linear(linears[i].linear, w, index, linears[i].name,
                            linears[i].rows, linears[i].columns));
out:
    return status;
}

/* Rows are counted by the file and by config.json; a vocabulary grown by hand
 * often changes only one of them. */
static panda_status load_table(const struct pnd_tensor **out,
                               const struct pnd_llama *llama,
                               struct pnd_weights *w, const char *name)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    panda_status status =
        pnd_weights_require(out, w, 2, (int64_t[]){-1, c->hidden}, name);
    if (status < 0)
        return status;
    if ((*out)->shape[0] != c->vocab_size)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: %s has %" PRId64 " rows, config.json says a "
                        "vocab_size of %u",
                        pnd_weights_get_path(w), name, (*out)->shape[0],
                        c->vocab_size);
    return PANDA_OK;
}

static panda_status load_tables(struct pnd_llama *llama, struct pnd_weights *w)
{
    const struct pnd_tensor *embedding, *output;
    panda_status status;
    PND_TRY(load_table(&embedding, llama, w, "model.embed_tokens.weight"));
    llama->embedding = *embedding;
    if (llama->dims.config.tied) {
        /* Some files carry a copy all the same; the reference overrides it. */
        pnd_weights_find(w, "lm_head.weight");
        output = embedding;
    } else {
        PND_TRY(load_table(&output, llama, w, "lm_head.weight"));
    }
    set_linear(&llama->output, output);
out:
    return status;
}

static panda_status load_norm(const float **out, struct pnd_weights *w,
                              uint32_t hidden, float *to, const char *name)
{
    const struct pnd_tensor *t;
    panda_status status =
        pnd_weights_require(&t, w, 1, (int64_t[]){hidden}, name);
    if (status < 0)
        return status;
    pnd_tensor_read_f32(t, to);
    *out = to;
    return PANDA_OK;
}

/* All norms as floats, one after the other. After the layers: their tensors
 * prove that the counts of config.json are not absurd. */
static panda_status load_norms(struct pnd_llama *llama, struct pnd_weights *w)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    const size_t count = 2 * (size_t)c->layers + 1;
    panda_status status;
    float *to = pnd_alloc_array(&llama->ctx->alloc, count,
                                c->hidden * sizeof(float));
    if (!to)
        return pnd_fail_memory();
    llama->norms = to;
    llama->dims.heap_bytes += count * c->hidden * sizeof(float);
    for (uint32_t i = 0; i < c->layers; i++) {
        struct pnd_llama_layer *layer = &llama->layers[i];
        char name[96];
        snprintf(name, sizeof name,
                 "model.layers.%" PRIu32 ".input_layernorm.weight", i);
        PND_TRY(load_norm(&layer->attention_norm, w, c->hidden, to, name));
        to += c->hidden;
        snprintf(name, sizeof name,
                 "model.layers.%" PRIu32 ".post_attention_layernorm.weight", i);
        PND_TRY(load_norm(&layer->mlp_norm, w, c->hidden, to, name));
        to += c->hidden;
    }
    PND_TRY(load_norm(&llama->norm, w, c->hidden, to, "model.norm.weight"));
out:
    return status;
}

/* A tensor that nothing reads means another architecture, or another number of
 * layers: the answers would be nonsense. */
static panda_status check_unused(const struct pnd_llama *llama,
                                 struct pnd_weights *w)
{
    char name[96];
    for (uint32_t i = 0; i < llama->dims.config.layers; i++) {
        /* Saved by older libraries, never read: it follows from the config. */
        snprintf(name, sizeof name,
                 "model.layers.%" PRIu32 ".self_attn.rotary_emb.inv_freq", i);
        pnd_weights_find(w, name);
    }
    const struct pnd_tensor *t = pnd_weights_find_unused(w, "model.");
    if (!t)
        t = pnd_weights_find_unused(w, "lm_head");
    if (!t)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s is not part of a LLaMA decoder with %u "
                    "layers",
                    pnd_weights_get_path(w), t->name,
                    llama->dims.config.layers);
}

static panda_status load_rotary(struct pnd_llama *llama)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    llama->inv_freq =
        pnd_alloc_array(&llama->ctx->alloc, c->head_dim / 2, sizeof(float));
    if (!llama->inv_freq)
        return pnd_fail_memory();
    pnd_rotary_init(llama->inv_freq, c->head_dim, c->rope_base);
    return PANDA_OK;
}

static panda_status load(struct pnd_llama *llama, struct pnd_weights *weights,
                         const struct pnd_lora_options *lora)
{
    const uint32_t layers = llama->dims.config.layers;
    panda_status status;
    PND_TRY(check_config(&llama->dims.config, pnd_weights_get_path(weights)));
    llama->layers =
        pnd_alloc_zero(&llama->ctx->alloc, layers * sizeof *llama->layers);
    if (!llama->layers) {
        status = pnd_fail_memory();
        goto out;
    }
    PND_TRY(load_tables(llama, weights));
    for (uint32_t i = 0; i < layers; i++)
        PND_TRY(load_layer(llama, weights, i));
    PND_TRY(load_norms(llama, weights));
    PND_TRY(load_rotary(llama));
    PND_TRY(check_unused(llama, weights));
    llama->dims.dtype = llama->layers[0].q.dtype;
    if (lora && lora->weights && lora->mode != PANDA_LORA_OFF)
        PND_TRY(pnd_lora_apply(llama, lora));
out:
    return status;
}

panda_status pnd_llama_load(struct pnd_llama **out,
                            const struct pnd_context *ctx,
                            struct pnd_weights *weights,
                            const struct pnd_llama_config *config,
                            const struct pnd_lora_options *lora)
{
    *out = NULL;
    struct pnd_llama *llama = pnd_alloc_zero(&ctx->alloc, sizeof *llama);
    if (!llama)
        return pnd_fail_memory();
    llama->ctx = ctx;
    llama->dims.config = *config;
    panda_status status = load(llama, weights, lora);
    if (status < 0) {
        pnd_llama_free(llama);
        return status;
    }
    *out = llama;
    return PANDA_OK;
}

void pnd_llama_free(struct pnd_llama *llama)
{
    if (!llama)
        return;
    const struct pnd_allocator *alloc = &llama->ctx->alloc;
    for (uint32_t i = 0; llama->layers && i < llama->dims.config.layers; i++) {
        for (int t = 0; t < PND_LORA_TARGET_COUNT; t++)
            pnd_free(alloc, llama->layers[i].lora_data[t]);
    }
    pnd_free(alloc, llama->layers);
    pnd_free(alloc, llama->norms);
    pnd_free(alloc, llama->inv_freq);
    pnd_free(alloc, llama);
}

const struct pnd_llama_dims *pnd_llama_get_dims(const struct pnd_llama *llama)
{
    return &llama->dims;
}
