/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Rows of decoders: one token at a time of one session, of four, and behind a
 * long text, which is bound by reading weights and cache; and prompts, which
 * are bound by arithmetic. */

#define PROMPT 128
#define LONG_PROMPT 512
#define PAST 2000 /* positions of the long text */
#define CONTEXT (PAST + 100)
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

/* A token of each of `sessions`. */
static bool push_token(const struct decoder_bench *b, int sessions,
                       panda_token token)
{
    panda_token tokens[SESSIONS] = {0};
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

/* Empties the session and gives it `count` tokens. */
static bool begin_prompt(const struct decoder_bench *b, size_t count)
{
    panda_decoder *decoder = b->decoders[0];
    panda_token tokens[LONG_PROMPT];
    for (int i = 0; i < LONG_PROMPT; i++)
        tokens[i] = 7 * i;
    bool good = panda_decoder_reset(decoder, 0) == PANDA_OK;
    for (size_t at = 0; good && at < count; at += LONG_PROMPT) {
        const size_t n = count - at < LONG_PROMPT ? count - at : LONG_PROMPT;
        good = panda_decoder_push_tokens(decoder, tokens, n) == PANDA_OK;
    }
    return good && panda_decoder_read_logits(decoder, b->logits,
                                             b->d->vocab) == PANDA_OK;
}

/* Bytes of keys and values of so many positions. */
static double count_cache(const struct decoder_bench *b, double positions)
{
    const struct bench_decoder *d = b->d;
    const double width = (double)d->hidden / d->heads * d->kv_heads;
    const int element = strcmp(b->mode, "int8") == 0 ? 2 : 4; /* f16, f32 */
    return positions * 2 * width * d->layers * element;
}

/* Seconds of a token of one or all sessions, in turn with the memory's speed;
 * `past` positions are there before. */
static bool measure_decode(const struct decoder_bench *b, const char *work,
                           int sessions, size_t past)
{
    const struct bench_decoder *d = b->d;
    const size_t bytes = d->size - d->weights_at - d->embedding_bytes;
    const double read =
        (double)bytes + count_cache(b, (double)past * sessions);
    const unsigned char *weights =
        d->data + d->weights_at + d->embedding_bytes;
    const int tokens = b->args->quick ? 6 : 4;
    double seconds[RUNS], peaks[RUNS];
    if ((past > 0 && !begin_prompt(b, past)) || !push_token(b, sessions, 1))
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
                1e-9 * read / median, "GB/s",
                bench_median(peaks, RUNS));
    return true;
}

static bool measure_prefill(const struct decoder_bench *b, const char *work,
                            size_t length)
{
    const int runs = 3;
    const bool is_int8 = strcmp(b->mode, "int8") == 0;
    double seconds[RUNS], peaks[RUNS];
    for (int i = 0; i < runs; i++) {
        peaks[i] = bench_peak(b->mode, b->cpu->used, b->cpu->threads);
        double begin = bench_now();
        if (!begin_prompt(b, length))
            return false;
        seconds[i] = bench_now() - begin;
    }
    const double median = bench_median(seconds, (size_t)runs);
    bench_print(b->args, work, b->mode, b->cpu->threads, median,
                2e-9 * (double)length * b->d->products / median,
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
    session.context_length = CONTEXT;
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

/* A kind of row; its name is "decode_%s_2k" with the decoder's for %s. */
struct row {
    const char *name;
    int sessions;  /* 0: a prompt */
    size_t length; /* of it; otherwise of what is there before */
    bool is_long;  /* --quick has it of the first decoder, or when asked for */
};

static const struct row rows[] = {
    {"decode_%s", 1, 0, false},
    {"decode_%s_2k", 1, PAST, true},
    {"decode_%s_x4", SESSIONS, 0, false},
    {"prefill_%s", 0, PROMPT, false},
    {"prefill_%s_512", 0, LONG_PROMPT, true},
};

#define ROWS (sizeof rows / sizeof *rows)

/* Whether the row is wanted of this decoder; gives its name. */
static bool wants(const struct bench_args *args, const struct row *row,
                  const struct bench_decoder *d, char *name, size_t size)
{
    const char *at = strstr(row->name, "%s");
    snprintf(name, size, "%.*s%s%s", (int)(at - row->name), row->name, d->name,
             at + 2);
    if (row->is_long && args->quick && args->work_count == 0 && !d->is_first)
        return false;
    return bench_wants(args, name);
}

static bool measure(const struct decoder_bench *b)
{
    for (size_t i = 0; i < ROWS; i++) {
        char name[64];
        if (!wants(b->args, &rows[i], b->d, name, sizeof name))
            continue;
        if (!(rows[i].sessions == 0
                  ? measure_prefill(b, name, rows[i].length)
                  : measure_decode(b, name, rows[i].sessions,
                                   rows[i].length)))
            return false;
    }
    return true;
}

/* The rows of one decoder. */
static int run_decoder(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu, struct bench_decoder *d)
{
    struct decoder_bench b = {.args = args, .cpu = cpu, .d = d};
    panda_model *model = NULL;
    int code = EXIT_DONE;
    bool is_wanted = false;
    for (size_t i = 0; i < ROWS; i++) {
        char name[64];
        is_wanted |= wants(args, &rows[i], d, name, sizeof name);
    }
    if (!is_wanted)
        return EXIT_DONE;
    b.logits = malloc(d->vocab * sizeof *b.logits);
    if (!b.logits || !bench_make_decoder(d)) {
        free(b.logits);
        return EXIT_FAILED;
    }
    if (!open_decoder(&b, &model, runtime) || !measure(&b))
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
            .output_type = works[i].output_type, .is_first = i == 0,
        };
        if (code == EXIT_DONE)
            code = run_decoder(args, runtime, cpu, &d);
    }
    return code;
}
