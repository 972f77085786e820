/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/convert.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"
#include "convert/delta.h"
#include "convert/importance_file.h"
#include "convert/sources.h"
#include "format/bundle.h"

#define DECODER_PARTS \
    (PANDA_PART_DECODER | PANDA_PART_TOKENIZER | PANDA_PART_LORA)
#define ALL_PARTS \
    (DECODER_PARTS | PANDA_PART_ENCODERS | PANDA_PART_PROJECTOR | \
     PANDA_PART_CLIP_VOCAB)

panda_status panda_convert_options_init(panda_convert_options *options,
                                        uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_convert_options");
}

static panda_status check_options(const panda_convert_options *o)
{
    PANDA_CHECK_ARG(o->model, "panda_convert_options: model is NULL, expected "
                              "the files to convert");
    PANDA_CHECK_ARG(o->output, "panda_convert_options: output is NULL, "
                               "expected a path");
    PANDA_CHECK_ARG((o->parts & ~(uint32_t)ALL_PARTS) == 0,
                    "panda_convert_options: parts is %#x, unknown bits are "
                    "set",
                    o->parts);
    PANDA_CHECK_ARG(o->encoder_format >= PANDA_FORMAT_KEEP &&
                        o->encoder_format <= PANDA_FORMAT_INT8,
                    "panda_convert_options: encoder_format is %d, expected "
                    "KEEP, F32, F16, BF16 or INT8",
                    o->encoder_format);
    PANDA_CHECK_ARG(o->decoder_format >= PANDA_FORMAT_KEEP &&
                        o->decoder_format <= PANDA_FORMAT_IQ4_XS &&
                        o->decoder_format != PANDA_FORMAT_INT8,
                    "panda_convert_options: decoder_format is %d, expected "
                    "KEEP, F32, F16, BF16 or a block format",
                    o->decoder_format);
    return PANDA_OK;
}

static void choose_decoder(struct pnd_convert_sources *s,
                           const panda_model *model, uint32_t parts)
{
    const struct pnd_llama_dims *dims = pnd_llama_get_dims(model->llama);
    s->decoder = model->decoder_weights;
    s->config = &dims->config;
    if (!(parts & PANDA_PART_LORA) || dims->lora_rank == 0)
        return;
    s->lora = model->adapter_weights ? model->adapter_weights : model->bundle;
    s->lora_alpha = dims->lora_alpha;
}

static void choose_tokenizer(struct pnd_convert_sources *s,
                             const panda_model *model)
{
    const struct pnd_weights *from =
        model->decoder_weights ? model->decoder_weights : model->bundle;
    s->tokenizer = model->tokenizer;
    s->tokenizer_path = pnd_tokenizer_get_path(model->tokenizer);
    if (!s->tokenizer_path && from)
        s->tokenizer_gguf = pnd_weights_get_gguf(from);
}

/* By default the text encoder comes with its vocabulary, or not at all. */
static void warn_about_text(const panda_model *model,
                            const panda_model_options *files)
{
    if (files->modalities == 0 && !model->towers[PND_TOWER_TEXT] &&
        pnd_tower_is_in(model->encoder_weights, PND_TOWER_TEXT))
        pnd_log(&model->runtime->context, PANDA_LOG_WARN,
                "%s: its text encoder is left out, expected CLIP's merges "
                "(bpe_simple_vocab_16e6.txt.gz) as clip_vocab, --clip-vocab",
                pnd_weights_get_path(model->encoder_weights));
}

/* What of the opened model is to be written. */
static panda_status choose_sources(struct pnd_convert_sources *s,
                                   const panda_model *model,
                                   const panda_convert_options *o,
                                   const panda_model_options *files)
{
    const uint32_t parts = o->parts ? o->parts : ALL_PARTS;
    s->bundle = model->bundle;
    s->encoder_format = o->encoder_format;
    s->decoder_format = o->decoder_format;
    s->lora_mode = files->lora_mode;
    if (parts & PANDA_PART_ENCODERS && model->encoder_weights) {
        warn_about_text(model, files);
        s->encoders = model->encoder_weights;
        memcpy(s->towers, model->towers, sizeof s->towers);
    }
    if (parts & PANDA_PART_CLIP_VOCAB && model->clip_merges) {
        s->clip_merges = model->clip_merges;
        s->clip_merges_size = model->clip_merges_size;
        s->clip_path = files->clip_vocab;
    }
    if (parts & PANDA_PART_PROJECTOR && model->projection)
        s->projection = model->adapter_weights;
    if (parts & PANDA_PART_DECODER && model->llama)
        choose_decoder(s, model, parts);
    if (parts & PANDA_PART_TOKENIZER && model->tokenizer)
        choose_tokenizer(s, model);
    s->is_bundle = s->encoders || s->projection || s->clip_merges ||
                   (o->parts == 0 && model->bundle &&
                    pnd_bundle_is(pnd_weights_get_gguf(model->bundle)));
    if (s->encoders || s->clip_merges || s->projection || s->decoder ||
        s->tokenizer)
        return PANDA_OK;
    return pnd_fail(PANDA_E_ARGUMENT,
                    "%s: nothing to write: the sources have none of the parts "
                    "asked for",
                    o->output);
}

/* Files that come by a callback: every byte is looked at. */
static panda_status load_all(const panda_model *model)
{
    struct pnd_weights *const files[] = {
        model->encoder_weights, model->decoder_weights, model->adapter_weights};
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && status >= 0; i++)
        status = files[i] ? pnd_weights_load_all(files[i]) : PANDA_OK;
    return status;
}

/* What a delta is added to. */
struct base {
    const char *path; /* NULL: there is no delta */
    struct pnd_weights *weights;
};

/* The base is checked as a decoder, and against the delta, which the model was
 * opened with. */
static panda_status open_base(struct base *base, const panda_model *model)
{
    const struct pnd_context *ctx = &model->runtime->context;
    struct pnd_llama_config config = {0};
    struct pnd_llama *llama = NULL;
    panda_status status;
    PND_TRY(pnd_weights_open(&base->weights, ctx, base->path));
    if (!pnd_weights_get_gguf(base->weights)) {
        PND_TRY(pnd_llama_config_open(&config, ctx, base->path));
        PND_TRY(pnd_llama_load(&llama, ctx, base->weights, &config, NULL));
    }
    PND_TRY(pnd_delta_check(base->weights, &config, model->decoder_weights,
                            &pnd_llama_get_dims(model->llama)->config));
out:
    pnd_llama_free(llama);
    return status;
}

/* A delta without a vocabulary has the base's; v0's one token more is [PAD]. */
static panda_status complete_vocabulary(panda_model *model, const char *path)
{
    const uint32_t rows = pnd_llama_get_dims(model->llama)->config.vocab_size;
    if (model->tokenizer ||
        pnd_path_get_kind(NULL, path) != PND_PATH_DIRECTORY)
        return PANDA_OK;
    panda_status status = pnd_model_open_tokenizer(model, path, NULL, true);
    if (status == PANDA_OK && model->tokenizer &&
        pnd_tokenizer_get_size(model->tokenizer) + 1 == rows)
        status = pnd_tokenizer_add(model->tokenizer, "[PAD]");
    return status;
}

/* Open all sources and check that they fit together. */
static panda_status open_sources(panda_model **model, struct base *base,
                                 panda_runtime *runtime,
                                 const panda_convert_options *o,
                                 panda_model_options files)
{
    panda_status status;
    files.struct_size = sizeof files;
    files.precision = PANDA_PRECISION_EXACT; /* not what is to be written */
    if (files.lora_mode != PANDA_LORA_OFF)
        files.lora_mode = PANDA_LORA_SIDE; /* merging is done in writing */
    if (o->decoder_delta) {
        if (!files.decoder)
            return pnd_fail(PANDA_E_ARGUMENT,
                            "panda_convert_options: decoder_delta is %s, but "
                            "the model names no decoder to add it to",
                            o->decoder_delta);
        base->path = files.decoder;
        files.decoder = o->decoder_delta;
    }
    PND_TRY(panda_model_open(model, runtime, &files));
    PND_TRY(load_all(*model));
    if (base->path) {
        PND_TRY(open_base(base, *model));
        PND_TRY(complete_vocabulary(*model, base->path));
    }
out:
    return status;
}

panda_status panda_convert(panda_runtime *runtime,
                           const panda_convert_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(options);
    panda_convert_options o;
    panda_model_options files;
    panda_model *model = NULL;
    struct base base = {0};
    struct pnd_convert_sources sources = {0};
    panda_status status;
    PND_TRY(pnd_options_read(&o, sizeof o, options, "panda_convert_options"));
    PND_TRY(check_options(&o));
    PND_TRY(pnd_options_read(&files, sizeof files, o.model,
                             "panda_model_options"));
    PND_TRY(open_sources(&model, &base, runtime, &o, files));
    PND_TRY(choose_sources(&sources, model, &o, &files));
    if (sources.decoder)
        sources.base = base.weights;
    if (o.importance && sources.decoder)
        PND_TRY(pnd_importance_open(&sources.importance, &runtime->context,
                                    o.importance));
    PND_TRY(pnd_convert_write(&model->context, &sources, o.output, o.progress,
                              o.progress_user));
out:
    pnd_importance_close(sources.importance);
    pnd_weights_close(base.weights);
    panda_model_close(model);
    return status;
}
