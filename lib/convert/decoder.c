/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/choose.h"
#include "convert/importance_file.h"
#include "convert/sources.h"
#include "decoder/llama_names.h"
#include "decoder/llama_weights.h"
#include "decoder/rotary.h"
#include "format/bundle.h"

#define PREFIX "llama."
#define ROPE_FACTORS "rope_freqs.weight"

struct planner {
    struct pnd_plan *plan;
    const struct pnd_convert_sources *s;
    const struct pnd_llama_names *names; /* of the source */
    struct pnd_choose_model model;
    size_t measured; /* matrices that there is importance data for */
    uint32_t lora_rank; /* 0: none */
    bool has_side;      /* some of it is not merged */
};

static panda_status put_heads(struct pnd_gguf_writer *w,
                              const struct pnd_llama_config *c)
{
    panda_status status;
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "attention.head_count", c->heads));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "attention.head_count_kv",
                             c->kv_heads));
    PND_TRY(pnd_gguf_put_f32(w, PREFIX "attention.layer_norm_rms_epsilon",
                             c->rms_eps));
    if (c->head_dim * c->heads != c->hidden) {
        PND_TRY(pnd_gguf_put_u32(w, PREFIX "attention.key_length",
                                 c->head_dim));
        PND_TRY(pnd_gguf_put_u32(w, PREFIX "attention.value_length",
                                 c->head_dim));
    }
out:
    return status;
}

static panda_status put_config(struct pnd_gguf_writer *w,
                               const struct pnd_llama_config *c)
{
    panda_status status;
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "vocab_size", c->vocab_size));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "context_length", c->context_length));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "embedding_length", c->hidden));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "block_count", c->layers));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "feed_forward_length",
                             c->intermediate));
    PND_TRY(put_heads(w, c));
    PND_TRY(pnd_gguf_put_u32(w, PREFIX "rope.dimension_count", c->head_dim));
    PND_TRY(pnd_gguf_put_f32(w, PREFIX "rope.freq_base", c->rope_base));
    if (c->rope_scaling.kind == PND_ROPE_LINEAR) {
        PND_TRY(pnd_gguf_put_text(w, PREFIX "rope.scaling.type", "linear"));
        PND_TRY(pnd_gguf_put_f32(w, PREFIX "rope.scaling.factor",
                                 c->rope_scaling.factor));
    }
out:
    return status;
}

/* As the source has them, what this library does not know of included. */
static panda_status copy_config(struct pnd_gguf_writer *w,
                                const struct pnd_gguf *gguf)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < pnd_gguf_get_count(gguf) && status >= 0; i++) {
        const struct pnd_gguf_value *v = pnd_gguf_at(gguf, i);
        if (v->key.length > sizeof PREFIX - 1 &&
            memcmp(v->key.bytes, PREFIX, sizeof PREFIX - 1) == 0)
            status = pnd_gguf_put_value(w, v);
    }
    return status;
}

static const struct pnd_tensor *find_base(const struct planner *p,
                                          const char *name)
{
    return p->s->base ? pnd_weights_find(p->s->base, name) : NULL;
}

/* A tensor by its names there and here. Vectors become floats, which every
 * reader of GGUF files expects. */
static panda_status add_tensor(struct planner *p, struct pnd_plan_tensor **out,
                               const char *from, const char *to)
{
    const struct pnd_tensor *tensor = pnd_weights_find(p->s->decoder, from);
    if (!tensor)
        return pnd_fail(PANDA_E_INTERNAL, "%s: tensor %s is missing",
                        pnd_weights_get_path(p->s->decoder), from);
    panda_status status =
        pnd_plan_add(p->plan, out, to, p->s->decoder, tensor);
    if (status < 0)
        return status;
    (*out)->base = find_base(p, from);
    (*out)->base_weights = p->s->base;
    if (tensor->rank == 1)
        (*out)->dtype = PND_F32;
    return PANDA_OK;
}

/* What the tensor is written as, and with what care. */
static panda_status choose(struct planner *p, struct pnd_plan_tensor *t,
                           enum pnd_role role, uint32_t layer)
{
    t->role = role;
    t->layer = layer;
    t->dtype = pnd_choose_dtype(t, &p->model, p->s->decoder_format);
    if (!p->s->importance)
        return PANDA_OK;
    panda_status status = pnd_importance_read(
        &t->importance, p->s->importance, &p->plan->arena, t->name,
        pnd_plan_get_columns(t));
    p->measured += t->importance != NULL;
    return status;
}

static panda_status add_table(struct planner *p, const char *from,
                              const char *to, enum pnd_role role)
{
    struct pnd_plan_tensor *t;
    panda_status status = add_tensor(p, &t, from, to);
    return status < 0 ? status : choose(p, t, role, 0);
}

/* The rows of q and k are halves of a head in HF's files. */
static uint32_t get_head_dim(const struct planner *p, enum pnd_llama_matrix m)
{
    const bool turned = m == PND_LLAMA_Q || m == PND_LLAMA_K;
    return turned && !p->names->interleaved ? p->s->config->head_dim : 0;
}

/* Whether LoRA's factors have their rows in another order than the file. */
static uint32_t get_lora_head_dim(const struct planner *p,
                                  enum pnd_llama_matrix m)
{
    const bool turned = m == PND_LLAMA_Q || m == PND_LLAMA_K;
    return turned && !pnd_weights_get_gguf(p->s->lora) ? p->s->config->head_dim
                                                       : 0;
}

static panda_status add_side(struct planner *p, const char *name,
                             const struct pnd_tensor *a,
                             const struct pnd_tensor *b, uint32_t head_dim)
{
    char full[96];
    struct pnd_plan_tensor *t;
    snprintf(full, sizeof full, "%s.lora_a", name);
    panda_status status = pnd_plan_add(p->plan, &t, full, p->s->lora, a);
    if (status < 0)
        return status;
    snprintf(full, sizeof full, "%s.lora_b", name);
    status = pnd_plan_add(p->plan, &t, full, p->s->lora, b);
    if (status < 0)
        return status;
    t->head_dim = head_dim;
    p->has_side = true;
    return PANDA_OK;
}

/* By default LoRA goes into matrices that hold the sum exactly, or are rounded
 * anyway; it stays beside those that are to be kept as they are. A file for
 * other programs has nothing beside. */
static bool is_side(const struct planner *p, const struct pnd_plan_tensor *t)
{
    const struct pnd_convert_sources *s = p->s;
    if (s->lora_mode != PANDA_LORA_DEFAULT)
        return s->lora_mode == PANDA_LORA_SIDE;
    if (t->dtype != t->tensor->dtype || t->dtype == PND_F32)
        return false;
    return pnd_dtype_is_block(t->dtype) ||
           (s->decoder_format == PANDA_FORMAT_KEEP && s->is_bundle);
}

static panda_status add_lora(struct planner *p, size_t index,
                             enum pnd_llama_matrix m)
{
    const struct pnd_convert_sources *s = p->s;
    struct pnd_plan_tensor *t = &p->plan->tensors[index];
    const struct pnd_tensor *a =
        pnd_lora_find_factor(s->lora, t->layer, (int)m, 'A');
    const struct pnd_tensor *b =
        pnd_lora_find_factor(s->lora, t->layer, (int)m, 'B');
    if (!a || !b)
        return PANDA_OK;
    p->lora_rank = (uint32_t)a->shape[0];
    if (is_side(p, t))
        return add_side(p, t->name, a, b, get_lora_head_dim(p, m));
    if (pnd_dtype_is_block(t->dtype) && t->dtype == t->tensor->dtype)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: tensor %s is copied as %s, LoRA can only be "
                        "merged into it when the decoder gets another format",
                        pnd_weights_get_path(s->decoder), t->tensor->name,
                        pnd_dtype_get_name(t->dtype));
    const float rank = (float)a->shape[0];
    t->lora = (struct pnd_plan_lora){
        .a = a, .b = b, .head_dim = get_lora_head_dim(p, m),
        .scale = (s->lora_alpha > 0 ? s->lora_alpha : rank) / rank};
    return PANDA_OK;
}

static panda_status add_matrix(struct planner *p, uint32_t layer,
                               enum pnd_llama_matrix m)
{
    const struct pnd_llama_name from =
        pnd_llama_name_tensor(p->names, layer, p->names->matrices[m]);
    const struct pnd_llama_name to = pnd_llama_name_tensor(
        &pnd_llama_names_gguf, layer, pnd_llama_names_gguf.matrices[m]);
    struct pnd_plan_tensor *t;
    panda_status status = add_tensor(p, &t, from.text, to.text);
    if (status < 0)
        return status;
    t->head_dim = get_head_dim(p, m);
    status = choose(p, t, (enum pnd_role)(PND_ROLE_Q + (int)m), layer);
    if (status < 0)
        return status;
    return m <= PND_LLAMA_O && p->s->lora
               ? add_lora(p, p->plan->count - 1, m)
               : PANDA_OK;
}

static panda_status add_layer(struct planner *p, uint32_t layer)
{
    const struct pnd_llama_names *to = &pnd_llama_names_gguf;
    const struct {
        const char *from, *to;
    } norms[] = {{p->names->attention_norm, to->attention_norm},
                 {p->names->mlp_norm, to->mlp_norm}};
    panda_status status = PANDA_OK;
    for (int m = 0; m < PND_LLAMA_MATRIX_COUNT; m++)
        PND_TRY(add_matrix(p, layer, (enum pnd_llama_matrix)m));
    for (int i = 0; i < 2; i++) {
        struct pnd_plan_tensor *t;
        PND_TRY(add_tensor(
            p, &t, pnd_llama_name_tensor(p->names, layer, norms[i].from).text,
            pnd_llama_name_tensor(to, layer, norms[i].to).text));
    }
out:
    return status;
}

/* Llama 3's scaling in GGUF files is what each frequency is divided by: the
 * float that gives the scaled one again, where there is such a float. */
static float find_divisor(float plain, float scaled)
{
    float divisor = plain / scaled, at = divisor;
    for (int i = 0; i < 4 && plain / at != scaled; i++)
        at = nextafterf(at, plain / at > scaled ? INFINITY : 0);
    return plain / at == scaled ? at : divisor;
}

static panda_status add_rope_factors(struct planner *p)
{
    const struct pnd_llama_config *c = p->s->config;
    const int64_t count = c->head_dim / 2;
    struct pnd_plan_tensor *t;
    float *values = pnd_arena_alloc_array(&p->plan->arena, (size_t)count * 2,
                                          sizeof(float));
    if (!values)
        return pnd_fail_memory();
    float *scaled = values + count;
    pnd_rotary_init(values, c->head_dim, c->rope_base);
    pnd_rotary_init(scaled, c->head_dim, c->rope_base);
    pnd_rotary_scale(scaled, c->head_dim, &c->rope_scaling);
    for (int64_t i = 0; i < count; i++)
        values[i] = find_divisor(values[i], scaled[i]);
    panda_status status = pnd_plan_add(p->plan, &t, ROPE_FACTORS, NULL, NULL);
    if (status < 0)
        return status;
    t->make = PND_MAKE_VALUES;
    t->values = values;
    t->dtype = PND_F32;
    t->rank = 1;
    t->shape[0] = count;
    return PANDA_OK;
}

static panda_status add_rope(struct planner *p)
{
    struct pnd_plan_tensor *t;
    if (p->names->interleaved)
        return pnd_weights_find(p->s->decoder, ROPE_FACTORS)
                   ? add_tensor(p, &t, ROPE_FACTORS, ROPE_FACTORS)
                   : PANDA_OK;
    return p->s->config->rope_scaling.kind == PND_ROPE_LLAMA3
               ? add_rope_factors(p)
               : PANDA_OK;
}

/* Merged or not: a second time would be wrong, and info tells of it. */
static panda_status put_lora(const struct planner *p, struct pnd_gguf_writer *w)
{
    const float alpha = p->s->lora_alpha;
    panda_status status;
    PND_TRY(pnd_gguf_put_u32(w, PND_BUNDLE_RANK_KEY, p->lora_rank));
    PND_TRY(pnd_gguf_put_f32(w, PND_BUNDLE_ALPHA_KEY,
                             alpha > 0 ? alpha : (float)p->lora_rank));
    PND_TRY(pnd_gguf_put_bool(w, PND_BUNDLE_MERGED_KEY, !p->has_side));
out:
    return status;
}

panda_status pnd_convert_add_decoder(struct pnd_plan *plan,
                                     struct pnd_gguf_writer *w,
                                     const struct pnd_convert_sources *s)
{
    const struct pnd_llama_config *c = s->config;
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(s->decoder);
    struct planner p = {plan, s, pnd_llama_names_get(s->decoder),
                        {c->layers, c->heads, c->kv_heads, c->tied,
                         s->importance != NULL},
                        0, 0, false};
    const struct pnd_llama_names *to = &pnd_llama_names_gguf;
    struct pnd_plan_tensor *t;
    panda_status status;
    PND_TRY(gguf ? copy_config(w, gguf) : put_config(w, c));
    PND_TRY(add_table(&p, p.names->embedding, to->embedding,
                      PND_ROLE_EMBEDDING));
    for (uint32_t i = 0; i < c->layers; i++)
        PND_TRY(add_layer(&p, i));
    PND_TRY(add_tensor(&p, &t, p.names->norm, to->norm));
    if (!c->tied)
        PND_TRY(add_table(&p, p.names->output, to->output, PND_ROLE_OUTPUT));
    PND_TRY(add_rope(&p));
    if (s->importance && p.measured == 0)
        status = pnd_fail(PANDA_E_SHAPE,
                          "%s: has nothing about any matrix of this decoder",
                          pnd_importance_get_path(s->importance));
    PND_TRY(status);
    if (s->lora)
        PND_TRY(put_lora(&p, w));
    if (c->eos_count > 0 && s->is_bundle)
        PND_TRY(pnd_gguf_put_list(w, PND_BUNDLE_EOS_KEY, PND_GGUF_I32, c->eos,
                                  c->eos_count));
out:
    return status;
}
