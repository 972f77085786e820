/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

#include "format/utf8.h"

static struct pnd_json *json;
static struct pnd_tokenizer *tokenizer;

static void open_all(void)
{
    json = golden_open();
    const struct pnd_json_value *parsed =
        golden_get(pnd_json_get_root(json), "parsed");
    tokenizer = golden_tokenizer(parsed->child);
}

static void close_all(void)
{
    pnd_tokenizer_close(tokenizer);
    pnd_json_free(json);
}

/* From byte `at` on. */
static void assert_whole_characters(const struct pnd_buffer *text, size_t at)
{
    while (at < text->size) {
        size_t length = pnd_utf8_measure((const char *)text->data + at,
                                         text->size - at);
        ck_assert_msg(length > 0, "byte %zu is not UTF-8", at);
        at += length;
    }
}

/* Push ids one by one; every piece is whole, and all together are what decoding
 * gives. */
static void assert_stream(const int32_t *ids, size_t count)
{
    struct pnd_buffer streamed, decoded;
    pnd_buffer_init(&streamed, &pnd_allocator_heap);
    pnd_buffer_init(&decoded, &pnd_allocator_heap);
    struct pnd_stream stream;
    pnd_stream_init(&stream, tokenizer);
    for (size_t i = 0; i <= count; i++) {
        size_t before = streamed.size;
        ck_assert_ok(i < count ? pnd_stream_push(&stream, ids[i], &streamed)
                               : pnd_stream_flush(&stream, &streamed));
        assert_whole_characters(&streamed, before);
    }
    ck_assert_ok(pnd_tokenizer_decode(tokenizer, ids, count, false, &decoded));
    ck_assert_uint_eq(streamed.size, decoded.size);
    if (decoded.size)
        ck_assert_mem_eq(streamed.data, decoded.data, decoded.size);
    pnd_buffer_free(&streamed);
    pnd_buffer_free(&decoded);
}

START_TEST(random_ids_stream_as_they_decode)
{
    uint32_t size = pnd_tokenizer_get_size(tokenizer), seed = 1;
    int32_t first = pnd_tokenizer_find(tokenizer, "<0x00>", 6);
    for (int round = 0; round < 20000; round++) {
        int32_t ids[12];
        size_t count = (size_t)round % 12;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            uint32_t r = seed >> 8;
            /* Bytes that begin and continue characters, special and added
             * tokens, anything. */
            ids[i] = r % 4 == 0   ? (int32_t)(r / 4 % size)
                     : r % 4 == 1 ? first + 0x80 + (int32_t)(r / 4 % 0x40)
                     : r % 4 == 2 ? first + 0xc0 + (int32_t)(r / 4 % 0x40)
                     : r & 64     ? (int32_t)(r / 128 % 3)
                                  : (int32_t)size - 1;
        }
        assert_stream(ids, count);
    }
}
END_TEST

START_TEST(golden_ids_stream_as_they_decode)
{
    const struct pnd_json_value *parsed =
        golden_get(pnd_json_get_root(json), "parsed");
    const struct pnd_json_value *row = golden_get(parsed->child, "rows")->child;
    for (; row; row = row->next) {
        int32_t ids[1024];
        size_t count = golden_ids(golden_get(row, "ids"), ids);
        assert_stream(ids, count);
        struct pnd_buffer text;
        pnd_buffer_init(&text, &pnd_allocator_heap);
        struct pnd_stream stream;
        pnd_stream_init(&stream, tokenizer);
        for (size_t i = 0; i < count; i++)
            ck_assert_ok(pnd_stream_push(&stream, ids[i], &text));
        ck_assert_ok(pnd_stream_flush(&stream, &text));
        assert_buffer(&text, golden_get(row, "decoded"));
        pnd_buffer_free(&text);
    }
}
END_TEST

/* What is known is given at once; only an unfinished character waits. */
START_TEST(nothing_waits_that_need_not)
{
    int32_t byte = pnd_tokenizer_find(tokenizer, "<0x00>", 6);
    static const struct { int byte; const char *text; } steps[] = {
        {0xf0, ""}, {0x9f, ""}, {0x98, ""}, {0x8a, "\xf0\x9f\x98\x8a"},
        {0xe4, ""}, {'a', "\xef\xbf\xbd" "a"}, {0xff, "\xef\xbf\xbd"},
        {0xed, ""}, {0xa0, "\xef\xbf\xbd\xef\xbf\xbd"}, {0xc3, ""},
        {0xc3, "\xef\xbf\xbd"}, {0xa9, "\xc3\xa9"}, {0xf4, ""},
        {0x90, "\xef\xbf\xbd\xef\xbf\xbd"}, {0xe0, ""}, {0xa0, ""},
        {0xe0, "\xef\xbf\xbd\xef\xbf\xbd"}, {0xb0, ""}};
    struct pnd_buffer text;
    pnd_buffer_init(&text, &pnd_allocator_heap);
    struct pnd_stream stream;
    pnd_stream_init(&stream, tokenizer);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        text.size = 0;
        ck_assert_ok(pnd_stream_push(&stream, byte + steps[i].byte, &text));
        ck_assert_ok(pnd_buffer_terminate(&text));
        ck_assert_msg(strcmp((char *)text.data, steps[i].text) == 0,
                      "step %zu", i);
    }
    text.size = 0;
    ck_assert_ok(pnd_stream_flush(&stream, &text));
    ck_assert_uint_eq(text.size, 6);
    pnd_buffer_free(&text);
}
END_TEST

START_TEST(only_the_first_space_is_dropped)
{
    int32_t a = pnd_tokenizer_find(tokenizer, "\xe2\x96\x81" "a", 4);
    int32_t pad = pnd_tokenizer_find(tokenizer, "[PAD]", 5);
    ck_assert_int_gt(a, 0);
    ck_assert_int_gt(pad, 0);
    const int32_t ids[] = {1, a, a, 2, a, pad, a, pad, pad, a};
    static const char want[] = "a a a [PAD] a [PAD] [PAD] a";
    struct pnd_buffer text;
    pnd_buffer_init(&text, &pnd_allocator_heap);
    struct pnd_stream stream;
    pnd_stream_init(&stream, tokenizer);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        ck_assert_ok(pnd_stream_push(&stream, ids[i], &text));
    ck_assert_ok(pnd_stream_flush(&stream, &text));
    ck_assert_uint_eq(text.size, strlen(want));
    ck_assert_mem_eq(text.data, want, text.size);
    pnd_buffer_free(&text);
}
END_TEST

START_TEST(ids_out_of_range_are_refused)
{
    struct pnd_buffer text;
    pnd_buffer_init(&text, &pnd_allocator_heap);
    struct pnd_stream stream;
    pnd_stream_init(&stream, tokenizer);
    ck_assert_fails(pnd_stream_push(&stream, 1001, &text), PANDA_E_ARGUMENT,
                    "1001");
    ck_assert_fails(pnd_stream_push(&stream, -1, &text), PANDA_E_ARGUMENT,
                    "-1");
    pnd_buffer_free(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *tc = tcase_create("stream");
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, random_ids_stream_as_they_decode);
    tcase_add_test(tc, golden_ids_stream_as_they_decode);
    tcase_add_test(tc, nothing_waits_that_need_not);
    tcase_add_test(tc, only_the_first_space_is_dropped);
    tcase_add_test(tc, ids_out_of_range_are_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
