/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "support/support.h"

#include "pandagpt_config.h"
#if HAVE_UTF8PROC
#  include "modalities/clip_merges.h"
#endif

extern const panda_frontend_ops pnd_frontend_text;

#define CONTEXT 12
#define START 49406
#define END 49407
#define WANTED {sizeof(panda_frontend_tensor), PANDA_ELEMENT_I32, 1, 1, \
                {CONTEXT}}

/* Tokens of letters: inside a word, at its end. */
#define IN(letter) ((letter) - '!')
#define LAST(letter) ((letter) - '!' + 256)

static const int32_t some_ids[] = {START, 320, 1929, END};

static panda_input make_ids(const int32_t *ids, uint64_t count)
{
    return (panda_input){
        .struct_size = sizeof(panda_input),
        .modality = PANDA_MODALITY_TEXT,
        .source = PANDA_SOURCE_RAW,
        .element = PANDA_ELEMENT_I32,
        .data = ids,
        .size = count * sizeof *ids,
        .count = count,
    };
}

static panda_input make_text(const char *text)
{
    return (panda_input){
        .struct_size = sizeof(panda_input),
        .modality = PANDA_MODALITY_TEXT,
        .source = PANDA_SOURCE_BYTES,
        .data = text,
        .size = strlen(text),
    };
}

#if HAVE_UTF8PROC
static const char *const merges[] = {"l l", "h e", "he ll", "hell o</w>"};

static void set_merges(struct fake_host *host)
{
    static char *table;
    static size_t size;
    if (!table)
        table = clip_merges_make(merges, 4, &size);
    fake_host_set_resource(host, "clip.merges", table, size);
}
#else
#  define set_merges NULL
#endif

static void make_sample(struct conformance_sample *sample)
{
    static const char text[] = "Hello, \xc3\xa2\xe2\x82\xac\xc5\x93world\n";
    sample->bytes = text;
    sample->size = HAVE_UTF8PROC ? sizeof text - 1 : 0;
    sample->suffix = ".txt";
    sample->has_raw = true;
    sample->raw = make_ids(some_ids, 4);
}

static const struct conformance conformance_text = {
    .ops = &pnd_frontend_text,
    .tensor = WANTED,
    .flags = CONFORMANCE_ANY_CONTENT | (HAVE_UTF8PROC ? 0 : CONFORMANCE_BRIEF),
    .make_sample = make_sample,
    .set_up_host = set_merges,
};

static struct fake_host f;
static void *state;
static int32_t ids[CONTEXT + 1];

static void setup(void)
{
    fake_host_init(&f, 1);
#if HAVE_UTF8PROC
    set_merges(&f);
#endif
    state = calloc(1, pnd_frontend_text.state_size);
    ck_assert_int_eq(pnd_frontend_text.init(state, &f.host), PANDA_OK);
    ids[CONTEXT] = 1234567;
}

static void teardown(void)
{
    pnd_frontend_text.fini(state, &f.host);
    free(state);
    ck_assert_int_eq(fake_host_check(&f), 0);
    ck_assert_int_eq(ids[CONTEXT], 1234567);
}

static panda_status run(const panda_input *input)
{
    panda_frontend_tensor tensor = WANTED;
    fake_host_clear(&f);
    panda_status status =
        pnd_frontend_text.describe(state, &f.host, input, &tensor);
    if (status < 0)
        return status;
    ck_assert_uint_eq(tensor.items, 1);
    ck_assert_uint_eq(tensor.shape[0], CONTEXT);
    return pnd_frontend_text.preprocess(state, &f.host, input, &tensor, ids);
}

static void check_fails(const panda_input *input, panda_status status,
                        const char *part)
{
    ck_assert_int_eq(run(input), status);
    ck_assert_msg(strstr(f.message, part) != NULL,
                  "\"%s\" does not contain \"%s\"", f.message, part);
}

static void check_ids(const panda_input *input, const int32_t *expected,
                      size_t count)
{
    ck_assert_msg(run(input) == PANDA_OK, "%s", f.message);
    for (size_t i = 0; i < CONTEXT; i++)
        ck_assert_msg(ids[i] == (i < count ? expected[i] : 0),
                      "id %zu is %d, expected %d", i, (int)ids[i],
                      i < count ? (int)expected[i] : 0);
}

START_TEST(ids_are_padded)
{
    int32_t longest[CONTEXT];
    for (int i = 0; i < CONTEXT; i++)
        longest[i] = i * 100;
    panda_input input = make_ids(some_ids, 4);
    check_ids(&input, some_ids, 4);
    input = make_ids(longest, CONTEXT);
    check_ids(&input, longest, CONTEXT);
    /* The data need not be aligned. */
    char shifted[sizeof some_ids + 1];
    memcpy(shifted + 1, some_ids, sizeof some_ids);
    input = make_ids(some_ids, 4);
    input.data = shifted + 1;
    check_ids(&input, some_ids, 4);
}
END_TEST

START_TEST(wrong_ids_are_refused)
{
    static const int32_t high[] = {START, 49408}, low[] = {START, -1};
    panda_input input = make_ids(some_ids, 0);
    check_fails(&input, PANDA_E_SHAPE, "0 token ids, expected 1..12");
    input = make_ids(some_ids, CONTEXT + 1);
    check_fails(&input, PANDA_E_SHAPE, "13 token ids, expected 1..12");
    input = make_ids(some_ids, UINT64_MAX / 2);
    check_fails(&input, PANDA_E_SHAPE, "expected 1..12");
    input = make_ids(high, 2);
    check_fails(&input, PANDA_E_ARGUMENT,
                "token id 1 is 49408, expected 0..49407");
    input = make_ids(low, 2);
    check_fails(&input, PANDA_E_ARGUMENT, "token id 1 is -1");
    input = make_ids(some_ids, 4);
    input.size = 15;
    check_fails(&input, PANDA_E_SHAPE, "15 bytes hold");
    input = make_ids(some_ids, 4);
    input.element = PANDA_ELEMENT_F32;
    check_fails(&input, PANDA_E_ARGUMENT, "element type 5");
}
END_TEST

START_TEST(another_encoder_is_refused)
{
    panda_input input = make_ids(some_ids, 4);
    panda_frontend_tensor tensor = WANTED;
    tensor.element = PANDA_ELEMENT_F32;
    ck_assert_int_eq(
        pnd_frontend_text.describe(state, &f.host, &input, &tensor),
        PANDA_E_SHAPE);
    tensor = (panda_frontend_tensor)WANTED;
    tensor.shape[0] = 1;
    ck_assert_int_eq(
        pnd_frontend_text.describe(state, &f.host, &input, &tensor),
        PANDA_E_SHAPE);
}
END_TEST

#if HAVE_UTF8PROC

START_TEST(words_become_tokens)
{
    const int32_t hello[] = {START, 512 + 3, LAST('c'), END};
    panda_input input = make_text("  HELLO\n\t c ");
    check_ids(&input, hello, 4);
    const int32_t empty[] = {START, END};
    input = make_text("");
    check_ids(&input, empty, 2);
    input.data = NULL;
    check_ids(&input, empty, 2);
    const int32_t special[] = {START, START, LAST('c'), END, END};
    input = make_text("<|startoftext|>c<|endoftext|>");
    check_ids(&input, special, 5);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    const char *text = "a b c d e f g h i j k";
    panda_text_options options = {.struct_size = sizeof options};
    int32_t expected[CONTEXT] = {START};
    for (int i = 1; i < CONTEXT; i++)
        expected[i] = LAST('a' + i - 1);
    panda_input input = make_text(text);
    input.text_options = &options;
    options.cut = PANDA_TEXT_CUT_REFERENCE;
    check_ids(&input, expected, CONTEXT);
    expected[CONTEXT - 1] = END;
    options.cut = PANDA_TEXT_CUT_KEEP_END;
    check_ids(&input, expected, CONTEXT);
    /* In the middle of a word. */
    input = make_text("abcdefghijklmnop");
    for (int i = 1; i < CONTEXT - 1; i++)
        expected[i] = IN('a' + i - 1);
    check_ids(&input, expected, CONTEXT);
    /* As long as there is room for. */
    options.cut = PANDA_TEXT_CUT_REFERENCE;
    input = make_text("a b c d e f g h i j");
    input.text_options = &options;
    for (int i = 1; i < CONTEXT - 1; i++)
        expected[i] = LAST('a' + i - 1);
    check_ids(&input, expected, CONTEXT);
}
END_TEST

/* What lies behind the last token is not even cleaned. */
START_TEST(only_the_beginning_is_read)
{
    size_t size = (size_t)16 << 20;
    char *text = malloc(size);
    memset(text, '\n', size);
    memcpy(text, "a b c d e f g h i j k\n", 22);
    panda_input input = make_text("");
    input.data = text;
    input.size = size;
    ck_assert_int_eq(run(&input), PANDA_OK);
    ck_assert_int_eq(ids[CONTEXT - 1], END);
    ck_assert_int_lt(atomic_load(&f.count), 20);
    free(text);
}
END_TEST

START_TEST(repair_is_an_option)
{
    panda_text_options options = {.struct_size = sizeof options};
    panda_input input = make_text("\xc3\x83\xc2\xa9");
    input.text_options = &options;
    /* U+00E9 is C3 A9, two bytes that the vocabulary here merges. */
    ck_assert_int_eq(run(&input), PANDA_OK);
    ck_assert_int_ne(ids[1], END);
    int32_t repaired[CONTEXT];
    memcpy(repaired, ids, sizeof repaired);
    options.repair = PANDA_SWITCH_OFF;
    ck_assert_int_eq(run(&input), PANDA_OK);
    ck_assert_int_ne(memcmp(ids, repaired, sizeof repaired), 0);
    options.repair = PANDA_SWITCH_ON;
    check_ids(&input, repaired, CONTEXT);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    panda_text_options options = {.struct_size = sizeof options, .cut = 2};
    panda_input input = make_text("a");
    input.text_options = &options;
    check_fails(&input, PANDA_E_ARGUMENT, "cut is 2, expected 0 or 1");
    options = (panda_text_options){.struct_size = sizeof options, .repair = -1};
    check_fails(&input, PANDA_E_ARGUMENT, "repair is -1");
}
END_TEST

START_TEST(wrong_texts_are_refused)
{
    panda_input input = make_text("good \xc3(");
    check_fails(&input, PANDA_E_FORMAT, "byte 5 of the text is 0xc3");
    input = make_text("a");
    input.size = ((uint64_t)16 << 20) + 1;
    check_fails(&input, PANDA_E_FORMAT, "16777217 bytes, expected at most");
}
END_TEST

START_TEST(merges_are_only_needed_for_text)
{
    struct fake_host bare;
    fake_host_init(&bare, 1);
    void *empty = calloc(1, pnd_frontend_text.state_size);
    ck_assert_int_eq(pnd_frontend_text.init(empty, &bare.host), PANDA_OK);
    panda_frontend_tensor tensor = WANTED;
    panda_input input = make_ids(some_ids, 4);
    ck_assert_int_eq(pnd_frontend_text.preprocess(empty, &bare.host, &input,
                                                  &tensor, ids), PANDA_OK);
    input = make_text("a");
    ck_assert_int_eq(pnd_frontend_text.describe(empty, &bare.host, &input,
                                                &tensor), PANDA_E_UNSUPPORTED);
    ck_assert(strstr(bare.message, "no CLIP merges table") != NULL);
    pnd_frontend_text.fini(empty, &bare.host);
    free(empty);
    ck_assert_int_eq(fake_host_check(&bare), 0);
}
END_TEST

#else

START_TEST(text_says_what_is_missing)
{
    panda_input input = make_text("a");
    check_fails(&input, PANDA_E_UNSUPPORTED, "no utf8proc");
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ids_are_padded);
    tcase_add_test(tc, wrong_ids_are_refused);
    tcase_add_test(tc, another_encoder_is_refused);
#if HAVE_UTF8PROC
    tcase_add_test(tc, words_become_tokens);
    tcase_add_test(tc, long_texts_are_cut);
    tcase_add_test(tc, only_the_beginning_is_read);
    tcase_add_test(tc, repair_is_an_option);
    tcase_add_test(tc, wrong_options_are_refused);
    tcase_add_test(tc, wrong_texts_are_refused);
    tcase_add_test(tc, merges_are_only_needed_for_text);
#else
    tcase_add_test(tc, text_says_what_is_missing);
#endif
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(text));
    return test_run(suite);
}
