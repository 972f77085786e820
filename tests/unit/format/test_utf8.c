/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/utf8.h"

#include <string.h>

#include "support/support.h"

static const struct {
    const char *text;
    size_t length;
} characters[] = {
    {"a", 1},
    {"\x7f", 1},
    {"\xc2\x80", 2},
    {"\xdf\xbf", 2},
    {"\xe0\xa0\x80", 3},
    {"\xed\x9f\xbf", 3},
    {"\xee\x80\x80", 3},
    {"\xf0\x90\x80\x80", 4},
    {"\xf4\x8f\xbf\xbf", 4},
    {"\x80", 0},     /* a continuation */
    {"\xc0\x80", 0}, /* overlong */
    {"\xc1\xbf", 0},
    {"\xe0\x9f\xbf", 0},
    {"\xf0\x8f\xbf\xbf", 0},
    {"\xed\xa0\x80", 0},     /* a surrogate */
    {"\xf4\x90\x80\x80", 0}, /* above 10FFFF */
    {"\xf5\x80\x80\x80", 0},
    {"\xff", 0},
    {"\xc2", 0}, /* cut off */
    {"\xe2\x82", 0},
    {"\xe2\x82\x41", 0},
    {"\xf0\x9f\x90", 0},
};

START_TEST(characters_are_measured)
{
    const char *text = characters[_i].text;
    ck_assert_uint_eq(pnd_utf8_measure(text, strlen(text)),
                      characters[_i].length);
    ck_assert_uint_eq(pnd_utf8_measure(text, 0), 0);
}
END_TEST

/* Bytes that Python's decoder replaces by one U+FFFD. */
static const struct {
    const char *text;
    size_t broken;
    bool open;
} beginnings[] = {
    {"\xff", 1, false},
    {"\x80", 1, false},
    {"\xc3", 1, true},
    {"\xc3" "b", 1, false},
    {"\xe2\x96", 2, true},
    {"\xe2\x96" "b", 2, false},
    {"\xe2\xe2\x96", 1, false},
    {"\xe0\x80\xaf", 1, false}, /* overlong */
    {"\xed\xa0\x80", 1, false}, /* a surrogate */
    {"\xf0\x9f\x98", 3, true},
    {"\xf0\x9f\x98 ", 3, false},
    {"\xf4\x8f\xbf\x20", 3, false},
    {"\xf4\x90\x80\x80", 1, false}, /* above 10FFFF */
    {"\xf8\x88\x80\x80", 1, false},
};

START_TEST(broken_characters_are_measured)
{
    const char *text = beginnings[_i].text;
    const size_t length = strlen(text);
    ck_assert_uint_eq(pnd_utf8_measure_broken(text, length),
                      beginnings[_i].broken);
    if (length < 4)
        ck_assert_int_eq(pnd_utf8_is_open(text, length), beginnings[_i].open);
}
END_TEST

START_TEST(shown_text_is_printable_and_short)
{
    char text[400];
    ck_assert_str_eq(pnd_show("a\n\x1b\xff\x7f\xc3\xa9", 7).text,
                     "a????\xc3\xa9");
    ck_assert_str_eq(pnd_show("a\0b", 3).text, "a?b");
    ck_assert_str_eq(pnd_show(NULL, 0).text, "");
    for (size_t length = 0; length < sizeof text; length++) {
        for (size_t i = 0; i + 1 < length; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        struct pnd_shown shown = pnd_show(text, length / 2 * 2);
        size_t n = strlen(shown.text);
        ck_assert_uint_lt(n, sizeof shown.text);
        if (n == length / 2 * 2)
            continue;
        ck_assert_uint_gt(n, 100);
        ck_assert_str_eq(shown.text + n - 3, "...");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tc = tcase_create("utf8");
    tcase_add_loop_test(tc, characters_are_measured, 0,
                        sizeof characters / sizeof *characters);
    tcase_add_loop_test(tc, broken_characters_are_measured, 0,
                        sizeof beginnings / sizeof *beginnings);
    tcase_add_test(tc, shown_text_is_printable_and_short);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
