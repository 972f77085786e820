/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/options.h"
#include "support/support.h"

struct known {
    uint32_t struct_size;
    uint32_t first;
    uint64_t second;
};

struct newer {
    struct known known;
    uint64_t third;
};

START_TEST(null_means_defaults)
{
    struct known to = {1, 2, 3};
    ck_assert_ok(pnd_options_read(&to, sizeof to, NULL, "options"));
    ck_assert_uint_eq(to.first, 0);
    ck_assert_uint_eq(to.second, 0);
}
END_TEST

START_TEST(older_caller_gets_defaults_for_new_fields)
{
    struct known from = {offsetof(struct known, second), 7, 99}, to;
    ck_assert_ok(pnd_options_read(&to, sizeof to, &from, "options"));
    ck_assert_uint_eq(to.first, 7);
    ck_assert_uint_eq(to.second, 0);
}
END_TEST

START_TEST(newer_caller_may_not_set_what_is_unknown)
{
    struct newer from = {{sizeof from, 7, 8}, 0};
    struct known to;
    ck_assert_ok(pnd_options_read(&to, sizeof to, &from, "options"));
    ck_assert_uint_eq(to.second, 8);
    from.third = UINT64_C(1) << 40;
    ck_assert_fails(pnd_options_read(&to, sizeof to, &from, "options"),
                    PANDA_E_VERSION, "options");
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    struct known to, from = {0};
    static const uint32_t sizes[] = {0, 3, 4097, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        from.struct_size = sizes[i];
        ck_assert_fails(pnd_options_read(&to, sizeof to, &from, "options"),
                        PANDA_E_VERSION, "struct_size");
        ck_assert_fails(pnd_options_init(&to, sizes[i], "options"),
                        PANDA_E_VERSION, "struct_size");
    }
    ck_assert_fails(pnd_options_init(NULL, sizeof to, "options"),
                    PANDA_E_ARGUMENT, "NULL");
}
END_TEST

/* Nothing beyond the caller's own size is written. */
START_TEST(init_and_write_stay_within_the_callers_struct)
{
    unsigned char memory[sizeof(struct newer)];
    struct known info = {0, 5, 6};
    uint32_t size = offsetof(struct known, second);
    memset(memory, 0xee, sizeof memory);
    ck_assert_ok(pnd_options_init(memory, size, "options"));
    ck_assert_uint_eq(memory[size], 0xee);
    ck_assert_ok(pnd_info_write(memory, &info, sizeof info, "info"));
    ck_assert_uint_eq(memory[size], 0xee);
    ck_assert_mem_eq(memory, &size, sizeof size);
    ck_assert_mem_eq(memory + 4, &info.first, 4);
}
END_TEST

START_TEST(newer_callers_info_is_zero_where_unknown)
{
    struct newer out = {{sizeof out, 1, 2}, 3};
    struct known info = {0, 5, 6};
    ck_assert_ok(pnd_info_write(&out, &info, sizeof info, "info"));
    ck_assert_uint_eq(out.known.struct_size, sizeof out);
    ck_assert_uint_eq(out.known.second, 6);
    ck_assert_uint_eq(out.third, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, null_means_defaults);
    tcase_add_test(tc, older_caller_gets_defaults_for_new_fields);
    tcase_add_test(tc, newer_caller_may_not_set_what_is_unknown);
    tcase_add_test(tc, absurd_sizes_are_refused);
    tcase_add_test(tc, init_and_write_stay_within_the_callers_struct);
    tcase_add_test(tc, newer_callers_info_is_zero_where_unknown);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
