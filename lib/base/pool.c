/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/quota.h"

/* Looks at the state before a thread sleeps: some tens of microseconds, longer
 * than the pauses between the loops of a model's layer. */
#define SPINS 2000

/* The state of the current loop in one number: workers inside, whether more may
 * enter, and the loop's number. */
#define INSIDE UINT64_C(0xffff)
#define OPEN UINT64_C(0x10000)
#define ROUND UINT64_C(0x20000)

struct pnd_pool {
    const struct pnd_allocator *alloc;
    uint32_t threads; /* the caller's included */
    panda_parallel_fn parallel;
    void *parallel_user;

    uint32_t spins;   /* 0 where threads share processors */
    uint32_t started; /* threads[0..started) run */
    pthread_t *workers;
    pthread_mutex_t callers; /* one loop at a time */
    pthread_mutex_t lock;    /* of those who sleep and those who wake them */
    pthread_cond_t wake;     /* a loop began, or the end */
    pthread_cond_t done;     /* nobody is inside */
    atomic_uint sleepers;    /* workers that need to be woken */
    atomic_bool waiting;     /* the caller needs to be woken */
    atomic_bool ending;
    atomic_uint_fast64_t state;

    panda_task_fn task; /* the current loop; written before it opens */
    void *context;
    uint32_t count;
    atomic_uint_fast64_t next; /* first index nobody took; 64 bits so that
                                  threads past the end cannot wrap it */
};

struct worker_start {
    struct pnd_pool *pool;
    uint32_t worker;
};

static void run_pieces(struct pnd_pool *pool, uint32_t worker)
{
    for (;;) {
        uint64_t index = atomic_fetch_add(&pool->next, 1);
        if (index >= pool->count)
            return;
        pool->task(pool->context, (uint32_t)index, worker);
    }
}

/* Tells the processor that this thread waits. */
static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool has_news(struct pnd_pool *pool, uint64_t seen)
{
    return atomic_load(&pool->state) / ROUND != seen ||
           atomic_load(&pool->ending);
}

/* Until there is a loop after `seen`, or the end. A thread counts itself among
 * the sleepers before it looks for the last time, and the caller opens a loop
 * before it looks for sleepers: one of them sees the other. */
static void wait_for_news(struct pnd_pool *pool, uint64_t seen)
{
    for (uint32_t i = 0; i < pool->spins; i++) {
        if (has_news(pool, seen))
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!has_news(pool, seen))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

/* Into the current loop, if it is open; who comes late is not waited for. */
static bool enter(struct pnd_pool *pool, uint64_t *seen)
{
    uint64_t state = atomic_load(&pool->state);
    do {
        *seen = state / ROUND;
        if (!(state & OPEN))
            return false;
    } while (!atomic_compare_exchange_weak(&pool->state, &state, state + 1));
    return true;
}

static void leave(struct pnd_pool *pool)
{
    uint64_t state = atomic_fetch_sub(&pool->state, 1) - 1;
    if ((state & (INSIDE | OPEN)) == 0 && atomic_load(&pool->waiting)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void *worker_main(void *argument)
{
    struct worker_start start = *(struct worker_start *)argument;
    struct pnd_pool *pool = start.pool;
    pnd_free(pool->alloc, argument);
    for (uint64_t seen = 0;;) {
        wait_for_news(pool, seen);
        if (atomic_load(&pool->ending))
            return NULL;
        if (enter(pool, &seen)) {
            run_pieces(pool, start.worker);
            leave(pool);
        }
    }
}

/* Nobody enters any more; until all are out. */
static void close_loop(struct pnd_pool *pool)
{
    uint64_t state = atomic_fetch_and(&pool->state, ~OPEN);
    for (uint32_t i = 0; i < pool->spins && (state & INSIDE); i++) {
        pause_briefly();
        state = atomic_load(&pool->state);
    }
    if (!(state & INSIDE))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, true);
    while (atomic_load(&pool->state) & INSIDE)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->lock);
}

/* Signals are the host's: its handlers run on its own threads. Faults stay with
 * the thread that made them. */
static int create_deaf_thread(pthread_t *out, void *argument)
{
    static const int faults[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, NULL, worker_main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static panda_status start_worker(struct pnd_pool *pool)
{
    struct worker_start *start = pnd_alloc(pool->alloc, sizeof *start);
    if (!start)
        return pnd_fail_memory();
    *start = (struct worker_start){pool, pool->started + 1};
    if (create_deaf_thread(&pool->workers[pool->started], start) != 0) {
        pnd_free(pool->alloc, start);
        return pnd_fail(PANDA_E_MEMORY, "thread %u of %u cannot be started",
                        pool->started + 1, pool->threads);
    }
    pool->started++;
    return PANDA_OK;
}

panda_status pnd_pool_create(struct pnd_pool **out,
                             const struct pnd_allocator *alloc,
                             uint32_t threads, panda_parallel_fn parallel,
                             void *parallel_user)
{
    *out = NULL;
    struct pnd_pool *pool = pnd_alloc_zero(alloc, sizeof *pool);
    if (!pool)
        return pnd_fail_memory();
    pool->alloc = alloc;
    pool->threads = threads;
    pool->parallel = parallel;
    pool->parallel_user = parallel_user;
    pool->spins = threads <= pnd_pool_count_processors() ? SPINS : 0;
    pthread_mutex_init(&pool->callers, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    if (!parallel && threads > 1) {
        panda_status status = PANDA_OK;
        pool->workers = pnd_alloc_array(alloc, threads - 1, sizeof(pthread_t));
        if (!pool->workers)
            status = pnd_fail_memory();
        while (status == PANDA_OK && pool->started < threads - 1)
            status = start_worker(pool);
        if (status < 0) {
            pnd_pool_destroy(pool);
            return status;
        }
    }
    *out = pool;
    return PANDA_OK;
}

void pnd_pool_destroy(struct pnd_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->ending, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->callers);
    pnd_free(pool->alloc, pool->workers);
    pnd_free(pool->alloc, pool);
}

void pnd_pool_run(struct pnd_pool *pool, panda_task_fn task, void *context,
                  uint32_t count)
{
    if (pool->parallel && count > 0) {
        pool->parallel(task, context, count, pool->parallel_user);
        return;
    }
    if (pool->started == 0 || count <= 1) {
        for (uint32_t i = 0; i < count; i++)
            task(context, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->callers);
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->state,
                 (atomic_load(&pool->state) / ROUND + 1) * ROUND | OPEN);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    run_pieces(pool, 0);
    close_loop(pool);
    pthread_mutex_unlock(&pool->callers);
}

uint32_t pnd_pool_get_threads(const struct pnd_pool *pool)
{
    return pool->threads;
}

uint32_t pnd_pool_count_processors(void)
{
    uint32_t count = 0;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = (uint32_t)CPU_COUNT(&set);
#endif
    if (count == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        count = online > 0 ? (uint32_t)online : 1;
    }
    uint32_t quota = pnd_quota_find("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0 && quota < count)
        count = quota;
    return count > 1024 ? 1024 : count;
}
