/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/decoder.h>

#include <string.h>

#include "api/check.h"
#include "api/decoder_session.h"
#include "api/options.h"
#include "base/clock.h"

#define DEFAULT_CONTEXT 4096
#define MAX_CONTEXT (1u << 20)

panda_status panda_decoder_options_init(panda_decoder_options *options,
                                        uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_decoder_options");
}

static uint32_t get_default_context(const panda_model *model)
{
    uint32_t trained = pnd_llama_get_dims(model->llama)->config.context_length;
    return trained > 0 && trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
}

static enum pnd_dtype choose_kv_dtype(const panda_model *model,
                                      panda_kv_format format)
{
    if (format == PANDA_KV_DEFAULT)
        return pnd_llama_is_rounding(model->llama) ? PND_F16 : PND_F32;
    return format == PANDA_KV_F16 ? PND_F16 : PND_F32;
}

/* A decoder without a session. */
static panda_status create_empty(panda_decoder **out, panda_model *model)
{
    const struct pnd_context *ctx = &model->runtime->context;
    panda_decoder *decoder = pnd_alloc_zero(&ctx->alloc, sizeof *decoder);
    *out = decoder;
    if (!decoder)
        return pnd_fail_memory();
    decoder->model = pnd_model_ref(model);
    decoder->pending = -1;
    pnd_buffer_init(&decoder->ids, &ctx->alloc);
    uint32_t vocab = pnd_llama_get_dims(model->llama)->config.vocab_size;
    return pnd_sampler_init(&decoder->sampler, &ctx->alloc, vocab);
}

panda_status panda_decoder_create(panda_decoder **out, panda_model *model,
                                  const panda_decoder_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(model);
    panda_decoder_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_decoder_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(o.context_length <= MAX_CONTEXT,
                    "panda_decoder_options: context_length is %u, expected "
                    "0..%u",
                    o.context_length, MAX_CONTEXT);
    PANDA_CHECK_ARG(o.kv_format >= PANDA_KV_DEFAULT &&
                        o.kv_format <= PANDA_KV_F16,
                    "panda_decoder_options: kv_format is %d, expected 0..%d",
                    o.kv_format, PANDA_KV_F16);
    PANDA_CHECK_ARG(o.reserved == 0,
                    "panda_decoder_options: reserved is %u, expected 0",
                    o.reserved);
    if (!model->llama)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model was opened without a decoder");
    panda_decoder *decoder;
    status = create_empty(&decoder, model);
    if (status == PANDA_OK)
        status = pnd_session_create(
            &decoder->session, &model->runtime->context, model->llama,
            o.context_length ? o.context_length : get_default_context(model),
            choose_kv_dtype(model, o.kv_format));
    if (status < 0) {
        panda_decoder_destroy(decoder);
        return status;
    }
    *out = decoder;
    return PANDA_OK;
}

panda_status panda_decoder_fork(panda_decoder **out,
                                const panda_decoder *decoder)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(decoder);
    panda_decoder *copy;
    panda_status status = create_empty(&copy, decoder->model);
    if (status == PANDA_OK)
        status = pnd_session_fork(&copy->session, decoder->session);
    if (status < 0) {
        panda_decoder_destroy(copy);
        return status;
    }
    copy->pending = decoder->pending;
    copy->is_seeded = decoder->is_seeded;
    copy->seed = decoder->seed;
    memcpy(copy->sampler.state, decoder->sampler.state,
           sizeof copy->sampler.state);
    *out = copy;
    return PANDA_OK;
}

void panda_decoder_destroy(panda_decoder *decoder)
{
    if (!decoder)
        return;
    panda_model *model = decoder->model;
    pnd_session_destroy(decoder->session);
    pnd_sampler_free(&decoder->sampler);
    pnd_buffer_free(&decoder->ids);
    pnd_free(&model->runtime->context.alloc, decoder);
    panda_model_close(model);
}

void panda_decoder_cancel(panda_decoder *decoder)
{
    if (decoder)
        atomic_store(&decoder->cancelled, 1);
}

/* Tokens, or vectors where `tokens` is NULL, into the session. */
static panda_status push(panda_decoder *decoder, const panda_token *tokens,
                         const float *vectors, size_t count)
{
    struct pnd_watch watch = {.cancelled = &decoder->cancelled};
    double start = pnd_clock_now();
    panda_status status = pnd_decoder_settle(decoder);
    if (status < 0)
        return status;
    if (tokens)
        status =
            pnd_session_push_tokens(decoder->session, tokens, count, &watch);
    else
        status =
            pnd_session_push_vectors(decoder->session, vectors, count, &watch);
    decoder->prompt_seconds += pnd_clock_now() - start;
    if (status == PANDA_OK)
        decoder->prompt_positions += count;
    return status;
}

panda_status panda_decoder_push_tokens(panda_decoder *decoder,
                                       const panda_token *tokens, size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_ARG(tokens || count == 0, "push_tokens: tokens is NULL");
    uint32_t size =
        pnd_llama_get_dims(decoder->model->llama)->config.vocab_size;
    for (size_t i = 0; i < count; i++)
        PANDA_CHECK_ARG(tokens[i] >= 0 && (uint32_t)tokens[i] < size,
                        "push_tokens: token %zu is %d, expected 0..%u", i,
                        tokens[i], size - 1);
    atomic_store(&decoder->cancelled, 0);
    return count == 0 ? PANDA_OK : push(decoder, tokens, NULL, count);
}

panda_status panda_decoder_push_text(panda_decoder *decoder, const char *text,
                                     size_t length, uint32_t flags)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_ARG(text || length == 0, "push_text: text is NULL");
    PANDA_CHECK_TOKENIZE(flags);
    const struct pnd_tokenizer *tokenizer = decoder->model->tokenizer;
    if (!tokenizer)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model has no vocabulary (tokenizer.model or "
                        "tokenizer.json)");
    atomic_store(&decoder->cancelled, 0);
    decoder->ids.size = 0;
    panda_status status =
        pnd_tokenizer_encode(tokenizer, text, length, flags, &decoder->ids);
    size_t count = decoder->ids.size / sizeof(panda_token);
    if (status < 0 || count == 0)
        return status;
    const panda_token *ids =
        (const panda_token *)(const void *)decoder->ids.data;
    return push(decoder, ids, NULL, count);
}

panda_status panda_decoder_push_prefix(panda_decoder *decoder,
                                       const panda_prefix *prefix)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_POINTER(prefix);
    uint32_t hidden = pnd_llama_get_dims(decoder->model->llama)->config.hidden;
    if (prefix->hidden != hidden)
        return pnd_fail(PANDA_E_SHAPE, "the prefix is %u wide, the decoder %u",
                        prefix->hidden, hidden);
    atomic_store(&decoder->cancelled, 0);
    return push(decoder, NULL, prefix->values, prefix->length);
}

panda_status panda_decoder_read_logits(panda_decoder *decoder, float *logits,
                                       size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_POINTER(logits);
    uint32_t size =
        pnd_llama_get_dims(decoder->model->llama)->config.vocab_size;
    if (count != size)
        return pnd_fail(PANDA_E_SHAPE,
                        "the vocabulary has %u pieces, asked for %zu logits",
                        size, count);
    atomic_store(&decoder->cancelled, 0);
    panda_status status = pnd_decoder_settle(decoder);
    if (status < 0)
        return status;
    const float *values = pnd_session_get_logits(decoder->session);
    if (!values)
        return pnd_fail(PANDA_E_STATE,
                        "there are no logits before something is pushed");
    memcpy(logits, values, count * sizeof *logits);
    return PANDA_OK;
}

panda_status panda_decoder_read_logits_at(panda_decoder *decoder,
                                          uint32_t first, uint32_t positions,
                                          float *logits, size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_ARG(logits || count == 0, "read_logits_at: logits is NULL");
    uint32_t used = panda_decoder_get_positions(decoder);
    PANDA_CHECK_ARG(first <= used && positions <= used - first,
                    "read_logits_at: %u positions from %u on, there are %u",
                    positions, first, used);
    uint32_t size =
        pnd_llama_get_dims(decoder->model->llama)->config.vocab_size;
    if (count != (uint64_t)positions * size)
        return pnd_fail(PANDA_E_SHAPE,
                        "%u positions of a vocabulary of %u, asked for %zu "
                        "logits",
                        positions, size, count);
    atomic_store(&decoder->cancelled, 0);
    struct pnd_watch watch = {.cancelled = &decoder->cancelled};
    panda_status status = pnd_decoder_settle(decoder);
    if (status < 0)
        return status;
    return pnd_session_read_logits(decoder->session, first, positions, logits,
                                   &watch);
}

uint32_t panda_decoder_get_positions(const panda_decoder *decoder)
{
    if (!decoder)
        return 0;
    return pnd_session_get_positions(decoder->session) +
           (decoder->pending >= 0);
}

panda_status panda_decoder_reset(panda_decoder *decoder, uint32_t keep)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    uint32_t positions = panda_decoder_get_positions(decoder);
    PANDA_CHECK_ARG(keep <= positions,
                    "reset: %u positions to keep, there are %u", keep,
                    positions);
    if (keep < positions)
        decoder->pending = -1;
    pnd_session_truncate(decoder->session, keep);
    decoder->is_seeded = false;
    return PANDA_OK;
}

panda_status panda_decoder_get_stats(const panda_decoder *decoder,
                                     panda_decoder_stats *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_POINTER(out);
    panda_decoder_stats stats = {
        .context_length = pnd_session_get_context(decoder->session),
        .positions = panda_decoder_get_positions(decoder),
        .prompt_positions = decoder->prompt_positions,
        .generated_tokens = decoder->generated_tokens,
        .prompt_seconds = decoder->prompt_seconds,
        .generate_seconds = decoder->generate_seconds,
        .cache_bytes = pnd_session_get_cache_bytes(decoder->session),
        .scratch_bytes = pnd_session_get_scratch_bytes(decoder->session),
    };
    return pnd_info_write(out, &stats, sizeof stats, "panda_decoder_stats");
}
