/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/decoder.h>

#include <math.h>
#include <string.h>

#include "api/check.h"
#include "api/decoder_session.h"
#include "api/options.h"
#include "base/clock.h"
#include "decoder/stop.h"

#define DEFAULT_MAX_TOKENS 512
#define DEFAULT_TOP_P 0.01f

panda_status panda_generate_options_init(panda_generate_options *options,
                                         uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_generate_options");
}

panda_status pnd_generate_options_read(panda_generate_options *to,
                                       const panda_generate_options *from)
{
    panda_status status =
        pnd_options_read(to, sizeof *to, from, "panda_generate_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(to->sampling >= PANDA_SAMPLING_DEFAULT &&
                        to->sampling <= PANDA_SAMPLING_GREEDY,
                    "panda_generate_options: sampling is %d, expected 0..%d",
                    to->sampling, PANDA_SAMPLING_GREEDY);
    PANDA_CHECK_ARG(isfinite(to->temperature) && to->temperature >= 0,
                    "panda_generate_options: temperature is %g, expected above "
                    "0",
                    (double)to->temperature);
    PANDA_CHECK_ARG(to->top_p >= 0 && to->top_p <= 1,
                    "panda_generate_options: top_p is %g, expected above 0, at "
                    "most 1",
                    (double)to->top_p);
    PANDA_CHECK_ARG(to->stop_tokens || to->stop_token_count == 0,
                    "panda_generate_options: stop_tokens is NULL");
    if (to->max_tokens == 0)
        to->max_tokens = DEFAULT_MAX_TOKENS;
    if (to->temperature == 0)
        to->temperature = 1;
    if (to->top_p == 0)
        to->top_p = DEFAULT_TOP_P;
    return PANDA_OK;
}

static bool ends_answer(const panda_decoder *decoder,
                        const panda_generate_options *o, panda_token token)
{
    const struct pnd_llama_config *config =
        &pnd_llama_get_dims(decoder->model->llama)->config;
    for (uint32_t i = 0; i < config->eos_count; i++) {
        if (config->eos[i] == token)
            return true;
    }
    for (size_t i = 0; i < o->stop_token_count; i++) {
        if (o->stop_tokens[i] == token)
            return true;
    }
    return false;
}

/* Rows of the output matrix beyond the vocabulary are padding: no piece stands
 * for them, so they cannot be chosen. */
static uint32_t get_choices(const panda_decoder *decoder)
{
    const panda_model *model = decoder->model;
    uint32_t rows = pnd_llama_get_dims(model->llama)->config.vocab_size;
    uint32_t pieces =
        model->tokenizer ? pnd_tokenizer_get_size(model->tokenizer) : rows;
    return pieces < rows ? pieces : rows;
}

panda_status pnd_decoder_settle(panda_decoder *decoder)
{
    struct pnd_watch watch = {.cancelled = &decoder->cancelled};
    if (decoder->pending < 0)
        return PANDA_OK;
    panda_status status =
        pnd_session_push_tokens(decoder->session, &decoder->pending, 1, &watch);
    if (status == PANDA_OK)
        decoder->pending = -1;
    return status;
}

panda_status pnd_decoder_choose(panda_decoder *decoder,
                                const panda_generate_options *o,
                                panda_token *token)
{
    panda_status status = pnd_decoder_settle(decoder);
    if (status < 0)
        return status;
    const float *logits = pnd_session_get_logits(decoder->session);
    if (!logits)
        return pnd_fail(PANDA_E_STATE,
                        "nothing can be generated before something is pushed");
    if (!decoder->is_seeded || decoder->seed != o->seed) {
        pnd_sampler_seed(&decoder->sampler, o->seed);
        decoder->seed = o->seed;
        decoder->is_seeded = true;
    }
    struct pnd_sampling how = {
        .greedy = o->sampling == PANDA_SAMPLING_GREEDY,
        .temperature = o->temperature,
        .top_k = o->top_k,
        .top_p = o->top_p,
    };
    status = pnd_sampler_choose(&decoder->sampler, &how, logits,
                                get_choices(decoder), token);
    if (status < 0)
        return status;
    decoder->generated_tokens++;
    return ends_answer(decoder, o, *token) ? PANDA_END : PANDA_OK;
}

panda_status panda_decoder_next_token(panda_decoder *decoder, panda_token *out,
                                      const panda_generate_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    PANDA_CHECK_POINTER(out);
    *out = -1;
    panda_generate_options o;
    panda_status status = pnd_generate_options_read(&o, options);
    if (status < 0)
        return status;
    atomic_store(&decoder->cancelled, 0);
    double start = pnd_clock_now();
    status = pnd_decoder_choose(decoder, &o, out);
    if (status == PANDA_OK)
        decoder->pending = *out;
    if (status < 0)
        *out = -1;
    decoder->generate_seconds += pnd_clock_now() - start;
    return status;
}

/* The way of an answer from tokens to the host. */
struct answer {
    panda_decoder *decoder;
    const panda_generate_options *options;
    panda_text_fn on_text;
    void *user;
    struct pnd_stream stream; /* tokens to characters */
    struct pnd_stop *stop;    /* characters to what is surely no stop string */
    struct pnd_buffer text;   /* between the two */
    struct pnd_buffer ready;  /* for the host */
};

static panda_status answer_begin(struct answer *a)
{
    const struct pnd_allocator *alloc =
        &a->decoder->model->runtime->context.alloc;
    pnd_buffer_init(&a->text, alloc);
    pnd_buffer_init(&a->ready, alloc);
    a->stop = NULL;
    if (!a->decoder->model->tokenizer)
        return PANDA_OK; /* only tokens then */
    pnd_stream_init(&a->stream, a->decoder->model->tokenizer);
    panda_status status = pnd_stop_create(&a->stop, alloc, a->options->stop);
    if (status == PANDA_OK)
        pnd_stop_begin_line(a->stop);
    return status;
}

static void answer_end(struct answer *a)
{
    pnd_stop_destroy(a->stop);
    pnd_buffer_free(&a->text);
    pnd_buffer_free(&a->ready);
}

static panda_status answer_deliver(struct answer *a)
{
    size_t size = a->ready.size;
    a->ready.size = 0;
    if (size > 0 && a->on_text &&
        a->on_text((const char *)a->ready.data, size, a->user) != 0)
        return pnd_fail(PANDA_E_CALLBACK, "the text callback asked to stop");
    return PANDA_OK;
}

/* PANDA_END when a stop string is complete. */
static panda_status answer_take(struct answer *a, panda_token token)
{
    if (!a->stop)
        return PANDA_OK;
    a->text.size = 0;
    panda_status status = pnd_stream_push(&a->stream, token, &a->text);
    if (status == PANDA_OK)
        status = pnd_stop_push(a->stop, (const char *)a->text.data,
                               a->text.size, &a->ready);
    if (status < 0)
        return status;
    panda_status delivered = answer_deliver(a);
    return delivered < 0 ? delivered : status;
}

static panda_status answer_flush(struct answer *a)
{
    if (!a->stop)
        return PANDA_OK;
    a->text.size = 0;
    panda_status status = pnd_stream_flush(&a->stream, &a->text);
    if (status == PANDA_OK)
        status = pnd_stop_push(a->stop, (const char *)a->text.data,
                               a->text.size, &a->ready);
    if (status == PANDA_OK)
        status = pnd_stop_flush(a->stop, &a->ready);
    return status < 0 ? status : answer_deliver(a);
}

/* One token: choose, tell, keep. PANDA_END when the answer is over. */
static panda_status answer_step(struct answer *a, bool *is_stopped)
{
    panda_decoder *decoder = a->decoder;
    const panda_generate_options *o = a->options;
    panda_token token;
    panda_status chosen = pnd_decoder_choose(decoder, o, &token);
    if (chosen < 0)
        return chosen;
    if (o->on_token && o->on_token(token, o->token_user) != 0)
        return pnd_fail(PANDA_E_CALLBACK, "the token callback asked to stop");
    if (chosen == PANDA_END)
        return PANDA_END;
    panda_status status = answer_take(a, token);
    if (status != PANDA_OK) {
        *is_stopped = status == PANDA_END;
        return status;
    }
    decoder->pending = token;
    return PANDA_OK;
}

panda_status panda_decoder_generate(panda_decoder *decoder,
                                    const panda_generate_options *options,
                                    panda_text_fn on_text, void *user)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(decoder);
    panda_generate_options o;
    panda_status status = pnd_generate_options_read(&o, options);
    if (status < 0)
        return status;
    atomic_store(&decoder->cancelled, 0);
    struct answer answer = {
        .decoder = decoder, .options = &o, .on_text = on_text, .user = user};
    double start = pnd_clock_now();
    bool is_stopped = false;
    status = answer_begin(&answer);
    for (uint32_t i = 0; i < o.max_tokens && status == PANDA_OK; i++)
        status = answer_step(&answer, &is_stopped);
    if (!is_stopped && status != PANDA_E_CALLBACK && status != PANDA_E_MEMORY) {
        panda_status flushed = answer_flush(&answer);
        if (status >= 0)
            status = flushed;
    }
    answer_end(&answer);
    decoder->generate_seconds += pnd_clock_now() - start;
    return status == PANDA_END ? PANDA_OK : status;
}
