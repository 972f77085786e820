/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"
#include "format/bundle.h"

int32_t panda_model_has_modality(const panda_model *model,
                                 panda_modality modality)
{
    return model && panda_modality_get_name(modality) &&
           model->towers[pnd_model_get_tower_id(modality)] != NULL;
}

static void add_encoder_info(const panda_model *model, panda_model_info *info)
{
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        if (panda_model_has_modality(model, m))
            info->modalities |= PANDA_MODALITY_BIT(m);
    }
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (!model->towers[id])
            continue;
        const struct pnd_tower_dims *dims =
            pnd_tower_get_dims(model->towers[id]);
        info->parts |= PANDA_PART_ENCODERS;
        info->embedding_dim = dims->embedding_dim;
        info->encoder_format = pnd_dtype_get_name(dims->dtype);
        info->encoder_math = dims->dtype == PND_I8 ? "int8"
                             : dims->rounds        ? "bf16"
                                                   : "f32";
        info->heap_bytes += dims->heap_bytes;
    }
}

static void add_decoder_info(const panda_model *model, panda_model_info *info)
{
    if (!model->llama)
        return;
    const struct pnd_llama_dims *dims = pnd_llama_get_dims(model->llama);
    info->parts |= PANDA_PART_DECODER;
    info->hidden_dim = dims->config.hidden;
    info->layers = dims->config.layers;
    info->heads = dims->config.heads;
    info->kv_heads = dims->config.kv_heads;
    info->vocab_size = dims->config.vocab_size;
    info->context_length = dims->config.context_length;
    info->rope_base = dims->config.rope_base;
    info->decoder_format = pnd_dtype_get_name(dims->dtype);
    info->decoder_math = pnd_llama_is_rounding(model->llama) ? "int8" : "f32";
    info->heap_bytes += dims->heap_bytes;
    if (dims->lora_rank > 0) {
        info->parts |= PANDA_PART_LORA;
        info->lora_rank = dims->lora_rank;
        info->lora_alpha = dims->lora_alpha;
        info->lora_merged = dims->lora_merged;
        return;
    }
    /* A file that LoRA was merged into. */
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(model->decoder_weights);
    struct pnd_bundle_lora said = {0};
    if (!gguf || pnd_bundle_read_lora(&said, gguf) < 0 || !said.merged)
        return;
    info->parts |= PANDA_PART_LORA;
    info->lora_rank = said.rank;
    info->lora_alpha = said.alpha;
    info->lora_merged = 1;
}

/* An adapter that has no decoder yet still tells its LoRA. */
static void add_adapter_info(const panda_model *model, panda_model_info *info)
{
    const struct pnd_weights *weights = model->adapter_weights;
    size_t count =
        model->llama || !weights ? 0 : pnd_weights_get_count(weights);
    for (size_t i = 0; i < count; i++) {
        const struct pnd_tensor *a = pnd_weights_at(weights, i);
        if (!strstr(a->name, ".lora_A.") || a->rank != 2)
            continue;
        info->parts |= PANDA_PART_LORA;
        info->lora_rank = (uint32_t)a->shape[0];
        break;
    }
}

panda_status panda_model_get_info(const panda_model *model,
                                  panda_model_info *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(out);
    panda_model_info info = {
        .precision = model->precision, .bos_token = -1, .eos_token = -1};
    add_encoder_info(model, &info);
    add_decoder_info(model, &info);
    add_adapter_info(model, &info);
    if (model->projection) {
        info.parts |= PANDA_PART_PROJECTOR;
        info.hidden_dim = pnd_projection_get_out(model->projection);
        info.heap_bytes += pnd_projection_get_heap_bytes(model->projection);
        if (!info.embedding_dim)
            info.embedding_dim = pnd_projection_get_in(model->projection);
    }
    if (model->tokenizer) {
        info.parts |= PANDA_PART_TOKENIZER;
        info.heap_bytes += pnd_tokenizer_get_heap_bytes(model->tokenizer);
        info.bos_token = pnd_tokenizer_get_bos(model->tokenizer);
        info.eos_token = pnd_tokenizer_get_eos(model->tokenizer);
        info.tokenize_flags = pnd_tokenizer_get_ends(model->tokenizer);
        if (!info.vocab_size)
            info.vocab_size = pnd_tokenizer_get_size(model->tokenizer);
    }
    if (model->clip_merges) {
        info.parts |= PANDA_PART_CLIP_VOCAB;
        info.heap_bytes += model->clip_merges_size;
    }
    const struct pnd_weights *files[] = {
        model->bundle, model->encoder_weights, model->decoder_weights,
        model->adapter_weights};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i] || (i > 0 && files[i] == model->bundle))
            continue;
        info.mapped_bytes += pnd_weights_get_mapped_bytes(files[i]);
        info.heap_bytes += pnd_weights_get_heap_bytes(files[i]);
    }
    return pnd_info_write(out, &info, sizeof info, "panda_model_info");
}

panda_status panda_model_get_tower_info(const panda_model *model,
                                        panda_modality modality,
                                        panda_tower_info *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(out);
    const char *name = panda_modality_get_name(modality);
    PANDA_CHECK_ARG(name, "modality is %d, expected 1..%d", modality,
                    PANDA_MODALITY_COUNT - 1);
    if (!panda_model_has_modality(model, modality))
        return pnd_fail(PANDA_E_UNSUPPORTED, "the model has no %s encoder",
                        name);
    const struct pnd_tower_dims *dims =
        pnd_tower_get_dims(model->towers[pnd_model_get_tower_id(modality)]);
    panda_tower_info info = {
        .width = dims->width,
        .blocks = dims->blocks,
        .heads = dims->heads,
        .tokens = dims->tokens,
        .embedding_dim = dims->embedding_dim,
        .parameters = dims->parameters,
        .scale = dims->scale,
    };
    return pnd_info_write(out, &info, sizeof info, "panda_tower_info");
}
