/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <string.h>

#include <pandagpt/model.h>

#include "format/json.h"
#include "text/tokenizer.h"

/* LLaMA's vocabulary, and what the reference's tokenizer made of some texts. */

static struct pnd_tokenizer *tokenizer;
static struct pnd_json *json;
static const struct pnd_json_value *rows;

static void open_all(void)
{
    ck_assert_ok(pnd_tokenizer_open(
        &tokenizer, test_context(),
        test_fixture("weights/vicuna_tiny/tokenizer.model"), NULL));
    ck_assert_ok(pnd_json_open(&json, &pnd_allocator_heap,
                               test_fixture("expected/tokenizer_llama.json")));
    rows = pnd_json_find(pnd_json_get_root(json), "rows");
    ck_assert_ptr_nonnull(rows);
    ck_assert_uint_ge(rows->length, 40);
}

static void close_all(void)
{
    pnd_tokenizer_close(tokenizer);
    pnd_json_free(json);
}

static void assert_ids(const struct pnd_json_value *text, uint32_t flags,
                       const struct pnd_json_value *want)
{
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(tokenizer, text->string, text->length,
                                      flags, &ids));
    const int32_t *got = (const int32_t *)(const void *)ids.data;
    ck_assert_msg(ids.size == want->length * sizeof *got,
                  "\"%s\": %zu ids, expected %zu", text->string,
                  ids.size / sizeof *got, want->length);
    const struct pnd_json_value *id = want->child;
    for (size_t i = 0; id; id = id->next, i++)
        ck_assert_msg(got[i] == id->integer, "\"%s\": id %zu is %d, not %lld",
                      text->string, i, (int)got[i], (long long)id->integer);
    pnd_buffer_free(&ids);
}

START_TEST(texts_become_the_references_ids)
{
    const struct pnd_json_value *row;
    for (row = rows->child; row; row = row->next) {
        const struct pnd_json_value *text = pnd_json_find(row, "text");
        assert_ids(text, PANDA_TOKENIZE_PARSE_SPECIAL,
                   pnd_json_find(row, "ids"));
        assert_ids(text, PANDA_TOKENIZE_PARSE_SPECIAL | PANDA_TOKENIZE_BOS,
                   pnd_json_find(row, "ids_with_bos"));
    }
}
END_TEST

static void assert_text(const struct pnd_json_value *ids, bool keep_special,
                        const struct pnd_json_value *want)
{
    int32_t list[256];
    size_t count = 0;
    ck_assert_uint_le(ids->length, 256);
    const struct pnd_json_value *id;
    for (id = ids->child; id; id = id->next)
        list[count++] = (int32_t)id->integer;
    struct pnd_buffer text;
    pnd_buffer_init(&text, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_decode(tokenizer, list, count, keep_special,
                                      &text));
    ck_assert_ok(pnd_buffer_terminate(&text));
    ck_assert_uint_eq(text.size, want->length);
    ck_assert_msg(memcmp(text.data, want->string, text.size) == 0,
                  "\"%s\", expected \"%s\"", (const char *)text.data,
                  want->string);
    pnd_buffer_free(&text);
}

START_TEST(ids_become_the_references_texts)
{
    const struct pnd_json_value *row;
    for (row = rows->child; row; row = row->next) {
        const struct pnd_json_value *ids = pnd_json_find(row, "ids");
        assert_text(ids, false, pnd_json_find(row, "decoded"));
        assert_text(ids, true, pnd_json_find(row, "decoded_keep_special"));
    }
}
END_TEST

START_TEST(vocabulary_is_the_published_one)
{
    ck_assert_uint_eq(pnd_tokenizer_get_size(tokenizer), 32001);
    ck_assert_int_eq(pnd_tokenizer_get_bos(tokenizer), 1);
    ck_assert_int_eq(pnd_tokenizer_get_eos(tokenizer), 2);
    ck_assert_int_eq(pnd_tokenizer_find(tokenizer, "##", 2), 2277);
    ck_assert_int_eq(pnd_tokenizer_find(tokenizer, "###", 3), -1);
    ck_assert_int_eq(pnd_tokenizer_find(tokenizer, "[PAD]", 5), 32000);
    ck_assert_int_eq(pnd_tokenizer_find(tokenizer, "</s", 3), -1);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("parity: tokenizer");
    TCase *tc = tcase_create("tokenizer");
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, texts_become_the_references_ids);
    tcase_add_test(tc, ids_become_the_references_texts);
    tcase_add_test(tc, vocabulary_is_the_published_one);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
