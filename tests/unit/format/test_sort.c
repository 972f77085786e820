/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/sort.h"

#include <string.h>

#include "format/arena.h"
#include "support/support.h"

static int compare_ints(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

START_TEST(pointers_are_sorted)
{
    int numbers[100];
    const void *items[100];
    for (size_t count = 0; count <= 100; count++) {
        for (size_t i = 0; i < count; i++) {
            numbers[i] = (int)(i * 37 % 101);
            items[i] = &numbers[i];
        }
        pnd_sort(items, count, compare_ints);
        for (size_t i = 1; i < count; i++)
            ck_assert_int_lt(*(const int *)items[i - 1],
                             *(const int *)items[i]);
        ck_assert_ptr_null(pnd_sort_find_equal(items, count, compare_ints));
    }
    numbers[50] = numbers[3];
    pnd_sort(items, 100, compare_ints);
    const int *twice = pnd_sort_find_equal(items, 100, compare_ints);
    ck_assert_ptr_nonnull(twice);
    ck_assert_int_eq(*twice, numbers[3]);
}
END_TEST

START_TEST(arena_keeps_what_it_gave)
{
    struct test_alloc t;
    struct pnd_arena arena;
    char *strings[500];
    test_alloc_init(&t);
    pnd_arena_init(&arena, &t.alloc);
    for (size_t i = 0; i < 500; i++) {
        char text[200];
        size_t length = i % 199;
        memset(text, (int)('a' + i % 26), length);
        strings[i] = pnd_arena_strndup(&arena, text, length);
        ck_assert_ptr_nonnull(strings[i]);
        ck_assert_uint_eq((uintptr_t)strings[i] % 8, 0);
    }
    for (size_t i = 0; i < 500; i++) {
        ck_assert_uint_eq(strlen(strings[i]), i % 199);
        for (size_t k = 0; k < i % 199; k++)
            ck_assert_int_eq(strings[i][k], (int)('a' + i % 26));
    }
    memset(pnd_arena_alloc(&arena, 5 << 20), 1, 5 << 20);
    ck_assert_ptr_nonnull(pnd_arena_alloc(&arena, 0));
    ck_assert_ptr_null(pnd_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(pnd_arena_alloc(&arena, SIZE_MAX - 64));
    ck_assert_ptr_null(pnd_arena_alloc_array(&arena, SIZE_MAX / 2, 3));
    pnd_arena_free(&arena);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sort");
    TCase *tc = tcase_create("sort");
    tcase_add_test(tc, pointers_are_sorted);
    tcase_add_test(tc, arena_keeps_what_it_gave);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
