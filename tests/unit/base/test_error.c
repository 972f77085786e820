/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <pthread.h>
#include <string.h>

#include "support/support.h"

START_TEST(sentence_is_kept)
{
    ck_assert_str_eq(pnd_error_get(), "");
    ck_assert_int_eq(pnd_fail(PANDA_E_FORMAT, "row %d of %s", 7, "x.npy"),
                     PANDA_E_FORMAT);
    ck_assert_str_eq(pnd_error_get(), "row 7 of x.npy");
    pnd_error_prefix("model.pth");
    ck_assert_str_eq(pnd_error_get(), "model.pth: row 7 of x.npy");
    pnd_error_clear();
    ck_assert_str_eq(pnd_error_get(), "");
    ck_assert_int_eq(pnd_fail_memory(), PANDA_E_MEMORY);
    ck_assert_str_eq(pnd_error_get(), "out of memory");
}
END_TEST

START_TEST(long_sentences_are_cut)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    pnd_fail(PANDA_E_FORMAT, "%s", text);
    size_t length = strlen(pnd_error_get());
    ck_assert(length > 500 && length < sizeof text - 1);
    pnd_error_prefix(text);
    pnd_error_prefix("short");
    ck_assert(strncmp(pnd_error_get(), "short: xxx", 10) == 0);
}
END_TEST

/* The last character of `text`, of two bytes each time, is whole. */
static void check_whole(const char *text)
{
    size_t length = strlen(text);
    ck_assert_uint_ge(length, 2);
    ck_assert(strncmp(text + length - 2, "\u00e9", 2) == 0);
}

START_TEST(cuts_keep_characters_whole)
{
    char text[3000], message[1000];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof text; i += 2)
            strcpy(text + i, "\u00e9");
        pnd_fail(PANDA_E_FORMAT, "%s", text);
        check_whole(pnd_error_get());
        pnd_error_prefix("a");
        check_whole(pnd_error_get());
        pnd_error_prefix("of");
        check_whole(pnd_error_get());
        pnd_fail(PANDA_E_FORMAT, "is empty");
        pnd_error_prefix(text);
        strcpy(message, pnd_error_get());
        char *end = strstr(message, ": is empty");
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        check_whole(message);
    }
}
END_TEST

static void *fail_elsewhere(void *before)
{
    strcpy(before, pnd_error_get());
    pnd_fail(PANDA_E_IO, "of the other thread");
    return NULL;
}

START_TEST(threads_have_their_own)
{
    pthread_t thread;
    char before[100] = "not called";
    pnd_fail(PANDA_E_STATE, "of this thread");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, before), 0);
    pthread_join(thread, NULL);
    ck_assert_str_eq(before, "");
    ck_assert_str_eq(pnd_error_get(), "of this thread");
}
END_TEST

static panda_status try_twice(panda_status first, panda_status second,
                              int *steps)
{
    panda_status status;
    PND_TRY(first);
    ++*steps;
    PND_TRY(second);
    ++*steps;
out:
    return status;
}

START_TEST(try_stops_at_failures)
{
    int steps = 0;
    ck_assert_int_eq(try_twice(PANDA_E_IO, PANDA_OK, &steps), PANDA_E_IO);
    ck_assert_int_eq(steps, 0);
    ck_assert_int_eq(try_twice(PANDA_OK, PANDA_E_SHAPE, &steps),
                     PANDA_E_SHAPE);
    ck_assert_int_eq(steps, 1);
    /* Events are not failures. */
    ck_assert_int_eq(try_twice(PANDA_END, PANDA_AGAIN, &steps), PANDA_AGAIN);
    ck_assert_int_eq(steps, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tc = tcase_create("error");
    tcase_add_test(tc, sentence_is_kept);
    tcase_add_test(tc, long_sentences_are_cut);
    tcase_add_test(tc, cuts_keep_characters_whole);
    tcase_add_test(tc, threads_have_their_own);
    tcase_add_test(tc, try_stops_at_failures);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
