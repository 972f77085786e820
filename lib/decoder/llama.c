/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/llama.h"

#include <inttypes.h>
#include <stdio.h>

#include "decoder/llama_names.h"
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

static panda_status load_layer(struct pnd_llama *llama, struct pnd_weights *w,
                               uint32_t index)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    const struct pnd_llama_names *d = pnd_llama_names_get(w);
    const uint32_t q_dim = c->heads * c->head_dim;
    const uint32_t kv_dim = c->kv_heads * c->head_dim;
    struct pnd_llama_layer *layer = &llama->layers[index];
    const struct {
        struct pnd_linear *linear;
        uint32_t rows, columns;
    } linears[PND_LLAMA_MATRIX_COUNT] = {
        [PND_LLAMA_Q] = {&layer->q, q_dim, c->hidden},
        [PND_LLAMA_K] = {&layer->k, kv_dim, c->hidden},
        [PND_LLAMA_V] = {&layer->v, kv_dim, c->hidden},
        [PND_LLAMA_O] = {&layer->o, c->hidden, q_dim},
        [PND_LLAMA_GATE] = {&layer->gate, c->intermediate, c->hidden},
        [PND_LLAMA_UP] = {&layer->up, c->intermediate, c->hidden},
        [PND_LLAMA_DOWN] = {&layer->down, c->hidden, c->intermediate},
    };
    panda_status status = PANDA_OK;
    for (int i = 0; i < PND_LLAMA_MATRIX_COUNT; i++) {
        const struct pnd_tensor *t;
        const struct pnd_llama_name name =
            pnd_llama_name_tensor(d, index, d->matrices[i]);
        PND_TRY(pnd_weights_require_matrix(&t, w, linears[i].rows,
                                           linears[i].columns, name.text));
        set_linear(linears[i].linear, t);
    }
out:
    return status;
}

/* Rows are counted by the tensor and by the configuration; a vocabulary grown
 * by hand often changes only one of them. */
static panda_status load_table(const struct pnd_tensor **out,
                               const struct pnd_llama *llama,
                               struct pnd_weights *w, const char *name)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    panda_status status =
        pnd_weights_require_matrix(out, w, -1, c->hidden, name);
    if (status < 0)
        return status;
    if ((*out)->shape[0] != c->vocab_size)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: %s has %" PRId64 " rows, the configuration says "
                        "a vocab_size of %u",
                        pnd_weights_get_path(w), name, (*out)->shape[0],
                        c->vocab_size);
    return PANDA_OK;
}

static panda_status load_tables(struct pnd_llama *llama, struct pnd_weights *w)
{
    const struct pnd_llama_names *d = pnd_llama_names_get(w);
    const struct pnd_tensor *embedding, *output;
    panda_status status;
    PND_TRY(load_table(&embedding, llama, w, d->embedding));
    llama->embedding = *embedding;
    if (d == &pnd_llama_names_gguf)
        llama->dims.config.tied = !pnd_weights_find(w, d->output);
    if (llama->dims.config.tied) {
        /* Some files carry a copy all the same; the reference overrides it. */
        pnd_weights_find(w, d->output);
        output = embedding;
    } else {
        PND_TRY(load_table(&output, llama, w, d->output));
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
    const struct pnd_llama_names *d = pnd_llama_names_get(w);
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
        struct pnd_llama_name name =
            pnd_llama_name_tensor(d, i, d->attention_norm);
        PND_TRY(
            load_norm(&layer->attention_norm, w, c->hidden, to, name.text));
        to += c->hidden;
        name = pnd_llama_name_tensor(d, i, d->mlp_norm);
        PND_TRY(load_norm(&layer->mlp_norm, w, c->hidden, to, name.text));
        to += c->hidden;
    }
    PND_TRY(load_norm(&llama->norm, w, c->hidden, to, d->norm));
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
    const struct pnd_llama_names *d = pnd_llama_names_get(w);
    const struct pnd_tensor *t = NULL;
    for (size_t i = 0; !t && i < 3 && d->unused[i]; i++)
        t = pnd_weights_find_unused(w, d->unused[i]);
    if (!t)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s is not part of a LLaMA decoder with %u "
                    "layers",
                    pnd_weights_get_path(w), t->name,
                    llama->dims.config.layers);
}

/* A bundle has LoRA among the decoder's tensors. */
static void mark_lora(const struct pnd_llama *llama, struct pnd_weights *w)
{
    for (uint32_t i = 0; i < llama->dims.config.layers; i++) {
        for (int target = 0; target < PND_LORA_TARGET_COUNT; target++) {
            pnd_lora_find_factor(w, i, target, 'A');
            pnd_lora_find_factor(w, i, target, 'B');
        }
    }
}

/* Llama 3's scaling in GGUF: a divisor for each frequency. */
static panda_status divide_frequencies(struct pnd_llama *llama,
                                       struct pnd_weights *w)
{
    const uint32_t count = llama->dims.config.head_dim / 2;
    const char *const name = "rope_freqs.weight";
    const struct pnd_tensor *t;
    if (!pnd_weights_find(w, name))
        return PANDA_OK;
    panda_status status =
        pnd_weights_require(&t, w, 1, (int64_t[]){count}, name);
    for (uint32_t i = 0; i < count && status == PANDA_OK; i++) {
        float divisor = pnd_tensor_get_f32(t, i);
        if (!(divisor > 0 && divisor < 1e6f))
            status = pnd_fail(PANDA_E_FORMAT,
                              "%s: %s has %g at %u, expected more than 0 and "
                              "less than 1000000",
                              pnd_weights_get_path(w), name, (double)divisor,
                              i);
        llama->inv_freq[i] /= divisor;
    }
    return status;
}

static panda_status load_rotary(struct pnd_llama *llama, struct pnd_weights *w)
{
    const struct pnd_llama_config *c = &llama->dims.config;
    const struct pnd_llama_names *names = pnd_llama_names_get(w);
    llama->inv_freq =
        pnd_alloc_array(&llama->ctx->alloc, c->head_dim / 2, sizeof(float));
    if (!llama->inv_freq)
        return pnd_fail_memory();
    llama->interleaved = names->interleaved;
    pnd_rotary_init(llama->inv_freq, c->head_dim, c->rope_base);
    pnd_rotary_scale(llama->inv_freq, c->head_dim, &c->rope_scaling);
    return names == &pnd_llama_names_gguf ? divide_frequencies(llama, w)
                                          : PANDA_OK;
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
    PND_TRY(load_rotary(llama, weights));
    if (lora && lora->weights == weights)
        mark_lora(llama, weights);
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

void pnd_llama_set_rounding(struct pnd_llama *llama, bool rounds)
{
    llama->rounds = rounds;
}

bool pnd_llama_is_rounding(const struct pnd_llama *llama)
{
    return llama->rounds && (pnd_dtype_is_block(llama->dims.dtype) ||
                             pnd_dtype_is_block(llama->output.dtype));
}

const struct pnd_llama_dims *pnd_llama_get_dims(const struct pnd_llama *llama)
{
    return &llama->dims;
}
