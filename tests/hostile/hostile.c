/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "hostile/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "support/support.h"

#define SLACK ((size_t)64 << 20)
#define HEADER 64

void hostile_add(struct hostile_model *m, const char *name,
                 struct pnd_buffer bytes)
{
    ck_assert_uint_lt(m->count, HOSTILE_FILES);
    m->files[m->count++] = (struct hostile_file){name, bytes};
}

void hostile_add_path(struct hostile_model *m, const char *name,
                      const char *path)
{
    struct pnd_map map;
    struct pnd_buffer bytes;
    pnd_buffer_init(&bytes, &pnd_allocator_heap);
    ck_assert_ok(pnd_map_open(&map, NULL, path));
    ck_assert_ok(pnd_buffer_append(&bytes, map.data, map.size));
    pnd_map_close(&map);
    hostile_add(m, name, bytes);
}

void hostile_free(struct hostile_model *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        pnd_buffer_free(&m->files[i].bytes);
}

bool hostile_is_thorough(void)
{
    return getenv("PANDA_TEST_THOROUGH") != NULL;
}

/* A heap that gives no more than `limit` bytes. */
struct heap {
    size_t live, limit;
    bool was_too_much;
};

static void *heap_alloc(size_t size, size_t alignment, void *user)
{
    struct heap *heap = user;
    if (size > heap->limit - heap->live) {
        heap->was_too_much = true;
        return NULL;
    }
    char *block = pnd_allocator_heap.alloc(size + HEADER, alignment, NULL);
    if (!block) /* without an assertion, each of which is written to a pipe */
        ck_abort_msg("out of memory");
    memcpy(block, &size, sizeof size);
    heap->live += size;
    return block + HEADER;
}

static void heap_free(void *memory, void *user)
{
    struct heap *heap = user;
    char *block = (char *)memory - HEADER;
    size_t size;
    memcpy(&size, block, sizeof size);
    heap->live -= size;
    pnd_allocator_heap.free(block, NULL);
}

/* One for each process: to ask a processor what it can do may take longer than
 * to open a model. */
static struct heap heap = {.limit = SIZE_MAX};

static panda_runtime *the_runtime;

static void destroy_runtime(void)
{
    panda_runtime_destroy(the_runtime);
}

static panda_runtime *get_runtime(void)
{
    const panda_runtime_options options = {
        .struct_size = sizeof options, .threads = 1, .alloc = heap_alloc,
        .free = heap_free, .alloc_user = &heap};
    if (!the_runtime) {
        ck_assert_ok(panda_runtime_create(&the_runtime, &options));
        atexit(destroy_runtime);
    }
    return the_runtime;
}

/* Any status is fine as long as nothing goes beyond its memory. */
static void use_decoder(panda_model *model)
{
    static const panda_token tokens[] = {1, 0, 2};
    panda_model_info info = {.struct_size = sizeof info};
    panda_decoder *decoder;
    panda_decoder_options options = {.struct_size = sizeof options,
                                     .context_length = 8};
    ck_assert_ok(panda_model_get_info(model, &info));
    if (panda_decoder_create(&decoder, model, &options) < 0)
        return;
    float *logits = calloc(info.vocab_size, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    if (panda_decoder_push_tokens(decoder, tokens, 3) == PANDA_OK)
        ck_assert_ok(
            panda_decoder_read_logits(decoder, logits, info.vocab_size));
    free(logits);
    panda_decoder_destroy(decoder);
}

static void use_vocabulary(const panda_model *model)
{
    static const char text[] = "a <s> b\xc3\xa9\n\xff 12 \xe6\xbc\xa2";
    panda_token tokens[128];
    char back[512];
    size_t count, length;
    panda_status status = panda_model_tokenize(
        model, tokens, 128, &count, text, sizeof text - 1,
        PANDA_TOKENIZE_PARSE_SPECIAL);
    ck_assert(status == PANDA_OK || status == PANDA_E_ARGUMENT);
    if (status == PANDA_OK)
        (void)panda_model_detokenize(model, back, sizeof back, &length, tokens,
                                     count);
    for (panda_token id = 0; id < 64; id++)
        (void)panda_model_detokenize(model, back, sizeof back, &length, &id, 1);
}

static void use_encoders(panda_model *model)
{
    static const uint8_t pixels[16 * 16 * 3];
    panda_encoder *encoder;
    panda_embedding *embedding = NULL;
    panda_input picture;
    ck_assert_ok(panda_input_init_image(&picture, sizeof picture, pixels, 16,
                                        16, 3, 0));
    if (panda_encoder_create(&encoder, model, NULL) < 0)
        return;
    (void)panda_encoder_encode(&embedding, encoder, &picture, NULL);
    panda_embedding_unref(embedding);
    panda_encoder_destroy(encoder);
}

static void use(panda_model *model)
{
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_get_info(model, &info));
    if (info.parts & PANDA_PART_DECODER)
        use_decoder(model);
    if (info.parts & PANDA_PART_TOKENIZER)
        use_vocabulary(model);
    if (panda_model_has_modality(model, PANDA_MODALITY_IMAGE))
        use_encoders(model);
}

/* A refusal is one of the file, and its sentence names one. */
static void check_refusal(const struct hostile_model *m, panda_status status,
                          const char *what)
{
    const char *message = panda_error_get_message();
    ck_assert_msg(status == PANDA_E_FORMAT || status == PANDA_E_SHAPE ||
                      status == PANDA_E_UNSUPPORTED || status == PANDA_E_IO,
                  "%s: %s: %s", what, panda_status_get_name(status), message);
    bool named = status == PANDA_E_IO; /* of a file that is not there */
    for (uint32_t i = 0; i < m->count; i++)
        named = named || strstr(message, m->files[i].name);
    if (m->options.decoder) /* of a folder */
        named = named || strstr(message, m->options.decoder);
    ck_assert_msg(named, "%s: \"%s\" names no file", what, message);
}

panda_status hostile_try(const struct hostile_model *m, uint32_t index,
                         const uint8_t *bytes, size_t size, const char *what)
{
    panda_model_source sources[HOSTILE_FILES];
    panda_runtime *runtime = get_runtime();
    const size_t before = heap.live;
    panda_model_options options = m->options;
    panda_model *model;
    for (uint32_t i = 0; i < m->count; i++)
        sources[i] = (panda_model_source){.struct_size = sizeof *sources,
                                          .name = m->files[i].name,
                                          .data = m->files[i].bytes.data,
                                          .size = m->files[i].bytes.size};
    /* A block of its own, so that a sanitizer sees reads past its end. */
    uint8_t *exact = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, size);
    sources[index].data = exact;
    sources[index].size = size;
    options.sources = sources;
    options.source_count = m->count;
    heap.limit = before + size + SLACK;
    panda_status status = panda_model_open(&model, runtime, &options);
    heap.limit = SIZE_MAX; /* using it is another matter */
    ck_assert_msg(!heap.was_too_much,
                  "%s: asked for more than the file justifies (%s)", what,
                  panda_error_get_message());
    if (status == PANDA_OK) {
        use(model);
        panda_model_close(model);
    } else {
        check_refusal(m, status, what);
    }
    ck_assert_msg(heap.live == before, "%s: memory was left behind", what);
    free(exact);
    return status;
}

/* Large files describe themselves at one of their ends. */
static bool is_header(size_t size, size_t at)
{
    return at < 32768 || at + 8192 >= size;
}

static void change_byte(const struct hostile_model *m, uint32_t index,
                        uint8_t *copy, size_t at, uint8_t bits)
{
    const struct hostile_file *file = &m->files[index];
    char what[160];
    snprintf(what, sizeof what, "%s with byte %zu changed by %#x", file->name,
             at, (unsigned)bits);
    copy[at] ^= bits;
    hostile_try(m, index, copy, file->bytes.size, what);
    copy[at] ^= bits;
}

void hostile_sweep(const struct hostile_model *m, uint32_t index,
                   size_t stride)
{
    const struct hostile_file *file = &m->files[index];
    const size_t size = file->bytes.size;
    char what[160];
    /* The whole one works: what follows is refused for the damage. */
    snprintf(what, sizeof what, "%s as it is", file->name);
    ck_assert_msg(hostile_try(m, index, file->bytes.data, size, what) ==
                      PANDA_OK,
                  "%s: %s", what, panda_error_get_message());
    for (size_t percent = 0; percent < 100; percent++) {
        snprintf(what, sizeof what, "%s cut off at %zu %%", file->name,
                 percent);
        hostile_try(m, index, file->bytes.data, size * percent / 100, what);
    }
    uint8_t *copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, file->bytes.data, size);
    for (size_t at = 0; at < size; at += stride) {
        if (!is_header(size, at))
            continue;
        change_byte(m, index, copy, at, 0xff);
        for (unsigned bit = 0; bit < 8 && hostile_is_thorough(); bit++)
            change_byte(m, index, copy, at, (uint8_t)(1u << bit));
    }
    free(copy);
}
