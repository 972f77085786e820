/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/encoder.h>

#include <math.h>
#include <stdio.h>

#include "api/check.h"
#include "api/encoder_session.h"
#include "api/options.h"

#define DEFAULT_BATCH 8
#define MAX_BATCH 256
#define DEFAULT_FILE_BYTES (UINT64_C(1) << 30)
#define DEFAULT_PIXELS UINT64_C(178956970) /* Pillow's decompression limit */
#define DEFAULT_SECONDS 3600.0

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
    pnd_buffer_init(&encoder->parts, &ctx->alloc);
    pnd_buffer_init(&encoder->places, &ctx->alloc);
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
    pnd_buffer_free(&encoder->parts);
    pnd_buffer_free(&encoder->places);
    pnd_buffer_free(&encoder->raw);
    pnd_free(&model->runtime->context.alloc, encoder);
    panda_model_close(model);
}

void panda_encoder_cancel(panda_encoder *encoder)
{
    if (encoder)
        atomic_store(&encoder->cancelled, 1);
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
    size_t failed;
    return pnd_encoder_run(encoder, &input, 1, &o, out, &failed);
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
    size_t failed = 0;
    status = pnd_encoder_run(encoder, inputs, count, &o, out, &failed);
    if (status < 0) {
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
