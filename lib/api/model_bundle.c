/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/check.h"
#include "api/model_parts.h"
#include "decoder/llama_weights.h"
#include "format/bundle.h"

static bool has_encoders(struct pnd_weights *w)
{
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (pnd_tower_is_in(w, (enum pnd_tower_id)id))
            return true;
    }
    return false;
}

/* A part comes from the bundle, or from a file of its own. */
static panda_status check_once(const panda_model *model, bool has,
                               const char *path, const char *what)
{
    if (!has || !path)
        return PANDA_OK;
    return pnd_fail(PANDA_E_ARGUMENT, "%s: the bundle has %s, and %s was given",
                    pnd_weights_get_path(model->bundle), what, path);
}

/* The projection, and LoRA that is not part of the decoder's matrices. */
static panda_status take_adapter(panda_model *model,
                                 const panda_model_options *o,
                                 struct pnd_lora_options *lora)
{
    struct pnd_weights *w = model->bundle;
    const bool has_side = pnd_lora_find_factor(w, 0, PND_LORA_Q, 'A') ||
                          pnd_lora_find_factor(w, 0, PND_LORA_K, 'A') ||
                          pnd_lora_find_factor(w, 0, PND_LORA_V, 'A') ||
                          pnd_lora_find_factor(w, 0, PND_LORA_O, 'A');
    const bool has_projection = pnd_weights_find(w, "llama_proj.weight");
    panda_status status = check_once(model, has_side || has_projection,
                                     o->adapter, "projection or LoRA");
    if (status == PANDA_OK && has_projection) {
        model->adapter_weights = w;
        status = pnd_projection_load(&model->projection, &model->context, w);
    }
    if (status < 0 || !has_side)
        return status;
    lora->weights = w;
    lora->mode = o->lora_mode;
    status = pnd_bundle_read_alpha(&lora->alpha, pnd_weights_get_gguf(w));
    if (o->lora_alpha > 0)
        lora->alpha = o->lora_alpha;
    return status;
}

static panda_status take_merges(panda_model *model,
                                const panda_model_options *o,
                                const struct pnd_gguf *gguf)
{
    const bool has = pnd_gguf_find(gguf, PND_BUNDLE_MERGES_KEY);
    panda_status status =
        check_once(model, has, o->clip_vocab, "CLIP merges");
    if (status == PANDA_OK)
        status = pnd_bundle_read_merges(&model->clip_merges,
                                        &model->clip_merges_size,
                                        &model->context.alloc, gguf);
    return status;
}

panda_status pnd_model_open_bundle(panda_model *model,
                                   const panda_model_options *o,
                                   struct pnd_lora_options *lora)
{
    panda_status status = pnd_weights_open(
        &model->bundle, &model->context, o->bundle);
    if (status < 0)
        return status;
    struct pnd_weights *w = model->bundle;
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(w);
    if (!gguf)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is no GGUF file, expected a bundle", o->bundle);
    if (pnd_bundle_is(gguf))
        PND_TRY(pnd_bundle_check(gguf));
    const bool encoders = has_encoders(w);
    const bool decoder = pnd_weights_find(w, "token_embd.weight");
    PND_TRY(check_once(model, encoders, o->imagebind, "encoders"));
    PND_TRY(check_once(model, decoder, o->decoder, "a decoder"));
    if (encoders)
        model->encoder_weights = w;
    if (decoder)
        model->decoder_weights = w;
    PND_TRY(take_merges(model, o, gguf));
    PND_TRY(take_adapter(model, o, lora));
out:
    return status;
}
