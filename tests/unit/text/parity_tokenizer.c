/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

/* LLaMA's vocabulary, and what the reference's tokenizer made of some texts. */

static struct pnd_tokenizer *tokenizer;
static struct pnd_json *json;
static const struct pnd_json_value *rows;

static void open_all(void)
{
    ck_assert_ok(pnd_tokenizer_open(
        &tokenizer, test_context(),
        test_fixture("weights/vicuna_tiny/tokenizer.model"), NULL));
    ck_assert_ok(pnd_json_open(&json, test_context(),
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

START_TEST(texts_become_the_references_ids)
{
    const struct pnd_json_value *row;
    for (row = rows->child; row; row = row->next) {
        const struct pnd_json_value *text = golden_get(row, "text");
        assert_ids(tokenizer, text->string, text->length,
                   PANDA_TOKENIZE_PARSE_SPECIAL, golden_get(row, "ids"));
        assert_ids(tokenizer, text->string, text->length,
                   PANDA_TOKENIZE_PARSE_SPECIAL | PANDA_TOKENIZE_BOS,
                   golden_get(row, "ids_with_bos"));
    }
}
END_TEST

START_TEST(ids_become_the_references_texts)
{
    const struct pnd_json_value *row;
    for (row = rows->child; row; row = row->next) {
        const struct pnd_json_value *ids = golden_get(row, "ids");
        assert_text(tokenizer, ids, false, golden_get(row, "decoded"));
        assert_text(tokenizer, ids, true,
                    golden_get(row, "decoded_keep_special"));
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
