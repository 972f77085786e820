/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

#define MOST 5000

/* Counts how often each piece ran, and who runs at the same time. */
struct tally {
    uint32_t threads, count;
    atomic_int runs[MOST];
    atomic_int inside[16]; /* pieces that a worker is in */
    atomic_bool wrong;
};

static void count_piece(void *context, uint32_t index, uint32_t worker)
{
    struct tally *t = context;
    if (index >= t->count || worker >= t->threads) {
        atomic_store(&t->wrong, true);
        return;
    }
    if (atomic_fetch_add(&t->inside[worker], 1) != 0)
        atomic_store(&t->wrong, true);
    atomic_fetch_add(&t->runs[index], 1);
    atomic_fetch_sub(&t->inside[worker], 1);
}

static void check_tally(const struct tally *t, int times)
{
    ck_assert(!atomic_load(&t->wrong));
    for (uint32_t i = 0; i < t->count; i++) {
        if (atomic_load(&t->runs[i]) != times)
            ck_abort_msg("piece %u ran %d times, not %d", i,
                         atomic_load(&t->runs[i]), times);
    }
}

static struct pnd_pool *make_pool(uint32_t threads)
{
    struct pnd_pool *pool;
    ck_assert_ok(
        pnd_pool_create(&pool, &pnd_allocator_heap, threads, NULL, NULL));
    ck_assert_uint_eq(pnd_pool_get_threads(pool), threads);
    return pool;
}

START_TEST(every_piece_runs_once)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 7, 64, MOST};
    uint32_t threads = (uint32_t)_i;
    struct pnd_pool *pool = make_pool(threads);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        static struct tally t;
        memset(&t, 0, sizeof t);
        t.threads = threads;
        t.count = counts[i];
        pnd_pool_run(pool, count_piece, &t, counts[i]);
        check_tally(&t, 1);
    }
    pnd_pool_destroy(pool);
}
END_TEST

/* Rounds so short that a thread may still be waking when the next one
 * begins. */
START_TEST(many_rounds)
{
    struct pnd_pool *pool = make_pool(4);
    static struct tally t;
    t.threads = 4;
    t.count = 9;
    for (int round = 1; round <= 1000; round++)
        pnd_pool_run(pool, count_piece, &t, t.count);
    check_tally(&t, 1000);
    pnd_pool_destroy(pool);
}
END_TEST

/* Written by the pieces, read by the caller without a lock: the end of a loop
 * must order them. */
static void write_square(void *context, uint32_t index, uint32_t worker)
{
    (void)worker;
    ((uint64_t *)context)[index] = (uint64_t)index * index;
}

START_TEST(results_are_visible)
{
    struct pnd_pool *pool = make_pool(3);
    static uint64_t squares[MOST];
    for (int round = 0; round < 20; round++) {
        memset(squares, 0xff, sizeof squares);
        pnd_pool_run(pool, write_square, squares, MOST);
        for (uint64_t i = 0; i < MOST; i++) {
            if (squares[i] != i * i)
                ck_abort_msg("piece %u is not done", (unsigned)i);
        }
    }
    pnd_pool_destroy(pool);
}
END_TEST

struct caller {
    struct pnd_pool *pool;
    struct tally tally;
};

static void *call_often(void *argument)
{
    struct caller *caller = argument;
    for (int i = 0; i < 100; i++)
        pnd_pool_run(caller->pool, count_piece, &caller->tally,
                     caller->tally.count);
    return NULL;
}

START_TEST(concurrent_callers)
{
    static struct caller callers[3];
    pthread_t threads[3];
    struct pnd_pool *pool = make_pool(3);
    for (uint32_t i = 0; i < 3; i++) {
        callers[i].pool = pool;
        callers[i].tally.threads = 3;
        callers[i].tally.count = 20 + i;
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        check_tally(&callers[i].tally, 100);
    pnd_pool_destroy(pool);
}
END_TEST

static void host_parallel(panda_task_fn task, void *context, uint32_t count,
                          void *user)
{
    ++*(int *)user;
    while (count-- > 0)
        task(context, count, count % 2);
}

START_TEST(host_hook)
{
    int calls = 0;
    struct pnd_pool *pool;
    static struct tally t;
    t.threads = 2;
    t.count = 50;
    ck_assert_ok(pnd_pool_create(&pool, &pnd_allocator_heap, 2, host_parallel,
                                 &calls));
    pnd_pool_run(pool, count_piece, &t, t.count);
    pnd_pool_run(pool, count_piece, &t, 0);
    check_tally(&t, 1);
    ck_assert_int_eq(calls, 1); /* nothing to do is no call */
    pnd_pool_destroy(pool);
}
END_TEST

START_TEST(no_memory)
{
    struct test_alloc t;
    test_alloc_init(&t);
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status < 0; n++) {
        struct pnd_pool *pool = NULL;
        test_alloc_init(&t);
        t.fail_at = n;
        status = pnd_pool_create(&pool, &t.alloc, 4, NULL, NULL);
        if (status < 0) {
            ck_assert_int_eq(status, PANDA_E_MEMORY);
            ck_assert_ptr_null(pool);
        }
        ck_assert_int_lt(n, 100);
        pnd_pool_destroy(pool);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
}
END_TEST

static void note_signal(int signal)
{
    (void)signal;
}

/* A signal that no thread of ours waits for stays for the host's to take. */
START_TEST(signals_are_the_hosts)
{
    sigset_t usr1, before, pending;
    struct sigaction action = {.sa_handler = note_signal}, old;
    sigaction(SIGUSR1, &action, &old);
    struct pnd_pool *pool = make_pool(4);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    kill(getpid(), SIGUSR1);
    usleep(1000);
    sigpending(&pending);
    ck_assert(sigismember(&pending, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigpending(&pending);
    ck_assert(!sigismember(&pending, SIGUSR1));
    sigaction(SIGUSR1, &old, NULL);
    pnd_pool_destroy(pool);
}
END_TEST

START_TEST(processors)
{
    uint32_t count = pnd_pool_count_processors();
    ck_assert(count >= 1 && count <= 1024);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_add_loop_test(tc, every_piece_runs_once, 1, 6);
    tcase_add_test(tc, many_rounds);
    tcase_add_test(tc, results_are_visible);
    tcase_add_test(tc, concurrent_callers);
    tcase_add_test(tc, host_hook);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, signals_are_the_hosts);
    tcase_add_test(tc, processors);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
