/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* ImageBind-huge with random weights as the image of a safetensors file. Random
 * numbers repeat: drawing 1.2 billion of them would take longer than all else,
 * and products do not care. */

#define HEADER_MOST (1u << 20)
#define WORDS 49408 /* of the table of the text tower */
#define TILE ((size_t)1 << 20) /* values, repeated */

/* Header and data of the file; without `data` sizes are only counted. */
struct writer {
    char *header;
    size_t header_used;
    uint16_t *data; /* bf16 */
    size_t used;    /* values */
    const uint16_t *noise; /* TILE values of deviation 1 */
};

/* A bf16 of about the value. */
static uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x8000) >> 16);
}

static float from_bf16(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Values centre + deviation * noise. */
static void fill(struct writer *w, size_t count, float centre, float deviation)
{
    for (size_t i = 0; w->data && i < count; i++) {
        size_t at = w->used + i;
        if (i < TILE)
            w->data[at] = to_bf16(
                centre + deviation * from_bf16(w->noise[at * 7 % TILE]));
        else
            w->data[at] = w->data[at - TILE];
    }
}

/* dims: such as "1280,5120"; its product is `count`. */
static void add(struct writer *w, size_t count, const char *dims, float centre,
                float deviation, const char *name, ...)
{
    char full[160];
    va_list args;
    va_start(args, name);
    vsnprintf(full, sizeof full, name, args);
    va_end(args);
    fill(w, count, centre, deviation);
    if (w->header)
        w->header_used += (size_t)snprintf(
            w->header + w->header_used, HEADER_MOST - w->header_used,
            "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],"
            "\"data_offsets\":[%zu,%zu]}",
            w->header_used > 1 ? "," : "", full, dims, 2 * w->used,
            2 * (w->used + count));
    w->used += count;
}

static void add_matrix(struct writer *w, size_t rows, size_t columns,
                       const char *name, const char *part)
{
    char dims[48];
    snprintf(dims, sizeof dims, "%zu,%zu", rows, columns);
    add(w, rows * columns, dims, 0, 1 / sqrtf((float)columns), "%s%s", name,
        part);
}

static void add_vector(struct writer *w, size_t count, float centre,
                       const char *name, const char *part)
{
    char dims[24];
    snprintf(dims, sizeof dims, "%zu", count);
    add(w, count, dims, centre, 0.02f, "%s%s", name, part);
}

static void add_norm(struct writer *w, size_t d, const char *name)
{
    add_vector(w, d, 1, name, ".weight");
    add_vector(w, d, 0, name, ".bias");
}

static void add_block(struct writer *w, const struct bench_tower *t,
                      uint32_t index)
{
    const size_t d = t->width;
    char block[96], norm[112], dims[24];
    snprintf(block, sizeof block, "modality_trunks.%s.blocks.%u.", t->name,
             index);
    snprintf(dims, sizeof dims, "1,1,%zu", d);
    add_matrix(w, 3 * d, d, block, "attn.in_proj_weight");
    add_vector(w, 3 * d, 0, block, "attn.in_proj_bias");
    if (t->extra_key) {
        add(w, d, dims, 0, 0.02f, "%sattn.bias_k", block);
        add(w, d, dims, 0, 0.02f, "%sattn.bias_v", block);
    }
    add_matrix(w, d, d, block, "attn.out_proj.weight");
    add_vector(w, d, 0, block, "attn.out_proj.bias");
    add_matrix(w, 4 * d, d, block, "mlp.fc1.weight");
    add_vector(w, 4 * d, 0, block, "mlp.fc1.bias");
    add_matrix(w, d, 4 * d, block, "mlp.fc2.weight");
    add_vector(w, d, 0, block, "mlp.fc2.bias");
    for (int i = 1; i <= 2; i++) {
        snprintf(norm, sizeof norm, "%snorm_%d", block, i);
        add_norm(w, d, norm);
    }
}

static void add_tower(struct writer *w, const struct bench_tower *t,
                      uint32_t blocks)
{
    const size_t d = t->width;
    char pre[64], name[96], dims[48];
    snprintf(pre, sizeof pre, "modality_preprocessors.%s.", t->name);
    snprintf(dims, sizeof dims, "1,%u,%zu", t->tokens, d);
    add(w, t->tokens * d, dims, 0, 0.02f, "%s%s", pre, t->positions);
    if (t->stem_norm) {
        snprintf(name, sizeof name, "%s%s", pre, t->stem_norm);
        add_norm(w, d, name);
    }
    snprintf(dims, sizeof dims, "1,1,%zu", d);
    if (t->class_token)
        add(w, d, dims, 0, 0.02f, "%scls_token", pre);
    const size_t rows = t->token_ids ? WORDS : d;
    snprintf(dims, sizeof dims, "%zu,%s", rows, t->stem_dims);
    add(w, rows * t->stem_values, dims, 0, 0.03f, "%s%s", pre, t->stem);
    if (t->pre_norm)
        add_norm(w, d, "modality_trunks.vision.pre_transformer_layer.0");
    for (uint32_t i = 0; i < blocks; i++)
        add_block(w, t, i);
    snprintf(name, sizeof name, "modality_heads.%s.%s", t->name,
             t->token_ids ? "proj.0" : "0");
    add_norm(w, d, name);
    snprintf(name, sizeof name, "modality_heads.%s.", t->name);
    add_matrix(w, BENCH_EMBEDDING, d, name, t->head);
    if (t->scaled)
        add(w, 1, "", 1, 0, "modality_postprocessors.%s.1.log_logit_scale",
            t->name);
}

/* Sums of four uniform numbers are near enough to the normal distribution. */
static void draw_noise(uint16_t *noise)
{
    uint64_t state = 1;
    for (size_t i = 0; i < TILE; i++) {
        float sum = -2;
        for (int j = 0; j < 4; j++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            sum += (float)(state >> 40) * 0x1p-24f;
        }
        noise[i] = to_bf16(sum * 1.732f);
    }
}

unsigned char *bench_make_imagebind(const struct bench_tower *t,
                                    uint32_t blocks, size_t *size)
{
    struct writer w = {0};
    unsigned char *file = NULL;
    uint16_t *noise = malloc(TILE * sizeof *noise);
    add_tower(&w, t, blocks);
    w.header = calloc(1, HEADER_MOST);
    file = malloc(8 + HEADER_MOST + 2 * w.used);
    if (noise && w.header && file) {
        draw_noise(noise);
        w = (struct writer){.header = w.header, .header_used = 1,
                            .data = (uint16_t *)(void *)(file + 8 +
                                                         HEADER_MOST),
                            .noise = noise};
        w.header[0] = '{';
        add_tower(&w, t, blocks);
        w.header[w.header_used++] = '}';
        memset(w.header + w.header_used, ' ', HEADER_MOST - w.header_used);
        for (int i = 0; i < 8; i++)
            file[i] = (unsigned char)((uint64_t)HEADER_MOST >> 8 * i);
        memcpy(file + 8, w.header, HEADER_MOST);
        *size = 8 + HEADER_MOST + 2 * w.used;
    } else {
        fprintf(stderr, "panda: no memory for the weights of a %s tower\n",
                t->name);
        free(file);
        file = NULL;
    }
    free(noise);
    free(w.header);
    return file;
}
