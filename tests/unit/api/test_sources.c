/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_model.h"
#include "base/map.h"

/* Models whose files the host brings, in memory or by a callback: the same
 * results as from files, nothing read in vain, and failures that name the
 * source. */

#define MOST 16

/* A source, and what was asked of it. */
struct brought {
    struct pnd_map map;
    uint8_t *copy; /* at an odd address */
    uint64_t bytes;
    bool *is_closed; /* no callback may come any more */
    unsigned *calls, *fail_at;
};

struct shelf {
    struct brought files[MOST];
    panda_model_source sources[MOST];
    uint32_t count;
    bool is_closed;
    unsigned calls, fail_at; /* the callback of this number fails */
};

static int32_t read_file(uint64_t offset, void *buffer, size_t size,
                         void *user)
{
    struct brought *b = user;
    ck_assert(!*b->is_closed);
    ck_assert_uint_le(size, b->map.size);
    ck_assert_uint_le(offset, b->map.size - size);
    if (++*b->calls == *b->fail_at)
        return -5;
    memcpy(buffer, b->map.data + offset, size);
    b->bytes += size;
    return 0;
}

static void add(struct shelf *s, const char *name, const char *path,
                bool by_callback)
{
    struct brought *b = &s->files[s->count];
    panda_model_source *source = &s->sources[s->count++];
    ck_assert_ok(pnd_map_open(&b->map, NULL, path));
    b->is_closed = &s->is_closed;
    b->calls = &s->calls;
    b->fail_at = &s->fail_at;
    *source = (panda_model_source){
        .struct_size = sizeof *source, .name = name, .size = b->map.size};
    if (by_callback) {
        source->read = read_file;
        source->read_user = b;
        return;
    }
    b->copy = malloc(b->map.size + 1);
    ck_assert_ptr_nonnull(b->copy);
    memcpy(b->copy + 1, b->map.data, b->map.size);
    source->data = b->copy + 1;
}

static void clear(struct shelf *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        pnd_map_close(&s->files[i].map);
        free(s->files[i].copy);
    }
    *s = (struct shelf){0};
}

/* The golden model: torch files, sharded, with all that lies beside. */
static void add_golden(struct shelf *s, bool by_callback)
{
    static const char *const names[] = {
        "imagebind_tiny.pth", "imagebind_tiny.json", "pandagpt_tiny.pt",
        "vicuna_tiny/added_tokens.json", "vicuna_tiny/config.json",
        "vicuna_tiny/generation_config.json",
        "vicuna_tiny/pytorch_model-00001-of-00002.bin",
        "vicuna_tiny/pytorch_model-00002-of-00002.bin",
        "vicuna_tiny/pytorch_model.bin.index.json",
        "vicuna_tiny/special_tokens_map.json", "vicuna_tiny/tokenizer.model",
        "vicuna_tiny/tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add(s, names[i], test_golden(names[i]), by_callback);
}

static panda_model_options golden_options(const struct shelf *s)
{
    return (panda_model_options){.struct_size = sizeof(panda_model_options),
                                 .imagebind = "imagebind_tiny.pth",
                                 .decoder = "vicuna_tiny",
                                 .adapter = "./pandagpt_tiny.pt",
                                 .sources = s->sources,
                                 .source_count = s->count};
}

struct results {
    float embedding[64];
    panda_token tokens[8];
    uint32_t count;
};

static void get_results(struct results *out, panda_model *model)
{
    panda_input picture = api_picture(3);
    panda_generate_options generate = {.struct_size = sizeof generate,
                                       .max_tokens = 8,
                                       .sampling = PANDA_SAMPLING_GREEDY};
    panda_encoder *encoder;
    panda_embedding *embedding;
    panda_chat *chat;
    panda_chat_turn turn = {.struct_size = sizeof turn};
    *out = (struct results){0};
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, NULL));
    uint32_t dim = panda_embedding_get_dim(embedding);
    ck_assert_uint_le(dim, 64);
    ck_assert_ok(panda_embedding_read_f32(embedding, out->embedding, dim));
    panda_embedding_unref(embedding);
    panda_encoder_destroy(encoder);
    ck_assert_ok(panda_chat_create(&chat, model, NULL));
    ck_assert_ok(panda_chat_attach(chat, &picture));
    ck_assert_ok(panda_chat_ask(chat, "What is it?", &generate, NULL, NULL));
    ck_assert_ok(panda_chat_get_turn(chat, &turn));
    out->count = turn.token_count;
    ck_assert_uint_le(out->count, 8);
    memcpy(out->tokens, turn.tokens, out->count * sizeof *out->tokens);
    panda_chat_destroy(chat);
}

START_TEST(results_are_those_of_files)
{
    panda_runtime *runtime = api_runtime(NULL, 2);
    panda_model_options files = {.struct_size = sizeof files,
                                 .imagebind = test_golden("imagebind_tiny.pth"),
                                 .decoder = test_golden("vicuna_tiny"),
                                 .adapter = test_golden("pandagpt_tiny.pt")};
    struct results expected, found;
    panda_model *model;
    ck_assert_ok(panda_model_open(&model, runtime, &files));
    get_results(&expected, model);
    panda_model_close(model);
    ck_assert_uint_gt(expected.count, 1);
    for (int by_callback = 0; by_callback <= 1; by_callback++) {
        struct shelf shelf = {0};
        add_golden(&shelf, by_callback);
        panda_model_options options = golden_options(&shelf);
        ck_assert_ok(panda_model_open(&model, runtime, &options));
        shelf.is_closed = true;
        get_results(&found, model);
        ck_assert_mem_eq(&found, &expected, sizeof found);
        panda_model_info info = {.struct_size = sizeof info};
        ck_assert_ok(panda_model_get_info(model, &info));
        ck_assert_int_eq(info.mapped_bytes > 0, !by_callback);
        panda_model_close(model);
        clear(&shelf);
    }
    panda_runtime_destroy(runtime);
}
END_TEST

/* Safetensors with a file of its own for each option, among them one that lies
 * in the file system. */
START_TEST(sources_and_files_may_be_mixed)
{
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    panda_runtime *runtime = api_runtime(NULL, 1);
    struct results expected, found;
    struct shelf shelf = {0};
    panda_model *model;
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    get_results(&expected, model);
    panda_model_close(model);
    add(&shelf, "towers", files.imagebind, true);
    add(&shelf, "heads", files.config, false);
    add(&shelf, "/a/delta", files.adapter, true);
    add(&shelf, "pieces", files.tokenizer, true);
    options.imagebind = "towers";
    options.imagebind_config = "heads";
    options.adapter = "/a/delta";
    options.tokenizer = "pieces";
    options.sources = shelf.sources;
    options.source_count = shelf.count;
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    shelf.is_closed = true;
    get_results(&found, model);
    ck_assert_mem_eq(&found, &expected, sizeof found);
    panda_model_close(model);
    clear(&shelf);
    panda_runtime_destroy(runtime);
}
END_TEST

/* Each step is asked for once, and a part that is not wanted never. */
START_TEST(only_wanted_parts_are_read)
{
    struct shelf shelf = {0};
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model *model;
    struct api_files files = api_files_write(32);
    add(&shelf, "towers", files.imagebind, true);
    add(&shelf, "heads", files.config, true);
    panda_model_options options = {.struct_size = sizeof options,
                                   .imagebind = "towers",
                                   .imagebind_config = "heads",
                                   .sources = shelf.sources,
                                   .source_count = shelf.count};
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    const uint64_t all = shelf.files[0].bytes;
    panda_model_close(model);
    ck_assert_uint_le(all, shelf.files[0].map.size);
    options.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_DEPTH);
    shelf.files[0].bytes = 0;
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    ck_assert_uint_lt(shelf.files[0].bytes, all / 2);
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_get_info(model, &info));
    ck_assert_uint_ge(info.heap_bytes, shelf.files[0].bytes);
    ck_assert_uint_eq(info.mapped_bytes, 0);
    panda_model_close(model);
    clear(&shelf);
    panda_runtime_destroy(runtime);
}
END_TEST

/* Whatever callback fails on the way, the call does. */
START_TEST(kinds_of_sources)
{
    struct shelf shelf = {0};
    struct api_files files = api_files_write(32);
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_file_kind kind;
    char config[600], weights[600];
    static const struct {
        const char *name;
        panda_file_kind kind;
    } rows[] = {{"memory:/towers", PANDA_FILE_IMAGEBIND},
                {"memory:/delta", PANDA_FILE_ADAPTER},
                {"memory:/words", PANDA_FILE_TOKENIZER},
                {"memory:/llama", PANDA_FILE_DECODER},
                {"memory:/llama/config.json", PANDA_FILE_UNKNOWN}};
    snprintf(config, sizeof config, "%s/config.json", files.decoder);
    snprintf(weights, sizeof weights, "%s/model.safetensors", files.decoder);
    add(&shelf, rows[0].name, files.imagebind, true);
    add(&shelf, rows[1].name, files.adapter, false);
    add(&shelf, rows[2].name, files.tokenizer, true);
    add(&shelf, "memory:/llama/model.safetensors", weights, true);
    add(&shelf, "memory:/llama/config.json", config, true);
    panda_model_options options = {.struct_size = sizeof options,
                                   .sources = shelf.sources,
                                   .source_count = shelf.count};
    for (size_t i = 0; i + 1 < sizeof rows / sizeof *rows; i++) {
        ck_assert_ok(panda_model_find_kind(&kind, runtime, rows[i].name,
                                           &options));
        ck_assert_int_eq(kind, rows[i].kind);
    }
    ck_assert_fails(
        panda_model_find_kind(&kind, runtime, rows[0].name, NULL), PANDA_E_IO,
        rows[0].name);
    panda_status status = PANDA_E_CALLBACK;
    for (shelf.fail_at = 1; status == PANDA_E_CALLBACK; shelf.fail_at++) {
        shelf.calls = 0;
        status = panda_model_find_kind(&kind, runtime, rows[2].name, &options);
        ck_assert_int_eq(kind, status == PANDA_OK ? PANDA_FILE_TOKENIZER
                                                  : PANDA_FILE_UNKNOWN);
    }
    ck_assert_ok(status);
    ck_assert_uint_gt(shelf.fail_at, 3);
    shelf.is_closed = true;
    options.source_count = 5000;
    ck_assert_fails(panda_model_find_kind(&kind, runtime, "x", &options),
                    PANDA_E_ARGUMENT, "source_count");
    clear(&shelf);
    panda_runtime_destroy(runtime);
}
END_TEST

/* A conversion looks at every byte, and the source is not its to forget. */
START_TEST(conversions_read_sources)
{
    panda_runtime *runtime = api_runtime(NULL, 1);
    struct pnd_map expected, found;
    struct shelf shelf = {0};
    const char *path = test_write_temp(".gguf", "", 0);
    panda_model_options options = {.struct_size = sizeof options,
                                   .decoder = test_golden("vicuna_tiny"),
                                   .adapter = test_golden("pandagpt_tiny.pt")};
    options.imagebind = test_golden("imagebind_tiny.pth");
    panda_convert_options convert = {.struct_size = sizeof convert,
                                     .model = &options,
                                     .parts = PANDA_PART_ENCODERS |
                                              PANDA_PART_PROJECTOR |
                                              PANDA_PART_DECODER};
    convert.output = path;
    ck_assert_ok(panda_convert(runtime, &convert));
    ck_assert_ok(pnd_map_open(&expected, NULL, path));
    add_golden(&shelf, true);
    options = golden_options(&shelf);
    convert.output = test_write_temp(".gguf", "", 0);
    ck_assert_ok(panda_convert(runtime, &convert));
    ck_assert_ok(pnd_map_open(&found, NULL, convert.output));
    /* The tensors; in front of them the files may be named. */
    const size_t size = 400000;
    ck_assert_uint_gt(found.size, size);
    ck_assert_uint_gt(expected.size, size);
    ck_assert_mem_eq(found.data + found.size - size,
                     expected.data + expected.size - size, size);
    pnd_map_close(&found);
    pnd_map_close(&expected);
    clear(&shelf);
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(failed_callbacks_name_the_source)
{
    panda_status status = PANDA_E_CALLBACK;
    struct shelf shelf = {0};
    add_golden(&shelf, true);
    panda_model_options options = golden_options(&shelf);
    for (unsigned n = 1; status != PANDA_OK; n++) {
        struct test_alloc alloc;
        panda_model *model;
        test_alloc_init(&alloc);
        panda_runtime *runtime = api_runtime(&alloc, 1);
        shelf.calls = 0;
        shelf.fail_at = n;
        status = panda_model_open(&model, runtime, &options);
        if (status != PANDA_OK)
            ck_assert_fails(status, PANDA_E_CALLBACK,
                            ": the source's callback returned -5 for ");
        panda_model_close(model);
        panda_runtime_destroy(runtime);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert_uint_gt(shelf.calls, 12);
    clear(&shelf);
}
END_TEST

START_TEST(lack_of_memory_leaks_nothing)
{
    panda_status status = PANDA_E_MEMORY;
    struct shelf shelf = {0};
    add_golden(&shelf, true);
    panda_model_options options = golden_options(&shelf);
    for (long n = 2; status != PANDA_OK; n += n < 60 ? 1 : n / 20) {
        struct test_alloc alloc;
        panda_model *model;
        test_alloc_init(&alloc);
        panda_runtime *runtime = api_runtime(&alloc, 1);
        alloc.fail_at = atomic_load(&alloc.count) + n;
        status = panda_model_open(&model, runtime, &options);
        if (status != PANDA_OK)
            ck_assert_fails(status, PANDA_E_MEMORY, "memory");
        panda_model_close(model);
        panda_runtime_destroy(runtime);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
    }
    clear(&shelf);
}
END_TEST

static void refuse(panda_model_options *options, panda_status expected,
                   const char *part)
{
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model *model;
    ck_assert_fails(panda_model_open(&model, runtime, options), expected, part);
    ck_assert_ptr_null(model);
    panda_runtime_destroy(runtime);
}

START_TEST(wrong_sources_are_refused)
{
    panda_model_source s[2] = {
        {.struct_size = sizeof *s, .name = "a", .data = "{}", .size = 2},
        {.struct_size = sizeof *s, .name = "b", .data = "{}", .size = 2}};
    panda_model_options options = {.struct_size = sizeof options,
                                   .decoder = "a", .sources = s,
                                   .source_count = 2};
    refuse(&options, PANDA_E_FORMAT, "a: is JSON without a \"weight_map\"");
    options.decoder = "/no/c";
    refuse(&options, PANDA_E_IO, "/no/c");
    s[1].name = "./a";
    refuse(&options, PANDA_E_ARGUMENT, "two sources are named ./a");
    s[1].name = "";
    refuse(&options, PANDA_E_ARGUMENT, "source 1 has no name");
    s[1].name = "b";
    s[1].read = read_file;
    refuse(&options, PANDA_E_ARGUMENT, "source b has both");
    s[1].read = NULL;
    s[1].data = NULL;
    refuse(&options, PANDA_E_ARGUMENT, "source b has neither");
    s[1].data = "{}";
    s[1].size = UINT64_MAX;
    refuse(&options, PANDA_E_ARGUMENT, "source b has 18446744073709551615");
    s[1].struct_size--;
    refuse(&options, PANDA_E_ARGUMENT, "source 1 has struct_size 47");
    s[0].struct_size = 0;
    refuse(&options, PANDA_E_VERSION, "panda_model_source");
    options.sources = NULL;
    refuse(&options, PANDA_E_ARGUMENT, "sources is NULL");
    options.sources = s;
    options.source_count = 5000;
    refuse(&options, PANDA_E_ARGUMENT, "source_count is 5000");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sources");
    TCase *tc = tcase_create("sources");
    tcase_add_test(tc, results_are_those_of_files);
    tcase_add_test(tc, sources_and_files_may_be_mixed);
    tcase_add_test(tc, only_wanted_parts_are_read);
    tcase_add_test(tc, kinds_of_sources);
    tcase_add_test(tc, conversions_read_sources);
    tcase_add_test(tc, failed_callbacks_name_the_source);
    tcase_add_test(tc, lack_of_memory_leaks_nothing);
    tcase_add_test(tc, wrong_sources_are_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
