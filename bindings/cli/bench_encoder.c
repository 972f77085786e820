/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Rows of encoders: ImageBind-huge's towers, each on its usual input. */

#define RUNS 5
#define QUICK_BLOCKS 4
#define CAPTIONS 64
#define CAPTION_TOKENS 10
#define AUDIO_RATE 16000
#define AUDIO_SECONDS 10
#define CLIPS 3 /* of audio */
#define IMU_SAMPLES 2000
#define SIDE 224
#define VIDEO_SIDE 320 /* and this wide: its three crops differ */
#define VIDEO_FRAMES 100

static const struct bench_tower towers[] = {
    {.name = "vision", .width = 1280, .blocks = 32, .tokens = 257,
     .positions = "pos_embedding_helper.pos_embed",
     .stem = "rgbt_stem.proj.1.weight", .stem_dims = "3,2,14,14",
     .stem_values = 1176, .head = "2.weight", .class_token = true,
     .pre_norm = true},
    {.name = "audio", .width = 768, .blocks = 12, .tokens = 229,
     .positions = "pos_embedding_helper.pos_embed",
     .stem = "rgbt_stem.proj.weight", .stem_norm = "rgbt_stem.norm_layer",
     .stem_dims = "1,16,16", .stem_values = 256, .head = "2.weight",
     .class_token = true, .extra_key = true, .scaled = true},
    {.name = "depth", .width = 384, .blocks = 12, .tokens = 197,
     .positions = "pos_embedding_helper.pos_embed",
     .stem = "depth_stem.proj.weight", .stem_norm = "depth_stem.norm_layer",
     .stem_dims = "1,16,16", .stem_values = 256, .head = "2.weight",
     .class_token = true, .extra_key = true, .scaled = true},
    {.name = "thermal", .width = 768, .blocks = 12, .tokens = 197,
     .positions = "pos_embedding_helper.pos_embed",
     .stem = "rgbt_stem.proj.weight", .stem_norm = "rgbt_stem.norm_layer",
     .stem_dims = "1,16,16", .stem_values = 256, .head = "2.weight",
     .class_token = true, .extra_key = true, .scaled = true},
    {.name = "imu", .width = 512, .blocks = 6, .tokens = 251,
     .positions = "pos_embed", .stem = "imu_stem.proj.weight",
     .stem_norm = "imu_stem.norm_layer", .stem_dims = "48",
     .stem_values = 48, .head = "3.weight", .class_token = true,
     .extra_key = true, .scaled = true},
    {.name = "text", .width = 1024, .blocks = 24, .tokens = 77,
     .positions = "pos_embed", .stem = "token_embedding.weight",
     .stem_dims = "1024", .stem_values = 1024,
     .head = "proj.1.weight", .token_ids = true, .scaled = true},
};

/* A row: `inputs` of one kind, together `items` sequences of `tokens`. */
struct work {
    const char *name;
    const char *tower;
    panda_modality modality;
    uint32_t inputs, items, tokens;
    bool compared; /* measured in each mode unless one is asked for */
};

static const struct work works[] = {
    {"image_encode", "vision", PANDA_MODALITY_IMAGE, 1, 1, 257, true},
    {"image_encode_8", "vision", PANDA_MODALITY_IMAGE, 8, 8, 257, false},
    {"video_encode", "vision", PANDA_MODALITY_VIDEO, 1, 15, 257, false},
    {"audio_encode", "audio", PANDA_MODALITY_AUDIO, 1, CLIPS, 229, false},
    {"depth_encode", "depth", PANDA_MODALITY_DEPTH, 1, 1, 197, false},
    {"thermal_encode", "thermal", PANDA_MODALITY_THERMAL, 1, 1, 197, false},
    {"imu_encode", "imu", PANDA_MODALITY_IMU, 1, 1, 251, false},
    {"text_encode_64", "text", PANDA_MODALITY_TEXT, CAPTIONS, CAPTIONS,
     CAPTION_TOKENS, false},
};

struct encoder_bench {
    struct bench_args *args;
    const panda_cpu_features *cpu;
    const struct bench_tower *tower;
    uint32_t blocks;
    const char *mode;
    panda_encoder *encoder;
};

/* Multiply-adds of a row that cannot be avoided, but for the stem. */
static double count_products(const struct encoder_bench *b,
                             const struct work *work)
{
    const double d = b->tower->width, tokens = work->tokens;
    const double layers = 12 * d * d * tokens, scores = 2 * d * tokens * tokens;
    const double last = (2 * d * d + 2 * d) * tokens + 10 * d * d;
    return work->items * ((b->blocks - 1) * (layers + scores) + last);
}

static void fill_noise(void *data, size_t bytes)
{
    uint32_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525 + 1013904223;
        ((unsigned char *)data)[i] = (unsigned char)(state >> 24);
    }
}

/* What the inputs of a row are made of; no two are equal. */
static void *make_data(const struct work *work, size_t *size)
{
    size_t bytes = (size_t)SIDE * SIDE * 3;
    if (work->modality == PANDA_MODALITY_VIDEO)
        bytes = (size_t)VIDEO_SIDE * SIDE * 3 * VIDEO_FRAMES;
    if (work->modality == PANDA_MODALITY_AUDIO)
        bytes = (size_t)AUDIO_RATE * AUDIO_SECONDS * sizeof(int16_t);
    if (work->modality == PANDA_MODALITY_DEPTH)
        bytes = (size_t)SIDE * SIDE * sizeof(uint16_t);
    if (work->modality == PANDA_MODALITY_IMU)
        bytes = 6 * IMU_SAMPLES * sizeof(float);
    if (work->modality == PANDA_MODALITY_TEXT)
        bytes = 77 * sizeof(int32_t);
    *size = bytes;
    unsigned char *data = malloc(work->inputs * bytes);
    if (!data)
        return NULL;
    fill_noise(data, work->inputs * bytes);
    float *samples = (float *)(void *)data;
    int32_t *ids = (int32_t *)(void *)data;
    for (size_t i = 0; work->modality == PANDA_MODALITY_IMU &&
                       i < 6 * IMU_SAMPLES; i++)
        samples[i] = (float)(i * 7919 % 2001) / 1000 - 1;
    for (size_t i = 0; work->modality == PANDA_MODALITY_TEXT &&
                       i < work->inputs * 77; i++) {
        const size_t word = i % 77;
        ids[i] = word + 1 < CAPTION_TOKENS    ? (int32_t)(i * 7919 % 49000)
                 : word + 1 == CAPTION_TOKENS ? 49407
                                              : 0;
    }
    return data;
}

static void make_input(const struct work *work, const void *data, size_t size,
                       panda_input *input)
{
    const uint32_t n = sizeof *input;
    switch (work->modality) {
    case PANDA_MODALITY_VIDEO:
        panda_input_init_video(input, n, data, VIDEO_FRAMES, VIDEO_SIDE, SIDE,
                               10, 0);
        break;
    case PANDA_MODALITY_AUDIO:
        panda_input_init_audio(input, n, data, size / sizeof(int16_t), 1,
                               AUDIO_RATE, PANDA_ELEMENT_I16);
        break;
    case PANDA_MODALITY_DEPTH:
        panda_input_init_depth(input, n, data, SIDE, SIDE, PANDA_ELEMENT_U16,
                               0);
        break;
    case PANDA_MODALITY_IMU:
        panda_input_init_imu(input, n, data, IMU_SAMPLES, 200);
        break;
    case PANDA_MODALITY_TEXT:
        *input = (panda_input){.struct_size = n, .data = data, .size = size,
                               .modality = PANDA_MODALITY_TEXT,
                               .source = PANDA_SOURCE_RAW,
                               .element = PANDA_ELEMENT_I32, .count = 77};
        break;
    default:
        panda_input_init_image(input, n, data, SIDE, SIDE, 3, 0);
        input->modality = work->modality;
    }
}

static bool encode(const struct encoder_bench *b, const struct work *work,
                   const panda_input *const *inputs)
{
    panda_embedding *out[CAPTIONS];
    if (panda_encoder_encode_batch(out, b->encoder, inputs, work->inputs,
                                   NULL) < 0)
        return false;
    for (uint32_t i = 0; i < work->inputs; i++)
        panda_embedding_unref(out[i]);
    return true;
}

static bool measure(const struct encoder_bench *b, const struct work *work)
{
    panda_input values[CAPTIONS];
    const panda_input *inputs[CAPTIONS];
    const bool is_int8 = strcmp(b->mode, "int8") == 0;
    double seconds[RUNS], peaks[RUNS];
    size_t size;
    unsigned char *data = make_data(work, &size);
    bool good = data != NULL;
    for (uint32_t i = 0; good && i < work->inputs; i++) {
        make_input(work, data + i * size, size, &values[i]);
        inputs[i] = &values[i];
    }
    good = good && encode(b, work, inputs); /* warm */
    const int runs = b->args->quick && work->items > 1 ? 3 : RUNS;
    for (int i = 0; good && i < runs; i++) {
        peaks[i] = bench_peak(b->mode, b->cpu->used, b->cpu->threads);
        double begin = bench_now();
        good = encode(b, work, inputs);
        seconds[i] = bench_now() - begin;
    }
    free(data);
    if (!good)
        return false;
    const double median = bench_median(seconds, (size_t)runs);
    bench_print(b->args, work->name, b->mode, b->cpu->threads, median,
                2e-9 * count_products(b, work) / median,
                is_int8 ? "GOP/s" : "GFLOP/s",
                bench_median(peaks, (size_t)runs));
    return true;
}

/* Rows of a tower that are wanted, opened with that precision; those of the
 * first again only where they are `compared` and its products differ. */
static int run_precision(struct encoder_bench *b, panda_runtime *runtime,
                         panda_model_options *options, const char *first)
{
    panda_model_info info = {.struct_size = sizeof info};
    panda_model *model = NULL;
    bool good = panda_model_open(&model, runtime, options) == PANDA_OK &&
                panda_model_get_info(model, &info) == PANDA_OK &&
                panda_encoder_create(&b->encoder, model, NULL) == PANDA_OK;
    b->mode = info.encoder_math;
    for (size_t i = 0; good && i < sizeof works / sizeof *works; i++) {
        if (strcmp(works[i].tower, b->tower->name) != 0 ||
            !bench_wants(b->args, works[i].name) ||
            (first && (!works[i].compared || strcmp(b->mode, first) == 0)))
            continue;
        good = measure(b, &works[i]);
    }
    int code = good ? EXIT_DONE : fail_with_message();
    panda_encoder_destroy(b->encoder);
    b->encoder = NULL;
    panda_model_close(model);
    return code;
}

/* All rows of a tower that are wanted. */
static int run_tower(struct encoder_bench *b, panda_runtime *runtime,
                     const unsigned char *file, size_t size)
{
    const panda_model_source source = {.struct_size = sizeof source,
                                       .name = "memory:/bench.safetensors",
                                       .size = size, .data = file};
    panda_model_options options = {
        .struct_size = sizeof options,
        .imagebind = "memory:/bench.safetensors",
        .precision = b->args->precision,
        .sources = &source,
        .source_count = 1};
    bool is_compared = false;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (strcmp(works[i].tower, b->tower->name) != 0)
            continue;
        options.modalities |= PANDA_MODALITY_BIT(works[i].modality);
        is_compared |=
            works[i].compared && bench_wants(b->args, works[i].name);
    }
    int code = run_precision(b, runtime, &options, NULL);
    const char *first = b->mode;
    if (b->args->precision != PANDA_PRECISION_AUTO || !is_compared)
        return code;
    options.precision = PANDA_PRECISION_FAST;
    if (code == EXIT_DONE)
        code = run_precision(b, runtime, &options, first);
    options.precision = PANDA_PRECISION_SMALL;
    if (code == EXIT_DONE)
        code = run_precision(b, runtime, &options, first);
    return code;
}

int bench_run_encoders(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu)
{
    struct encoder_bench b = {.args = args, .cpu = cpu};
    int code = EXIT_DONE;
    for (size_t t = 0; t < sizeof towers / sizeof *towers; t++) {
        bool wanted = false;
        for (size_t i = 0; i < sizeof works / sizeof *works; i++)
            wanted |= strcmp(works[i].tower, towers[t].name) == 0 &&
                      bench_wants(args, works[i].name);
        if (!wanted || code != EXIT_DONE)
            continue;
        size_t size;
        b.tower = &towers[t];
        b.blocks = args->quick && towers[t].blocks > QUICK_BLOCKS
                       ? QUICK_BLOCKS : towers[t].blocks;
        unsigned char *file = bench_make_imagebind(b.tower, b.blocks, &size);
        if (!file)
            return EXIT_FAILED;
        code = run_tower(&b, runtime, file, size);
        free(file);
    }
    return code;
}
