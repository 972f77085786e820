/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static struct pnd_number parse(const char *text)
{
    return pnd_number_parse(text, strlen(text));
}

/* Where the C library runs in the "C" locale, as here, strtod is right. */
static const char *const exact[] = {
    "0",
    "-0",
    "1",
    "10000.0",
    "1e-06",
    "1e-05",
    "0.02",
    "500000.0",
    "3.14159265",
    "0.7071067811865476",
    "1e22",
    "123e-22",
    "1E+10",
    "-2.5e-3",
    "9007199254740992",
    "1e-300",
    "1e300",
    "0.1",
    "0.30000000000000004",
    "0e99999999999999999999",
    "1e-99999999999999999999",
    "4.0e0",
    "0.000000000000000000000000000001",
    "100000000000000000000000",
};

START_TEST(numbers_equal_strtod)
{
    struct pnd_number n = parse(exact[_i]);
    double expected = strtod(exact[_i], NULL);
    ck_assert_uint_eq(n.length, strlen(exact[_i]));
    ck_assert_msg(n.value == expected, "%s gave %.17g", exact[_i], n.value);
}
END_TEST

/* Any number of digits and any exponent: one unit in the last place. */
START_TEST(long_numbers_are_close)
{
    static const char *const texts[] = {
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "123456789012345678901234567890.123456789e-15",
        "0.00000000000000000000000123456789012345678901234567890",
        "-99999999999999999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double expected = strtod(texts[i], NULL), got = parse(texts[i]).value;
        ck_assert_msg(got == expected || nextafter(got, expected) == expected,
                      "%s gave %.17g", texts[i], got);
    }
    ck_assert(isinf(parse("1e400").value));
    ck_assert(isinf(parse("1e99999999999999999999").value));
}
END_TEST

START_TEST(integers_are_told_apart)
{
    ck_assert(parse("9223372036854775807").is_integer);
    ck_assert(parse("9223372036854775807").integer == INT64_MAX);
    ck_assert(parse("-9223372036854775807").integer == -INT64_MAX);
    ck_assert(!parse("9223372036854775808").is_integer);
    ck_assert(!parse("99999999999999999999").is_integer);
    ck_assert(!parse("100000000000000000000").is_integer);
    ck_assert(!parse("1.0").is_integer);
    ck_assert(!parse("1e2").is_integer);
    ck_assert(parse("-0").is_integer && parse("-0").integer == 0);
    ck_assert(signbit(parse("-0").value));
}
END_TEST

START_TEST(what_is_no_number)
{
    static const char *const texts[] = {"",   "-",   "+1", "01", ".5", "1.",
                                        "1e", "1e+", "e1", "x",  "--1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(parse(texts[i]).length == 0, "%s", texts[i]);
    ck_assert_uint_eq(parse("12]").length, 2);
    ck_assert_uint_eq(parse("0x1").length, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("number");
    TCase *tc = tcase_create("number");
    tcase_add_loop_test(tc, numbers_equal_strtod, 0,
                        sizeof exact / sizeof *exact);
    tcase_add_test(tc, long_numbers_are_close);
    tcase_add_test(tc, integers_are_told_apart);
    tcase_add_test(tc, what_is_no_number);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
