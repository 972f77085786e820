/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/sampler.h"

#define MANY 1000

static struct pnd_sampler make(uint32_t vocab_size)
{
    struct pnd_sampler s;
    ck_assert_ok(pnd_sampler_init(&s, &pnd_allocator_heap, vocab_size));
    return s;
}

static int32_t choose(struct pnd_sampler *s, const struct pnd_sampling *how,
                      const float *logits, uint32_t count)
{
    int32_t token = -1;
    ck_assert_ok(pnd_sampler_choose(s, how, logits, count, &token));
    ck_assert_int_ge(token, 0);
    ck_assert_int_lt(token, (int)count);
    return token;
}

static const struct pnd_sampling plain = {.temperature = 1, .top_p = 1};

/* The numbers that the definitions of both generators give. */
START_TEST(random_numbers_are_those_of_xoshiro256)
{
    struct pnd_sampler s = make(2);
    /* splitmix64 from seed 0. */
    ck_assert_uint_eq(s.state[0], 0xe220a8397b1dcdafu);
    ck_assert_uint_eq(s.state[1], 0x6e789e6aa1b965f4u);
    ck_assert_uint_eq(s.state[2], 0x06c45d188009454fu);
    ck_assert_uint_eq(s.state[3], 0xf88bb8a8724c81ecu);
    /* One step of xoshiro256** from 1, 2, 3, 4. */
    static const uint64_t from[4] = {1, 2, 3, 4};
    static const uint64_t to[4] = {7, 0, 262146, 211106232532992u};
    memcpy(s.state, from, sizeof from);
    choose(&s, &plain, (float[]){0, 0}, 2);
    ck_assert_mem_eq(s.state, to, sizeof to);
    pnd_sampler_free(&s);
}
END_TEST

START_TEST(greedy_takes_the_lowest_id_of_the_highest)
{
    struct pnd_sampler s = make(6);
    const struct pnd_sampling greedy = {.greedy = true};
    uint64_t before = s.state[0];
    ck_assert_int_eq(choose(&s, &greedy, (float[]){-5, 2, 1, 2, 0, -9}, 6), 1);
    ck_assert_int_eq(
        choose(&s, &greedy, (float[]){NAN, INFINITY, -3e38f, NAN, -4}, 5), 4);
    ck_assert_int_eq(choose(&s, &greedy, (float[]){-3e38f}, 1), 0);
    ck_assert_uint_eq(s.state[0], before);
    pnd_sampler_free(&s);
}
END_TEST

START_TEST(logits_without_a_number_are_refused)
{
    struct pnd_sampler s = make(3);
    static const float none[] = {NAN, -INFINITY, INFINITY};
    const struct pnd_sampling greedy = {.greedy = true};
    int32_t token;
    ck_assert_fails(pnd_sampler_choose(&s, &greedy, none, 3, &token),
                    PANDA_E_INTERNAL, "finite");
    ck_assert_fails(pnd_sampler_choose(&s, &plain, none, 3, &token),
                    PANDA_E_INTERNAL, "finite");
    ck_assert_fails(pnd_sampler_choose(&s, &plain, none, 4, &token),
                    PANDA_E_SHAPE, "at most 3");
    const struct pnd_sampling cold = {.temperature = 0, .top_p = 1};
    ck_assert_fails(pnd_sampler_choose(&s, &cold, none, 3, &token),
                    PANDA_E_ARGUMENT, "temperature");
    const struct pnd_sampling nothing = {.temperature = 1, .top_p = NAN};
    ck_assert_fails(pnd_sampler_choose(&s, &nothing, none, 3, &token),
                    PANDA_E_ARGUMENT, "top_p");
    pnd_sampler_free(&s);
}
END_TEST

/* Which tokens may be chosen, one bit each, found by drawing often. */
static uint32_t find_choices(struct pnd_sampler *s,
                             const struct pnd_sampling *how,
                             const float *logits, uint32_t count)
{
    uint32_t seen = 0;
    for (int i = 0; i < MANY; i++)
        seen |= 1u << choose(s, how, logits, count);
    return seen;
}

/* Probabilities 0.4, 0.3, 0.2, 0.1 of the ids 2, 0, 3, 1. */
static const float ladder[] = {-1.2039728f, -2.3025851f, -0.9162907f,
                               -1.6094379f};

static const struct {
    struct pnd_sampling how;
    uint32_t choices;
} limits[] = {
    {{.temperature = 1, .top_p = 1}, 0xf},
    {{.temperature = 1, .top_p = 1, .top_k = 1}, 0x4},
    {{.temperature = 1, .top_p = 1, .top_k = 2}, 0x5},
    {{.temperature = 1, .top_p = 1, .top_k = 3}, 0xd},
    {{.temperature = 1, .top_p = 1, .top_k = 4}, 0xf},
    {{.temperature = 1, .top_p = 1, .top_k = 99}, 0xf},
    {{.temperature = 1, .top_p = 0.01f}, 0x4},
    {{.temperature = 1, .top_p = 1e-30f}, 0x4},
    {{.temperature = 1, .top_p = 0.39f}, 0x4},
    {{.temperature = 1, .top_p = 0.41f}, 0x5},
    {{.temperature = 1, .top_p = 0.69f}, 0x5},
    {{.temperature = 1, .top_p = 0.71f}, 0xd},
    {{.temperature = 1, .top_p = 0.89f}, 0xd},
    {{.temperature = 1, .top_p = 0.91f}, 0xf},
    /* Of the best two alone, the first has 4/7 = 0.571. */
    {{.temperature = 1, .top_p = 0.57f, .top_k = 2}, 0x4},
    {{.temperature = 1, .top_p = 0.58f, .top_k = 2}, 0x5},
    /* Squared and cubed by the temperature: 0.533, 0.3; 0.64, 0.27. */
    {{.temperature = 0.5f, .top_p = 0.53f}, 0x4},
    {{.temperature = 0.5f, .top_p = 0.54f}, 0x5},
    {{.temperature = 1e-30f, .top_p = 1}, 0x4},
    {{.temperature = 1e30f, .top_p = 0.26f}, 0x5},
};

START_TEST(limits_leave_the_right_tokens)
{
    struct pnd_sampler s = make(4);
    ck_assert_uint_eq(find_choices(&s, &limits[_i].how, ladder, 4),
                      limits[_i].choices);
    pnd_sampler_free(&s);
}
END_TEST

/* top_k keeps what is as likely as the k-th, as `scores < kth` does; top_p
 * takes lower ids first. */
START_TEST(ties_do_not_depend_on_chance)
{
    struct pnd_sampler s = make(8);
    static const float logits[] = {0, 1, 1, 2, 1, NAN, 0, 1};
    const struct pnd_sampling k2 = {.temperature = 1, .top_p = 1, .top_k = 2};
    ck_assert_uint_eq(find_choices(&s, &k2, logits, 8), 0x9e);
    /* e^2 / (e^2 + 4 e + 2) = 0.364, each 1 is 0.134. */
    const struct pnd_sampling p = {.temperature = 1, .top_p = 0.45f};
    ck_assert_uint_eq(find_choices(&s, &p, logits, 8), 0x0a);
    const struct pnd_sampling p2 = {.temperature = 1, .top_p = 0.55f};
    ck_assert_uint_eq(find_choices(&s, &p2, logits, 8), 0x0e);
    static const float flat[8] = {3, 3, 3, 3, 3, 3, 3, 3};
    const struct pnd_sampling half = {.temperature = 1, .top_p = 0.5f};
    ck_assert_uint_eq(find_choices(&s, &half, flat, 8), 0x0f);
    pnd_sampler_free(&s);
}
END_TEST

START_TEST(far_values_do_not_overflow)
{
    struct pnd_sampler s = make(4);
    static const float far[] = {3e38f, -3e38f, 3e38f, 0};
    ck_assert_uint_eq(find_choices(&s, &plain, far, 4), 0x5);
    static const float low[] = {-3e38f, -INFINITY, NAN, -3e38f};
    ck_assert_uint_eq(find_choices(&s, &plain, low, 4), 0x9);
    const struct pnd_sampling p = {.temperature = 1e-38f, .top_p = 0.999f,
                                   .top_k = 3};
    ck_assert_uint_eq(find_choices(&s, &p, far, 4), 0x5);
    pnd_sampler_free(&s);
}
END_TEST

/* Pearson's statistic of 20000 draws; with a fixed seed it is a number, not a
 * chance. 0.1 % of honest generators exceed 16.3 with 3 degrees of freedom. */
START_TEST(tokens_come_as_often_as_they_should)
{
    static const struct pnd_sampling hows[] = {
        {.temperature = 1, .top_p = 1},
        {.temperature = 2, .top_p = 1},
        {.temperature = 0.7f, .top_p = 0.9f},
        {.temperature = 1, .top_p = 1, .top_k = 3},
    };
    static const int kept[] = {4, 4, 3, 3};
    static const int by_rank[] = {2, 0, 3, 1};
    const int draws = 20000;
    struct pnd_sampler s = make(4);
    pnd_sampler_seed(&s, 7);
    int counts[4] = {0};
    for (int i = 0; i < draws; i++)
        counts[choose(&s, &hows[_i], ladder, 4)]++;
    double expected[4] = {0}, total = 0, statistic = 0;
    for (int i = 0; i < kept[_i]; i++) {
        int id = by_rank[i];
        expected[id] = exp((double)ladder[id] / (double)hows[_i].temperature);
        total += expected[id];
    }
    for (int i = 0; i < 4; i++) {
        double want = expected[i] / total * draws;
        if (want > 0)
            statistic += (counts[i] - want) * (counts[i] - want) / want;
        else
            ck_assert_int_eq(counts[i], 0);
    }
    ck_assert_double_lt(statistic, 16.3);
    pnd_sampler_free(&s);
}
END_TEST

START_TEST(equal_seeds_give_equal_tokens)
{
    struct pnd_sampler a = make(100), b = make(100);
    float logits[100];
    for (int i = 0; i < 100; i++)
        logits[i] = (float)(i * 37 % 100) / 25;
    pnd_sampler_seed(&a, 123456789);
    pnd_sampler_seed(&b, 123456789);
    int different = 0;
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(choose(&a, &plain, logits, 100),
                         choose(&b, &plain, logits, 100));
    pnd_sampler_seed(&b, 123456790);
    for (int i = 0; i < 200; i++)
        different += choose(&a, &plain, logits, 100) !=
                     choose(&b, &plain, logits, 100);
    ck_assert_int_gt(different, 150);
    pnd_sampler_free(&a);
    pnd_sampler_free(&b);
}
END_TEST

static int by_logit(const void *a, const void *b)
{
    const struct { float logit; int32_t id; } *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* The definition with a full sort, on many shapes and sizes. */
START_TEST(partial_ranking_equals_sorting)
{
    enum { SIZE = 300 };
    struct { float logit; int32_t id; } sorted[SIZE];
    float logits[SIZE];
    uint32_t seed = 99;
    struct pnd_sampler s = make(SIZE);
    for (int round = 0; round < 3000; round++) {
        uint32_t count = 1 + (seed >> 8) % SIZE;
        /* Few distinct values, so that ties are common. */
        for (uint32_t i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            logits[i] = sorted[i].logit = (float)(seed >> 27) / 4;
            sorted[i].id = (int32_t)i;
        }
        qsort(sorted, count, sizeof *sorted, by_logit);
        struct pnd_sampling how = {
            .temperature = 1, .top_p = (float)(1 + (seed >> 8 & 127)) / 128,
            .top_k = (seed >> 16 & 3) == 0 ? 0 : 1 + (seed >> 18) % 50};
        uint32_t kept = how.top_k > 0 && how.top_k < count ? how.top_k : count;
        while (kept < count && sorted[kept].logit == sorted[kept - 1].logit)
            kept++;
        double total = 0, before = 0;
        for (uint32_t i = 0; i < kept; i++)
            total += exp((double)sorted[i].logit - (double)sorted[0].logit);
        uint32_t last = 0;
        while (last < kept && (last == 0 ||
                               before < (double)how.top_p * total - 1e-9))
            before += exp((double)sorted[last++].logit -
                          (double)sorted[0].logit);
        int32_t token = choose(&s, &how, logits, count);
        uint32_t rank = 0;
        while (sorted[rank].id != token)
            rank++;
        /* One more when the sum falls on the limit but for rounding. */
        ck_assert_uint_le(rank, last);
    }
    pnd_sampler_free(&s);
}
END_TEST

START_TEST(memory_may_run_out)
{
    struct test_alloc t;
    test_alloc_init(&t);
    t.fail_at = 1;
    struct pnd_sampler s;
    ck_assert_fails(pnd_sampler_init(&s, &t.alloc, 10), PANDA_E_MEMORY, "");
    pnd_sampler_free(&s);
    ck_assert_int_eq(t.live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sampler");
    tcase_add_test(tc, random_numbers_are_those_of_xoshiro256);
    tcase_add_test(tc, greedy_takes_the_lowest_id_of_the_highest);
    tcase_add_test(tc, logits_without_a_number_are_refused);
    tcase_add_loop_test(tc, limits_leave_the_right_tokens, 0,
                        sizeof limits / sizeof *limits);
    tcase_add_test(tc, ties_do_not_depend_on_chance);
    tcase_add_test(tc, far_values_do_not_overflow);
    tcase_add_loop_test(tc, tokens_come_as_often_as_they_should, 0, 4);
    tcase_add_test(tc, equal_seeds_give_equal_tokens);
    tcase_add_test(tc, partial_ranking_equals_sorting);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
