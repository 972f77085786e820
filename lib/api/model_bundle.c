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

static panda_status take_projection(panda_model *model,
                                    const panda_model_options *o)
{
    struct pnd_weights *w = model->bundle;
    const bool has = pnd_weights_find(w, "llama_proj.weight");
    panda_status status = check_once(model, has, o->adapter, "a projection");
    if (status < 0 || !has)
        return status;
    model->adapter_weights = w;
    return pnd_projection_load(&model->projection, &model->context, w);
}

/* LoRA that is not part of the decoder's matrices. */
static panda_status take_lora(panda_model *model, const panda_model_options *o,
                              struct pnd_lora_options *lora)
{
    struct pnd_weights *w = model->bundle;
    struct pnd_bundle_lora said;
    const bool has = pnd_lora_is_in(w);
    panda_status status = check_once(model, has, o->adapter, "LoRA");
    if (status < 0 || !has)
        return status;
    status = pnd_bundle_read_lora(&said, pnd_weights_get_gguf(w));
    lora->weights = w;
    lora->mode = o->lora_mode;
    lora->alpha = o->lora_alpha > 0 ? o->lora_alpha : said.alpha;
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
    const uint32_t parts = o->parts ? o->parts : UINT32_MAX;
    const bool encoders = parts & PANDA_PART_ENCODERS && has_encoders(w);
    const bool decoder = parts & PANDA_PART_DECODER &&
                         pnd_weights_find(w, "token_embd.weight");
    PND_TRY(check_once(model, encoders, o->imagebind, "encoders"));
    PND_TRY(check_once(model, decoder, o->decoder, "a decoder"));
    if (encoders)
        model->encoder_weights = w;
    if (decoder)
        model->decoder_weights = w;
    if (parts & PANDA_PART_CLIP_VOCAB)
        PND_TRY(take_merges(model, o, gguf));
    if (parts & PANDA_PART_PROJECTOR)
        PND_TRY(take_projection(model, o));
    if (decoder)
        PND_TRY(take_lora(model, o, lora));
    if (!(parts & PANDA_PART_LORA))
        lora->mode = PANDA_LORA_OFF;
out:
    return status;
}
