/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

/* Open the golden vocabulary beside these files; NULL: not there. */
static panda_status open_with(struct pnd_tokenizer **out, const char *added,
                              const char *map, const char *config)
{
    struct folder folder = folder_make();
    if (added)
        folder_write(&folder, "added_tokens.json", added);
    if (map)
        folder_write(&folder, "special_tokens_map.json", map);
    if (config)
        folder_write(&folder, "tokenizer_config.json", config);
    panda_status status = pnd_tokenizer_open(
        out, test_context(), test_golden("tokenizer.model"), folder.path);
    folder_remove(&folder);
    return status;
}

static int32_t find(const struct pnd_tokenizer *t, const char *piece)
{
    return pnd_tokenizer_find(t, piece, strlen(piece));
}

START_TEST(tokens_are_added)
{
    struct pnd_tokenizer *t;
    ck_assert_ok(open_with(&t, "{\"second\": 1001, \"</s>\": 2, "
                               "\"first\": 1000, \"third\": 1002}",
                           NULL, NULL));
    ck_assert_uint_eq(pnd_tokenizer_get_size(t), 1003);
    ck_assert_int_eq(find(t, "first"), 1000);
    ck_assert_int_eq(find(t, "second"), 1001);
    ck_assert_int_eq(find(t, "third"), 1002);
    ck_assert_int_eq(find(t, "</s>"), 2);
    pnd_tokenizer_close(t);
    ck_assert_ok(open_with(&t, "{}", "{}", "{}"));
    ck_assert_uint_eq(pnd_tokenizer_get_size(t), 1000);
    pnd_tokenizer_close(t);
}
END_TEST

static const struct {
    const char *added, *map, *config, *complaint;
} wrong[] = {
    {"{\"a1\": 1001}", NULL, NULL, "without a gap"},
    {"{\"a1\": 1000, \"a2\": 1002, \"</s>\": 2}", NULL, NULL,
     "no token has id 1001"},
    {"{\"a1\": 1000, \"a2\": 1000}", NULL, NULL, "without a gap"},
    {"{\"a1\": 4}", NULL, NULL, "without a gap"},
    {"{\"a1\": -1}", NULL, NULL, "is not an id"},
    {"{\"a1\": 1000.5}", NULL, NULL, "is not an id"},
    {"{\"a1\": \"1000\"}", NULL, NULL, "is not an id"},
    {"{\"a1\": 9223372036854775807}", NULL, NULL, "without a gap"},
    {"{\"</s>\": 1000}", NULL, NULL, "in the vocabulary it has 2"},
    {"{\"\": 1000}", NULL, NULL, "0 bytes"},
    {"[1000]", NULL, NULL, "not a JSON object"},
    {"{\"a1\": 1000", NULL, NULL, "added_tokens.json"},
    {NULL, "[]", NULL, "not a JSON object"},
    {NULL, "{\"bos_token\": 1}", NULL, "bos_token"},
    {NULL, "{\"eos_token\": {\"text\": \"</s>\"}}", NULL, "content"},
    {NULL, "{\"additional_special_tokens\": \"</s>\"}", NULL, "not a list"},
    {NULL, "{\"additional_special_tokens\": [1]}", NULL, "neither a string"},
    {NULL, NULL, "{\"unk_token\": []}", "unk_token"},
};

START_TEST(wrong_files_are_named)
{
    struct pnd_tokenizer *t;
    ck_assert_fails(open_with(&t, wrong[_i].added, wrong[_i].map,
                              wrong[_i].config),
                    PANDA_E_FORMAT, wrong[_i].complaint);
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), ".json"));
    ck_assert_ptr_null(t);
}
END_TEST

/* special_tokens_map.json wins; null, "" and what the vocabulary lacks say
 * nothing. */
START_TEST(bos_and_eos_come_from_the_files)
{
    static const struct {
        const char *map, *config;
        int bos, eos;
    } cases[] = {
        {NULL, NULL, 1, 2},
        {"{\"bos_token\": \"</s>\"}", NULL, 2, 2},
        {NULL, "{\"bos_token\": \"</s>\", \"eos_token\": \"<s>\"}", 2, 1},
        {"{\"bos_token\": \"<s>\"}", "{\"bos_token\": \"</s>\"}", 1, 2},
        {"{\"bos_token\": null, \"eos_token\": \"\"}", NULL, 1, 2},
        {"{\"bos_token\": {\"content\": \"</s>\"}}", "{\"bos_token\": \"\"}",
         2, 2},
        {"{\"eos_token\": \"[NO]\"}", NULL, 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pnd_tokenizer *t;
        ck_assert_ok(open_with(&t, NULL, cases[i].map, cases[i].config));
        ck_assert_int_eq(pnd_tokenizer_get_bos(t), cases[i].bos);
        ck_assert_int_eq(pnd_tokenizer_get_eos(t), cases[i].eos);
        pnd_tokenizer_close(t);
    }
}
END_TEST

/* As HF's class of LLaMA's tokenizers. */
START_TEST(ends_of_texts_come_from_the_configuration)
{
    static const struct {
        const char *config;
        uint32_t ends;
    } cases[] = {
        {NULL, PANDA_TOKENIZE_BOS},
        {"{}", PANDA_TOKENIZE_BOS},
        {"{\"add_bos_token\": false}", 0},
        {"{\"add_eos_token\": true}", PANDA_TOKENIZE_BOS | PANDA_TOKENIZE_EOS},
        {"{\"add_bos_token\": false, \"add_eos_token\": true}",
         PANDA_TOKENIZE_EOS},
        {"{\"add_bos_token\": null, \"add_eos_token\": 1}",
         PANDA_TOKENIZE_BOS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pnd_tokenizer *t;
        ck_assert_ok(open_with(&t, NULL, NULL, cases[i].config));
        ck_assert_uint_eq(pnd_tokenizer_get_ends(t), cases[i].ends);
        pnd_tokenizer_close(t);
    }
}
END_TEST

/* In the vocabulary's own folder when none is given. */
START_TEST(files_lie_beside_the_vocabulary)
{
    struct pnd_tokenizer *t;
    struct folder folder = folder_make();
    folder_write(&folder, "added_tokens.json", "{\"extra\": 1000}");
    char path[512], target[512];
    snprintf(path, sizeof path, "%s/tokenizer.model", folder.path);
    ck_assert_ptr_nonnull(realpath(test_golden("tokenizer.model"), target));
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), path, NULL));
    ck_assert_int_eq(find(t, "extra"), 1000);
    pnd_tokenizer_close(t);
    unlink(path);
    folder_remove(&folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("special_tokens");
    TCase *tc = tcase_create("special_tokens");
    tcase_add_test(tc, tokens_are_added);
    tcase_add_loop_test(tc, wrong_files_are_named, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, bos_and_eos_come_from_the_files);
    tcase_add_test(tc, ends_of_texts_come_from_the_configuration);
    tcase_add_test(tc, files_lie_beside_the_vocabulary);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
