/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "modalities/text/clean.h"
#include "modalities/text/html.h"
#include "modalities/text/split.h"
#include "modalities/text/unicode.h"
#include "support/support.h"

/* The way from a text to words, against tests/golden/ftfy.tsv. */

#define LINE_MAX_BYTES 4096

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

/* Undo the golden file's escapes, in place; returns the length. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in;) {
        if (*in != '\\') {
            *out++ = *in++;
        } else if (in[1] == '\\') {
            *out++ = '\\';
            in += 2;
        } else {
            unsigned code;
            ck_assert_int_eq(sscanf(in, "\\x%2x", &code), 1);
            out += pnd_ustring_put_utf8((uint8_t *)out, code);
            in += 4;
        }
    }
    return (size_t)(out - text);
}

static void decode(struct pnd_ustring *out, const char *text, size_t size)
{
    out->size = 0;
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = pnd_ustring_get_utf8(
            &code, (const uint8_t *)text + at, size - at);
        ck_assert_uint_gt(length, 0);
        ck_assert_int_eq(pnd_ustring_push(out, code), PANDA_OK);
        at += length;
    }
}

/* Repair a whole text, line by line. */
static panda_status fix(struct pnd_ustring *out,
                        const struct pnd_ustring *text)
{
    struct pnd_fixer fixer;
    struct pnd_ustring segment;
    panda_status status = PANDA_OK;
    pnd_fixer_init(&fixer, &f.host);
    pnd_ustring_init(&segment, &f.host);
    out->size = 0;
    for (size_t i = 0; status == PANDA_OK && i < text->size;) {
        segment.size = 0;
        do {
            status = pnd_ustring_push(&segment, text->data[i++]);
        } while (status == PANDA_OK && i < text->size &&
                 text->data[i - 1] != '\n');
        if (status == PANDA_OK)
            status = pnd_fixer_fix(&fixer, &segment);
        if (status == PANDA_OK)
            status = pnd_ustring_append(out, segment.data, segment.size);
    }
    pnd_ustring_free(&segment);
    pnd_fixer_free(&fixer);
    return status;
}

/* All words, each but the first with a space in front. */
static panda_status find_words(struct pnd_ustring *out, const char *text,
                               size_t size, bool repair)
{
    struct pnd_cleaner cleaner;
    struct pnd_ustring piece;
    out->size = 0;
    pnd_ustring_init(&piece, &f.host);
    panda_status status = pnd_cleaner_init(
        &cleaner, &f.host, (const uint8_t *)text, size, repair);
    while (status == PANDA_OK) {
        status = pnd_cleaner_next(&cleaner, &piece);
        struct pnd_word word;
        size_t at = 0;
        while (status == PANDA_OK &&
               pnd_word_next(&word, piece.data, piece.size, &at)) {
            if (out->size > 0)
                status = pnd_ustring_push(out, ' ');
            if (status == PANDA_OK)
                status = pnd_ustring_append(out, word.text, word.size);
        }
    }
    pnd_ustring_free(&piece);
    pnd_cleaner_free(&cleaner);
    return status == PANDA_END ? PANDA_OK : status;
}

static void check_equal(const char *what, const struct pnd_ustring *got,
                        const char *expected, size_t size)
{
    uint8_t text[4 * LINE_MAX_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < got->size && length < sizeof text - 4; i++)
        length += pnd_ustring_put_utf8(text + length, got->data[i]);
    ck_assert_msg(length == size && memcmp(text, expected, size) == 0,
                  "%s: got \"%.*s\", expected \"%.*s\"", what, (int)length,
                  (const char *)text, (int)size, expected);
}

/* One line of the golden file. */
static void check_line(char *line)
{
    char kind[32], what[LINE_MAX_BYTES + 64];
    char *text = strchr(line, '\t');
    char *expected = text ? strchr(text + 1, '\t') : NULL;
    ck_assert_ptr_nonnull(expected);
    snprintf(kind, sizeof kind, "%.*s", (int)(text - line), line);
    snprintf(what, sizeof what, "%s", line);
    *text++ = *expected++ = '\0';
    size_t size = unescape(text), expected_size = unescape(expected);
    struct pnd_ustring in, out;
    pnd_ustring_init(&in, &f.host);
    pnd_ustring_init(&out, &f.host);
    decode(&in, text, size);
    if (strncmp(kind, "fix-", 4) == 0)
        ck_assert_int_eq(fix(&out, &in), PANDA_OK);
    else if (strcmp(kind, "html") == 0)
        ck_assert_int_eq(pnd_html_unescape(&out, &in), PANDA_OK);
    else if (strcmp(kind, "strict") == 0)
        ck_assert_int_eq(pnd_html_unescape_strict(&out, &in), PANDA_OK);
    else if (strcmp(kind, "words") == 0)
        ck_assert_int_eq(find_words(&out, text, size, true), PANDA_OK);
    else
        ck_abort_msg("unknown kind: %s", kind);
    check_equal(what, &out, expected, expected_size);
    pnd_ustring_free(&in);
    pnd_ustring_free(&out);
}

START_TEST(texts_become_what_ftfy_makes_of_them)
{
    FILE *file = fopen(test_golden("ftfy.tsv"), "rb");
    ck_assert_ptr_nonnull(file);
    char line[LINE_MAX_BYTES];
    int count = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        check_line(line);
        count++;
    }
    fclose(file);
    ck_assert_int_gt(count, 2500);
}
END_TEST

START_TEST(repair_can_be_left_out)
{
    static const char text[] =
        "It\xe2\x80\x99s \xc3\x83\xc2\xa9 &amp;lt;\x1c" "B\0c";
    static const char repaired[] = "it 's \xc3\xa9 < bc";
    static const char as_it_is[] =
        "it \xe2\x80\x99 s \xc3\xa3 \xc2\xa9 < b \0 c";
    struct pnd_ustring out;
    pnd_ustring_init(&out, &f.host);
    ck_assert_int_eq(find_words(&out, text, sizeof text - 1, true), PANDA_OK);
    check_equal("repaired", &out, repaired, sizeof repaired - 1);
    ck_assert_int_eq(find_words(&out, text, sizeof text - 1, false), PANDA_OK);
    check_equal("as it is", &out, as_it_is, sizeof as_it_is - 1);
    pnd_ustring_free(&out);
}
END_TEST

START_TEST(lower_case_is_pythons)
{
    static const struct {
        const char *text, *lower;
    } cases[] = {
        {"\xce\xa3", "\xcf\x83"},                 /* a sigma alone */
        {"A\xce\xa3", "a\xcf\x82"},               /* the last letter */
        {"A\xce\xa3.", "a\xcf\x82."},
        {"A\xce\xa3.B", "a\xcf\x83.b"},
        {"A\xce\xa3 B", "a\xcf\x82 b"},
        {"A.\xce\xa3", "a.\xcf\x82"},
        {"\xc4\xb0X", "i\xcc\x87x"},              /* I with a dot */
        {"\xe2\x84\xaa\xc7\x85", "k\xc7\x86"},    /* Kelvin, Dz with caron */
    };
    struct pnd_ustring in, out;
    pnd_ustring_init(&in, &f.host);
    pnd_ustring_init(&out, &f.host);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decode(&in, cases[i].text, strlen(cases[i].text));
        ck_assert_int_eq(pnd_unicode_lower(&out, &in), PANDA_OK);
        check_equal(cases[i].text, &out, cases[i].lower,
                    strlen(cases[i].lower));
    }
    pnd_ustring_free(&in);
    pnd_ustring_free(&out);
}
END_TEST

START_TEST(marks_are_ordered_and_composed)
{
    /* e, 230, 220, 230 -> the lower class first, equal ones as they were; the
     * second acute finds its place taken. */
    static const char *const cases[][2] = {
        {"e\xcc\x81\xcc\xa3\xcc\x80", "\xe1\xba\xb9\xcc\x81\xcc\x80"},
        {"a\xcc\x81\xcc\x81", "\xc3\xa1\xcc\x81"},
        {"\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"},
        {"\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc"}, /* never composed */
        {"\xef\xa4\x80", "\xe8\xb1\x88"},             /* singletons */
    };
    struct pnd_ustring text, scratch;
    pnd_ustring_init(&text, &f.host);
    pnd_ustring_init(&scratch, &f.host);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decode(&text, cases[i][0], strlen(cases[i][0]));
        ck_assert_int_eq(pnd_unicode_compose(&text, &scratch), PANDA_OK);
        check_equal(cases[i][0], &text, cases[i][1], strlen(cases[i][1]));
    }
    pnd_ustring_free(&text);
    pnd_ustring_free(&scratch);
}
END_TEST

START_TEST(wrong_utf8_is_refused)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"\x80", "byte 0 of the text is 0x80"},
        {"abc\xff", "byte 3 of the text is 0xff"},
        {"\xc3", "byte 0 of the text is 0xc3"},
        {"a\xc0\x80", "byte 1 of the text is 0xc0"},
        {"a\xe0\x80\x80", "byte 1 of the text is 0xe0"},
        {"ab\xed\xa0\x80", "byte 2 of the text is 0xed"},
        {"\xf0\x80\x80\x80", "byte 0 of the text is 0xf0"},
        {"\xf4\x90\x80\x80", "byte 0 of the text is 0xf4"},
        {"\xe2\x82 ", "byte 0 of the text is 0xe2"},
    };
    struct pnd_ustring out;
    pnd_ustring_init(&out, &f.host);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_host_clear(&f);
        ck_assert_int_eq(find_words(&out, cases[i].text, strlen(cases[i].text),
                                    true), PANDA_E_FORMAT);
        ck_assert_msg(strstr(f.message, cases[i].part) != NULL, "%s",
                      f.message);
    }
    pnd_ustring_free(&out);
}
END_TEST

/* Each would take hours if a step were quadratic, or never end. */
START_TEST(hostile_texts_end)
{
    static const struct {
        const char *text;
        size_t times;
    } cases[] = {
        {"amp;&amp;", 40000},       {"\xc3\x83\xc2\xa9", 60000},
        {"\xcc\x81\xcc\xa3", 80000}, {"\xc2\x81", 100000},
        {"\xce\xa3\xcc\x81", 60000}, {"\x1b[1;1;1;1;", 20000},
        {"\xc3\xa9\xe4\xb8\xad", 40000}, {"&aaaaaaaaaaaaaaaa", 20000},
        {"<|startoftext", 20000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].text);
        char *text = malloc(1 + size * cases[i].times);
        text[0] = '&';
        for (size_t k = 0; k < cases[i].times; k++)
            memcpy(text + 1 + k * size, cases[i].text, size);
        struct pnd_ustring out;
        pnd_ustring_init(&out, &f.host);
        ck_assert_int_eq(
            find_words(&out, text, 1 + size * cases[i].times, true), PANDA_OK);
        pnd_ustring_free(&out);
        free(text);
    }
}
END_TEST

#define BUSY                                                       \
    "\xc3\x83\xc2\xa9t\xc3\x83\xc2\xa9 \xef\xac\x81 &eacute; "      \
    "\xcc\xa3\xcc\x81 \xe4\xb8\xad \xe2\x82\xac\xc3\x83\xc2\xa9" \
    "\xc3\x82\xc2\xbb \xef\xbd\xb6\n"                              \
    "\xe4\xb8\xad \xc3\xa2\xe2\x82\xac\xe2\x84\xa2 \xe2\x80\x9c\n"

START_TEST(memory_may_end_anywhere)
{
    panda_status status = PANDA_E_MEMORY;
    long n = 1;
    for (; status != PANDA_OK; n++) {
        struct pnd_ustring out;
        fake_host_clear(&f);
        f.fail_at = n;
        pnd_ustring_init(&out, &f.host);
        status = find_words(&out, BUSY, strlen(BUSY), true);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
        pnd_ustring_free(&out);
        ck_assert_int_eq(fake_host_check(&f), 0);
    }
    ck_assert_int_gt(n, 10);
}
END_TEST

START_TEST(cancelling_stops_anywhere)
{
    panda_status status = PANDA_E_CANCELLED;
    long n = 1;
    for (; status != PANDA_OK; n++) {
        struct pnd_ustring out;
        fake_host_clear(&f);
        f.cancel_at = n;
        pnd_ustring_init(&out, &f.host);
        status = find_words(&out, BUSY, strlen(BUSY), true);
        ck_assert(status == PANDA_OK || status == PANDA_E_CANCELLED);
        pnd_ustring_free(&out);
    }
    ck_assert_int_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text_clean");
    TCase *tc = tcase_create("text_clean");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, texts_become_what_ftfy_makes_of_them);
    tcase_add_test(tc, repair_can_be_left_out);
    tcase_add_test(tc, lower_case_is_pythons);
    tcase_add_test(tc, marks_are_ordered_and_composed);
    tcase_add_test(tc, wrong_utf8_is_refused);
    tcase_add_test(tc, hostile_texts_end);
    tcase_add_test(tc, memory_may_end_anywhere);
    tcase_add_test(tc, cancelling_stops_anywhere);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
