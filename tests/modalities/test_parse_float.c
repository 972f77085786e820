/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/imu/parse_float.h"
#include "support/support.h"

/* The C library's strtof is the judge: tests run in the C locale. */
static void compare(const char *text)
{
    float found = -1;
    float expected = strtof(text, NULL);
    ck_assert_msg(pnd_parse_float(text, strlen(text), &found),
                  "\"%s\" is refused", text);
    ck_assert_msg(found == expected && signbit(found) == signbit(expected),
                  "\"%s\" gave %a, expected %a", text, (double)found,
                  (double)expected);
}

START_TEST(numbers_are_rounded_once)
{
    static const char *const cases[] = {
        "0", "-0", "0.0", "1", "+1", "-1.5", ".5", "5.", "1e3", "1E-3", "1e+3",
        "3.4028235e38", "3.4028235677973366e38", "3.5e38", "-1e39", "1e999999",
        "1e-45", "7.006492321624085e-46", "7.006492321624086e-46", "7e-46",
        "1.17549435e-38", "1.1754942807573643e-38", "1e-999999", "0e99999999",
        "16777217", "16777217.0000000000000000000000000001",
        "16777216.9999999999999999999999999999", "16777219",
        "0.000000000000000000000000000000000000000000001",
        "100000000000000000000000000000000000000",
        "340282356779733661637539395458142568448",
        "340282356779733661637539395458142568447", "9007199791611905",
        "0.1234567890123456789012345678901234567890", "00000000001.50000000000",
        "5e-324", "8388608.5", "8388609.5", "4194304.25", "4194304.75",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(cases[i]);
}
END_TEST

/* Two halves of long runs of zeros, far beyond what is kept. */
START_TEST(long_numbers)
{
    char text[400];
    memset(text, '0', sizeof text);
    memcpy(text, "16777217.", 9);
    strcpy(text + 300, "1");
    compare(text);
    text[300] = '0';
    compare(text);
    memset(text, '9', sizeof text);
    strcpy(text + 300, "e-280");
    compare(text);
    text[0] = '.';
    strcpy(text + 350, "e5");
    compare(text);
}
END_TEST

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(random_numbers)
{
    uint64_t state = 88172645463325252u;
    char text[128];
    for (int i = 0; i < 20000; i++) {
        uint64_t digits = random_next(&state) >> (random_next(&state) % 60);
        int exponent = (int)(random_next(&state) % 100) - 70;
        snprintf(text, sizeof text, "%s%llue%d", i % 2 ? "-" : "",
                 (unsigned long long)digits, exponent);
        compare(text);
    }
}
END_TEST

/* Exactly between two floats, and a hair beside. */
START_TEST(halves)
{
    uint64_t state = 1234567;
    char text[256];
    for (int i = 0; i < 4000; i++) {
        uint32_t bits = (uint32_t)random_next(&state) % 0x7f7fffff;
        if (i % 4 == 0)
            bits %= 0x1000000; /* the smallest */
        uint32_t next = bits + 1;
        float low, high;
        memcpy(&low, &bits, sizeof low);
        memcpy(&high, &next, sizeof high);
        double half = ((double)low + (double)high) / 2;
        snprintf(text, sizeof text, "%.130e", half);
        compare(text);
        snprintf(text, sizeof text, "%.130e", nextafter(half, 0));
        compare(text);
        snprintf(text, sizeof text, "%.130e", nextafter(half, INFINITY));
        compare(text);
        snprintf(text, sizeof text, "%.9g", (double)low);
        compare(text);
    }
}
END_TEST

START_TEST(words)
{
    float value = 0;
    ck_assert(pnd_parse_float("NaN", 3, &value) && isnan(value));
    ck_assert(pnd_parse_float("-inf", 4, &value) && value < 0 && isinf(value));
    ck_assert(pnd_parse_float("Infinity", 8, &value) && isinf(value));
}
END_TEST

START_TEST(other_texts_are_refused)
{
    static const char *const cases[] = {
        "", "-", ".", "e5", "1e", "1e+", "1,5", " 1", "1 ", "1x", "0x10",
        "--1", "1.2.3", "na", "nano", "infi", "one", "1e5.5",
    };
    float value;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(!pnd_parse_float(cases[i], strlen(cases[i]), &value),
                      "\"%s\" is taken for a number", cases[i]);
    /* Nothing beyond the length is looked at. */
    ck_assert(pnd_parse_float("12345", 2, &value) && value == 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parse_float");
    TCase *tc = tcase_create("parse_float");
    tcase_add_test(tc, numbers_are_rounded_once);
    tcase_add_test(tc, long_numbers);
    tcase_add_test(tc, random_numbers);
    tcase_add_test(tc, halves);
    tcase_add_test(tc, words);
    tcase_add_test(tc, other_texts_are_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
