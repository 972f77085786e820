/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/tiny_imagebind.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "support/support.h"
#include "tensor/quantize.h"

/* A safetensors file in the making: header text and data. */
struct writer {
    const struct tiny_imagebind *model;
    struct pnd_buffer header, data;
};

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t hash_name(const char *name, uint64_t seed)
{
    uint64_t hash = 0xcbf29ce484222325 ^ seed; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
    return hash;
}

/* Room is reserved by the caller. */
static void put_value(struct writer *w, float value)
{
    union { float f; uint32_t u; } bits = {value};
    uint16_t half = w->model->dtype == PND_F16 ? pnd_f32_to_f16(value)
                                               : (uint16_t)(bits.u >> 16);
    size_t size = pnd_dtype_get_size(w->model->dtype);
    memcpy(w->data.data + w->data.size,
           size == 4 ? (const void *)&value : (const void *)&half, size);
    w->data.size += size;
}

static void append_header(struct writer *w, const char *name,
                          enum pnd_dtype dtype, uint32_t rank,
                          const int64_t *shape, size_t begin)
{
    static const char *const types[] = {
        [PND_F32] = "F32", [PND_F16] = "F16", [PND_BF16] = "BF16",
        [PND_I8] = "I8"};
    char text[256], dims[96] = "";
    for (uint32_t i = 0; i < rank; i++)
        snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%s%lld",
                 i ? "," : "", (long long)shape[i]);
    snprintf(text, sizeof text,
             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
             "\"data_offsets\":[%zu,%zu]}",
             w->header.size > 1 ? "," : "", name, types[dtype], dims,
             begin, w->data.size);
    ck_assert_ok(pnd_buffer_append_string(&w->header, text));
}

static bool is_fault(const char *fault, const char *name)
{
    return fault && strcmp(fault, name) == 0;
}

/* Rows as int8, and behind them their scales. */
static void put_int8(struct writer *w, const char *name, const int64_t *shape,
                     const float *values)
{
    const size_t in = (size_t)shape[1], out = (size_t)shape[0];
    char scale_name[176];
    size_t begin = w->data.size;
    float *scales = malloc(out * sizeof *scales);
    ck_assert_ptr_nonnull(scales);
    for (size_t r = 0; r < out; r++, w->data.size += in)
        ck_assert_uint_eq(in, pnd_quantize_int8(in, values + r * in,
                                                (int8_t *)w->data.data +
                                                    w->data.size,
                                                &scales[r]));
    append_header(w, name, PND_I8, 2, shape, begin);
    snprintf(scale_name, sizeof scale_name, "%s.scale", name);
    begin = w->data.size;
    if (!is_fault(w->model->without, scale_name)) {
        ck_assert_ok(pnd_buffer_append(&w->data, scales, out * sizeof *scales));
        append_header(w, scale_name, PND_F32, 1, shape, begin);
    }
    free(scales);
}

/* Numbers centre + k * step for whole k in [-63, 63]. */
static float *draw_values(const struct tiny_imagebind *m, const char *name,
                          size_t count, float centre, float step)
{
    const bool is_gain = m->outliers && strstr(name, ".blocks.") &&
                         strstr(name, ".norm_") && strstr(name, ".weight");
    uint64_t state = hash_name(name, m->seed);
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++) {
        int k = (int)(draw(&state) >> 40) % 127 - 63;
        values[i] = centre + (float)k * step;
        if (is_gain && i % 72 == 5)
            values[i] *= i % 2 ? 32 : 64;
    }
    return values;
}

static void add(struct writer *w, const char *name, uint32_t rank,
                const int64_t *shape, float centre, float step)
{
    const struct tiny_imagebind *m = w->model;
    int64_t actual[PND_MAX_RANK] = {0}, count = 1;
    if (is_fault(m->without, name))
        return;
    for (uint32_t i = 0; i < rank; i++)
        actual[i] = shape[i];
    if (is_fault(m->misshapen, name))
        actual[0]++;
    for (uint32_t i = 0; i < rank; i++)
        count *= actual[i];
    float *values = draw_values(m, name, (size_t)count, centre, step);
    const size_t begin = w->data.size;
    ck_assert_ok(pnd_buffer_reserve(&w->data, (size_t)count * sizeof(float)));
    if (m->int8 && rank == 2 && strstr(name, ".blocks.")) {
        put_int8(w, name, actual, values);
    } else {
        for (int64_t i = 0; i < count; i++)
            put_value(w, values[i]);
        append_header(w, name, m->dtype, rank, actual, begin);
    }
    free(values);
}

static PND_PRINTF(6, 7) void add_named(struct writer *w, uint32_t rank,
                                       const int64_t *shape, float centre,
                                       float step, const char *format, ...)
{
    char name[160];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    add(w, name, rank, shape, centre, step);
}

/* A power of two so that products of `in` such numbers stay near 1. */
static float find_step(int64_t in)
{
    return (float)exp2(round(log2(sqrt(3.0 / (double)in) / 63)));
}

static void add_norm(struct writer *w, const char *prefix, int64_t width)
{
    add_named(w, 1, &width, 1, 0x1p-7f, "%s.weight", prefix);
    add_named(w, 1, &width, 0, 0x1p-9f, "%s.bias", prefix);
}

static void add_block(struct writer *w, const char *name, uint32_t index,
                      int64_t d, bool extra_key)
{
    char block[96], part[128];
    const float step = find_step(d), small = 0x1p-9f;
    snprintf(block, sizeof block, "modality_trunks.%s.blocks.%u", name, index);
    add_named(w, 2, (int64_t[]){3 * d, d}, 0,
              w->model->calm ? step / 2 : 2 * step,
              "%s.attn.in_proj_weight", block);
    add_named(w, 1, (int64_t[]){3 * d}, 0, small, "%s.attn.in_proj_bias",
              block);
    if (extra_key) {
        add_named(w, 3, (int64_t[]){1, 1, d}, 0, 0x1p-6f, "%s.attn.bias_k",
                  block);
        add_named(w, 3, (int64_t[]){1, 1, d}, 0, 0x1p-6f, "%s.attn.bias_v",
                  block);
    }
    add_named(w, 2, (int64_t[]){d, d}, 0, step, "%s.attn.out_proj.weight",
              block);
    add_named(w, 1, &d, 0, small, "%s.attn.out_proj.bias", block);
    snprintf(part, sizeof part, "%s.norm_1", block);
    add_norm(w, part, d);
    add_named(w, 2, (int64_t[]){4 * d, d}, 0, step, "%s.mlp.fc1.weight",
              block);
    add_named(w, 1, (int64_t[]){4 * d}, 0, small, "%s.mlp.fc1.bias", block);
    add_named(w, 2, (int64_t[]){d, 4 * d}, 0, find_step(4 * d),
              "%s.mlp.fc2.weight", block);
    add_named(w, 1, &d, 0, small, "%s.mlp.fc2.bias", block);
    snprintf(part, sizeof part, "%s.norm_2", block);
    add_norm(w, part, d);
}

static void add_positions(struct writer *w, enum pnd_tower_id id,
                          int64_t tokens)
{
    const int64_t d = w->model->tower[id].width;
    const char *name = pnd_tower_get_name(id);
    bool plain = id == PND_TOWER_TEXT || id == PND_TOWER_IMU;
    add_named(w, 3, (int64_t[]){1, tokens, d}, 0, 0x1p-8f,
              "modality_preprocessors.%s.%spos_embed", name,
              plain ? "" : "pos_embedding_helper.");
    if (id != PND_TOWER_TEXT)
        add_named(w, 3, (int64_t[]){1, 1, d}, 0, 0x1p-7f,
                  "modality_preprocessors.%s.cls_token", name);
}

static void add_stem(struct writer *w, enum pnd_tower_id id)
{
    const struct tiny_imagebind *m = w->model;
    const int64_t d = m->tower[id].width, side = m->image_size / 16;
    const char *name = pnd_tower_get_name(id);
    char stem[96];
    switch (id) {
    case PND_TOWER_VISION:
        add_positions(w, id, (m->image_size / 14) * (m->image_size / 14) + 1);
        add(w, "modality_preprocessors.vision.rgbt_stem.proj.1.weight", 5,
            (int64_t[]){d, 3, 2, 14, 14}, 0, find_step(1176));
        return;
    case PND_TOWER_TEXT:
        add_positions(w, id, 77);
        add(w, "modality_preprocessors.text.token_embedding.weight", 2,
            (int64_t[]){m->vocabulary, d}, 0, 0x1p-6f);
        add(w, "modality_preprocessors.text.mask", 2, (int64_t[]){77, 77}, 0,
            0);
        return;
    case PND_TOWER_IMU:
        snprintf(stem, sizeof stem, "modality_preprocessors.imu.imu_stem");
        add_positions(w, id, 251);
        add_named(w, 2, (int64_t[]){d, 48}, 0, find_step(48),
                  "%s.proj.weight", stem);
        break;
    default:
        snprintf(stem, sizeof stem, "modality_preprocessors.%s.%s_stem", name,
                 id == PND_TOWER_DEPTH ? "depth" : "rgbt");
        add_positions(w, id, id == PND_TOWER_AUDIO ? 229 : side * side + 1);
        add_named(w, 4, (int64_t[]){d, 1, 16, 16}, 0, find_step(256),
                  "%s.proj.weight", stem);
        break;
    }
    strcat(stem, ".norm_layer");
    add_norm(w, stem, d);
}

static void add_tower(struct writer *w, enum pnd_tower_id id)
{
    /* exp of the text's is above the limit of 100. */
    static const float scales[PND_TOWER_COUNT] = {0,         4.6875f,   3,
                                                  1.609375f, 2.296875f, 1.5f};
    const struct tiny_imagebind *m = w->model;
    const int64_t d = m->tower[id].width;
    const char *name = pnd_tower_get_name(id);
    const bool text = id == PND_TOWER_TEXT;
    char part[96];
    add_stem(w, id);
    if (id == PND_TOWER_VISION)
        add_norm(w, "modality_trunks.vision.pre_transformer_layer.0", d);
    for (uint32_t i = 0; i < m->tower[id].blocks; i++)
        add_block(w, name, i, d, !text && id != PND_TOWER_VISION);
    snprintf(part, sizeof part, "modality_heads.%s.%s", name,
             text ? "proj.0" : "0");
    add_norm(w, part, d);
    add_named(w, 2, (int64_t[]){m->embedding_dim, d}, 0, find_step(d),
              "modality_heads.%s.%s.weight", name,
              text ? "proj.1" : id == PND_TOWER_IMU ? "3" : "2");
    if (id != PND_TOWER_VISION)
        add_named(w, 0, NULL, scales[id], 0,
                  "modality_postprocessors.%s.1.log_logit_scale", name);
}

void tiny_imagebind_init(struct tiny_imagebind *m)
{
    *m = (struct tiny_imagebind){
        .seed = 1,
        .towers = (1 << PND_TOWER_COUNT) - 1,
        .tower = {[PND_TOWER_VISION] = {32, 4, 3},
                  [PND_TOWER_TEXT] = {24, 2, 2},
                  [PND_TOWER_AUDIO] = {48, 4, 2},
                  [PND_TOWER_DEPTH] = {32, 2, 2},
                  [PND_TOWER_THERMAL] = {48, 4, 2},
                  [PND_TOWER_IMU] = {32, 2, 2}},
        .embedding_dim = 40,
        .image_size = 224,
        .vocabulary = 49408,
        .dtype = PND_F32,
    };
}

const char *tiny_imagebind_write(const struct tiny_imagebind *m)
{
    struct writer w = {.model = m};
    struct pnd_buffer file;
    pnd_buffer_init(&w.header, &pnd_allocator_heap);
    pnd_buffer_init(&w.data, &pnd_allocator_heap);
    pnd_buffer_init(&file, &pnd_allocator_heap);
    ck_assert_ok(pnd_buffer_append_string(&w.header, "{"));
    for (uint32_t id = 0; id < PND_TOWER_COUNT; id++) {
        if (m->towers >> id & 1)
            add_tower(&w, (enum pnd_tower_id)id);
    }
    if (m->extra)
        add(&w, m->extra, 1, (int64_t[]){8}, 0, 1);
    ck_assert_ok(pnd_buffer_append_string(&w.header, "}"));
    while (w.header.size % 8 != 0)
        ck_assert_ok(pnd_buffer_append_string(&w.header, " "));
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)w.header.size >> 8 * i);
    ck_assert_ok(pnd_buffer_reserve(&file, 8 + w.header.size + w.data.size));
    ck_assert_ok(pnd_buffer_append(&file, length, sizeof length));
    ck_assert_ok(pnd_buffer_append(&file, w.header.data, w.header.size));
    ck_assert_ok(pnd_buffer_append(&file, w.data.data, w.data.size));
    const char *path = test_write_temp(".safetensors", file.data, file.size);
    pnd_buffer_free(&w.header);
    pnd_buffer_free(&w.data);
    pnd_buffer_free(&file);
    return path;
}

const char *tiny_imagebind_write_config(const struct tiny_imagebind *m)
{
    char text[512] = "{\"constructor\": {";
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%s\"%s_num_heads\": %u", id ? ", " : "",
                 pnd_tower_get_name((enum pnd_tower_id)id),
                 m->tower[id].heads);
    strcat(text, "}, \"audio_stride\": 10}\n");
    return test_write_temp(".json", text, strlen(text));
}

struct pnd_imagebind_config tiny_imagebind_get_config(
    const struct tiny_imagebind *m)
{
    struct pnd_imagebind_config config = {.audio_stride = 10};
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        config.heads[id] = m->tower[id].heads;
    return config;
}
