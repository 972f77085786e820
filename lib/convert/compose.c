/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "convert/chat_template.h"
#include "convert/provenance.h"
#include "convert/sources.h"
#include "encoder/tower_parts.h"
#include "format/bundle.h"
#include "text/tokenizer_write.h"
#include "text/vocabulary.h"

/* The file as a whole: keys of all parts, and what is carried over from files
 * that have more in them than this library knows. */

struct composer {
    const struct pnd_convert_sources *s;
    struct pnd_gguf_writer w;
    struct pnd_plan plan;
};

static bool begins_with(const struct pnd_gguf_string *key, const char *prefix)
{
    const size_t length = strlen(prefix);
    return key->length >= length && memcmp(key->bytes, prefix, length) == 0;
}

/* The vocabulary's keys as another GGUF has them. */
static panda_status copy_tokenizer(struct composer *c)
{
    const struct pnd_gguf *gguf = c->s->tokenizer_gguf;
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < pnd_gguf_get_count(gguf) && status >= 0; i++) {
        const struct pnd_gguf_value *v = pnd_gguf_at(gguf, i);
        if (begins_with(&v->key, "tokenizer.") ||
            (c->s->is_bundle && begins_with(&v->key, "pandagpt.tokenizer.")))
            status = pnd_gguf_put_value(&c->w, v);
    }
    return status;
}

static panda_status add_tokenizer(struct composer *c)
{
    panda_status status;
    if (c->s->tokenizer_gguf)
        return copy_tokenizer(c);
    PND_TRY(pnd_tokenizer_write(c->s->tokenizer, &c->w,
                                c->s->config ? c->s->config->vocab_size : 0,
                                c->s->is_bundle));
    if (c->s->tokenizer_path)
        PND_TRY(pnd_chat_template_put(&c->w, c->plan.ctx,
                                      c->s->tokenizer_path));
out:
    return status;
}

/* A folder's name is the model's; a GGUF has its own, which is carried over. */
static panda_status put_name(struct composer *c)
{
    const char *path = pnd_weights_get_path(c->s->decoder);
    size_t end = strlen(path), start;
    if (pnd_weights_get_gguf(c->s->decoder))
        return PANDA_OK;
    if (pnd_path_get_kind(c->plan.ctx, path) != PND_PATH_DIRECTORY) {
        while (end > 0 && path[end - 1] != '/')
            end--;
    }
    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    const bool is_name = end > start && path[start] != '.' &&
                         pnd_text_is_utf8(path + start, end - start);
    return is_name ? pnd_gguf_put_string(&c->w, "general.name", path + start,
                                         end - start)
                   : PANDA_OK;
}

static panda_status add_parts(struct composer *c)
{
    const struct pnd_convert_sources *s = c->s;
    panda_status status = PANDA_OK;
    if (s->encoders)
        PND_TRY(pnd_convert_add_encoders(&c->plan, &c->w, s));
    if (s->clip_merges)
        PND_TRY(pnd_bundle_put_merges(&c->w, s->clip_merges,
                                      s->clip_merges_size));
    if (s->projection)
        PND_TRY(pnd_convert_add_projection(&c->plan, s));
    if (s->decoder) {
        PND_TRY(put_name(c));
        PND_TRY(pnd_convert_add_decoder(&c->plan, &c->w, s));
    }
    if (s->tokenizer)
        PND_TRY(add_tokenizer(c));
out:
    return status;
}

/* Keys of a part that is left out or that was made anew: what is written of
 * them is there already. */
static bool is_obsolete(const struct composer *c,
                        const struct pnd_gguf_string *key)
{
    const struct pnd_convert_sources *s = c->s;
    const struct {
        const char *prefix;
        bool carried;
    } prefixes[] = {
        {"general.architecture", false},
        {"general.alignment", false},
        {"general.file_type", false},
        {"general.quantization_version", false},
        {"split.", false},
        {"llama.", false},
        {"tokenizer.", false},
        {"pandagpt.tokenizer.", false},
        {"pandagpt.decoder.", s->decoder && s->decoder == s->bundle},
        {"pandagpt.lora.", s->decoder && s->decoder == s->bundle},
        {"pandagpt.shape.", false},
        {"pandagpt.clip.", false},
        {"pandagpt.source.", false},
        {"pandagpt.vision.", s->towers[PND_TOWER_VISION]},
        {"pandagpt.image.", s->towers[PND_TOWER_VISION]},
        {"pandagpt.video.", s->towers[PND_TOWER_VISION]},
        {"pandagpt.text.", s->towers[PND_TOWER_TEXT]},
        {"pandagpt.audio.", s->towers[PND_TOWER_AUDIO]},
        {"pandagpt.depth.", s->towers[PND_TOWER_DEPTH]},
        {"pandagpt.thermal.", s->towers[PND_TOWER_THERMAL]},
        {"pandagpt.imu.", s->towers[PND_TOWER_IMU]},
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (begins_with(key, prefixes[i].prefix))
            return !prefixes[i].carried;
    }
    return !c->s->is_bundle && !begins_with(key, "general.");
}

static panda_status carry_keys(struct composer *c, const struct pnd_gguf *gguf)
{
    const size_t own = pnd_gguf_writer_get_count(&c->w);
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < pnd_gguf_get_count(gguf) && status >= 0; i++) {
        const struct pnd_gguf_value *v = pnd_gguf_at(gguf, i);
        if (!is_obsolete(c, &v->key) &&
            !pnd_gguf_writer_has(&c->w, own, &v->key))
            status = pnd_gguf_put_value(&c->w, v);
    }
    return status;
}

/* Tensors that are no part of what this library knows. */
static panda_status carry_tensors(struct composer *c,
                                  const struct pnd_weights *w)
{
    static const char *const known[] = {"modality_", "llama_proj.",
                                        "token_embd.", "blk.", "output",
                                        "rope_freqs."};
    for (size_t i = 0; i < pnd_weights_get_count(w); i++) {
        const struct pnd_tensor *t = pnd_weights_at(w, i);
        const struct pnd_gguf_string name = {t->name, strlen(t->name)};
        struct pnd_plan_tensor *planned;
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            is_known |= begins_with(&name, known[k]);
        if (is_known)
            continue;
        panda_status status = pnd_plan_add(&c->plan, &planned, t->name, w, t);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

/* How llama.cpp numbers what most of a file is in. */
static panda_status put_file_type(struct composer *c)
{
    static const struct {
        enum pnd_dtype dtype;
        uint32_t file_type;
    } types[] = {{PND_F32, 0},   {PND_F16, 1},   {PND_BF16, 32},
                 {PND_Q4_0, 2},  {PND_Q4_1, 3},  {PND_Q8_0, 7},
                 {PND_Q5_0, 8},  {PND_Q5_1, 9},  {PND_Q2_K, 10},
                 {PND_Q3_K, 12}, {PND_Q4_K, 15}, {PND_Q5_K, 17},
                 {PND_Q6_K, 18}, {PND_IQ4_NL, 25}, {PND_IQ4_XS, 30}};
    panda_status status = PANDA_OK;
    bool has_blocks = false;
    for (size_t i = 0; i < c->plan.count; i++)
        has_blocks |= pnd_dtype_is_block(c->plan.tensors[i].dtype);
    if (has_blocks)
        PND_TRY(pnd_gguf_put_u32(&c->w, "general.quantization_version", 2));
    for (size_t i = 0; i < c->plan.count; i++) {
        const struct pnd_plan_tensor *t = &c->plan.tensors[i];
        if (t->role != PND_ROLE_GATE)
            continue;
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            if (types[k].dtype == t->dtype)
                return pnd_gguf_put_u32(&c->w, "general.file_type",
                                        types[k].file_type);
        }
    }
out:
    return status;
}

/* What the file holds: tensors, and the keys of the parts. */
static panda_status add_content(struct composer *c)
{
    panda_status status;
    if (c->s->is_bundle)
        PND_TRY(pnd_gguf_put_u32(&c->w, PND_BUNDLE_VERSION_KEY,
                                 PND_BUNDLE_VERSION));
    PND_TRY(add_parts(c));
    PND_TRY(put_file_type(c));
    if (c->s->bundle && c->s->is_bundle)
        PND_TRY(carry_tensors(c, c->s->bundle));
out:
    return status;
}

/* Where it is from. */
static panda_status add_origin(struct composer *c, struct pnd_provenance *p,
                               struct pnd_convert_watch *watch)
{
    const struct pnd_convert_sources *s = c->s;
    const struct pnd_gguf *bundle =
        s->bundle ? pnd_weights_get_gguf(s->bundle) : NULL;
    panda_status status = PANDA_OK;
    if (c->s->is_bundle)
        PND_TRY(pnd_provenance_put(p, &c->w, bundle, watch));
    if (bundle)
        PND_TRY(carry_keys(c, bundle));
    if (s->decoder && s->decoder != s->bundle &&
        pnd_weights_get_gguf(s->decoder))
        PND_TRY(carry_keys(c, pnd_weights_get_gguf(s->decoder)));
out:
    return status;
}

/* A decoder whose LoRA cannot be merged needs a bundle. */
static panda_status check_alone(const struct composer *c, const char *path)
{
    for (size_t i = 0; i < c->plan.count && !c->s->is_bundle; i++) {
        const struct pnd_plan_tensor *t = &c->plan.tensors[i];
        if (strstr(t->name, ".lora_"))
            return pnd_fail(PANDA_E_UNSUPPORTED,
                            "%s: tensor %s beside a matrix that is copied in "
                            "blocks needs a bundle; choose a format for the "
                            "decoder, or leave LoRA out",
                            path, t->name);
    }
    return PANDA_OK;
}

panda_status pnd_convert_write(const struct pnd_context *ctx,
                               const struct pnd_convert_sources *s,
                               const char *path, panda_convert_fn progress,
                               void *user)
{
    struct pnd_convert_watch watch = {progress, user, 0, 0};
    struct pnd_provenance provenance = {0};
    struct composer c = {.s = s};
    panda_status status;
    pnd_plan_init(&c.plan, ctx);
    PND_TRY(pnd_gguf_writer_init(&c.w, &ctx->alloc,
                                 s->is_bundle ? PND_BUNDLE_ARCHITECTURE
                                             : "llama"));
    PND_TRY(pnd_provenance_open(&provenance, ctx, s, path));
    PND_TRY(add_content(&c));
    PND_TRY(check_alone(&c, path));
    watch.total = s->is_bundle ? provenance.bytes : 0;
    for (size_t i = 0; i < c.plan.count; i++)
        watch.total += pnd_plan_get_bytes(&c.plan.tensors[i]);
    PND_TRY(add_origin(&c, &provenance, &watch));
    PND_TRY(pnd_plan_describe(&c.plan, &c.w));
    PND_TRY(pnd_plan_write(&c.plan, &c.w, path, &watch));
out:
    pnd_provenance_close(&provenance);
    pnd_gguf_writer_free(&c.w);
    pnd_plan_free(&c.plan);
    return status;
}
