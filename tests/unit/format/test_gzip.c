/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gzip.h"

#include <string.h>

#include "builder.h"
#include "pandagpt_config.h"

#define MIB ((size_t)1 << 20)

static panda_status read_file(char **data, size_t *size, const void *content,
                              size_t content_size, size_t max_size)
{
    return pnd_gzip_read_file(data, size, test_context(),
                              test_write_temp(".gz", content, content_size),
                              max_size);
}

START_TEST(plain_files_are_read_as_they_are)
{
    char *data;
    size_t size;
    ck_assert_ok(read_file(&data, &size, "hello", 5, 5));
    ck_assert_uint_eq(size, 5);
    ck_assert_str_eq(data, "hello");
    pnd_free(&pnd_allocator_heap, data);
    ck_assert_ok(read_file(&data, &size, "\x1f", 1, 5));
    ck_assert_uint_eq(size, 1);
    pnd_free(&pnd_allocator_heap, data);
    ck_assert_fails(read_file(&data, &size, "hello", 5, 4), PANDA_E_FORMAT,
                    "has 5 bytes, expected at most 4");
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(size, 0);
    ck_assert_fails(read_file(&data, &size, "", 0, 4), PANDA_E_FORMAT,
                    "the file is empty");
    ck_assert_fails(
        pnd_gzip_read_file(&data, &size, test_context(), "/no/such", 9),
        PANDA_E_IO, "/no/such");
}
END_TEST

/* "hello " a thousand times. */
static const uint8_t hello[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed,
    0xc4, 0x31, 0x0d, 0x00, 0x00, 0x08, 0x03, 0x30, 0x2b, 0x98, 0x23,
    0xe1, 0x58, 0x82, 0xff, 0x0f, 0x11, 0xbc, 0xed, 0xd1, 0xe9, 0x64,
    0x6b, 0x6c, 0xdb, 0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdb, 0xf6, 0xe3,
    0x03, 0xc1, 0x37, 0x0c, 0x40, 0x70, 0x17, 0x00, 0x00};

#if HAVE_ZLIB
static void check_hello(const char *data, size_t size, size_t times)
{
    ck_assert_uint_eq(size, times * 6);
    ck_assert_uint_eq(strlen(data), size);
    for (size_t i = 0; i < times; i++)
        ck_assert_mem_eq(data + 6 * i, "hello ", 6);
}

START_TEST(gzip_is_decompressed)
{
    char *data;
    size_t size;
    ck_assert_ok(read_file(&data, &size, hello, sizeof hello, MIB));
    check_hello(data, size, 1000);
    pnd_free(&pnd_allocator_heap, data);
    uint8_t two[2 * sizeof hello]; /* two members count as one content */
    memcpy(two, hello, sizeof hello);
    memcpy(two + sizeof hello, hello, sizeof hello);
    ck_assert_ok(read_file(&data, &size, two, sizeof two, 12000));
    check_hello(data, size, 2000);
    pnd_free(&pnd_allocator_heap, data);
    ck_assert_fails(read_file(&data, &size, two, sizeof two, 11999),
                    PANDA_E_FORMAT, "more than 11999 bytes when decompressed");
    ck_assert_ptr_null(data);
}
END_TEST

START_TEST(damaged_gzip_gives_a_message)
{
    char *data;
    size_t size;
    for (size_t n = 2; n < sizeof hello; n++)
        ck_assert_fails(read_file(&data, &size, hello, n, MIB), PANDA_E_FORMAT,
                        "the gzip data is cut off");
    uint8_t changed[sizeof hello];
    int failures = 0;
    for (size_t i = 10; i < sizeof hello; i++) {
        memcpy(changed, hello, sizeof hello);
        changed[i] ^= 0x10;
        panda_status status =
            read_file(&data, &size, changed, sizeof changed, MIB);
        if (status == PANDA_OK) { /* another way to write the same */
            check_hello(data, size, 1000);
            pnd_free(&pnd_allocator_heap, data);
            continue;
        }
        ck_assert_int_eq(status, PANDA_E_FORMAT);
        ck_assert_ptr_null(data);
        ck_assert_ptr_nonnull(strstr(pnd_error_get(), "gzip"));
        failures++;
    }
    ck_assert_int_gt(failures, 30);
    memcpy(changed, hello, sizeof hello);
    changed[2] = 7; /* another method */
    ck_assert_fails(read_file(&data, &size, changed, sizeof changed, MIB),
                    PANDA_E_FORMAT, "the gzip data is damaged");
}
END_TEST
#else
START_TEST(gzip_is_not_supported)
{
    char *data;
    size_t size;
    ck_assert_fails(read_file(&data, &size, hello, sizeof hello, MIB),
                    PANDA_E_UNSUPPORTED, "no zlib");
    ck_assert_ptr_null(data);
}
END_TEST
#endif

START_TEST(memory_failures_are_reported)
{
    const char *paths[] = {
        test_write_temp(".txt", "hello", 5),
#if HAVE_ZLIB
        test_write_temp(".gz", hello, sizeof hello)
#endif
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        panda_status status = PANDA_E_MEMORY;
        for (long n = 1; status < 0; n++) {
            struct test_alloc t;
            char *data;
            size_t size;
            test_alloc_init(&t);
            t.fail_at = n;
            const struct pnd_context ctx = {.alloc = t.alloc};
            status = pnd_gzip_read_file(&data, &size, &ctx, paths[i], MIB);
            if (status < 0)
                ck_assert_int_eq(status, PANDA_E_MEMORY);
            pnd_free(&t.alloc, data);
            ck_assert_int_eq(atomic_load(&t.live), 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gzip");
    TCase *tc = tcase_create("gzip");
    tcase_add_test(tc, plain_files_are_read_as_they_are);
#if HAVE_ZLIB
    tcase_add_test(tc, gzip_is_decompressed);
    tcase_add_test(tc, damaged_gzip_gives_a_message);
#else
    tcase_add_test(tc, gzip_is_not_supported);
#endif
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
