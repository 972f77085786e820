/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <string.h>

#include "decoder/stop.h"

/* What a stream gave out, and whether it ended. */
struct result {
    char text[256];
    bool ended;
};

static struct pnd_stop *make(const char *const *strings)
{
    struct pnd_stop *stop;
    ck_assert_ok(pnd_stop_create(&stop, &pnd_allocator_heap, strings));
    return stop;
}

/* Push the text, cut where the bits of `cuts` say so. */
static struct result run(const char *const *strings, const char *text,
                         uint32_t cuts)
{
    struct result result = {.ended = false};
    struct pnd_stop *stop = make(strings);
    struct pnd_buffer out;
    pnd_buffer_init(&out, &pnd_allocator_heap);
    size_t length = strlen(text);
    for (size_t i = 0, start = 0; i < length; i++) {
        if (i + 1 < length && !(cuts >> i & 1))
            continue;
        panda_status status = pnd_stop_push(stop, text + start, i + 1 - start,
                                            &out);
        ck_assert_int_ge(status, 0);
        result.ended = result.ended || status == PANDA_END;
        ck_assert_int_eq(result.ended, status == PANDA_END);
        start = i + 1;
    }
    size_t size = out.size;
    panda_status status = pnd_stop_flush(stop, &out);
    ck_assert_int_ge(status, 0);
    if (result.ended)
        ck_assert_uint_eq(out.size, size);
    result.ended = status == PANDA_END;
    ck_assert_uint_lt(out.size, sizeof result.text);
    if (out.size)
        memcpy(result.text, out.data, out.size);
    pnd_buffer_free(&out);
    pnd_stop_destroy(stop);
    return result;
}

/* The definition: the text ends where the first of them begins. */
static struct result define(const char *const *strings, const char *text)
{
    struct result result = {.ended = false};
    size_t end = strlen(text);
    for (size_t i = 0; strings[i]; i++) {
        const char *at = strstr(text, strings[i]);
        if (at && (size_t)(at - text) <= end) {
            end = (size_t)(at - text);
            result.ended = true;
        }
    }
    memcpy(result.text, text, end);
    return result;
}

static const struct {
    const char *strings[4];
    const char *text, *out;
    bool ended;
} cases[] = {
    {{NULL}, "no stops at all", "no stops at all", false},
    {{"###"}, "", "", false},
    {{"###"}, "a ## b ### c", "a ## b ", true},
    {{"###"}, "#### x", "", true},
    {{"\n###"}, "one\n##two\n\n###", "one\n##two\n", true},
    {{"\n###"}, "ends with \n##", "ends with \n##", false},
    {{"aab"}, "aaaab", "aa", true},
    {{"abab"}, "abaabab!", "aba", true},
    {{"x"}, "x", "", true},
    {{"x"}, "abcx", "abc", true},
    {{"abcd", "bc"}, "abcd", "", true},
    {{"abcd", "bc"}, "abcx", "a", true},
    {{"abcd", "bc"}, "abc", "a", true},
    {{"bc", "abcd"}, "xabcabcd", "xa", true},
    {{"bcd", "d"}, "abcd", "a", true},
    {{"same", "same"}, "the same", "the ", true},
    {{"\xc3\xa9"}, "caf\xc3\xa8 caf\xc3\xa9", "caf\xc3\xa8 caf", true},
};

/* The result does not depend on how the text was cut. */
START_TEST(text_ends_where_the_first_stop_begins)
{
    const char *text = cases[_i].text;
    for (uint32_t cuts = 0; cuts < 1u << 15; cuts += cuts < 64 ? 1 : 61) {
        struct result got = run(cases[_i].strings, text, cuts);
        ck_assert_str_eq(got.text, cases[_i].out);
        ck_assert_int_eq(got.ended, cases[_i].ended);
    }
    struct result all = run(cases[_i].strings, text, UINT32_MAX);
    ck_assert_str_eq(all.text, cases[_i].out);
}
END_TEST

/* A text that begins a line, as if a line break stood in front. */
START_TEST(a_line_may_begin_with_the_text)
{
    static const struct {
        const char *strings[3];
        const char *pieces[4];
        const char *out;
        bool ended;
    } rows[] = {
        {{"\n###"}, {"###", " x"}, "", true},
        {{"\n###"}, {"#", "#", "#"}, "", true},
        {{"\n###"}, {"##", " x"}, "## x", false},
        {{"\n###"}, {"##"}, "##", false},
        {{"\n###"}, {" ###"}, " ###", false},
        {{"\n###"}, {"one ##", "#\n", "###"}, "one ###", true},
        {{"\n"}, {"one", "\n", "two"}, "one", true},
        {{"\n"}, {"\n"}, "", true},
        {{"\n\n"}, {"\n", "one"}, "", true},
        {{"\n###", "\n"}, {"one ", "two"}, "one two", false},
        {{"\nab", "ac"}, {"a", "c"}, "", true},
        {{NULL}, {"one"}, "one", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pnd_stop *stop = make(rows[i].strings);
        struct pnd_buffer out;
        pnd_buffer_init(&out, &pnd_allocator_heap);
        pnd_stop_begin_line(stop);
        for (size_t p = 0; rows[i].pieces[p]; p++)
            ck_assert_int_ge(pnd_stop_push(stop, rows[i].pieces[p],
                                           strlen(rows[i].pieces[p]), &out),
                             0);
        panda_status status = pnd_stop_flush(stop, &out);
        ck_assert_int_eq(status, rows[i].ended ? PANDA_END : PANDA_OK);
        ck_assert_ok(pnd_buffer_terminate(&out));
        ck_assert_str_eq((const char *)out.data, rows[i].out);
        pnd_buffer_free(&out);
        pnd_stop_destroy(stop);
    }
}
END_TEST

/* Texts and stop strings over two letters overlap in every way. */
START_TEST(random_texts_agree_with_the_definition)
{
    uint32_t seed = 12345;
    for (int round = 0; round < 20000; round++) {
        char strings[3][8] = {{0}}, text[24] = {0};
        const char *list[4] = {0};
        seed = seed * 1664525u + 1013904223u;
        uint32_t bits = seed >> 4;
        size_t count = 1 + bits % 3;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            size_t length = 1 + (seed >> 24) % 6;
            for (size_t j = 0; j < length; j++)
                strings[i][j] = seed >> (8 + j) & 1 ? 'a' : 'b';
            list[i] = strings[i];
        }
        seed = seed * 1664525u + 1013904223u;
        for (size_t j = 0; j < 20; j++)
            text[j] = seed >> (8 + j) & 1 ? 'a' : 'b';
        struct result want = define(list, text);
        struct result got = run(list, text, bits * 2654435761u);
        ck_assert_str_eq(got.text, want.text);
        ck_assert_int_eq(got.ended, want.ended);
    }
}
END_TEST

START_TEST(only_a_possible_stop_is_held_back)
{
    struct pnd_stop *stop = make((const char *[]){"###", "\n\n!", NULL});
    struct pnd_buffer out;
    pnd_buffer_init(&out, &pnd_allocator_heap);
    static const struct { const char *piece; size_t given; } steps[] = {
        {"Hello", 5}, {" #", 6}, {"#", 6}, {" no", 11}, {"\n", 11},
        {"\n", 11}, {"\n", 12}, {"x", 15}, {"", 15}, {"a##", 16},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        ck_assert_ok(pnd_stop_push(stop, steps[i].piece,
                                   strlen(steps[i].piece), &out));
        ck_assert_uint_eq(out.size, steps[i].given);
    }
    ck_assert_int_eq(pnd_stop_push(stop, "#more", 5, &out), PANDA_END);
    ck_assert_uint_eq(out.size, 16);
    ck_assert_int_eq(pnd_stop_push(stop, "more", 4, &out), PANDA_END);
    ck_assert_int_eq(pnd_stop_flush(stop, &out), PANDA_END);
    ck_assert_uint_eq(out.size, 16);
    pnd_buffer_free(&out);
    pnd_stop_destroy(stop);
}
END_TEST

START_TEST(useless_stop_strings_are_refused)
{
    struct pnd_stop *stop;
    ck_assert_fails(pnd_stop_create(&stop, &pnd_allocator_heap,
                                    (const char *[]){"a", "", NULL}),
                    PANDA_E_ARGUMENT, "empty");
    ck_assert_ptr_null(stop);
    ck_assert_fails(pnd_stop_create(&stop, &pnd_allocator_heap,
                                    (const char *[]){"\xa9", NULL}),
                    PANDA_E_ARGUMENT, "UTF-8");
    ck_assert_ok(pnd_stop_create(&stop, &pnd_allocator_heap, NULL));
    pnd_stop_destroy(stop);
    pnd_stop_destroy(NULL);
}
END_TEST

START_TEST(memory_may_run_out)
{
    const char *const list[] = {"###", "end", NULL};
    for (long n = 1;; n++) {
        struct test_alloc t;
        test_alloc_init(&t);
        t.fail_at = n;
        struct pnd_stop *stop;
        panda_status status = pnd_stop_create(&stop, &t.alloc, list);
        if (status == PANDA_OK) {
            struct pnd_buffer out;
            pnd_buffer_init(&out, &t.alloc);
            status = pnd_stop_push(stop, "text ##", 7, &out);
            if (status == PANDA_E_MEMORY) {
                /* Nothing was taken: the same piece may come again. */
                t.fail_at = 0;
                ck_assert_ok(pnd_stop_push(stop, "text ##", 7, &out));
                ck_assert_int_eq(pnd_stop_push(stop, "#", 1, &out), PANDA_END);
                ck_assert_uint_eq(out.size, 5);
                status = PANDA_E_MEMORY;
            }
            pnd_buffer_free(&out);
        }
        pnd_stop_destroy(stop);
        ck_assert_int_eq(t.live, 0);
        if (status == PANDA_OK)
            break;
        ck_assert_int_eq(status, PANDA_E_MEMORY);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop");
    TCase *tc = tcase_create("stop");
    tcase_add_loop_test(tc, text_ends_where_the_first_stop_begins, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tc, a_line_may_begin_with_the_text);
    tcase_add_test(tc, random_texts_agree_with_the_definition);
    tcase_add_test(tc, only_a_possible_stop_is_held_back);
    tcase_add_test(tc, useless_stop_strings_are_refused);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
