/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/bundle.h"

#include <string.h>

#include "unit/format/builder.h"

/* The keys of bundles, right and wrong. */

#define ALL_TOWERS ((1u << PND_TOWER_COUNT) - 1)

static struct pnd_gguf_writer writer;
static struct pnd_buffer file;
static struct pnd_gguf *gguf;

static void begin(void)
{
    ck_assert_ok(pnd_gguf_writer_init(&writer, &pnd_allocator_heap,
                                      PND_BUNDLE_ARCHITECTURE));
}

static void finish(void)
{
    file = build_buffer();
    ck_assert_ok(pnd_gguf_writer_finish(&writer, &file));
    const struct pnd_map map = {.data = file.data, .size = file.size};
    ck_assert_ok(pnd_gguf_open(&gguf, &pnd_allocator_heap, &map, "b.gguf"));
    pnd_gguf_writer_free(&writer);
}

static void end(void)
{
    pnd_gguf_close(gguf);
    pnd_buffer_free(&file);
}

START_TEST(what_is_written_is_accepted)
{
    struct pnd_imagebind_config config;
    struct pnd_bundle_lora lora;
    begin();
    ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_VERSION_KEY,
                                  PND_BUNDLE_VERSION));
    ck_assert_ok(pnd_bundle_put_constants(&writer, ALL_TOWERS));
    ck_assert_ok(pnd_bundle_put_heads(&writer, PND_TOWER_DEPTH, 3));
    ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_STRIDE_KEY, 7));
    ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_RANK_KEY, 8));
    ck_assert_ok(pnd_gguf_put_f32(&writer, PND_BUNDLE_ALPHA_KEY, 16));
    ck_assert_ok(pnd_gguf_put_bool(&writer, PND_BUNDLE_MERGED_KEY, true));
    finish();
    ck_assert(pnd_bundle_is(gguf));
    ck_assert_ok(pnd_bundle_check(gguf));
    ck_assert_ok(pnd_bundle_read_config(&config, gguf));
    ck_assert_uint_eq(config.heads[PND_TOWER_DEPTH], 3);
    ck_assert_uint_eq(config.heads[PND_TOWER_AUDIO], 0);
    ck_assert_uint_eq(config.audio_stride, 7);
    ck_assert_ok(pnd_bundle_read_lora(&lora, gguf));
    ck_assert_uint_eq(lora.rank, 8);
    ck_assert_float_eq(lora.alpha, 16);
    ck_assert(lora.merged);
    end();
}
END_TEST

START_TEST(versions)
{
    begin();
    finish();
    ck_assert_fails(pnd_bundle_check(gguf), PANDA_E_FORMAT, "is missing");
    end();
    begin();
    ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_VERSION_KEY, 2));
    finish();
    ck_assert_fails(pnd_bundle_check(gguf), PANDA_E_UNSUPPORTED,
                    "format_version is 2, this library reads versions up to "
                    "1");
    end();
    begin();
    ck_assert_ok(pnd_gguf_put_text(&writer, PND_BUNDLE_VERSION_KEY, "1"));
    finish();
    ck_assert_fails(pnd_bundle_check(gguf), PANDA_E_FORMAT, "integer");
    end();
}
END_TEST

/* A constant that some other library computes with. */
START_TEST(constants)
{
    static const float two[] = {0.5f, 0.5f};
    const struct {
        const char *key;
        float value;
        const char *message;
    } rows[] = {
        {"pandagpt.audio.mean", -4, "audio.mean is -4, this library computes "
                                    "with -4.26"},
        {"pandagpt.audio.sample_rate", 44100, "16000"},
        {"pandagpt.depth.std", 1, "0.0295"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_VERSION_KEY, 1));
        ck_assert_ok(pnd_gguf_put_f32(&writer, rows[i].key, rows[i].value));
        finish();
        ck_assert_fails(pnd_bundle_check(gguf), PANDA_E_UNSUPPORTED,
                        rows[i].message);
        end();
    }
    begin();
    ck_assert_ok(pnd_gguf_put_u32(&writer, PND_BUNDLE_VERSION_KEY, 1));
    ck_assert_ok(pnd_gguf_put_list(&writer, "pandagpt.image.mean",
                                   PND_GGUF_F32, two, 2));
    finish();
    ck_assert_fails(pnd_bundle_check(gguf), PANDA_E_FORMAT,
                    "image.mean has 2 numbers, expected 3");
    end();
}
END_TEST

START_TEST(merges)
{
    static const char text[] = "\"bpe #version: 0.2\"\na b\r\nab c\nlast one";
    static const char expected[] = "#version: 0.2\na b\nab c\nlast one\n";
    char *read;
    size_t size;
    begin();
    ck_assert_ok(pnd_bundle_put_merges(&writer, text, sizeof text - 1));
    finish();
    ck_assert_ok(
        pnd_bundle_read_merges(&read, &size, &pnd_allocator_heap, gguf));
    ck_assert_uint_eq(size, sizeof expected - 1);
    ck_assert_str_eq(read, expected);
    pnd_free(&pnd_allocator_heap, read);
    end();
    begin();
    ck_assert_ok(pnd_gguf_put_strings(&writer, PND_BUNDLE_MERGES_KEY, 1));
    ck_assert_ok(pnd_gguf_put_item(&writer, "a b\nc d", 7));
    finish();
    ck_assert_fails(
        pnd_bundle_read_merges(&read, &size, &pnd_allocator_heap, gguf),
        PANDA_E_FORMAT, "without line breaks");
    end();
    begin();
    finish();
    ck_assert_ok(
        pnd_bundle_read_merges(&read, &size, &pnd_allocator_heap, gguf));
    ck_assert_ptr_null(read);
    end();
}
END_TEST

START_TEST(wrong_numbers)
{
    struct pnd_bundle_lora lora;
    struct pnd_imagebind_config config;
    begin();
    ck_assert_ok(pnd_gguf_put_f32(&writer, PND_BUNDLE_ALPHA_KEY, -1));
    ck_assert_ok(
        pnd_gguf_put_u32(&writer, "pandagpt.vision.head_count", 5000));
    finish();
    ck_assert_fails(pnd_bundle_read_lora(&lora, gguf), PANDA_E_FORMAT, "-1");
    ck_assert_fails(pnd_bundle_read_config(&config, gguf), PANDA_E_FORMAT,
                    "vision.head_count is 5000");
    end();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("bundle");
    TCase *t = tcase_create("bundle");
    tcase_add_test(t, what_is_written_is_accepted);
    tcase_add_test(t, versions);
    tcase_add_test(t, constants);
    tcase_add_test(t, merges);
    tcase_add_test(t, wrong_numbers);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
