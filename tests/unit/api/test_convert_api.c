/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_model.h"
#include "base/map.h"
#include "format/bundle.h"
#include "support/tiny_llama.h"
#include "unit/format/builder.h"

/* Models written and opened again: they compute the same, parts of them are
 * parts, and what goes wrong leaves nothing behind. */

#define VOCABULARY 1100 /* at least the golden one's */

static panda_runtime *runtime;
static struct api_files files;
static struct test_folder folder;

static void setup(void)
{
    runtime = api_runtime(NULL, 2);
    files = api_files_write(32);
    folder = folder_make();
}

static void teardown(void)
{
    folder_remove(&folder);
    panda_runtime_destroy(runtime);
}

/* A place in the folder; static storage, of the last calls. */
static const char *get_path(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder.path, name);
    return path;
}

static void remove_file(const char *name)
{
    unlink(get_path(name));
}

static panda_convert_options get_options(const panda_model_options *model,
                                         const char *output)
{
    panda_convert_options o;
    ck_assert_ok(panda_convert_options_init(&o, sizeof o));
    o.model = model;
    o.output = output;
    return o;
}

static panda_model_options get_bundle(const char *path)
{
    panda_model_options o;
    ck_assert_ok(panda_model_options_init(&o, sizeof o));
    o.bundle = path;
    return o;
}

/* The whole model as a bundle of this name. */
static void write_bundle(const char *name, panda_lora_mode lora_mode)
{
    panda_model_options model = api_options(&files);
    model.lora_mode = lora_mode;
    panda_convert_options o = get_options(&model, get_path(name));
    ck_assert_ok(panda_convert(runtime, &o));
}

/* What a model makes of a picture and of some tokens. */
struct output {
    uint32_t parts, modalities, vocabulary;
    float embedding[64];
    float logits[VOCABULARY];
};

static void run_decoder(panda_model *model, struct output *out)
{
    static const panda_token tokens[] = {1, 300, 7, 512, 44, 900, 23};
    panda_decoder *decoder;
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, tokens,
                                           sizeof tokens / sizeof *tokens));
    ck_assert_uint_le(out->vocabulary, VOCABULARY);
    ck_assert_ok(
        panda_decoder_read_logits(decoder, out->logits, out->vocabulary));
    panda_decoder_destroy(decoder);
}

static void run_encoder(panda_model *model, struct output *out)
{
    panda_encoder *encoder;
    panda_embedding *embedding;
    panda_input picture = api_picture(5);
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, NULL));
    const uint32_t dim = panda_embedding_get_dim(embedding);
    ck_assert_uint_le(dim, 64);
    ck_assert_ok(panda_embedding_read_f32(embedding, out->embedding, dim));
    panda_embedding_unref(embedding);
    panda_encoder_destroy(encoder);
}

static struct output run(const panda_model_options *options)
{
    struct output out = {0};
    panda_model *model;
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_open(&model, runtime, options));
    ck_assert_ok(panda_model_get_info(model, &info));
    out.parts = info.parts;
    out.modalities = info.modalities;
    out.vocabulary = info.vocab_size;
    if (info.parts & PANDA_PART_DECODER)
        run_decoder(model, &out);
    if (panda_model_has_modality(model, PANDA_MODALITY_IMAGE))
        run_encoder(model, &out);
    panda_model_close(model);
    return out;
}

static void demand_same(const struct output *a, const struct output *b)
{
    ck_assert_mem_eq(a->embedding, b->embedding, sizeof a->embedding);
    ck_assert_mem_eq(a->logits, b->logits, sizeof a->logits);
}

/* Rows of q and k are in another order, so sums round differently. */
static void demand_close(const struct output *a, const struct output *b)
{
    ck_assert_mem_eq(a->embedding, b->embedding, sizeof a->embedding);
    test_assert_close("logits", a->logits, b->logits, a->vocabulary, 2e-5);
}

START_TEST(a_bundle_computes_the_same)
{
    panda_model_options published = api_options(&files);
    struct output expected = run(&published);
    write_bundle("a", PANDA_LORA_DEFAULT);
    panda_model_options bundle = get_bundle(get_path("a"));
    struct output found = run(&bundle);
    ck_assert_uint_eq(found.parts, expected.parts);
    ck_assert_uint_eq(found.modalities, expected.modalities);
    demand_close(&found, &expected);

    /* And one made of it, bit for bit. */
    panda_convert_options o = get_options(&bundle, get_path("b"));
    ck_assert_ok(panda_convert(runtime, &o));
    bundle = get_bundle(get_path("b"));
    struct output again = run(&bundle);
    ck_assert_uint_eq(again.parts, expected.parts);
    demand_same(&again, &found);
    panda_file_kind kind;
    ck_assert_ok(panda_model_find_kind(&kind, runtime, get_path("b"), NULL));
    ck_assert_int_eq(kind, PANDA_FILE_BUNDLE);
    remove_file("a");
    remove_file("b");
}
END_TEST

START_TEST(lora_beside_the_matrices)
{
    panda_model_options published = api_options(&files);
    published.lora_mode = PANDA_LORA_SIDE;
    struct output expected = run(&published);
    write_bundle("a", PANDA_LORA_SIDE);
    panda_model_options bundle = get_bundle(get_path("a"));
    bundle.lora_mode = PANDA_LORA_SIDE;
    struct output found = run(&bundle);
    demand_close(&found, &expected);

    published.lora_mode = PANDA_LORA_OFF;
    expected = run(&published);
    bundle.lora_mode = PANDA_LORA_OFF;
    found = run(&bundle);
    demand_close(&found, &expected);
    ck_assert(!(found.parts & PANDA_PART_LORA));
    bundle.lora_mode = PANDA_LORA_DEFAULT;
    bundle.parts = 63 - PANDA_PART_LORA;
    struct output without = run(&bundle);
    demand_same(&without, &found);

    /* Merged when a bundle is made of the bundle. */
    bundle = get_bundle(get_path("a"));
    panda_convert_options o = get_options(&bundle, get_path("b"));
    ck_assert_ok(panda_convert(runtime, &o));
    published.lora_mode = PANDA_LORA_DEFAULT;
    expected = run(&published);
    bundle = get_bundle(get_path("b"));
    found = run(&bundle);
    demand_close(&found, &expected);
    remove_file("a");
    remove_file("b");
}
END_TEST

START_TEST(a_part_of_a_bundle)
{
    write_bundle("a", PANDA_LORA_DEFAULT);
    panda_model_options bundle = get_bundle(get_path("a"));
    struct output whole = run(&bundle);
    bundle.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_IMAGE);
    panda_convert_options o = get_options(&bundle, get_path("b"));
    o.parts = PANDA_PART_ENCODERS;
    ck_assert_ok(panda_convert(runtime, &o));
    bundle = get_bundle(get_path("b"));
    struct output found = run(&bundle);
    ck_assert_uint_eq(found.parts, PANDA_PART_ENCODERS);
    ck_assert_uint_eq(found.modalities,
                      PANDA_MODALITY_BIT(PANDA_MODALITY_IMAGE) |
                          PANDA_MODALITY_BIT(PANDA_MODALITY_VIDEO));
    ck_assert_mem_eq(found.embedding, whole.embedding,
                     sizeof whole.embedding);

    /* Opened in part, it is the same without being written. */
    bundle = get_bundle(get_path("a"));
    bundle.parts = PANDA_PART_ENCODERS;
    found = run(&bundle);
    ck_assert_uint_eq(found.parts, PANDA_PART_ENCODERS);

    /* Parts from two files. */
    bundle = get_bundle(get_path("b"));
    bundle.decoder = files.decoder;
    bundle.tokenizer = files.tokenizer;
    bundle.adapter = files.adapter;
    found = run(&bundle);
    ck_assert_uint_eq(found.parts, whole.parts);
    bundle.imagebind = files.imagebind;
    panda_model *model;
    ck_assert_fails(panda_model_open(&model, runtime, &bundle),
                    PANDA_E_ARGUMENT, "the bundle has encoders");
    remove_file("a");
    remove_file("b");
}
END_TEST

START_TEST(a_decoder_alone)
{
    panda_model_options model = api_options(&files);
    panda_convert_options o = get_options(&model, get_path("a"));
    struct output expected = run(&model);
    o.parts = PANDA_PART_DECODER | PANDA_PART_TOKENIZER | PANDA_PART_LORA;
    ck_assert_ok(panda_convert(runtime, &o));
    panda_model_options alone = {.struct_size = sizeof alone};
    panda_file_kind kind;
    ck_assert_ok(panda_model_find_kind(&kind, runtime, get_path("a"), NULL));
    ck_assert_int_eq(kind, PANDA_FILE_DECODER);
    alone.decoder = get_path("a");
    struct output found = run(&alone);
    ck_assert_uint_eq(found.parts, PANDA_PART_DECODER | PANDA_PART_TOKENIZER |
                                       PANDA_PART_LORA);
    test_assert_close("logits", found.logits, expected.logits,
                      expected.vocabulary, 2e-5);

    /* Its LoRA must not be added a second time. */
    panda_model *opened;
    alone.adapter = files.adapter;
    ck_assert_fails(panda_model_open(&opened, runtime, &alone),
                    PANDA_E_ARGUMENT, "LoRA of rank 4 is part of");
    alone.lora_mode = PANDA_LORA_OFF;
    found = run(&alone);
    test_assert_close("logits", found.logits, expected.logits,
                      expected.vocabulary, 2e-5);

    /* What is copied in blocks cannot take LoRA in, and a GGUF for other
     * programs has no place beside. */
    o.decoder_format = PANDA_FORMAT_Q8_0;
    o.output = get_path("q");
    ck_assert_ok(panda_convert(runtime, &o));
    model = (panda_model_options){.struct_size = sizeof model,
                                  .decoder = get_path("q"),
                                  .adapter = files.adapter,
                                  .lora_mode = PANDA_LORA_OFF};
    o.decoder_format = PANDA_FORMAT_KEEP;
    o.output = get_path("b");
    ck_assert_ok(panda_convert(runtime, &o));
    o.parts = PANDA_PART_PROJECTOR;
    ck_assert_ok(panda_convert(runtime, &o));
    remove_file("a");
    remove_file("b");
    remove_file("q");
}
END_TEST

static void refuse(const panda_convert_options *o, panda_status expected,
                   const char *part)
{
    ck_assert_fails(panda_convert(runtime, o), expected, part);
}

START_TEST(what_is_refused)
{
    panda_model_options model = api_options(&files);
    panda_convert_options o = get_options(&model, get_path("a"));
    o.parts = 64;
    refuse(&o, PANDA_E_ARGUMENT, "parts is 0x40");
    o.parts = PANDA_PART_CLIP_VOCAB;
    refuse(&o, PANDA_E_ARGUMENT, "nothing to write");
    o.parts = 0;
    o.decoder_format = PANDA_FORMAT_INT8;
    refuse(&o, PANDA_E_ARGUMENT, "decoder_format");
    o.decoder_format = 99;
    refuse(&o, PANDA_E_ARGUMENT, "decoder_format is 99");
    o.decoder_format = 0;
    o.encoder_format = PANDA_FORMAT_Q4_0;
    refuse(&o, PANDA_E_ARGUMENT, "encoder_format");
    o.encoder_format = 0;
    o.output = NULL;
    refuse(&o, PANDA_E_ARGUMENT, "output is NULL");
    o.output = folder.path;
    refuse(&o, PANDA_E_IO, "is a directory");
    o.output = "/no/such/folder/f";
    refuse(&o, PANDA_E_IO, "/no/such/folder/f");
    o.output = files.imagebind;
    refuse(&o, PANDA_E_ARGUMENT, "is one of the sources");
    o.output = files.tokenizer;
    refuse(&o, PANDA_E_ARGUMENT, "is one of the sources");
    o.output = get_path("a");
    o.decoder_delta = files.decoder;
    model.decoder = NULL;
    refuse(&o, PANDA_E_ARGUMENT, "no decoder to add it to");
    o.decoder_delta = NULL;
    o.model = NULL;
    refuse(&o, PANDA_E_ARGUMENT, "model is NULL");
    struct api_files wide = api_files_write(64);
    model = api_options(&files);
    model.adapter = wide.adapter;
    o.model = &model;
    refuse(&o, PANDA_E_SHAPE, "64");
    ck_assert_int_eq(pnd_path_get_kind(NULL, get_path("a")),
                     PND_PATH_MISSING);
    ck_assert_fails(panda_convert(runtime, NULL), PANDA_E_ARGUMENT, "options");
}
END_TEST

struct stop {
    uint64_t at, total; /* bytes */
};

static int32_t stop_at(uint64_t done, uint64_t total, const char *what,
                       void *user)
{
    struct stop *stop = user;
    ck_assert_uint_le(done, total);
    ck_assert_ptr_nonnull(what);
    stop->total = total;
    return done >= stop->at;
}

START_TEST(stopping_leaves_the_old_file)
{
    panda_model_options model = api_options(&files);
    panda_convert_options o = get_options(&model, get_path("a"));
    struct stop stop = {UINT64_MAX, 0};
    struct pnd_map map;
    o.progress = stop_at;
    o.progress_user = &stop;
    ck_assert_ok(panda_convert(runtime, &o));
    ck_assert_uint_gt(stop.total, 100000);
    unlink(get_path("a"));
    folder_add_text(&folder, "a", "the old one");
    const uint64_t total = stop.total;
    for (int i = 0; i <= 4; i++) {
        stop.at = total / 4 * (uint64_t)i;
        ck_assert_fails(panda_convert(runtime, &o), PANDA_E_CALLBACK, "stop");
        ck_assert_ok(pnd_map_open(&map, NULL, get_path("a")));
        ck_assert_uint_eq(map.size, strlen("the old one"));
        pnd_map_close(&map);
    }
}
END_TEST

/* Every allocation fails once. */
START_TEST(lack_of_memory)
{
    panda_status status = PANDA_E_MEMORY;
    panda_model_options model = api_options(&files);
    panda_convert_options o = get_options(&model, get_path("m"));
    model.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_IMU);
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        struct test_alloc t;
        test_alloc_init(&t);
        panda_runtime *own = api_runtime(&t, 1);
        const long before = atomic_load(&t.live);
        t.fail_at = atomic_load(&t.count) + n;
        status = panda_convert(own, &o);
        ck_assert_int_eq(atomic_load(&t.live), before);
        ck_assert(status == PANDA_OK ||
                  pnd_path_get_kind(NULL, get_path("m")) == PND_PATH_MISSING);
        panda_runtime_destroy(own);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_eq(status, PANDA_OK);
    remove_file("m");
}
END_TEST

/* A bundle of a projection, with keys and a tensor of somebody else. */
static const char *write_strange(uint32_t version, bool has_bias)
{
    static const float zeros[64 * 32];
    struct gguf_builder g = gguf_begin();
    gguf_string(&g, "general.architecture", "pandagpt");
    gguf_u32(&g, "pandagpt.format_version", version);
    gguf_u32(&g, "somebody.else", 42);
    gguf_string(&g, "pandagpt.not.known.yet", "kept");
    gguf_u32(&g, "llama.block_count", 3);
    gguf_tensor(&g, "llama_proj.weight", 0, 32, 64, zeros, sizeof zeros);
    if (has_bias)
        gguf_tensor(&g, "llama_proj.bias", 0, 0, 32, zeros, 128);
    gguf_tensor(&g, "other.tensor", 0, 0, 4, zeros, 16);
    struct pnd_buffer file = gguf_end(&g);
    const char *path = test_write_temp(".gguf", file.data, file.size);
    pnd_buffer_free(&file);
    return path;
}

START_TEST(unknown_things_are_kept)
{
    panda_model_options model = get_bundle(write_strange(1, true));
    panda_convert_options o = get_options(&model, get_path("a"));
    struct pnd_weights *w;
    int64_t value = 0;
    ck_assert_ok(panda_convert(runtime, &o));
    ck_assert_ok(pnd_weights_open(&w, test_context(), get_path("a")));
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(w);
    ck_assert_ok(pnd_gguf_read_integer(&value, gguf, "somebody.else", 0, 99));
    ck_assert_int_eq(value, 42);
    ck_assert(pnd_gguf_is_string(gguf, "pandagpt.not.known.yet", "kept"));
    ck_assert_ptr_null(pnd_gguf_find(gguf, "llama.block_count"));
    ck_assert_ptr_nonnull(pnd_weights_find(w, "other.tensor"));
    pnd_weights_close(w);
    remove_file("a");
}
END_TEST

START_TEST(metadata_is_text)
{
    panda_model_options o = get_bundle(write_strange(1, true));
    panda_model *model;
    char text[64];
    size_t length;
    ck_assert_ok(panda_model_open(&model, runtime, &o));
    ck_assert_ok(panda_model_get_metadata(model, "pandagpt.not.known.yet", text,
                                          sizeof text, &length));
    ck_assert_uint_eq(length, 4);
    ck_assert_mem_eq(text, "kept", 4);
    ck_assert_ok(panda_model_get_metadata(model, "somebody.else", text,
                                          sizeof text, &length));
    ck_assert_mem_eq(text, "42", length);
    ck_assert_fails(
        panda_model_get_metadata(model, "somebody.else", text, 1, &length),
        PANDA_E_ARGUMENT, "needs 2 bytes");
    ck_assert_uint_eq(length, 2);
    ck_assert_fails(
        panda_model_get_metadata(model, "no.key", NULL, 0, &length),
        PANDA_E_UNSUPPORTED, "no.key");
    panda_model_close(model);

    /* Where a bundle is from. */
    write_bundle("a", PANDA_LORA_DEFAULT);
    o = get_bundle(get_path("a"));
    ck_assert_ok(panda_model_open(&model, runtime, &o));
    ck_assert_ok(panda_model_get_metadata(model, "pandagpt.source.part", text,
                                          sizeof text, &length));
    static const char expected[] = "encoders\nadapter\ndecoder\ntokenizer";
    const char *name = strrchr(files.decoder, '/') + 1;
    ck_assert_uint_eq(length, sizeof expected - 1);
    ck_assert_mem_eq(text, expected, length);
    ck_assert_ok(panda_model_get_metadata(model, "general.name", text,
                                          sizeof text, &length));
    ck_assert_uint_eq(length, strlen(name));
    ck_assert_mem_eq(text, name, length);
    panda_model_close(model);
    remove_file("a");
}
END_TEST

START_TEST(hostile_bundles)
{
    panda_model *model;
    panda_model_options o = get_bundle(write_strange(2, true));
    ck_assert_fails(panda_model_open(&model, runtime, &o), PANDA_E_UNSUPPORTED,
                    "format_version is 2");
    o.bundle = write_strange(1, false);
    ck_assert_fails(panda_model_open(&model, runtime, &o), PANDA_E_FORMAT,
                    "llama_proj.bias is missing");
    o.bundle = files.imagebind;
    ck_assert_fails(panda_model_open(&model, runtime, &o), PANDA_E_FORMAT,
                    "expected a bundle");
    o = get_bundle(write_strange(1, true));
    o.parts = 64;
    ck_assert_fails(panda_model_open(&model, runtime, &o), PANDA_E_ARGUMENT,
                    "parts is 0x40");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("convert_api");
    TCase *t = tcase_create("convert_api");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_bundle_computes_the_same);
    tcase_add_test(t, lora_beside_the_matrices);
    tcase_add_test(t, a_part_of_a_bundle);
    tcase_add_test(t, a_decoder_alone);
    tcase_add_test(t, what_is_refused);
    tcase_add_test(t, stopping_leaves_the_old_file);
    tcase_add_test(t, lack_of_memory);
    tcase_add_test(t, unknown_things_are_kept);
    tcase_add_test(t, metadata_is_text);
    tcase_add_test(t, hostile_bundles);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
