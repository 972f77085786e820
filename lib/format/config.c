/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "format/json.h"
#include "format/utf8.h"

struct source {
    const struct pnd_json_value *root;
    const char *path;
};

static panda_status open_object(struct pnd_json **json, struct source *source,
                                const struct pnd_context *ctx, const char *path)
{
    panda_status status = pnd_json_open(json, ctx, path);
    if (status < 0)
        return status;
    *source = (struct source){pnd_json_get_root(*json), path};
    if (source->root->type == PND_JSON_OBJECT)
        return PANDA_OK;
    pnd_json_free(*json);
    *json = NULL;
    return pnd_fail(PANDA_E_FORMAT, "%s: is not a JSON object", path);
}

/* An integer in [1, hi]; `otherwise` when missing, and 0 there means that it
 * must not be. */
static panda_status read_size(uint32_t *out, const struct source *s,
                              const char *key, uint32_t hi, uint32_t otherwise)
{
    int64_t value = otherwise;
    panda_status status =
        pnd_json_get_integer(&value, s->root, key, 1, hi, s->path);
    if (status < 0)
        return status;
    if (value == 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: \"%s\" is missing", s->path, key);
    *out = (uint32_t)value;
    return PANDA_OK;
}

static panda_status read_bool(bool *out, const struct source *s,
                              const char *key)
{
    const struct pnd_json_value *v = pnd_json_find(s->root, key);
    *out = false;
    if (!v || v->type == PND_JSON_NULL)
        return PANDA_OK;
    if (v->type != PND_JSON_BOOL)
        return pnd_fail(PANDA_E_FORMAT, "%s: \"%s\" is not true or false",
                        s->path, key);
    *out = v->boolean;
    return PANDA_OK;
}

/* A number above 0 and at most `hi`. */
static panda_status read_positive(float *out, const struct source *s,
                                  const struct pnd_json_value *object,
                                  const char *key, double hi, double otherwise)
{
    double value = otherwise;
    panda_status status = pnd_json_get_number(&value, object, key, s->path);
    if (status < 0)
        return status;
    if (!((float)value > 0 && value <= hi))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"%s\" is %g, expected more than 0 and at most %g",
                        s->path, key, value, hi);
    *out = (float)value;
    return PANDA_OK;
}

static panda_status require_word(const struct source *s, const char *key,
                                 const char *expected)
{
    const struct pnd_json_value *v = pnd_json_find(s->root, key);
    if (!v || v->type == PND_JSON_NULL ||
        (v->type == PND_JSON_STRING && strcmp(v->string, expected) == 0))
        return PANDA_OK;
    if (v->type != PND_JSON_STRING)
        return pnd_fail(PANDA_E_FORMAT, "%s: \"%s\" is not a string", s->path,
                        key);
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: \"%s\" is \"%s\", only \"%s\" can be computed",
                    s->path, key, pnd_show(v->string, v->length).text,
                    expected);
}

static panda_status require_false(const struct source *s, const char *key)
{
    bool value;
    panda_status status = read_bool(&value, s, key);
    if (status < 0 || !value)
        return status;
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: \"%s\" is true, only false can be computed", s->path,
                    key);
}

static panda_status read_llama3(struct pnd_rope_scaling *out,
                                const struct source *s,
                                const struct pnd_json_value *rope)
{
    int64_t context = 0;
    panda_status status;
    PND_TRY(read_positive(&out->low_factor, s, rope, "low_freq_factor", 1e6,
                          0));
    PND_TRY(read_positive(&out->high_factor, s, rope, "high_freq_factor", 1e6,
                          0));
    PND_TRY(pnd_json_get_integer(&context, rope,
                                 "original_max_position_embeddings", 1,
                                 1 << 24, s->path));
    if (context == 0 || out->high_factor <= out->low_factor)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the rope scaling \"llama3\" needs "
                        "\"original_max_position_embeddings\" and a "
                        "\"high_freq_factor\" above \"low_freq_factor\"",
                        s->path);
    out->original_context = (uint32_t)context;
    out->kind = PND_ROPE_LLAMA3;
out:
    return status;
}

/* `key` may be null or an object of type "default". */
static panda_status read_scaling(struct pnd_rope_scaling *out,
                                 const struct source *s, const char *key)
{
    const struct pnd_json_value *rope = pnd_json_find(s->root, key);
    if (!rope || rope->type == PND_JSON_NULL)
        return PANDA_OK;
    const struct pnd_json_value *type = pnd_json_find(rope, "rope_type");
    if (!type)
        type = pnd_json_find(rope, "type");
    if (!type || type->type != PND_JSON_STRING)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"%s\" is not null and has no \"rope_type\"",
                        s->path, key);
    if (strcmp(type->string, "default") == 0)
        return PANDA_OK;
    const bool is_linear = strcmp(type->string, "linear") == 0;
    if (!is_linear && strcmp(type->string, "llama3") != 0)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: \"%s\" is of type \"%s\", only \"default\", "
                        "\"linear\" and \"llama3\" can be computed",
                        s->path, key,
                        pnd_show(type->string, type->length).text);
    panda_status status =
        read_positive(&out->factor, s, rope, "factor", 1e6, 0);
    if (status < 0)
        return status;
    if (!is_linear)
        return read_llama3(out, s, rope);
    out->kind = PND_ROPE_LINEAR;
    return PANDA_OK;
}

static panda_status read_rope(struct pnd_llama_config *c,
                              const struct source *s)
{
    /* transformers 5 keeps the base in "rope_parameters". */
    const struct pnd_json_value *object = s->root,
                                *rope =
                                    pnd_json_find(s->root, "rope_parameters");
    if (pnd_json_find(rope, "rope_theta"))
        object = rope;
    panda_status status = read_scaling(&c->rope_scaling, s, "rope_scaling");
    if (status == PANDA_OK)
        status = read_scaling(&c->rope_scaling, s, "rope_parameters");
    if (status < 0)
        return status;
    return read_positive(&c->rope_base, s, object, "rope_theta", 1e12, 10000);
}

static panda_status read_kind(const struct source *s)
{
    panda_status status = require_word(s, "model_type", "llama");
    if (status == PANDA_OK)
        status = require_word(s, "hidden_act", "silu");
    if (status == PANDA_OK)
        status = require_false(s, "attention_bias");
    if (status == PANDA_OK)
        status = require_false(s, "mlp_bias");
    return status;
}

/* How the heads share the width. */
static panda_status read_heads(struct pnd_llama_config *c,
                               const struct source *s)
{
    panda_status status;
    PND_TRY(read_size(&c->heads, s, "num_attention_heads", 4096, 0));
    PND_TRY(read_size(&c->kv_heads, s, "num_key_value_heads", 4096, c->heads));
    PND_TRY(read_size(&c->head_dim, s, "head_dim", 65536,
                      c->hidden % c->heads == 0 ? c->hidden / c->heads
                                                : UINT32_MAX));
    if (c->head_dim == UINT32_MAX)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"hidden_size\" %u cannot be divided among %u "
                        "\"num_attention_heads\"",
                        s->path, c->hidden, c->heads);
    if (c->heads % c->kv_heads != 0)
        return pnd_fail(
            PANDA_E_FORMAT,
            "%s: \"num_attention_heads\" is %u, expected a multiple "
            "of \"num_key_value_heads\", %u",
            s->path, c->heads, c->kv_heads);
    if (c->head_dim % 2 != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the heads have %u numbers each, expected an even "
                        "count for rotary embeddings",
                        s->path, c->head_dim);
    if ((uint64_t)c->heads * c->head_dim > 4 * 65536)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %u heads of %u numbers are too many, expected at "
                        "most %d numbers",
                        s->path, c->heads, c->head_dim, 4 * 65536);
out:
    return status;
}

static panda_status read_shape(struct pnd_llama_config *c,
                               const struct source *s)
{
    panda_status status;
    PND_TRY(read_size(&c->hidden, s, "hidden_size", 65536, 0));
    PND_TRY(read_size(&c->layers, s, "num_hidden_layers", 1024, 0));
    PND_TRY(read_heads(c, s));
    PND_TRY(read_size(&c->intermediate, s, "intermediate_size", 1 << 20, 0));
    PND_TRY(read_size(&c->vocab_size, s, "vocab_size", 1 << 24, 0));
    PND_TRY(read_size(&c->context_length, s, "max_position_embeddings", 1 << 24,
                      2048));
    PND_TRY(read_positive(&c->rms_eps, s, s->root, "rms_norm_eps", 1, 1e-6));
    PND_TRY(read_rope(c, s));
    PND_TRY(read_bool(&c->tied, s, "tie_word_embeddings"));
out:
    return status;
}

static panda_status read_eos(struct pnd_llama_config *c, const struct source *s,
                             const struct pnd_json_value *v)
{
    const bool array = v->type == PND_JSON_ARRAY;
    if (array && v->length > PND_MAX_EOS)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"eos_token_id\" has %zu ids, expected at most %d",
                        s->path, v->length, PND_MAX_EOS);
    c->eos_count = 0;
    for (v = array ? v->child : v; v; v = array ? v->next : NULL) {
        if (v->type != PND_JSON_NUMBER || !v->is_integer || v->integer < -1 ||
            v->integer > INT32_MAX)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: \"eos_token_id\" is not a token id, at byte "
                            "%zu",
                            s->path, v->offset);
        if (v->integer >= 0)
            c->eos[c->eos_count++] = (int32_t)v->integer;
    }
    return PANDA_OK;
}

/* What is given replaces what was there. */
static panda_status read_ids(struct pnd_llama_config *c, const struct source *s)
{
    int64_t bos = c->bos;
    panda_status status = pnd_json_get_integer(&bos, s->root, "bos_token_id",
                                               -1, INT32_MAX, s->path);
    if (status < 0)
        return status;
    c->bos = (int32_t)bos;
    const struct pnd_json_value *eos = pnd_json_find(s->root, "eos_token_id");
    if (!eos || eos->type == PND_JSON_NULL)
        return PANDA_OK;
    return read_eos(c, s, eos);
}

static panda_status check_ids(const struct pnd_llama_config *c,
                              const char *path)
{
    int64_t largest = c->bos;
    for (uint32_t i = 0; i < c->eos_count; i++)
        largest = c->eos[i] > largest ? c->eos[i] : largest;
    if (largest < (int64_t)c->vocab_size)
        return PANDA_OK;
    return pnd_fail(
        PANDA_E_FORMAT,
        "%s: the start or end token has id %lld, but \"vocab_size\" "
        "is %u",
        path, (long long)largest, c->vocab_size);
}

static panda_status read_generation_config(struct pnd_llama_config *c,
                                           const struct pnd_context *ctx,
                                           const char *config_path)
{
    char *path =
        pnd_path_sibling(&ctx->alloc, config_path, "generation_config.json");
    if (!path)
        return pnd_fail_memory();
    panda_status status = PANDA_OK;
    struct pnd_json *json = NULL;
    struct source source;
    if (pnd_path_get_kind(ctx, path) != PND_PATH_MISSING) {
        status = open_object(&json, &source, ctx, path);
        if (status == PANDA_OK)
            status = read_ids(c, &source);
    }
    pnd_json_free(json);
    pnd_free(&ctx->alloc, path);
    return status;
}

panda_status pnd_llama_config_open(struct pnd_llama_config *out,
                                   const struct pnd_context *ctx,
                                   const char *folder)
{
    struct pnd_llama_config c = {.bos = -1};
    struct pnd_json *json = NULL;
    struct source source;
    panda_status status;
    *out = (struct pnd_llama_config){0};
    char *path = pnd_path_get_kind(ctx, folder) == PND_PATH_FILE
                     ? pnd_path_sibling(&ctx->alloc, folder, "config.json")
                     : pnd_path_join(&ctx->alloc, folder, "config.json");
    if (!path)
        return pnd_fail_memory();
    PND_TRY(open_object(&json, &source, ctx, path));
    PND_TRY(read_kind(&source));
    PND_TRY(read_shape(&c, &source));
    PND_TRY(read_ids(&c, &source));
    PND_TRY(read_generation_config(&c, ctx, path));
    PND_TRY(check_ids(&c, path));
    *out = c;
out:
    pnd_json_free(json);
    pnd_free(&ctx->alloc, path);
    return status;
}

const char *pnd_tower_get_name(enum pnd_tower_id id)
{
    static const char *const names[PND_TOWER_COUNT] = {
        "vision", "text", "audio", "depth", "thermal", "imu"};
    return names[id];
}

panda_status pnd_imagebind_config_open(struct pnd_imagebind_config *out,
                                       const struct pnd_context *ctx,
                                       const char *path)
{
    struct pnd_imagebind_config c = {.audio_stride = 10};
    struct pnd_json *json;
    struct source source;
    *out = (struct pnd_imagebind_config){0};
    panda_status status = open_object(&json, &source, ctx, path);
    if (status < 0)
        return status;
    const struct pnd_json_value *heads =
        pnd_json_find(source.root, "constructor");
    if (!heads)
        heads = source.root;
    for (int i = 0; i < PND_TOWER_COUNT; i++) {
        char key[32];
        int64_t value = 0;
        snprintf(key, sizeof key, "%s_num_heads", pnd_tower_get_name(i));
        PND_TRY(pnd_json_get_integer(&value, heads, key, 1, 4096, path));
        c.heads[i] = (uint32_t)value;
    }
    PND_TRY(read_size(&c.audio_stride, &source, "audio_stride", 1024, 10));
    *out = c;
out:
    pnd_json_free(json);
    return status;
}

panda_status pnd_adapter_config_open(struct pnd_adapter_config *out,
                                     const struct pnd_context *ctx,
                                     const char *path)
{
    struct pnd_json *json;
    struct source source;
    int64_t rank = 0;
    double alpha = 0;
    *out = (struct pnd_adapter_config){0};
    panda_status status = open_object(&json, &source, ctx, path);
    if (status < 0)
        return status;
    PND_TRY(pnd_json_get_integer(&rank, source.root, "lora_r", 1, 65536, path));
    PND_TRY(pnd_json_get_number(&alpha, source.root, "lora_alpha", path));
    if (alpha < 0 || alpha > 1e6)
        PND_TRY(pnd_fail(PANDA_E_FORMAT,
                         "%s: \"lora_alpha\" is %g, expected 0..1000000", path,
                         alpha));
    *out = (struct pnd_adapter_config){(uint32_t)rank, alpha};
out:
    pnd_json_free(json);
    return status;
}
