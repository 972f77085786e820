/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"
#include "api/sources.h"
#include "decoder/llama_weights.h"
#include "format/bundle.h"
#include "format/gzip.h"

/* Beyond any vocabulary that the text frontend would accept. */
#define MAX_MERGES_BYTES (64u << 20)

#define ALL_PARTS (2 * PANDA_PART_CLIP_VOCAB - 1)

panda_status panda_model_options_init(panda_model_options *options,
                                      uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_model_options");
}

enum pnd_tower_id pnd_model_get_tower_id(panda_modality modality)
{
    switch (modality) {
    case PANDA_MODALITY_AUDIO:
        return PND_TOWER_AUDIO;
    case PANDA_MODALITY_DEPTH:
        return PND_TOWER_DEPTH;
    case PANDA_MODALITY_THERMAL:
        return PND_TOWER_THERMAL;
    case PANDA_MODALITY_IMU:
        return PND_TOWER_IMU;
    case PANDA_MODALITY_TEXT:
        return PND_TOWER_TEXT;
    default:
        return PND_TOWER_VISION;
    }
}

static uint32_t get_tower_modalities(enum pnd_tower_id id)
{
    uint32_t mask = 0;
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        if (pnd_model_get_tower_id(m) == id)
            mask |= PANDA_MODALITY_BIT(m);
    }
    return mask;
}

/* `path` with its ending replaced by ".json", if there is such a file. */
static panda_status find_json_beside(char **out, const struct pnd_context *ctx,
                                     const char *path)
{
    *out = NULL;
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    size_t stem =
        dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
    char *json = pnd_alloc(&ctx->alloc, stem + sizeof ".json");
    if (!json)
        return pnd_fail_memory();
    memcpy(json, path, stem);
    memcpy(json + stem, ".json", sizeof ".json");
    if (pnd_path_get_kind(ctx, json) == PND_PATH_FILE)
        *out = json;
    else
        pnd_free(&ctx->alloc, json);
    return PANDA_OK;
}

/* Tensors of no tower mean that the file is something else. */
static panda_status check_encoder_names(const struct pnd_weights *weights)
{
    size_t count = pnd_weights_get_count(weights);
    for (size_t i = 0; i < count; i++) {
        const char *name = pnd_weights_at(weights, i)->name;
        if (strncmp(name, "modality_", strlen("modality_")) != 0)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: tensor %s is not part of ImageBind, expected "
                            "names that begin with modality_",
                            pnd_weights_get_path(weights), name);
    }
    return PANDA_OK;
}

static panda_status load_towers(panda_model *model,
                                const panda_model_options *o,
                                const struct pnd_imagebind_config *config)
{
    const struct pnd_context *ctx = &model->context;
    struct pnd_weights *weights = model->encoder_weights;
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        uint32_t mask = get_tower_modalities((enum pnd_tower_id)id);
        bool wanted = o->modalities & mask;
        if (o->modalities == 0)
            wanted = pnd_tower_is_in(weights, (enum pnd_tower_id)id) &&
                     (id != PND_TOWER_TEXT || model->clip_merges);
        if (!wanted)
            continue;
        panda_status status =
            pnd_tower_load(&model->towers[id], ctx, weights, config,
                           (enum pnd_tower_id)id, o->precision);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

static panda_status check_towers(const panda_model *model)
{
    const struct pnd_tower_dims *first = NULL;
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (!model->towers[id])
            continue;
        const struct pnd_tower_dims *dims =
            pnd_tower_get_dims(model->towers[id]);
        if (first && dims->embedding_dim != first->embedding_dim)
            return pnd_fail(PANDA_E_SHAPE,
                            "%s: the %s encoder gives %u numbers, others %u",
                            pnd_weights_get_path(model->encoder_weights),
                            pnd_tower_get_name((enum pnd_tower_id)id),
                            dims->embedding_dim, first->embedding_dim);
        first = dims;
    }
    if (!first)
        return pnd_fail(PANDA_E_FORMAT, "%s: no encoder is in this file",
                        pnd_weights_get_path(model->encoder_weights));
    return PANDA_OK;
}

static panda_status open_encoders(panda_model *model,
                                  const panda_model_options *o)
{
    const struct pnd_context *ctx = &model->context;
    struct pnd_imagebind_config config = {0};
    char *beside = NULL;
    panda_status status;
    if (model->encoder_weights) { /* a bundle */
        PND_TRY(pnd_bundle_read_config(
            &config, pnd_weights_get_gguf(model->encoder_weights)));
    } else {
        PND_TRY(pnd_weights_open(&model->encoder_weights, ctx, o->imagebind));
        PND_TRY(check_encoder_names(model->encoder_weights));
        if (!o->imagebind_config)
            PND_TRY(find_json_beside(&beside, ctx, o->imagebind));
    }
    if (o->imagebind_config || beside)
        PND_TRY(pnd_imagebind_config_open(
            &config, ctx, beside ? beside : o->imagebind_config));
    PND_TRY(load_towers(model, o, &config));
    PND_TRY(check_towers(model));
out:
    pnd_free(&ctx->alloc, beside);
    return status;
}

/* LoRA that is part of the matrices must not be added once more. */
static panda_status check_merged(const struct pnd_gguf *gguf,
                                 const struct pnd_lora_options *lora)
{
    struct pnd_bundle_lora said;
    panda_status status = pnd_bundle_read_lora(&said, gguf);
    if (status < 0 || !said.merged || lora->mode == PANDA_LORA_OFF ||
        !lora->weights || !pnd_lora_is_in(lora->weights))
        return status;
    return pnd_fail(PANDA_E_ARGUMENT,
                    "%s: LoRA of rank %u is part of this decoder's matrices, "
                    "and %s has LoRA, too; open one without it",
                    pnd_gguf_get_path(gguf), said.rank,
                    pnd_weights_get_path(lora->weights));
}

static panda_status read_config(struct pnd_llama_config *out,
                                const panda_model *model, const char *folder)
{
    const struct pnd_tensor *pieces;
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(model->decoder_weights);
    if (gguf)
        return pnd_llama_config_read(out, gguf);
    /* What is no decoder lacks this rather than a config.json. */
    panda_status status = pnd_weights_require(&pieces, model->decoder_weights,
                                              2, (int64_t[]){-1, -1},
                                              "model.embed_tokens.weight");
    if (status < 0)
        return status;
    return pnd_llama_config_open(out, &model->context, folder);
}

static panda_status open_decoder(panda_model *model,
                                 const panda_model_options *o,
                                 const struct pnd_lora_options *lora)
{
    const struct pnd_context *ctx = &model->context;
    const char *path = o->decoder ? o->decoder : o->bundle;
    struct pnd_llama_config config;
    panda_status status;
    char *folder = NULL;
    if (!model->decoder_weights)
        PND_TRY(pnd_weights_open(&model->decoder_weights, ctx, path));
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(model->decoder_weights);
    /* A GGUF stands alone; what lies beside it may belong to anything. */
    folder = pnd_model_get_folder(
        ctx, gguf && o->tokenizer ? o->tokenizer : path);
    if (!folder) {
        status = pnd_fail_memory();
        goto out;
    }
    if (gguf)
        PND_TRY(check_merged(gguf, lora));
    PND_TRY(read_config(&config, model, folder));
    PND_TRY(pnd_llama_load(&model->llama, ctx, model->decoder_weights, &config,
                           lora));
    pnd_llama_set_rounding(model->llama,
                           model->precision != PANDA_PRECISION_EXACT);
    if (gguf && !o->tokenizer)
        PND_TRY(pnd_model_open_own_tokenizer(model, gguf));
    else
        PND_TRY(pnd_model_open_tokenizer(
            model, o->tokenizer ? o->tokenizer : folder, folder,
            !o->tokenizer));
    PND_TRY(pnd_model_check_vocabulary(model, path));
out:
    pnd_free(&ctx->alloc, folder);
    return status;
}

/* Projection and LoRA options of a PandaGPT delta. */
static panda_status open_adapter(panda_model *model,
                                 const panda_model_options *o,
                                 struct pnd_lora_options *lora)
{
    const struct pnd_context *ctx = &model->context;
    struct pnd_adapter_config config = {0};
    char *beside = NULL;
    panda_status status;
    PND_TRY(pnd_weights_open(&model->adapter_weights, ctx, o->adapter));
    PND_TRY(find_json_beside(&beside, ctx, o->adapter));
    if (beside)
        PND_TRY(pnd_adapter_config_open(&config, ctx, beside));
    PND_TRY(
        pnd_projection_load(&model->projection, ctx, model->adapter_weights));
    lora->weights = model->adapter_weights;
    lora->mode = o->lora_mode;
    lora->alpha = o->lora_alpha > 0 ? o->lora_alpha : (float)config.alpha;
out:
    pnd_free(&ctx->alloc, beside);
    return status;
}

/* Whether encoders, projection and decoder fit together. */
static panda_status check_parts(const panda_model *model)
{
    if (!model->projection)
        return PANDA_OK;
    const char *path = pnd_weights_get_path(model->adapter_weights);
    uint32_t in = pnd_projection_get_in(model->projection);
    uint32_t out = pnd_projection_get_out(model->projection);
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (!model->towers[id])
            continue;
        uint32_t dim = pnd_tower_get_dims(model->towers[id])->embedding_dim;
        if (dim != in)
            return pnd_fail(PANDA_E_SHAPE,
                            "%s: the projection takes %u numbers, the encoders "
                            "of %s give %u",
                            path, in,
                            pnd_weights_get_path(model->encoder_weights), dim);
    }
    if (model->llama) {
        uint32_t hidden = pnd_llama_get_dims(model->llama)->config.hidden;
        if (hidden != out)
            return pnd_fail(PANDA_E_SHAPE,
                            "%s: the projection gives %u numbers, the decoder "
                            "%s is %u wide; expected a delta made for this "
                            "decoder",
                            path, out,
                            pnd_weights_get_path(model->decoder_weights),
                            hidden);
    }
    return PANDA_OK;
}

static panda_status report(const panda_model_options *o, double fraction)
{
    struct pnd_watch watch = {NULL, o->progress, o->progress_user};
    return pnd_watch_check(&watch, fraction);
}

/* Parsed by the text frontend at its first use; its failures name the file. */
static panda_status read_clip_vocab(panda_model *model, const char *path)
{
    const struct pnd_context *ctx = &model->context;
    struct pnd_map map = {0};
    model->clip_path = pnd_strdup(&ctx->alloc, path);
    if (!model->clip_path)
        return pnd_fail_memory();
    panda_status status =
        pnd_gzip_read_file(&model->clip_merges, &model->clip_merges_size, ctx,
                           path, MAX_MERGES_BYTES);
    if (status == PANDA_OK)
        status = pnd_map_open(&map, ctx, path);
    if (status < 0)
        return status;
    model->clip_bytes = map.size;
    pnd_map_close(&map);
    return PANDA_OK;
}

static panda_status open_parts(panda_model *model, const panda_model_options *o)
{
    struct pnd_lora_options lora = {0};
    panda_status status;
    PND_TRY(report(o, 0));
    if (o->bundle)
        PND_TRY(pnd_model_open_bundle(model, o, &lora));
    if (o->clip_vocab)
        PND_TRY(read_clip_vocab(model, o->clip_vocab));
    if (o->imagebind || model->encoder_weights)
        PND_TRY(open_encoders(model, o));
    PND_TRY(report(o, 0.4));
    if (o->adapter)
        PND_TRY(open_adapter(model, o, &lora));
    if (o->decoder || model->decoder_weights)
        PND_TRY(open_decoder(model, o, &lora));
    else if (o->tokenizer)
        PND_TRY(pnd_model_open_tokenizer(model, o->tokenizer, NULL, false));
    else if (model->bundle && (!o->parts || o->parts & PANDA_PART_TOKENIZER))
        PND_TRY(pnd_model_open_own_tokenizer(
            model, pnd_weights_get_gguf(model->bundle)));
    PND_TRY(check_parts(model));
    PND_TRY(pnd_model_list_parts(model));
    PND_TRY(pnd_model_list_frontends(model));
    PND_TRY(report(o, 1));
out:
    return status;
}

static panda_status check_options(const panda_model_options *o)
{
    PANDA_CHECK_ARG(o->bundle || o->imagebind || o->decoder || o->adapter ||
                        o->tokenizer || o->clip_vocab,
                    "panda_model_options: nothing to open, expected bundle, "
                    "imagebind, decoder, adapter, tokenizer or clip_vocab");
    uint32_t known = PANDA_MODALITY_BIT(PANDA_MODALITY_COUNT) - 2;
    PANDA_CHECK_ARG((o->modalities & ~known) == 0,
                    "panda_model_options: modalities is %#x, unknown bits are "
                    "set",
                    o->modalities);
    PANDA_CHECK_ARG((o->parts & ~(uint32_t)ALL_PARTS) == 0,
                    "panda_model_options: parts is %#x, unknown bits are set",
                    o->parts);
    PANDA_CHECK_ARG(o->lora_mode >= PANDA_LORA_DEFAULT &&
                        o->lora_mode <= PANDA_LORA_OFF,
                    "panda_model_options: lora_mode is %d, expected 0..%d",
                    o->lora_mode, PANDA_LORA_OFF);
    PANDA_CHECK_ARG(o->precision >= PANDA_PRECISION_AUTO &&
                        o->precision <= PANDA_PRECISION_SMALL,
                    "panda_model_options: precision is %d, expected 0..%d",
                    o->precision, PANDA_PRECISION_SMALL);
    PANDA_CHECK_ARG(o->lora_alpha >= 0 && o->lora_alpha <= 1e6f,
                    "panda_model_options: lora_alpha is %g, expected above 0",
                    (double)o->lora_alpha);
    return PANDA_OK;
}

panda_status panda_model_open(panda_model **out, panda_runtime *runtime,
                              const panda_model_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(runtime);
    panda_model_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_model_options");
    if (status == PANDA_OK)
        status = check_options(&o);
    if (status < 0)
        return status;
    atomic_store(&runtime->has_opened, true);
    panda_model *model = pnd_alloc_zero(&runtime->context.alloc, sizeof *model);
    if (!model)
        return pnd_fail_memory();
    atomic_init(&model->references, 1);
    pthread_mutex_init(&model->frontend_lock, NULL);
    model->runtime = pnd_runtime_ref(runtime);
    model->precision = o.precision;
    model->context = runtime->context;
    status = pnd_sources_begin(&model->context, &o);
    if (status == PANDA_OK)
        status = open_parts(model, &o);
    pnd_sources_end(&model->context);
    if (status < 0) {
        panda_model_close(model);
        return status;
    }
    *out = model;
    return PANDA_OK;
}

panda_model *pnd_model_ref(panda_model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

static void close_weights(const panda_model *model)
{
    struct pnd_weights *const parts[] = {
        model->encoder_weights, model->decoder_weights, model->adapter_weights};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i] != model->bundle)
            pnd_weights_close(parts[i]);
    }
    pnd_weights_close(model->bundle);
}

void panda_model_close(panda_model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) != 1)
        return;
    panda_runtime *runtime = model->runtime;
    pnd_model_free_frontends(model);
    pthread_mutex_destroy(&model->frontend_lock);
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        pnd_tower_free(model->towers[id]);
    pnd_projection_free(model->projection);
    pnd_llama_free(model->llama);
    pnd_tokenizer_close(model->tokenizer);
    close_weights(model);
    pnd_free(&runtime->context.alloc, model->clip_merges);
    pnd_free(&runtime->context.alloc, model->clip_path);
    pnd_free(&runtime->context.alloc, model->part_list);
    pnd_free(&runtime->context.alloc, model);
    panda_runtime_destroy(runtime);
}
