/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <string.h>

#include "support/support.h"

START_TEST(appends_in_order)
{
    struct pnd_buffer b;
    pnd_buffer_init(&b, &pnd_allocator_heap);
    ck_assert_ok(pnd_buffer_append_string(&b, "red "));
    ck_assert_ok(pnd_buffer_append(&b, "pandas", 5));
    ck_assert_ok(pnd_buffer_append(&b, NULL, 0));
    ck_assert_ok(pnd_buffer_terminate(&b));
    ck_assert_uint_eq(b.size, 9);
    ck_assert_str_eq((char *)b.data, "red panda");
    ck_assert_ok(pnd_buffer_append_string(&b, "s"));
    ck_assert_ok(pnd_buffer_terminate(&b));
    ck_assert_str_eq((char *)b.data, "red pandas");
    pnd_buffer_free(&b);
    ck_assert(!b.data && b.size == 0 && b.capacity == 0);
}
END_TEST

START_TEST(grows_far)
{
    struct pnd_buffer b;
    struct test_alloc t;
    test_alloc_init(&t);
    pnd_buffer_init(&b, &t.alloc);
    for (uint32_t i = 0; i < 10000; i++)
        ck_assert_ok(pnd_buffer_append(&b, &i, sizeof i));
    ck_assert_uint_eq(b.size, 40000);
    for (uint32_t i = 0; i < 10000; i++)
        ck_assert(memcmp(b.data + 4 * i, &i, 4) == 0);
    ck_assert_int_lt(atomic_load(&t.count), 20); /* doubles each time */
    pnd_buffer_free(&b);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

START_TEST(reserve_is_enough)
{
    struct pnd_buffer b;
    struct test_alloc t;
    test_alloc_init(&t);
    pnd_buffer_init(&b, &t.alloc);
    ck_assert_ok(pnd_buffer_reserve(&b, 1000));
    long count = atomic_load(&t.count);
    for (int i = 0; i < 100; i++)
        ck_assert_ok(pnd_buffer_append(&b, "0123456789", 10));
    ck_assert_int_eq(atomic_load(&t.count), count);
    pnd_buffer_free(&b);
}
END_TEST

/* A failed append leaves the content as it was. */
START_TEST(no_memory)
{
    struct pnd_buffer b;
    struct test_alloc t;
    test_alloc_init(&t);
    pnd_buffer_init(&b, &t.alloc);
    t.fail_at = 1;
    ck_assert_fails(pnd_buffer_append(&b, "a", 1), PANDA_E_MEMORY, "memory");
    ck_assert_fails(pnd_buffer_terminate(&b), PANDA_E_MEMORY, "memory");
    t.fail_at = 0;
    ck_assert_ok(pnd_buffer_append(&b, "abc", 3));
    ck_assert_fails(pnd_buffer_reserve(&b, SIZE_MAX), PANDA_E_MEMORY,
                    "memory");
    ck_assert_fails(pnd_buffer_reserve(&b, SIZE_MAX / 2 + 10), PANDA_E_MEMORY,
                    "memory");
    t.fail_at = atomic_load(&t.count) + 1;
    ck_assert_fails(pnd_buffer_reserve(&b, 1000), PANDA_E_MEMORY, "memory");
    ck_assert(b.size == 3 && memcmp(b.data, "abc", 3) == 0);
    pnd_buffer_free(&b);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buffer");
    TCase *tc = tcase_create("buffer");
    tcase_add_test(tc, appends_in_order);
    tcase_add_test(tc, grows_far);
    tcase_add_test(tc, reserve_is_enough);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
