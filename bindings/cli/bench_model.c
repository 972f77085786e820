/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

/* A decoder of random numbers as the image of a GGUF file: metadata, a list of
 * tensors, their data. */

#define ALIGNMENT 64
#define TILE_BYTES (1u << 20) /* random bytes, repeated */

enum { GGUF_U32 = 4, GGUF_STRING = 8 };

/* Block formats by GGUF's numbers, and the places of their f16 numbers. */
static const struct {
    uint32_t type, elements, bytes, halves[2];
} formats[] = {
    {0, 1, 4, {0}},          /* F32 */
    {2, 32, 18, {0}},        /* Q4_0 */
    {3, 32, 20, {0, 2}},     /* Q4_1 */
    {8, 32, 34, {0}},        /* Q8_0 */
    {12, 256, 144, {0, 2}},  /* Q4_K */
    {14, 256, 210, {208}},   /* Q6_K */
};

/* Writes where there is memory, counts in any case. */
struct writer {
    unsigned char *data;
    size_t used;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    if (w->data)
        memcpy(w->data + w->used, bytes, size);
    w->used += size;
}

static void put_u32(struct writer *w, uint32_t value)
{
    put(w, &value, sizeof value);
}

static void put_u64(struct writer *w, uint64_t value)
{
    put(w, &value, sizeof value);
}

static void put_string(struct writer *w, const char *text)
{
    put_u64(w, strlen(text));
    put(w, text, strlen(text));
}

static void put_key(struct writer *w, const char *key, uint32_t value)
{
    put_string(w, key);
    put_u32(w, GGUF_U32);
    put_u32(w, value);
}

static size_t find_format(uint32_t type)
{
    size_t i = 0;
    while (formats[i].type != type)
        i++;
    return i;
}

static size_t round_up(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Blocks with random codes and scales of about 2^-10, or ones. */
static void fill(unsigned char *to, size_t size, size_t format)
{
    static unsigned char tile[TILE_BYTES];
    const size_t bytes = formats[format].bytes;
    const size_t whole = TILE_BYTES / bytes * bytes;
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < TILE_BYTES; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(tile + i, &state, 8);
    }
    for (size_t i = 0; i < whole; i += bytes) {
        const float one = 1;
        if (formats[format].type == 0)
            memcpy(tile + i, &one, sizeof one);
        for (int h = 0; formats[format].type != 0 && h < 2; h++)
            tile[i + formats[format].halves[h] + 1] = 0x14;
    }
    for (size_t i = 0; i < size; i += whole)
        memcpy(to + i, tile, size - i < whole ? size - i : whole);
}

struct tensors {
    struct bench_decoder *d;
    struct writer *w;
    size_t at; /* of the next tensor's data */
    uint64_t count;
};

/* columns 1: a vector of `rows` floats */
static void add_tensor(struct tensors *t, const char *name, uint32_t rows,
                       uint32_t columns, uint32_t type)
{
    const size_t f = find_format(columns == 1 ? 0 : type);
    const size_t size =
        (size_t)rows * columns / formats[f].elements * formats[f].bytes;
    put_string(t->w, name);
    put_u32(t->w, columns == 1 ? 1 : 2);
    if (columns > 1)
        put_u64(t->w, columns);
    put_u64(t->w, rows);
    put_u32(t->w, formats[f].type);
    put_u64(t->w, t->at);
    if (t->w->data)
        fill(t->w->data + t->d->weights_at + t->at, size, f);
    t->at += round_up(size);
    t->count++;
}

static void add_layer(struct tensors *t, uint32_t layer)
{
    const struct bench_decoder *d = t->d;
    const uint32_t kv = d->hidden / d->heads * d->kv_heads;
    const struct {
        const char *name;
        uint32_t rows, columns;
    } list[] = {
        {"attn_q", d->hidden, d->hidden},
        {"attn_k", kv, d->hidden},
        {"attn_v", kv, d->hidden},
        {"attn_output", d->hidden, d->hidden},
        {"ffn_gate", d->intermediate, d->hidden},
        {"ffn_up", d->intermediate, d->hidden},
        {"ffn_down", d->hidden, d->intermediate},
        {"attn_norm", d->hidden, 1},
        {"ffn_norm", d->hidden, 1},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.%s.weight", layer, list[i].name);
        add_tensor(t, name, list[i].rows, list[i].columns, d->type);
        if (list[i].columns > 1)
            t->d->products += (double)list[i].rows * list[i].columns;
    }
}

/* The whole image; returns its size. The tensors' count, known at the end, is
 * given by the run before. */
static size_t write_image(struct bench_decoder *d, struct writer *w,
                          uint64_t *count)
{
    struct tensors t = {.d = d, .w = w};
    put(w, "GGUF", 4);
    put_u32(w, 3);
    put_u64(w, *count);
    put_u64(w, 9);
    put_string(w, "general.architecture");
    put_u32(w, GGUF_STRING);
    put_string(w, "llama");
    put_key(w, "general.alignment", ALIGNMENT);
    put_key(w, "llama.embedding_length", d->hidden);
    put_key(w, "llama.block_count", d->layers);
    put_key(w, "llama.attention.head_count", d->heads);
    put_key(w, "llama.attention.head_count_kv", d->kv_heads);
    put_key(w, "llama.feed_forward_length", d->intermediate);
    put_key(w, "llama.context_length", 4096);
    put_key(w, "llama.vocab_size", d->vocab);
    d->products = 0;
    add_tensor(&t, "token_embd.weight", d->vocab, d->hidden, d->type);
    d->embedding_bytes = t.at;
    add_tensor(&t, "output_norm.weight", d->hidden, 1, 0);
    add_tensor(&t, "output.weight", d->vocab, d->hidden, d->output_type);
    for (uint32_t i = 0; i < d->layers; i++)
        add_layer(&t, i);
    *count = t.count;
    d->weights_at = round_up(w->used);
    return d->weights_at + t.at;
}

bool bench_make_decoder(struct bench_decoder *d)
{
    struct writer w = {0};
    uint64_t count = 0;
    d->size = write_image(d, &w, &count);
    void *memory = mmap(NULL, d->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "panda: no memory for %.1f GB of weights\n",
                1e-9 * (double)d->size);
        return false;
    }
    d->data = memory;
    w = (struct writer){.data = d->data};
    write_image(d, &w, &count);
    return true;
}

void bench_free_decoder(struct bench_decoder *d)
{
    if (d->data)
        munmap(d->data, d->size);
    d->data = NULL;
}
