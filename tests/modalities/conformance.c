/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/conformance_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

#define MAX_INSTANCES 8
#define MAX_CUTS 160

/* Check's tests have no argument but a number. */
static const struct conformance *instances[MAX_INSTANCES];
static int instance_count;

START_TEST(ops_are_filled)
{
    const panda_frontend_ops *ops = instances[_i]->ops;
    ck_assert_uint_eq(ops->struct_size, sizeof(panda_frontend_ops));
    ck_assert_uint_eq(ops->abi_version, PANDA_FRONTEND_ABI_VERSION);
    ck_assert_ptr_nonnull(ops->name);
    ck_assert_uint_gt(strlen(ops->name), 0);
    ck_assert_uint_eq(strspn(ops->name, "abcdefghijklmnopqrstuvwxyz0123456789-"
                                        "_"), strlen(ops->name));
    ck_assert_int_ge(ops->modality, 1);
    ck_assert_int_lt(ops->modality, PANDA_MODALITY_COUNT);
    ck_assert(ops->describe != NULL);
    ck_assert(ops->preprocess != NULL);
    ck_assert(ops->init != NULL || ops->state_size == 0);
}
END_TEST

START_TEST(every_source_gives_the_same)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    panda_input any = subject_make_any(&s);
    struct result first = result_run_good(&s, &any);
    struct result again = result_run_good(&s, &any);
    ck_assert_msg(result_is_same(&first, &again), "a second run differs");
    result_free(&again);
    if (s.sample.size > 0) {
        panda_input file = subject_make_path(
            &s, test_write_temp(s.sample.suffix ? s.sample.suffix : "",
                                s.sample.bytes, s.sample.size));
        struct result r = result_run_good(&s, &file);
        ck_assert_msg(result_is_same(&first, &r),
                      "the file differs from its bytes");
        result_free(&r);
        ck_assert_msg(memcmp(s.bytes, s.sample.bytes, s.sample.size) == 0,
                      "the input was changed");
    }
    if (s.sample.has_raw) {
        panda_input raw = subject_make_raw(&s);
        struct result r = result_run_good(&s, &raw);
        ck_assert_msg(!s.sample.raw_is_same || result_is_same(&first, &r),
                      "the raw form differs from the file");
        result_free(&r);
    }
    ck_assert_int_eq(s.host.failures, 0);
    result_free(&first);
    subject_close(&s);
}
END_TEST

START_TEST(threads_change_nothing)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    panda_input input = subject_make_any(&s);
    struct result one = result_run_good(&s, &input);
    for (uint32_t threads = 2; threads <= 5; threads += 3) {
        struct subject t;
        subject_open(&t, instances[_i], threads);
        struct result r = result_run_good(&t, &input);
        ck_assert_msg(result_is_same(&one, &r), "%u threads give other values",
                      threads);
        result_free(&r);
        subject_close(&t);
    }
    result_free(&one);
    subject_close(&s);
}
END_TEST

struct caller {
    const struct subject *subject;
    const panda_input *input;
    struct fake_host host;
    struct result results[3];
};

static void *call_thrice(void *argument)
{
    struct caller *caller = argument;
    for (int i = 0; i < 3; i++)
        caller->results[i] = result_run(caller->subject, &caller->host,
                                        caller->input);
    return NULL;
}

START_TEST(one_state_serves_two_threads)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    panda_input input = subject_make_any(&s);
    struct result alone = result_run_good(&s, &input);
    struct caller callers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        callers[i] = (struct caller){.subject = &s, .input = &input};
        subject_set_up_host(s.c, &callers[i].host, 2);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_thrice,
                                        &callers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(callers[i].results[k].status, PANDA_OK);
            ck_assert(result_is_same(&alone, &callers[i].results[k]));
            result_free(&callers[i].results[k]);
        }
        ck_assert_int_eq(fake_host_check(&callers[i].host), 0);
    }
    result_free(&alone);
    subject_close(&s);
}
END_TEST

static void expect(struct subject *s, const char *what,
                   const panda_input *input, bool may_pass)
{
    fake_host_clear(&s->host);
    struct result r = result_run(s, &s->host, input);
    ck_assert_msg(r.status < 0 || may_pass, "%s was accepted", what);
    ck_assert_msg(atomic_load(&s->host.live) >= 0, "freed twice");
    result_free(&r);
}

START_TEST(wrong_inputs_are_refused)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    bool any = s.c->flags & CONFORMANCE_ANY_CONTENT;
    panda_input input = subject_make_path(&s, "/no/such/folder/file");
    expect(&s, "a missing file", &input, false);
    input = subject_make_path(&s, "/");
    expect(&s, "a directory", &input, false);
    input = subject_make_path(&s, test_write_temp(".bin", "", 0));
    expect(&s, "an empty file", &input, any);
    input = subject_make_bytes(&s, "", 0);
    expect(&s, "empty content", &input, any);
    input = subject_make_any(&s);
    input.source = 77;
    expect(&s, "source 77", &input, false);
    if (s.sample.size > 1) {
        s.host.limits.max_file_bytes = 1;
        input = subject_make_bytes(&s, s.bytes, s.sample.size);
        expect(&s, "more bytes than max_file_bytes", &input, false);
        input = subject_make_path(&s, test_write_temp(".bin", s.bytes,
                                                      s.sample.size));
        expect(&s, "a file above max_file_bytes", &input, false);
    }
    subject_close(&s);
}
END_TEST

START_TEST(garbage_is_refused)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    bool any = s.c->flags & CONFORMANCE_ANY_CONTENT;
    unsigned char garbage[4096];
    uint32_t random = 12345;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < sizeof garbage; i++) {
            random = random * 1664525u + 1013904223u;
            garbage[i] = kind == 0   ? (unsigned char)(random >> 24)
                         : kind == 1 ? 0
                         : kind == 2 ? 0xff
                                     : (unsigned char)"This is text.\n"[i % 14];
        }
        panda_input input = subject_make_bytes(&s, garbage, sizeof garbage);
        expect(&s, "garbage", &input, any);
        input = subject_make_path(&s, test_write_temp(".bin", garbage,
                                              sizeof garbage));
        expect(&s, "a file of garbage", &input, any);
    }
    subject_close(&s);
}
END_TEST

/* A file that was cut off fails, or what was lost did not matter. */
START_TEST(cut_files_are_refused)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    panda_input whole = subject_make_any(&s);
    struct result good = result_run_good(&s, &whole);
    size_t step = s.sample.size / MAX_CUTS + 1;
    for (size_t size = 1; size < s.sample.size; size += step) {
        char *cut = malloc(size); /* tools see a read past its end */
        memcpy(cut, s.bytes, size);
        panda_input input = subject_make_bytes(&s, cut, size);
        fake_host_clear(&s.host);
        struct result r = result_run(&s, &s.host, &input);
        if (!(s.c->flags & (CONFORMANCE_ANY_CONTENT |
                            CONFORMANCE_CUT_IS_VALID)))
            ck_assert_msg(r.status < 0 || result_is_same(&good, &r),
                          "the first %zu of %zu bytes give other values", size,
                          s.sample.size);
        result_free(&r);
        free(cut);
    }
    result_free(&good);
    subject_close(&s);
}
END_TEST

START_TEST(damaged_files_do_no_harm)
{
    struct subject s;
    subject_open(&s, instances[_i], 1);
    size_t step = s.sample.size / MAX_CUTS + 1;
    for (size_t at = 0; at < s.sample.size; at += step) {
        static const unsigned char masks[] = {0xff, 0x01, 0x80};
        for (size_t i = 0; i < sizeof masks; i++) {
            unsigned char old = (unsigned char)s.bytes[at];
            s.bytes[at] = (char)(old ^ masks[i]);
            panda_input input = subject_make_bytes(&s, s.bytes, s.sample.size);
            expect(&s, "damage", &input, true);
            s.bytes[at] = (char)old;
        }
    }
    subject_close(&s);
}
END_TEST

/* Fail the nth allocation and all later ones. Libraries behind a frontend may
 * have memory of their own; what is the host's must be given back. */
START_TEST(running_out_of_memory_is_reported)
{
    for (long n = 1; n < 4000; n += n < 200 ? 1 : n / 16) {
        struct subject s;
        panda_status status = subject_try_open(&s, instances[_i], 2, n);
        panda_input input = subject_make_any(&s);
        struct result r = {.status = status};
        if (status == PANDA_OK)
            r = result_run(&s, &s.host, &input);
        result_free(&r);
        bool reached = atomic_load(&s.host.count) >= n;
        ck_assert_msg(r.status == (reached ? PANDA_E_MEMORY : PANDA_OK),
                      "status %d without allocation %ld: %s", (int)r.status, n,
                      s.host.message);
        subject_close(&s);
        if (!reached)
            return;
    }
    ck_abort_msg("thousands of allocations");
}
END_TEST

START_TEST(cancelling_stops)
{
    struct subject s;
    subject_open(&s, instances[_i], 2);
    panda_input input = subject_make_any(&s);
    struct result r = result_run_good(&s, &input);
    result_free(&r);
    long asked = atomic_load(&s.host.asked);
    ck_assert_msg(asked > 0 || (s.c->flags & CONFORMANCE_BRIEF),
                  "is_cancelled was never asked");
    long step = asked / 40 + 1;
    for (long n = 1; n <= asked; n += step) {
        fake_host_clear(&s.host);
        s.host.cancel_at = n;
        r = result_run(&s, &s.host, &input);
        ck_assert_msg(r.status == PANDA_E_CANCELLED,
                      "status %d after question %ld of %ld was answered yes",
                      (int)r.status, n, asked);
    }
    fake_host_clear(&s.host);
    r = result_run_good(&s, &input);
    result_free(&r);
    subject_close(&s);
}
END_TEST

TCase *conformance_make_tcase(const char *name, const struct conformance *c)
{
    int i = instance_count++;
    if (i >= MAX_INSTANCES)
        abort();
    instances[i] = c;
    TCase *tc = tcase_create(name);
    tcase_add_loop_test(tc, ops_are_filled, i, i + 1);
    tcase_add_loop_test(tc, every_source_gives_the_same, i, i + 1);
    tcase_add_loop_test(tc, threads_change_nothing, i, i + 1);
    tcase_add_loop_test(tc, one_state_serves_two_threads, i, i + 1);
    tcase_add_loop_test(tc, wrong_inputs_are_refused, i, i + 1);
    tcase_add_loop_test(tc, garbage_is_refused, i, i + 1);
    tcase_add_loop_test(tc, cut_files_are_refused, i, i + 1);
    tcase_add_loop_test(tc, damaged_files_do_no_harm, i, i + 1);
    tcase_add_loop_test(tc, running_out_of_memory_is_reported, i, i + 1);
    tcase_add_loop_test(tc, cancelling_stops, i, i + 1);
    return tc;
}
