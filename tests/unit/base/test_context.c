/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"

#include <string.h>

#include "support/support.h"

struct lines {
    int count;
    panda_log_level level;
    char last[1000];
};

static void keep_line(panda_log_level level, const char *message, void *user)
{
    struct lines *lines = user;
    lines->count++;
    lines->level = level;
    ck_assert_uint_lt(strlen(message), sizeof lines->last);
    strcpy(lines->last, message);
}

START_TEST(levels_are_filtered)
{
    struct lines lines = {0};
    struct pnd_context ctx = {.log = keep_line, .log_user = &lines,
                              .log_level = PANDA_LOG_INFO};
    pnd_log(&ctx, PANDA_LOG_INFO, "%d of %s", 3, "seven");
    ck_assert_int_eq(lines.count, 1);
    ck_assert_int_eq(lines.level, PANDA_LOG_INFO);
    ck_assert_str_eq(lines.last, "3 of seven");
    pnd_log(&ctx, PANDA_LOG_DEBUG, "unwanted");
    ck_assert_int_eq(lines.count, 1);
    pnd_log(&ctx, PANDA_LOG_ERROR, "wanted");
    ck_assert_int_eq(lines.count, 2);
    ctx.log = NULL;
    pnd_log(&ctx, PANDA_LOG_ERROR, "nobody listens");
}
END_TEST

START_TEST(long_lines_are_cut)
{
    struct lines lines = {0};
    struct pnd_context ctx = {.log = keep_line, .log_user = &lines,
                              .log_level = PANDA_LOG_INFO};
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    pnd_log(&ctx, PANDA_LOG_WARN, "%s", text);
    ck_assert_uint_eq(strlen(lines.last), 511);
}
END_TEST

static int32_t note_progress(double fraction, void *user)
{
    double *last = user;
    *last = fraction;
    return fraction > 0.5;
}

START_TEST(watch_reports_and_stops)
{
    double last = -1;
    atomic_int cancelled = 0;
    struct pnd_watch watch = {.cancelled = &cancelled,
                              .progress = note_progress,
                              .progress_user = &last};
    ck_assert_ok(pnd_watch_check(NULL, 0.1));
    ck_assert_ok(pnd_watch_check(&(struct pnd_watch){0}, 0.1));
    ck_assert_ok(pnd_watch_check(&watch, 0.25));
    ck_assert(last == 0.25);
    ck_assert_ok(pnd_watch_check(&watch, -1)); /* only looks for cancelling */
    ck_assert(last == 0.25);
    ck_assert_fails(pnd_watch_check(&watch, 0.75), PANDA_E_CALLBACK,
                    "callback");
    atomic_store(&cancelled, 1);
    ck_assert_fails(pnd_watch_check(&watch, 0.3), PANDA_E_CANCELLED,
                    "cancelled");
    ck_assert(last == 0.75); /* cancelled calls report nothing more */
    ck_assert_fails(pnd_watch_check(&watch, -1), PANDA_E_CANCELLED,
                    "cancelled");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *tc = tcase_create("context");
    tcase_add_test(tc, levels_are_filtered);
    tcase_add_test(tc, long_lines_are_cut);
    tcase_add_test(tc, watch_reports_and_stops);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
