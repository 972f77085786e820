/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_write.h"

#include <pandagpt/model.h>
#include <string.h>

#include "support/support.h"

/* A vocabulary written into a GGUF makes the same tokens of every text. */

static const char *const texts[] = {
    "",
    " ",
    "Hello, world!  Two  spaces and a tab\t.",
    "</s><s>[PAD] [PAD]<unk> a </s> b",
    "gr\xc3\xbc\xc3\x9f dich, \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x90\xbc 12345",
    "\xff\xfe broken \xc3",
    "the the\n\nthe ### Human: <Img></Img> don't",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "cafe\xcc\x81 caf\xc3\xa9",
};

static struct pnd_buffer file; /* of the vocabulary read again */

static struct pnd_tokenizer *write_and_read(const struct pnd_tokenizer *t,
                                            uint32_t rows, bool own)
{
    struct pnd_gguf_writer w;
    struct pnd_gguf *gguf;
    struct pnd_tokenizer *again;
    ck_assert_ok(pnd_gguf_writer_init(&w, &pnd_allocator_heap, "pandagpt"));
    ck_assert_ok(pnd_tokenizer_write(t, &w, rows, own));
    pnd_buffer_init(&file, &pnd_allocator_heap);
    ck_assert_ok(pnd_gguf_writer_finish(&w, &file));
    pnd_gguf_writer_free(&w);
    const struct pnd_map map = {.data = file.data, .size = file.size};
    ck_assert_ok(pnd_gguf_open(&gguf, &pnd_allocator_heap, &map, "w.gguf"));
    ck_assert_ok(pnd_tokenizer_open_gguf(&again, test_context(), gguf));
    pnd_gguf_close(gguf);
    pnd_buffer_free(&file);
    return again;
}

static void demand_same_text(const struct pnd_tokenizer *a,
                             const struct pnd_tokenizer *b,
                             const struct pnd_buffer *ids)
{
    struct pnd_buffer x, y;
    pnd_buffer_init(&x, &pnd_allocator_heap);
    pnd_buffer_init(&y, &pnd_allocator_heap);
    const int32_t *tokens = (const int32_t *)(const void *)ids->data;
    const size_t count = ids->size / sizeof *tokens;
    for (int special = 0; special < 2; special++) {
        ck_assert_ok(pnd_tokenizer_decode(a, tokens, count, special, &x));
        ck_assert_ok(pnd_tokenizer_decode(b, tokens, count, special, &y));
    }
    ck_assert_uint_eq(x.size, y.size);
    if (x.size > 0)
        ck_assert_mem_eq(x.data, y.data, x.size);
    pnd_buffer_free(&x);
    pnd_buffer_free(&y);
}

static void demand_same_tokens(const struct pnd_tokenizer *a,
                               const struct pnd_tokenizer *b, const char *text,
                               uint32_t flags)
{
    struct pnd_buffer x, y;
    pnd_buffer_init(&x, &pnd_allocator_heap);
    pnd_buffer_init(&y, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(a, text, strlen(text), flags, &x));
    ck_assert_ok(pnd_tokenizer_encode(b, text, strlen(text), flags, &y));
    ck_assert_msg(x.size == y.size && (x.size == 0 ||
                                       memcmp(x.data, y.data, x.size) == 0),
                  "other tokens for \"%s\"", text);
    if (x.size > 0)
        demand_same_text(a, b, &x);
    pnd_buffer_free(&x);
    pnd_buffer_free(&y);
}

static void demand_same(const char *path, const char *folder)
{
    struct pnd_tokenizer *t;
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), path, folder));
    const uint32_t size = pnd_tokenizer_get_size(t);
    struct pnd_tokenizer *again = write_and_read(t, size + 5, true);
    ck_assert_uint_eq(pnd_tokenizer_get_size(again), size);
    ck_assert_int_eq(pnd_tokenizer_get_bos(again), pnd_tokenizer_get_bos(t));
    ck_assert_int_eq(pnd_tokenizer_get_eos(again), pnd_tokenizer_get_eos(t));
    ck_assert_uint_eq(pnd_tokenizer_get_ends(again),
                      pnd_tokenizer_get_ends(t));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        demand_same_tokens(t, again, texts[i], 0);
        demand_same_tokens(t, again, texts[i], PANDA_TOKENIZE_PARSE_SPECIAL);
    }
    pnd_tokenizer_close(again);

    /* As other programs see it, there is a token for each row. */
    again = write_and_read(t, size + 5, false);
    ck_assert_uint_eq(pnd_tokenizer_get_size(again), size + 5);
    demand_same_tokens(t, again, "Hello, world! 12", 0);
    pnd_tokenizer_close(again);
    pnd_tokenizer_close(t);
}

START_TEST(sentencepiece)
{
    demand_same(test_golden("tokenizer.model"), NULL);
    demand_same(test_golden("vicuna_tiny/tokenizer.model"), NULL);
}
END_TEST

/* The golden vocabulary with GPT-2's way to split text. */
static const char *write_byte_level(void)
{
    static const char hole[] =
        "\"normalizer\":null,\"pre_tokenizer\":null";
    static const char step[] =
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"use_regex\":true},\"normalizer\":{\"type\":\"NFC\"}";
    struct pnd_map map;
    struct pnd_buffer text;
    ck_assert_ok(pnd_map_open(&map, NULL, test_golden("bpe.json")));
    pnd_buffer_init(&text, &pnd_allocator_heap);
    size_t at = 0;
    while (memcmp(map.data + at, hole, sizeof hole - 1) != 0)
        at++;
    ck_assert_ok(pnd_buffer_append(&text, map.data, at));
    ck_assert_ok(pnd_buffer_append_string(&text, step));
    at += sizeof hole - 1;
    ck_assert_ok(pnd_buffer_append(&text, map.data + at, map.size - at));
    const char *path = test_write_temp(".json", text.data, text.size);
    pnd_buffer_free(&text);
    pnd_map_close(&map);
    return path;
}

START_TEST(byte_level)
{
    demand_same(write_byte_level(), NULL);
}
END_TEST

/* Text with U+2581 for spaces, merged by a list: a small one of our own. */
START_TEST(metaspace)
{
    static const char json[] =
        "{\"added_tokens\": [{\"id\": 1, \"content\": \"</s>\", \"special\": "
        "true, \"normalized\": false}],"
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
        "{\"type\": \"NFD\"},"
        "{\"type\": \"Prepend\", \"prepend\": \"\xe2\x96\x81\"},"
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"},"
        "\"content\": \"\xe2\x96\x81\"}]}, \"pre_tokenizer\": null,"
        "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\","
        "\"fuse_unk\": true, \"byte_fallback\": false, \"vocab\": {"
        "\"<unk>\": 0, \"</s>\": 1, \"\xe2\x96\x81\": 2, \"t\": 3, \"h\": 4,"
        "\"e\": 5, \"th\": 6, \"the\": 7, \"\xe2\x96\x81the\": 8, \"a\": 9,"
        "\"aa\": 10}, \"merges\": [\"t h\", \"th e\", "
        "\"\xe2\x96\x81 the\", \"a a\"]}}";
    const char *path = test_write_temp(".json", json, sizeof json - 1);
    struct pnd_tokenizer *t;
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), path, NULL));
    struct pnd_tokenizer *again = write_and_read(t, 0, true);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        demand_same_tokens(t, again, texts[i], 0);
        demand_same_tokens(t, again, texts[i], PANDA_TOKENIZE_PARSE_SPECIAL);
    }
    pnd_tokenizer_close(again);
    pnd_tokenizer_close(t);
}
END_TEST

static panda_status write_all(const struct pnd_tokenizer *t,
                              const struct pnd_allocator *alloc)
{
    struct pnd_gguf_writer w;
    panda_status status;
    PND_TRY(pnd_gguf_writer_init(&w, alloc, "llama"));
    PND_TRY(pnd_tokenizer_write(t, &w, 0, true));
out:
    pnd_gguf_writer_free(&w);
    return status;
}

START_TEST(lack_of_memory)
{
    struct pnd_tokenizer *t;
    panda_status status = PANDA_E_MEMORY;
    struct test_alloc alloc;
    struct pnd_context ctx = *test_context();
    test_alloc_init(&alloc);
    ctx.alloc = alloc.alloc;
    ck_assert_ok(pnd_tokenizer_open(&t, &ctx, write_byte_level(), NULL));
    const long live = atomic_load(&alloc.live);
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        alloc.fail_at = atomic_load(&alloc.count) + n;
        status = write_all(t, &ctx.alloc);
        ck_assert_int_eq(atomic_load(&alloc.live), live);
        alloc.fail_at = 0;
    }
    ck_assert_int_eq(status, PANDA_OK);
    pnd_tokenizer_close(t);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("tokenizer_write");
    TCase *t = tcase_create("tokenizer_write");
    tcase_add_test(t, sentencepiece);
    tcase_add_test(t, byte_level);
    tcase_add_test(t, metaspace);
    tcase_add_test(t, lack_of_memory);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
