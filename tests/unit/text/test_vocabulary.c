/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "text/vocabulary.h"

static struct pnd_vocabulary v;

static void begin(void)
{
    pnd_vocabulary_init(&v, &pnd_allocator_heap);
}

static void end(void)
{
    pnd_vocabulary_free(&v);
}

static void add(const char *text, enum pnd_piece_kind kind)
{
    ck_assert_ok(pnd_vocabulary_add(&v, text, strlen(text), 0, kind));
}

START_TEST(every_spelling_is_found)
{
    char text[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "p%d", i);
        add(text, PND_PIECE_NORMAL);
    }
    ck_assert_ok(pnd_vocabulary_index(&v));
    for (int i = 0; i < 5000; i++) {
        int length = snprintf(text, sizeof text, "p%d", i);
        ck_assert_int_eq(pnd_vocabulary_find(&v, text, (size_t)length), i);
        ck_assert_mem_eq(pnd_vocabulary_get(&v, (uint32_t)i)->text, text,
                         (size_t)length);
    }
    ck_assert_int_eq(pnd_vocabulary_find(&v, "p", 1), -1);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "p5000", 5), -1);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "p00000", 6), -1);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "", 0), -1);
    /* More may follow. */
    add("later", PND_PIECE_ADDED);
    ck_assert_ok(pnd_vocabulary_index(&v));
    ck_assert_int_eq(pnd_vocabulary_find(&v, "later", 5), 5000);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "p17", 3), 17);
    ck_assert_uint_gt(pnd_vocabulary_get_heap_bytes(&v), 100000);
}
END_TEST

START_TEST(one_piece_is_enough)
{
    add("x", PND_PIECE_NORMAL);
    ck_assert_ok(pnd_vocabulary_index(&v));
    ck_assert_int_eq(pnd_vocabulary_find(&v, "x", 1), 0);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "y", 1), -1);
}
END_TEST

START_TEST(spellings_come_once)
{
    add("one", PND_PIECE_NORMAL);
    add("two", PND_PIECE_NORMAL);
    add("one", PND_PIECE_CONTROL);
    ck_assert_fails(pnd_vocabulary_index(&v), PANDA_E_FORMAT, "\"one\"");
}
END_TEST

/* Zero bytes are characters like others. */
START_TEST(zero_bytes_are_told_apart)
{
    ck_assert_ok(pnd_vocabulary_add(&v, "a\0b", 3, 0, PND_PIECE_NORMAL));
    ck_assert_ok(pnd_vocabulary_add(&v, "a\0c", 3, 0, PND_PIECE_NORMAL));
    ck_assert_ok(pnd_vocabulary_add(&v, "a", 1, 0, PND_PIECE_NORMAL));
    ck_assert_ok(pnd_vocabulary_index(&v));
    ck_assert_int_eq(pnd_vocabulary_find(&v, "a\0c", 3), 1);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "a", 1), 2);
    ck_assert_int_eq(pnd_vocabulary_find(&v, "a\0", 2), -1);
}
END_TEST

static void assert_match(const struct pnd_prefixes *p, const char *text,
                         const char *want)
{
    const struct pnd_piece *piece =
        pnd_prefixes_match(p, (const uint8_t *)text, strlen(text));
    if (!want) {
        ck_assert_ptr_null(piece);
        return;
    }
    ck_assert_ptr_nonnull(piece);
    ck_assert_uint_eq(piece->length, strlen(want));
    ck_assert_mem_eq(piece->text, want, piece->length);
}

START_TEST(the_longest_prefix_is_found)
{
    static const char *const wanted[] = {"a", "abc", "abcde", "b", "</s>",
                                         "<s>", "\xc3\xa9"};
    add("ab", PND_PIECE_NORMAL);
    for (int i = 0; i < 7; i++)
        add(wanted[i], PND_PIECE_USER_DEFINED);
    add("zz", PND_PIECE_CONTROL);
    ck_assert_ok(pnd_vocabulary_index(&v));
    struct pnd_prefixes p;
    ck_assert_ok(pnd_prefixes_build(&p, &v, PND_PIECE_USER_DEFINED, 0));
    ck_assert_uint_eq(p.count, 7);
    static const char *const cases[][2] = {
        {"a", "a"}, {"ab", "a"}, {"abc", "abc"}, {"abcd", "abc"},
        {"abcde", "abcde"}, {"abcdef", "abcde"}, {"b", "b"}, {"c", NULL},
        {"", NULL}, {"</", NULL}, {"</s>x", "</s>"}, {"<s", NULL},
        {"\xc3", NULL}, {"\xc3\xa9", "\xc3\xa9"}, {"\xff", NULL}, {"zz", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_match(&p, cases[i][0], cases[i][1]);
    pnd_prefixes_free(&p, &pnd_allocator_heap);

    pnd_vocabulary_get(&v, 0)->flags = PND_PIECE_WHOLE;
    ck_assert_ok(pnd_prefixes_build(&p, &v, 0, PND_PIECE_WHOLE));
    assert_match(&p, "abcde", "ab");
    pnd_prefixes_free(&p, &pnd_allocator_heap);

    ck_assert_ok(pnd_prefixes_build(&p, &v, PND_PIECE_BYTE, 0));
    assert_match(&p, "abcde", NULL);
    pnd_prefixes_free(&p, &pnd_allocator_heap);
}
END_TEST

START_TEST(utf8_is_recognised)
{
    ck_assert(pnd_text_is_utf8("a\0\xc3\xa9\xf0\x9f\x98\x8a", 8));
    ck_assert(pnd_text_is_utf8("", 0));
    ck_assert(!pnd_text_is_utf8("a\xc3", 2));
    ck_assert(!pnd_text_is_utf8("\xed\xa0\x80", 3));
    ck_assert(!pnd_text_is_utf8("\xc0\x80", 2));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *tc = tcase_create("vocabulary");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, every_spelling_is_found);
    tcase_add_test(tc, one_piece_is_enough);
    tcase_add_test(tc, spellings_come_once);
    tcase_add_test(tc, zero_bytes_are_told_apart);
    tcase_add_test(tc, the_longest_prefix_is_found);
    tcase_add_test(tc, utf8_is_recognised);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
