/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "api_model.h"
#include "support/tiny_llama.h"
#include "unit/format/builder.h"

/* Opening models: parts that do not fit, and lack of memory at every step. */

START_TEST(info_tells_the_parts)
{
    panda_model *model = api_model();
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_get_info(model, &info));
    ck_assert_uint_eq(info.parts, PANDA_PART_ENCODERS | PANDA_PART_PROJECTOR |
                                      PANDA_PART_LORA | PANDA_PART_DECODER |
                                      PANDA_PART_TOKENIZER);
    ck_assert_int_eq(info.bos_token, 1);
    ck_assert_int_eq(info.eos_token, 2);
    ck_assert_uint_eq(info.tokenize_flags, PANDA_TOKENIZE_BOS);
    ck_assert_uint_eq(info.lora_rank, 4);
    ck_assert_uint_eq(info.context_length, 512);
    ck_assert_str_eq(info.decoder_format, "f32");
    ck_assert_int_eq(info.precision, PANDA_PRECISION_AUTO);
    ck_assert_str_eq(info.encoder_math, "f32");
    ck_assert_str_eq(info.decoder_math, "f32");
    ck_assert_uint_gt(info.mapped_bytes, 100000);
    ck_assert(panda_model_has_modality(model, PANDA_MODALITY_VIDEO));
    ck_assert(!panda_model_has_modality(model, PANDA_MODALITY_TEXT));
    ck_assert(!panda_model_has_modality(model, 99));
    panda_tower_info tower = {.struct_size = sizeof tower};
    ck_assert_fails(
        panda_model_get_tower_info(model, PANDA_MODALITY_TEXT, &tower),
        PANDA_E_UNSUPPORTED, "text");
    panda_model_close(model);
    panda_model_close(NULL);
}
END_TEST

static panda_part_info get_part(const panda_model *model, const char *name)
{
    panda_part_info info = {.struct_size = sizeof info};
    for (uint32_t i = 0;; i++) {
        panda_status status = panda_model_get_part_info(model, i, &info);
        ck_assert_msg(status == PANDA_OK, "no part %s", name);
        if (strcmp(info.name, name) == 0)
            return info;
    }
}

START_TEST(parts_tell_formats_and_memory)
{
    struct api_files files = api_files_write(32);
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model_options options = api_options(&files);
    panda_model *model;
    options.lora_mode = PANDA_LORA_SIDE;
    options.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_IMAGE) |
                         PANDA_MODALITY_BIT(PANDA_MODALITY_AUDIO);
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    panda_part_info image = get_part(model, "image encoder");
    ck_assert_uint_eq(image.part, PANDA_PART_ENCODERS);
    ck_assert_int_eq(image.modality, PANDA_MODALITY_IMAGE);
    ck_assert_str_eq(image.format, "f32");
    ck_assert_str_eq(image.formats, "f32");
    ck_assert_str_eq(image.path, files.imagebind);
    ck_assert_uint_gt(image.file_bytes, 10000);
    ck_assert_uint_eq(image.mapped_bytes, image.file_bytes);
    ck_assert_uint_gt(image.heap_bytes, 0); /* the stem's two slices, summed */
    ck_assert_str_eq(get_part(model, "projection").path, files.adapter);
    panda_part_info lora = get_part(model, "LoRA");
    ck_assert_uint_eq(lora.tensors, 2 * 4 * 2);
    ck_assert_uint_eq(lora.file_bytes, 2 * 4 * 2 * 32 * 4 * 4);
    ck_assert_uint_eq(get_part(model, "decoder").tensors, 2 * 9 + 1);
    ck_assert_uint_eq(get_part(model, "output matrix").file_bytes,
                      get_part(model, "token embedding").file_bytes);
    panda_part_info words = get_part(model, "vocabulary");
    ck_assert_str_eq(words.format, "SentencePiece");
    ck_assert_str_eq(words.path, files.tokenizer);
    ck_assert_uint_eq(words.file_bytes, 13968);
    ck_assert_uint_gt(words.heap_bytes, 0);
    panda_part_info end = {.struct_size = sizeof end, .name = "x"};
    ck_assert_int_eq(panda_model_get_part_info(model, 8, &end), PANDA_END);
    ck_assert_ptr_null(end.name);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(an_adapter_alone_tells_its_lora)
{
    struct api_files files = api_files_write(32);
    panda_model_options options = {.struct_size = sizeof options,
                                   .adapter = files.adapter};
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model *model;
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    ck_assert_ok(panda_model_get_info(model, &info));
    ck_assert_uint_eq(info.parts, PANDA_PART_PROJECTOR | PANDA_PART_LORA);
    ck_assert_uint_eq(get_part(model, "LoRA").tensors, 16);
    ck_assert_uint_eq(info.lora_rank, 4);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}
END_TEST

static void refuse(panda_runtime *runtime, const panda_model_options *options,
                   panda_status expected, const char *part)
{
    panda_model *model = (panda_model *)1;
    ck_assert_fails(panda_model_open(&model, runtime, options), expected, part);
    ck_assert_ptr_null(model);
}

START_TEST(parts_that_do_not_fit_are_refused)
{
    struct api_files narrow = api_files_write(32), wide = api_files_write(64);
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model_options options = api_options(&narrow);
    panda_model *model;

    options.adapter = wide.adapter;
    refuse(runtime, &options, PANDA_E_SHAPE, "64");
    options = api_options(&narrow);
    options.adapter = narrow.imagebind;
    refuse(runtime, &options, PANDA_E_FORMAT, narrow.imagebind);
    options = api_options(&narrow);
    options.imagebind = narrow.adapter;
    refuse(runtime, &options, PANDA_E_FORMAT, "not part of ImageBind");
    options = api_options(&narrow);
    options.decoder = narrow.imagebind;
    refuse(runtime, &options, PANDA_E_FORMAT, "model.embed_tokens.weight");
    options = api_options(&narrow);
    options.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_TEXT);
    refuse(runtime, &options, PANDA_E_FORMAT, "text");
    options.modalities = 1;
    refuse(runtime, &options, PANDA_E_ARGUMENT, "modalities");
    options = api_options(&narrow);
    options.lora_alpha = -1;
    refuse(runtime, &options, PANDA_E_ARGUMENT, "lora_alpha");
    options = api_options(&narrow);
    options.precision = PANDA_PRECISION_SMALL + 1;
    refuse(runtime, &options, PANDA_E_ARGUMENT, "precision is 4");
    panda_model_options_init(&options, sizeof options);
    refuse(runtime, &options, PANDA_E_ARGUMENT, "nothing to open");

    options = api_options(&narrow);
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}
END_TEST

/* 61 rows for a vocabulary of another size. */
START_TEST(vocabulary_and_embedding_must_agree)
{
    struct tiny_llama tiny;
    struct tiny_file weights;
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model_options options = {.struct_size = sizeof options};
    tiny_llama_init(&tiny);
    tiny_llama_fill(&weights, &tiny);
    options.decoder = tiny_llama_write(&tiny, &weights);
    options.tokenizer = test_golden("tokenizer.model");
    refuse(runtime, &options, PANDA_E_SHAPE, "61 rows");
    tiny_file_free(&weights);
    panda_runtime_destroy(runtime);
}
END_TEST

static int32_t stop_at_once(double fraction, void *user)
{
    (void)user;
    return fraction > 0.1;
}

START_TEST(progress_can_stop_opening)
{
    struct api_files files = api_files_write(32);
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model_options options = api_options(&files);
    options.progress = stop_at_once;
    refuse(runtime, &options, PANDA_E_CALLBACK, "progress");
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(kinds_are_told_by_content)
{
    struct api_files files = api_files_write(32);
    panda_runtime *runtime = api_runtime(NULL, 1);
    static const char words[] = "some words";
    const struct {
        const char *path;
        panda_file_kind kind;
    } rows[] = {
        {files.imagebind, PANDA_FILE_IMAGEBIND},
        {files.decoder, PANDA_FILE_DECODER},
        {files.adapter, PANDA_FILE_ADAPTER},
        {files.tokenizer, PANDA_FILE_TOKENIZER},
        {test_write_temp(".pth", words, sizeof words), PANDA_FILE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        panda_file_kind kind;
        ck_assert_ok(panda_model_find_kind(&kind, runtime, rows[i].path, NULL));
        ck_assert_int_eq(kind, rows[i].kind);
    }
    panda_file_kind kind;
    ck_assert_fails(panda_model_find_kind(&kind, runtime, "/no/file", NULL),
                    PANDA_E_IO, "/no/file");
    panda_runtime_destroy(runtime);
}
END_TEST

/* A GGUF of one tensor, or of a vocabulary alone; the path is static. */
static const char *write_gguf(const char *architecture, bool has_tensor)
{
    struct gguf_builder g = gguf_begin();
    const float zero = 0;
    gguf_string(&g, "general.architecture", architecture);
    struct pnd_buffer *b =
        gguf_key(&g, "tokenizer.ggml.tokens", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, 1, 8);
    put_gguf_string(b, "x");
    if (has_tensor)
        gguf_tensor(&g, "token_embd.weight", 0, 1, 1, &zero, sizeof zero);
    struct pnd_buffer file = gguf_end(&g);
    const char *path = test_write_temp(".gguf", file.data, file.size);
    pnd_buffer_free(&file);
    return path;
}

START_TEST(gguf_files)
{
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model_options options = {.struct_size = sizeof options};
    const struct {
        const char *path;
        panda_file_kind kind;
    } rows[] = {
        {write_gguf("llama", true), PANDA_FILE_DECODER},
        {write_gguf("llama", false), PANDA_FILE_TOKENIZER},
        {write_gguf("qwen2", true), PANDA_FILE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        panda_file_kind kind;
        ck_assert_ok(panda_model_find_kind(&kind, runtime, rows[i].path, NULL));
        ck_assert_int_eq(kind, rows[i].kind);
    }
    options.decoder = rows[0].path;
    refuse(runtime, &options, PANDA_E_FORMAT, "embedding_length is missing");
    options.decoder = rows[2].path;
    refuse(runtime, &options, PANDA_E_UNSUPPORTED, "\"qwen2\"");
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(text_goes_to_tokens_and_back)
{
    panda_model *model = api_model();
    static const char text[] = "Hello, gr\xc3\xbc\xc3\x9f dich!";
    panda_token tokens[64];
    char back[64];
    size_t count, length;
    ck_assert_fails(
        panda_model_tokenize(model, tokens, 2, &count, text, strlen(text), 0),
        PANDA_E_ARGUMENT, "room for 2");
    ck_assert_uint_gt(count, 2);
    ck_assert_ok(panda_model_tokenize(model, tokens, 64, &count, text,
                                      strlen(text), PANDA_TOKENIZE_BOS));
    ck_assert_int_eq(tokens[0], 1);
    const size_t longer = count + 1;
    ck_assert_ok(panda_model_tokenize(
        model, tokens, 64, &count, text, strlen(text),
        PANDA_TOKENIZE_BOS | PANDA_TOKENIZE_EOS));
    ck_assert_uint_eq(count, longer);
    ck_assert_int_eq(tokens[count - 1], 2);
    ck_assert_ok(panda_model_detokenize(model, back, sizeof back, &length,
                                        tokens, count));
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_mem_eq(back, text, length);
    tokens[0] = -3;
    ck_assert_fails(panda_model_detokenize(model, back, sizeof back, &length,
                                           tokens, count),
                    PANDA_E_ARGUMENT, "-3");
    panda_model_close(model);
}
END_TEST

/* Open, encode, ask, with the n-th allocation and all after it failing. Then
 * nothing may be left. Early steps are tried one by one, later ones in
 * strides, since each run opens a model. */
START_TEST(lack_of_memory_leaks_nothing)
{
    struct api_files files = api_files_write(32);
    panda_input picture = api_picture(4);
    panda_generate_options generate = {.struct_size = sizeof generate,
                                       .max_tokens = 3};
    panda_status status = PANDA_E_MEMORY;
    for (long n = 2; status != PANDA_OK; n += n < 60 ? 1 : n / 40) {
        struct test_alloc alloc;
        panda_runtime *runtime;
        panda_model *model = NULL;
        panda_chat *chat = NULL;
        panda_model_options options = api_options(&files);
        test_alloc_init(&alloc);
        runtime = api_runtime(&alloc, 1);
        alloc.fail_at = atomic_load(&alloc.count) + n;
        status = panda_model_open(&model, runtime, &options);
        if (status == PANDA_OK)
            status = panda_chat_create(&chat, model, NULL);
        if (status == PANDA_OK)
            status = panda_chat_attach(chat, &picture);
        if (status == PANDA_OK)
            status = panda_chat_ask(chat, "hello", &generate, NULL, NULL);
        if (status != PANDA_OK)
            ck_assert_fails(status, PANDA_E_MEMORY, "memory");
        panda_chat_destroy(chat);
        panda_model_close(model);
        panda_runtime_destroy(runtime);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        ck_assert_int_lt(n, 100000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_api");
    TCase *tc = tcase_create("model_api");
    tcase_add_test(tc, info_tells_the_parts);
    tcase_add_test(tc, parts_tell_formats_and_memory);
    tcase_add_test(tc, an_adapter_alone_tells_its_lora);
    tcase_add_test(tc, parts_that_do_not_fit_are_refused);
    tcase_add_test(tc, vocabulary_and_embedding_must_agree);
    tcase_add_test(tc, progress_can_stop_opening);
    tcase_add_test(tc, gguf_files);
    tcase_add_test(tc, kinds_are_told_by_content);
    tcase_add_test(tc, text_goes_to_tokens_and_back);
    tcase_add_test(tc, lack_of_memory_leaks_nothing);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
