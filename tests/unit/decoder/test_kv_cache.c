/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/kv_cache.h"

#include "support/support.h"

enum { LAYERS = 3, KV_DIM = 8, HIDDEN = 12, LIMIT = 1000 };

static struct test_alloc counter;
static struct pnd_kv_cache cache;

static void set_up(void)
{
    test_alloc_init(&counter);
    ck_assert_ok(pnd_kv_cache_init(&cache, &counter.alloc, LAYERS, PND_F32,
                                   KV_DIM, HIDDEN, LIMIT));
}

static void tear_down(void)
{
    pnd_kv_cache_free(&cache);
    ck_assert_int_eq(atomic_load(&counter.live), 0);
}

/* A number that tells block, row and column. */
static float mark(uint32_t block, uint32_t row, uint32_t column)
{
    return (float)(block * 65536 + row * 16 + column);
}

static void visit_row(uint32_t row, bool check)
{
    for (uint32_t block = 0; block < 2 * LAYERS + 1; block++) {
        float *values = pnd_kv_cache_get_final(&cache, row);
        if (block < 2 * LAYERS)
            values = block % 2 == 0
                         ? pnd_kv_cache_get_key(&cache, block / 2, row)
                         : pnd_kv_cache_get_value(&cache, block / 2, row);
        uint32_t width = block < 2 * LAYERS ? KV_DIM : HIDDEN;
        for (uint32_t i = 0; i < width; i++) {
            if (check)
                ck_assert_float_eq(values[i], mark(block, row, i));
            else
                values[i] = mark(block, row, i);
        }
    }
}

START_TEST(nothing_is_taken_before_it_is_needed)
{
    ck_assert_uint_eq(pnd_kv_cache_get_bytes(&cache), 0);
    ck_assert_ok(pnd_kv_cache_reserve(&cache, 0, 0));
    ck_assert_uint_eq(pnd_kv_cache_get_bytes(&cache), 0);
}
END_TEST

START_TEST(rows_survive_growth)
{
    long steps = 0, before = atomic_load(&counter.count);
    for (uint32_t row = 0; row < LIMIT; row++) {
        ck_assert_ok(pnd_kv_cache_reserve(&cache, row, row + 1));
        visit_row(row, false);
        long now = atomic_load(&counter.count);
        steps += now != before;
        before = now;
    }
    for (uint32_t row = 0; row < LIMIT; row++)
        visit_row(row, true);
    /* Geometric: 64, 128, 192, 320, 512, 768, 1000. */
    ck_assert_int_eq(steps, 7);
    ck_assert_uint_eq(pnd_kv_cache_get_bytes(&cache),
                      LIMIT * (2 * LAYERS * KV_DIM + HIDDEN) * sizeof(float));
}
END_TEST

START_TEST(a_large_request_is_met_at_once)
{
    long before = atomic_load(&counter.count);
    ck_assert_ok(pnd_kv_cache_reserve(&cache, 0, 500));
    ck_assert_int_eq(atomic_load(&counter.count), before + 2 * LAYERS + 1);
    ck_assert_uint_eq(cache.blocks[0].capacity, 512);
    ck_assert_ok(pnd_kv_cache_reserve(&cache, 500, 512));
    ck_assert_int_eq(atomic_load(&counter.count), before + 2 * LAYERS + 1);
}
END_TEST

/* Growth that fails at any block keeps all rows, and works later. */
START_TEST(failed_growth_keeps_rows)
{
    ck_assert_ok(pnd_kv_cache_reserve(&cache, 0, 64));
    for (uint32_t row = 0; row < 64; row++)
        visit_row(row, false);
    /* At every block in turn: those before it have grown already. */
    int failures = 0;
    counter.fail_at = atomic_load(&counter.count) + 1;
    while (pnd_kv_cache_reserve(&cache, 64, 500) == PANDA_E_MEMORY) {
        failures++;
        for (uint32_t row = 0; row < 64; row++)
            visit_row(row, true);
        counter.fail_at = atomic_load(&counter.count) + 2;
    }
    counter.fail_at = 0;
    ck_assert_int_eq(failures, 2 * LAYERS + 1);
    ck_assert_ok(pnd_kv_cache_reserve(&cache, 64, LIMIT));
    for (uint32_t row = 0; row < 64; row++)
        visit_row(row, true);
}
END_TEST

START_TEST(creation_without_memory_fails)
{
    struct pnd_kv_cache other;
    counter.fail_at = atomic_load(&counter.count) + 1;
    ck_assert_int_eq(pnd_kv_cache_init(&other, &counter.alloc, 1, PND_F16, 1, 1,
                                       1),
                     PANDA_E_MEMORY);
    pnd_kv_cache_free(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_cache");
    TCase *tc = tcase_create("kv_cache");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nothing_is_taken_before_it_is_needed);
    tcase_add_test(tc, rows_survive_growth);
    tcase_add_test(tc, a_large_request_is_met_at_once);
    tcase_add_test(tc, failed_growth_keeps_rows);
    tcase_add_test(tc, creation_without_memory_fails);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
