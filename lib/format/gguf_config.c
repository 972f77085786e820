/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a llama-architecture decoder from GGUF metadata. */
#include <string.h>

#include "format/bundle.h"
#include "format/utf8.h"

#define NO_TOKEN UINT32_MAX /* how some writers say that there is none */

static panda_status check_architecture(const struct pnd_gguf *g)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(g, "general.architecture");
    struct pnd_gguf_string name;
    if (!v || v->is_array || !pnd_gguf_get_string(v, 0, &name))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: has no general.architecture, expected \"llama\"",
                        pnd_gguf_get_path(g));
    if (!pnd_gguf_is_string(g, "general.architecture", "llama") &&
        !pnd_bundle_is(g))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: general.architecture is \"%s\", only \"llama\" "
                        "can be computed",
                        pnd_gguf_get_path(g),
                        pnd_show(name.bytes, name.length).text);
    return PANDA_OK;
}

/* An integer in [1, hi]; `otherwise` when missing, and 0 there means that it
 * must not be. */
static panda_status read_size(uint32_t *out, const struct pnd_gguf *g,
                              const char *key, uint32_t hi, uint32_t otherwise)
{
    int64_t value = otherwise;
    panda_status status = pnd_gguf_read_integer(&value, g, key, 1, hi);
    if (status == PANDA_OK && value == 0)
        status = pnd_fail(PANDA_E_FORMAT, "%s: %s is missing",
                          pnd_gguf_get_path(g), key);
    *out = (uint32_t)value;
    return status;
}

/* A number above 0 and at most `hi`; missing, `*out` stays. */
static panda_status read_positive(float *out, const struct pnd_gguf *g,
                                  const char *key, double hi)
{
    double value = (double)*out;
    panda_status status = pnd_gguf_read_number(&value, g, key);
    if (status == PANDA_OK && !((float)value > 0 && value <= hi))
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: %s is %g, expected more than 0 and at most %g",
                          pnd_gguf_get_path(g), key, value, hi);
    *out = (float)value;
    return status;
}

/* The key, when there, has to be `expected`. */
static panda_status require_size(const struct pnd_gguf *g, const char *key,
                                 uint32_t expected)
{
    int64_t value = expected;
    panda_status status = pnd_gguf_read_integer(&value, g, key, 0, INT32_MAX);
    if (status == PANDA_OK && value != expected)
        status = pnd_fail(PANDA_E_UNSUPPORTED,
                          "%s: %s is %lld, only %u can be computed",
                          pnd_gguf_get_path(g), key, (long long)value,
                          expected);
    return status;
}

static panda_status read_heads(struct pnd_llama_config *c,
                               const struct pnd_gguf *g)
{
    panda_status status;
    PND_TRY(read_size(&c->heads, g, "llama.attention.head_count", 4096, 0));
    PND_TRY(read_size(&c->kv_heads, g, "llama.attention.head_count_kv", 4096,
                      c->heads));
    PND_TRY(read_size(&c->head_dim, g, "llama.attention.key_length", 65536,
                      c->hidden % c->heads == 0 ? c->hidden / c->heads
                                                : UINT32_MAX));
    if (c->head_dim == UINT32_MAX)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: llama.embedding_length %u cannot be divided among "
                        "%u heads",
                        pnd_gguf_get_path(g), c->hidden, c->heads);
    PND_TRY(
        require_size(g, "llama.attention.value_length", c->head_dim));
    PND_TRY(require_size(g, "llama.rope.dimension_count", c->head_dim));
    PND_TRY(require_size(g, "llama.expert_count", 0));
out:
    return status;
}

static panda_status read_rope(struct pnd_llama_config *c,
                              const struct pnd_gguf *g)
{
    struct pnd_rope_scaling *s = &c->rope_scaling;
    const char *const type_key = "llama.rope.scaling.type";
    const struct pnd_gguf_value *v = pnd_gguf_find(g, type_key);
    struct pnd_gguf_string type = {"", 0};
    panda_status status;
    c->rope_base = 10000;
    s->factor = 1;
    PND_TRY(read_positive(&c->rope_base, g, "llama.rope.freq_base", 1e12));
    if (v && (v->is_array || !pnd_gguf_get_string(v, 0, &type)))
        return pnd_fail(PANDA_E_FORMAT, "%s: %s is not a string",
                        pnd_gguf_get_path(g), type_key);
    if (!v) /* older writers */
        PND_TRY(read_positive(&s->factor, g, "llama.rope.scale_linear", 1e6));
    else if (pnd_gguf_is_string(g, type_key, "linear"))
        PND_TRY(
            read_positive(&s->factor, g, "llama.rope.scaling.factor", 1e6));
    else if (!pnd_gguf_is_string(g, type_key, "none"))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: %s is \"%s\", only \"none\" and \"linear\" can be "
                        "computed",
                        pnd_gguf_get_path(g), type_key,
                        pnd_show(type.bytes, type.length).text);
    if (s->factor != 1)
        s->kind = PND_ROPE_LINEAR;
out:
    return status;
}

static panda_status read_vocabulary(struct pnd_llama_config *c,
                                    const struct pnd_gguf *g)
{
    const struct pnd_gguf_value *tokens =
        pnd_gguf_find(g, "tokenizer.ggml.tokens");
    if (!tokens)
        return read_size(&c->vocab_size, g, "llama.vocab_size", 1 << 24, 0);
    if (!tokens->is_array || tokens->type != PND_GGUF_STRING ||
        tokens->count < 1 || tokens->count > 1 << 24)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tokenizer.ggml.tokens is not an array of 1 to %d "
                        "strings",
                        pnd_gguf_get_path(g), 1 << 24);
    c->vocab_size = (uint32_t)tokens->count;
    return PANDA_OK;
}

static panda_status read_token(int32_t *out, const struct pnd_llama_config *c,
                               const struct pnd_gguf *g, const char *key)
{
    int64_t id = -1;
    panda_status status = pnd_gguf_read_integer(&id, g, key, -1, NO_TOKEN);
    *out = id == NO_TOKEN ? -1 : (int32_t)id;
    if (status == PANDA_OK && id != NO_TOKEN && id >= (int64_t)c->vocab_size)
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: %s is %lld, but there are %u tokens",
                          pnd_gguf_get_path(g), key, (long long)id,
                          c->vocab_size);
    return status;
}

/* All end tokens, of which other programs' keys name only two. */
static panda_status read_all_ends(struct pnd_llama_config *c,
                                  const struct pnd_gguf *g)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(g, PND_BUNDLE_EOS_KEY);
    if (!v)
        return PANDA_OK;
    if (!v->is_array || v->count > PND_MAX_EOS)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: " PND_BUNDLE_EOS_KEY " is not a list of at most "
                        "%d tokens",
                        pnd_gguf_get_path(g), PND_MAX_EOS);
    c->eos_count = 0;
    for (size_t i = 0; i < v->count; i++) {
        int64_t id;
        if (!pnd_gguf_get_integer(v, i, &id) || id < 0 ||
            id >= (int64_t)c->vocab_size)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: " PND_BUNDLE_EOS_KEY " has at %zu no token "
                            "of the %u",
                            pnd_gguf_get_path(g), i, c->vocab_size);
        c->eos[c->eos_count++] = (int32_t)id;
    }
    return PANDA_OK;
}

static panda_status read_tokens(struct pnd_llama_config *c,
                                const struct pnd_gguf *g)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id"};
    panda_status status =
        read_token(&c->bos, c, g, "tokenizer.ggml.bos_token_id");
    for (size_t i = 0; i < sizeof ends / sizeof *ends && status == PANDA_OK;
         i++) {
        int32_t id;
        status = read_token(&id, c, g, ends[i]);
        if (status == PANDA_OK && id >= 0 &&
            (c->eos_count == 0 || c->eos[0] != id))
            c->eos[c->eos_count++] = id;
    }
    return status < 0 ? status : read_all_ends(c, g);
}

panda_status pnd_llama_config_read(struct pnd_llama_config *out,
                                   const struct pnd_gguf *gguf)
{
    struct pnd_llama_config c = {.rms_eps = 1e-5f};
    panda_status status;
    *out = (struct pnd_llama_config){0};
    PND_TRY(check_architecture(gguf));
    PND_TRY(read_size(&c.hidden, gguf, "llama.embedding_length", 65536, 0));
    PND_TRY(read_size(&c.layers, gguf, "llama.block_count", 1024, 0));
    PND_TRY(read_heads(&c, gguf));
    PND_TRY(read_size(&c.intermediate, gguf, "llama.feed_forward_length",
                      1 << 20, 0));
    PND_TRY(read_size(&c.context_length, gguf, "llama.context_length", 1 << 24,
                      2048));
    PND_TRY(read_positive(&c.rms_eps, gguf,
                          "llama.attention.layer_norm_rms_epsilon", 1));
    PND_TRY(read_rope(&c, gguf));
    PND_TRY(read_vocabulary(&c, gguf));
    PND_TRY(read_tokens(&c, gguf));
    *out = c;
out:
    return status;
}
