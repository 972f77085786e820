/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Rows of decoders: one token at a time of one session and of four, which is
 * bound by reading the weights, and a prompt of 128, which is bound by
 * arithmetic. */

#define PROMPT 128
#define RUNS 5
#define SESSIONS 4 /* of the rows *_x4 */
#define QUICK_LAYERS 3

struct decoder_bench {
    struct bench_args *args;
    const panda_cpu_features *cpu;
    const struct bench_decoder *d;
    panda_decoder *decoders[SESSIONS];
    float *logits; /* (vocab) */
    const char *mode; /* what is multiplied */
};

static bool push(const struct decoder_bench *b, const panda_token *tokens,
                 size_t count)
{
    panda_decoder *decoder = b->decoders[0];
    return panda_decoder_push_tokens(decoder, tokens, count) == PANDA_OK &&
           panda_decoder_read_logits(decoder, b->logits, b->d->vocab) ==
               PANDA_OK;
}

/* A token of each of `sessions`. */
static bool push_token(const struct decoder_bench *b, int sessions,
                       panda_token token)
{
    panda_token tokens[SESSIONS];
    for (int i = 0; i < sessions; i++)
        tokens[i] = token + i;
    if (panda_decoder_push_batch(b->decoders, tokens, (size_t)sessions) < 0)
        return false;
    for (int i = 0; i < sessions; i++) {
        if (panda_decoder_read_logits(b->decoders[i], b->logits,
                                      b->d->vocab) < 0)
            return false;
    }
    return true;
}

/* Seconds of a token of one or all sessions, in turn with the memory's
 * speed. */
static bool measure_decode(const struct decoder_bench *b, const char *work,
                           int sessions)
{
    const struct bench_decoder *d = b->d;
    const size_t bytes = d->size - d->weights_at - d->embedding_bytes;
    const unsigned char *weights =
        d->data + d->weights_at + d->embedding_bytes;
    const int tokens = b->args->quick ? 6 : 4;
    double seconds[RUNS], peaks[RUNS];
    if (!push_token(b, sessions, 1))
        return false;
    for (int i = 0; i < RUNS; i++) {
        peaks[i] = bench_read_speed(weights, bytes, b->cpu->threads);
        double begin = bench_now();
        for (int j = 0; j < tokens; j++) {
            if (!push_token(b, sessions, 100 * i + j))
                return false;
        }
        seconds[i] = (bench_now() - begin) / tokens;
    }
    const double median = bench_median(seconds, RUNS);
    bench_print(b->args, work, b->mode, b->cpu->threads, median,
                1e-9 * (double)bytes / median, "GB/s",
                bench_median(peaks, RUNS));
    return true;
}

static bool measure_prefill(const struct decoder_bench *b, const char *work)
{
    const int runs = 3;
    const bool is_int8 = strcmp(b->mode, "int8") == 0;
    panda_token tokens[PROMPT];
    double seconds[RUNS], peaks[RUNS];
    for (int i = 0; i < PROMPT; i++)
        tokens[i] = 7 * i;
    for (int i = 0; i < runs; i++) {
        peaks[i] = bench_peak(b->mode, b->cpu->used, b->cpu->threads);
        panda_decoder_reset(b->decoders[0], 0);
        double begin = bench_now();
        if (!push(b, tokens, PROMPT))
            return false;
        seconds[i] = bench_now() - begin;
    }
    const double median = bench_median(seconds, (size_t)runs);
    bench_print(b->args, work, b->mode, b->cpu->threads, median,
                2e-9 * PROMPT * b->d->products / median,
                is_int8 ? "Gop/s" : "GFLOP/s",
                bench_median(peaks, (size_t)runs));
    return true;
}

static bool open_decoder(struct decoder_bench *b, panda_model **model,
                         panda_runtime *runtime)
{
    panda_model_source source = {
        .struct_size = sizeof source, .name = "memory:/bench.gguf",
        .size = b->d->size, .data = b->d->data,
    };
    panda_model_options options;
    panda_decoder_options session;
    panda_model_options_init(&options, sizeof options);
    panda_decoder_options_init(&session, sizeof session);
    options.decoder = source.name;
    options.sources = &source;
    options.source_count = 1;
    options.precision = b->args->precision;
    session.context_length = 2 * PROMPT;
    panda_model_info info = {.struct_size = sizeof info};
    if (panda_model_open(model, runtime, &options) < 0 ||
        panda_model_get_info(*model, &info) < 0)
        return false;
    for (int i = 0; i < SESSIONS; i++) {
        if (panda_decoder_create(&b->decoders[i], *model, &session) < 0)
            return false;
    }
    b->mode = info.decoder_math;
    return true;
}

/* The rows of one decoder. */
static int run_decoder(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu, struct bench_decoder *d)
{
    char decode[64], together[64], prefill[64];
    struct decoder_bench b = {.args = args, .cpu = cpu, .d = d};
    panda_model *model = NULL;
    int code = EXIT_DONE;
    snprintf(decode, sizeof decode, "decode_%s", d->name);
    snprintf(together, sizeof together, "decode_%s_x%d", d->name, SESSIONS);
    snprintf(prefill, sizeof prefill, "prefill_%s", d->name);
    if (!bench_wants(args, decode) && !bench_wants(args, together) &&
        !bench_wants(args, prefill))
        return EXIT_DONE;
    b.logits = malloc(d->vocab * sizeof *b.logits);
    if (!b.logits || !bench_make_decoder(d)) {
        free(b.logits);
        return EXIT_FAILED;
    }
    if (!open_decoder(&b, &model, runtime) ||
        (bench_wants(args, decode) && !measure_decode(&b, decode, 1)) ||
        (bench_wants(args, together) &&
         !measure_decode(&b, together, SESSIONS)) ||
        (bench_wants(args, prefill) && !measure_prefill(&b, prefill)))
        code = fail_with_message();
    for (int i = 0; i < SESSIONS; i++)
        panda_decoder_destroy(b.decoders[i]);
    panda_model_close(model);
    bench_free_decoder(d);
    free(b.logits);
    return code;
}

int bench_run_decoders(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu)
{
    /* LLaMA-7B; the output's format as files usually have it. */
    static const struct {
        const char *name;
        uint32_t type, output_type;
    } works[] = {
        {"7b_q4_0", 2, 14}, {"7b_q8_0", 8, 8}, {"7b_q4_k", 12, 14}};
    int code = EXIT_DONE;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        struct bench_decoder d = {
            .name = works[i].name, .layers = args->quick ? QUICK_LAYERS : 32,
            .hidden = 4096, .intermediate = 11008, .heads = 32,
            .kv_heads = 32, .vocab = 32000, .type = works[i].type,
            .output_type = works[i].output_type,
        };
        if (code == EXIT_DONE)
            code = run_decoder(args, runtime, cpu, &d);
    }
    return code;
}
