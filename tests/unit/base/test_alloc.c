/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <string.h>

#include "support/support.h"

START_TEST(blocks_are_aligned)
{
    for (size_t size = 1; size < 200; size += 7) {
        void *memory = pnd_alloc(&pnd_allocator_heap, size);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % PND_ALIGN, 0);
        memset(memory, 0xff, size);
        pnd_free(&pnd_allocator_heap, memory);
    }
}
END_TEST

/* Sizes that no allocator should see never reach it. */
START_TEST(absurd_sizes)
{
    struct test_alloc t;
    test_alloc_init(&t);
    ck_assert_ptr_null(pnd_alloc(&t.alloc, 0));
    ck_assert_ptr_null(pnd_alloc(&t.alloc, SIZE_MAX));
    ck_assert_ptr_null(pnd_alloc(&t.alloc, (size_t)PTRDIFF_MAX + 1));
    ck_assert_ptr_null(pnd_alloc_zero(&t.alloc, SIZE_MAX));
    ck_assert_ptr_null(pnd_alloc_array(&t.alloc, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(pnd_alloc_array(&t.alloc, 0, 3));
    ck_assert_int_eq(atomic_load(&t.count), 0);
    pnd_free(&t.alloc, NULL);
}
END_TEST

START_TEST(zeroed_blocks)
{
    unsigned char *memory = pnd_alloc_zero(&pnd_allocator_heap, 1000);
    ck_assert_ptr_nonnull(memory);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(memory[i], 0);
    pnd_free(&pnd_allocator_heap, memory);
}
END_TEST

START_TEST(arrays)
{
    struct test_alloc t;
    test_alloc_init(&t);
    uint32_t *values = pnd_alloc_array(&t.alloc, 10, sizeof *values);
    ck_assert_ptr_nonnull(values);
    memset(values, 1, 10 * sizeof *values);
    pnd_free(&t.alloc, values);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

START_TEST(growing_keeps_content)
{
    struct test_alloc t;
    test_alloc_init(&t);
    char *memory = pnd_realloc(&t.alloc, NULL, 0, 4);
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, "abc", 4);
    memory = pnd_realloc(&t.alloc, memory, 4, 4000);
    ck_assert_ptr_nonnull(memory);
    ck_assert_str_eq(memory, "abc");
    memory = pnd_realloc(&t.alloc, memory, 4000, 2);
    ck_assert_ptr_nonnull(memory);
    ck_assert(memory[0] == 'a' && memory[1] == 'b');

    t.fail_at = atomic_load(&t.count) + 1;
    ck_assert_ptr_null(pnd_realloc(&t.alloc, memory, 2, 100));
    ck_assert(memory[0] == 'a'); /* the old block stays */
    pnd_free(&t.alloc, memory);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

START_TEST(strings)
{
    struct test_alloc t;
    test_alloc_init(&t);
    char *copy = pnd_strdup(&t.alloc, "panda");
    char *part = pnd_strndup(&t.alloc, "panda", 3);
    char *empty = pnd_strdup(&t.alloc, "");
    ck_assert_str_eq(copy, "panda");
    ck_assert_str_eq(part, "pan");
    ck_assert_str_eq(empty, "");
    pnd_free(&t.alloc, copy);
    pnd_free(&t.alloc, part);
    pnd_free(&t.alloc, empty);
    t.fail_at = 1;
    ck_assert_ptr_null(pnd_strdup(&t.alloc, "panda"));
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

START_TEST(checked_arithmetic)
{
    size_t out;
    ck_assert(pnd_mul_size(&out, 6, 7) && out == 42);
    ck_assert(!pnd_mul_size(&out, SIZE_MAX, 2));
    ck_assert(pnd_mul_size(&out, SIZE_MAX, 1) && out == SIZE_MAX);
    ck_assert(pnd_add_size(&out, SIZE_MAX - 1, 1) && out == SIZE_MAX);
    ck_assert(!pnd_add_size(&out, SIZE_MAX, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alloc");
    TCase *tc = tcase_create("alloc");
    tcase_add_test(tc, blocks_are_aligned);
    tcase_add_test(tc, absurd_sizes);
    tcase_add_test(tc, zeroed_blocks);
    tcase_add_test(tc, arrays);
    tcase_add_test(tc, growing_keeps_content);
    tcase_add_test(tc, strings);
    tcase_add_test(tc, checked_arithmetic);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
