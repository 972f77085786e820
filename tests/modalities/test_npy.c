/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "modalities/shared/npy.h"
#include "support/support.h"

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

/* Header `text` in a file of `version`, then `values`. Returns the size. */
static size_t make(uint8_t out[512], int version, const char *text,
                   const void *values, size_t size)
{
    size_t length = strlen(text);
    size_t start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    memset(out + 8, 0, 4);
    out[8] = (uint8_t)length;
    memcpy(out + start, text, length);
    memcpy(out + start + length, values, size);
    return start + length + size;
}

START_TEST(types_are_read)
{
    static const struct {
        const char *code;
        uint8_t bytes[8];
        size_t size;
        double value;
    } cases[] = {
        {"|u1", {200}, 1, 200},
        {"<u1", {200}, 1, 200},
        {"|i1", {200}, 1, -56},
        {"<u2", {0x34, 0x92}, 2, 0x9234},
        {"<i2", {0xfe, 0xff}, 2, -2},
        {"<u4", {0, 0, 0, 0x80}, 4, 2147483648.0},
        {"<i4", {0, 0, 0, 0x80}, 4, -2147483648.0},
        {"<f4", {0, 0, 0x20, 0xc0}, 4, -2.5},
        {"<f8", {0, 0, 0, 0, 0, 0, 4, 0x40}, 8, 2.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int version = 1; version <= 3; version++) {
            char text[128];
            uint8_t file[512];
            struct pnd_npy npy;
            snprintf(text, sizeof text,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }"
                     "   \n", cases[i].code);
            size_t size = make(file, version, text, cases[i].bytes,
                               cases[i].size);
            ck_assert_int_eq(pnd_npy_parse(&npy, &f.host, file, size), 0);
            ck_assert_uint_eq(npy.rank, 1);
            ck_assert_uint_eq(npy.count, 1);
            ck_assert(pnd_npy_get(&npy, 0) == cases[i].value);
            float value;
            pnd_npy_read_f32(&npy, 0, 1, &value);
            ck_assert(value == (float)cases[i].value);
        }
    }
}
END_TEST

START_TEST(shapes_are_read)
{
    static const struct {
        const char *shape;
        uint32_t rank;
        uint64_t count;
    } cases[] = {{"()", 0, 1}, {"(6,)", 1, 6}, {"(2,3)", 2, 6},
                 {"( 1 , 2 , 3 , 1 , )", 4, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        uint8_t file[512];
        struct pnd_npy npy;
        /* Other quotes and another order are Python all the same. */
        snprintf(text, sizeof text,
                 "{\"shape\":%s,\"fortran_order\":False,\"descr\":\"|u1\"}",
                 cases[i].shape);
        size_t size = make(file, 1, text, "abcdefgh", 8);
        ck_assert_int_eq(pnd_npy_parse(&npy, &f.host, file, size), 0);
        ck_assert_uint_eq(npy.rank, cases[i].rank);
        ck_assert_uint_eq(npy.count, cases[i].count);
        ck_assert(pnd_npy_get(&npy, npy.count - 1) ==
                  "abcdefgh"[npy.count - 1]);
    }
}
END_TEST

START_TEST(bad_headers_are_refused)
{
#define U1 "'descr': '|u1', "
#define C_ORDER "'fortran_order': False, "
    static const struct { const char *text, *part; } cases[] = {
        {"", "expected a dictionary"},
        {"[]", "expected a dictionary"},
        {"{}", "expected descr, fortran_order and shape"},
        {"{" U1 C_ORDER "}", "expected descr, fortran_order and shape"},
        {"{" U1 U1 C_ORDER "'shape': (1,)}", "once each"},
        {"{" U1 "'other': 1}", "once each"},
        {"{'descr': '>f4', " C_ORDER "'shape': (1,)}", "\">f4\", expected "
                                                       "little-endian"},
        {"{'descr': '|O', " C_ORDER "'shape': (1,)}", "type \"|O\""},
        {"{'descr': '<u8', " C_ORDER "'shape': (1,)}", "type \"<u8\""},
        {"{'descr': [('a', '<f4')], ", "expected the type as a string"},
        {"{'descr': '|u1", "expected the type as a string"},
        {"{" U1 "'fortran_order': True, 'shape': (1,)}", "Fortran order"},
        {"{" U1 "'fortran_order': 0, 'shape': (1,)}", "True or False"},
        {"{" U1 C_ORDER "'shape': 1}", "shape in parentheses"},
        {"{" U1 C_ORDER "'shape': (-1,)}", "expected a dimension"},
        {"{" U1 C_ORDER "'shape': (1 1)}", "expected a comma"},
        {"{" U1 C_ORDER "'shape': (1", "expected a comma"},
        {"{" U1 C_ORDER "'shape': (1,) 'x'}", "expected a comma"},
        {"{" U1 C_ORDER "'shape': (1,1,1,1,1)}", "more than 4 dimensions"},
        {"{" U1 C_ORDER "'shape': (3, 0)}", "array is empty"},
        {"{" U1 C_ORDER "'shape': (3, 3)}", "fewer than its shape needs"},
        {"{" U1 C_ORDER "'shape': (4294967296, 4294967296)}", "fewer than"},
        {"{" U1 C_ORDER "'shape': (99999999999999999999,)}", "18 digits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t file[512];
        struct pnd_npy npy;
        size_t size = make(file, 1, cases[i].text, "abcdefgh", 8);
        fake_host_clear(&f);
        ck_assert_int_eq(pnd_npy_parse(&npy, &f.host, file, size),
                         PANDA_E_FORMAT);
        ck_assert_msg(strstr(f.message, cases[i].part) != NULL,
                      "%s gave \"%s\", not \"%s\"", cases[i].text, f.message,
                      cases[i].part);
    }
}
END_TEST

START_TEST(cut_files_are_refused)
{
    uint8_t file[512];
    size_t size = make(file, 2, "{" U1 C_ORDER "'shape': (8,)}", "abcdefgh", 8);
    for (size_t n = 0; n < size; n++) {
        struct pnd_npy npy;
        ck_assert_int_eq(pnd_npy_parse(&npy, &f.host, file, n),
                         PANDA_E_FORMAT);
    }
    file[6] = 4;
    struct pnd_npy npy;
    ck_assert_int_eq(pnd_npy_parse(&npy, &f.host, file, size), PANDA_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(f.message, "version 4.0"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, types_are_read);
    tcase_add_test(tc, shapes_are_read);
    tcase_add_test(tc, bad_headers_are_refused);
    tcase_add_test(tc, cut_files_are_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
