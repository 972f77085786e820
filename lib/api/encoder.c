/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/encoder.h>

#include <math.h>
#include <stdio.h>

#include "api/check.h"
#include "api/frontends.h"
#include "api/input_check.h"
#include "api/options.h"

#define DEFAULT_BATCH 8
#define MAX_BATCH 256
#define DEFAULT_FILE_BYTES (UINT64_C(1) << 30)
#define DEFAULT_PIXELS UINT64_C(178956970) /* Pillow's decompression limit */
#define DEFAULT_SECONDS 3600.0

struct panda_encoder {
    panda_model *model;
    uint32_t batch;
    panda_frontend_limits limits;
    atomic_int cancelled;
    struct pnd_workspace workspace;
    struct pnd_buffer tensor; /* items of one input */
    struct pnd_buffer raw;    /* their head outputs, unit and scaled */
};

panda_status panda_encoder_options_init(panda_encoder_options *options,
                                        uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_encoder_options");
}

panda_status panda_encode_options_init(panda_encode_options *options,
                                       uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_encode_options");
}

static bool has_tower(const panda_model *model)
{
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (model->towers[id])
            return true;
    }
    return false;
}

panda_status panda_encoder_create(panda_encoder **out, panda_model *model,
                                  const panda_encoder_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(model);
    panda_encoder_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_encoder_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(o.batch <= MAX_BATCH,
                    "panda_encoder_options: batch is %u, expected 0..%d",
                    o.batch, MAX_BATCH);
    PANDA_CHECK_ARG(isfinite(o.max_seconds) && o.max_seconds >= 0,
                    "panda_encoder_options: max_seconds is %g, expected >= 0",
                    o.max_seconds);
    if (!has_tower(model))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model was opened without encoders (imagebind)");
    const struct pnd_context *ctx = &model->runtime->context;
    panda_encoder *encoder = pnd_alloc_zero(&ctx->alloc, sizeof *encoder);
    if (!encoder)
        return pnd_fail_memory();
    encoder->model = pnd_model_ref(model);
    encoder->batch = o.batch ? o.batch : DEFAULT_BATCH;
    encoder->limits = (panda_frontend_limits){
        .struct_size = sizeof encoder->limits,
        .max_file_bytes =
            o.max_file_bytes ? o.max_file_bytes : DEFAULT_FILE_BYTES,
        .max_pixels = o.max_pixels ? o.max_pixels : DEFAULT_PIXELS,
        .max_seconds = o.max_seconds > 0 ? o.max_seconds : DEFAULT_SECONDS,
    };
    encoder->workspace.ctx = ctx;
    pnd_buffer_init(&encoder->tensor, &ctx->alloc);
    pnd_buffer_init(&encoder->raw, &ctx->alloc);
    *out = encoder;
    return PANDA_OK;
}

void panda_encoder_destroy(panda_encoder *encoder)
{
    if (!encoder)
        return;
    panda_model *model = encoder->model;
    pnd_workspace_free(&encoder->workspace);
    pnd_buffer_free(&encoder->tensor);
    pnd_buffer_free(&encoder->raw);
    pnd_free(&model->runtime->context.alloc, encoder);
    panda_model_close(model);
}

void panda_encoder_cancel(panda_encoder *encoder)
{
    if (encoder)
        atomic_store(&encoder->cancelled, 1);
}

/* Progress of a part of a call, told as progress of the whole. */
struct share {
    panda_progress_fn progress;
    void *user;
    double from, to; /* of the whole */
};

static int32_t report_share(double fraction, void *user)
{
    const struct share *s = user;
    return s->progress(s->from + fraction * (s->to - s->from), s->user);
}

/* One input's way through a tower. */
struct job {
    panda_encoder *encoder;
    const panda_encode_options *options;
    const struct pnd_tower *tower;
    const struct pnd_tower_dims *dims;
    uint32_t items;
    uint32_t frames;      /* of an image or video item, else 0 */
    size_t item_elements; /* of one item; each takes 4 bytes */
    double from, to;      /* share of the whole call */
};

static panda_status preprocess(struct job *job, const panda_input *input)
{
    panda_encoder *encoder = job->encoder;
    struct pnd_preprocessing p = {
        .model = encoder->model,
        .limits = &encoder->limits,
        .cancelled = &encoder->cancelled,
        .input = input,
    };
    panda_status status = pnd_frontends_describe(&p);
    if (status < 0)
        return status;
    do {
        job->items = p.tensor.items;
        job->item_elements = 1;
        for (uint32_t i = 0; i < p.tensor.rank; i++)
            job->item_elements *= p.tensor.shape[i];
        job->frames = job->dims->rank == 4 ? p.tensor.shape[1] : 0;
        encoder->tensor.size = 0;
        status = pnd_buffer_reserve(&encoder->tensor,
                                    job->items * job->item_elements * 4);
        if (status < 0)
            return status;
        status = pnd_frontends_preprocess(&p, encoder->tensor.data);
    } while (status == PANDA_AGAIN);
    return status;
}

static void trace(const struct job *job, const char *stage, const float *values,
                  uint32_t rank, const int64_t *shape)
{
    if (job->options->trace)
        job->options->trace(stage, values, shape, rank,
                            job->options->trace_user);
}

/* The input as the encoder sees it; token ids are told as floats. */
static panda_status trace_input(struct job *job)
{
    panda_encoder *encoder = job->encoder;
    int64_t shape[5] = {job->items};
    if (!job->options->trace)
        return PANDA_OK;
    for (uint32_t i = 0; i < job->dims->rank; i++)
        shape[i + 1] = job->dims->shape[i];
    if (job->dims->rank == 4)
        shape[2] = job->frames;
    size_t count = job->items * job->item_elements;
    const float *values = (const float *)(const void *)encoder->tensor.data;
    if (job->dims->token_ids) {
        encoder->raw.size = 0;
        panda_status status =
            pnd_buffer_reserve(&encoder->raw, count * sizeof(float));
        if (status < 0)
            return status;
        const int32_t *ids = (const int32_t *)(const void *)values;
        float *floats = (float *)(void *)encoder->raw.data;
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)ids[i];
        values = floats;
    }
    trace(job, "preprocessed", values, job->dims->rank + 1, shape);
    return PANDA_OK;
}

/* Head outputs of all items, in batches; one batch when traced, so that every
 * stage is told once. */
static panda_status run_tower(struct job *job, float *raw)
{
    panda_encoder *encoder = job->encoder;
    const panda_encode_options *o = job->options;
    struct pnd_trace tracing = {o->trace, o->trace_user};
    uint32_t batch = o->trace ? job->items : encoder->batch;
    panda_status status = PANDA_OK;
    for (uint32_t i = 0; i < job->items && status == PANDA_OK; i += batch) {
        uint32_t count = job->items - i < batch ? job->items - i : batch;
        double span = (job->to - job->from) / job->items;
        struct share share = {o->progress, o->progress_user,
                              job->from + span * i,
                              job->from + span * (i + count)};
        struct pnd_watch watch = {&encoder->cancelled,
                                  o->progress ? report_share : NULL, &share};
        const uint8_t *input =
            encoder->tensor.data + (size_t)i * job->item_elements * 4;
        status = pnd_tower_run(
            job->tower, &encoder->workspace, count, job->frames, input,
            raw + (size_t)i * job->dims->embedding_dim, &watch, &tracing);
    }
    return status;
}

static void write_mean(const float *rows, uint32_t items, uint32_t dim,
                       float *mean)
{
    for (uint32_t d = 0; d < dim; d++) {
        float sum = 0;
        for (uint32_t i = 0; i < items; i++)
            sum += rows[(size_t)i * dim + d];
        mean[d] = sum / (float)items;
    }
}

static panda_output resolve_output(panda_output output)
{
    return output == PANDA_OUTPUT_DEFAULT ? PANDA_OUTPUT_SCALED : output;
}

static panda_status finish(struct job *job, panda_modality modality,
                           panda_embedding **out)
{
    panda_encoder *encoder = job->encoder;
    uint32_t dim = job->dims->embedding_dim;
    panda_output output = resolve_output(job->options->output);
    size_t count = (size_t)job->items * dim;
    encoder->raw.size = 0;
    panda_status status =
        pnd_buffer_reserve(&encoder->raw, 3 * count * sizeof(float));
    if (status < 0)
        return status;
    float *raw = (float *)(void *)encoder->raw.data;
    float *unit = raw + count, *scaled = unit + count;
    status = run_tower(job, raw);
    if (status < 0)
        return status;
    pnd_tower_finish(job->tower, job->items, raw, unit, scaled);
    trace(job, "unit", unit, 2, (int64_t[]){job->items, dim});
    trace(job, "scaled", scaled, 2, (int64_t[]){job->items, dim});

    status =
        pnd_embedding_new(out, encoder->model->runtime, dim, modality, output);
    if (status < 0)
        return status;
    /* PandaGPT's projection was trained on audio without the factor. */
    bool is_unit =
        output == PANDA_OUTPUT_UNIT ||
        (output == PANDA_OUTPUT_PANDAGPT && modality == PANDA_MODALITY_AUDIO);
    const float *rows = is_unit                      ? unit
                        : output == PANDA_OUTPUT_RAW ? raw
                                                     : scaled;
    write_mean(rows, job->items, dim, (*out)->values);
    return PANDA_OK;
}

static panda_status encode(panda_encoder *encoder, const panda_input *input,
                           const panda_encode_options *options, double from,
                           double to, panda_embedding **out)
{
    struct pnd_input checked;
    panda_status status = pnd_input_read(&checked, input);
    if (status < 0)
        return status;
    panda_modality modality = checked.input.modality;
    struct job job = {
        .encoder = encoder,
        .options = options,
        .tower = encoder->model->towers[pnd_model_get_tower_id(modality)],
        .from = from,
        .to = to,
    };
    if (!job.tower)
        return pnd_fail(PANDA_E_UNSUPPORTED, "the model has no %s encoder",
                        panda_modality_get_name(modality));
    job.dims = pnd_tower_get_dims(job.tower);
    status = preprocess(&job, &checked.input);
    if (status == PANDA_OK)
        status = trace_input(&job);
    if (status == PANDA_OK)
        status = finish(&job, modality, out);
    return status;
}

static panda_status read_options(panda_encode_options *to,
                                 const panda_encode_options *from)
{
    panda_status status =
        pnd_options_read(to, sizeof *to, from, "panda_encode_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(to->output >= PANDA_OUTPUT_DEFAULT &&
                        to->output <= PANDA_OUTPUT_PANDAGPT,
                    "panda_encode_options: output is %d, expected 0..%d",
                    to->output, PANDA_OUTPUT_PANDAGPT);
    return PANDA_OK;
}

panda_status panda_encoder_encode(panda_embedding **out, panda_encoder *encoder,
                                  const panda_input *input,
                                  const panda_encode_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(encoder);
    PANDA_CHECK_POINTER(input);
    panda_encode_options o;
    panda_status status = read_options(&o, options);
    if (status < 0)
        return status;
    atomic_store(&encoder->cancelled, 0);
    return encode(encoder, input, &o, 0, 1, out);
}

panda_status panda_encoder_encode_batch(panda_embedding **out,
                                        panda_encoder *encoder,
                                        const panda_input *const *inputs,
                                        size_t count,
                                        const panda_encode_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    PANDA_CHECK_POINTER(encoder);
    PANDA_CHECK_POINTER(inputs);
    panda_encode_options o;
    panda_status status = read_options(&o, options);
    if (status < 0)
        return status;
    atomic_store(&encoder->cancelled, 0);
    for (size_t i = 0; i < count && status == PANDA_OK; i++) {
        status = encode(encoder, inputs[i], &o, (double)i / (double)count,
                        (double)(i + 1) / (double)count, &out[i]);
    }
    if (status < 0) {
        size_t failed = 0;
        while (failed < count && out[failed])
            failed++;
        char index[48];
        snprintf(index, sizeof index, "input %zu", failed);
        pnd_error_prefix(index);
        for (size_t i = 0; i < count; i++) {
            panda_embedding_unref(out[i]);
            out[i] = NULL;
        }
    }
    return status;
}
