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
#include <unistd.h>

#include "base/error.h"

struct pnd_pool {
    const struct pnd_allocator *alloc;
    uint32_t threads; /* the caller's included */
    panda_parallel_fn parallel;
    void *parallel_user;

    uint32_t started; /* threads[0..started) run */
    pthread_t *workers;
    pthread_mutex_t callers; /* one loop at a time */
    pthread_mutex_t lock;    /* protects what follows, up to the blank line */
    pthread_cond_t wake;     /* a loop began, or the end */
    pthread_cond_t done;     /* `busy` fell to 0 */
    uint64_t round;          /* number of the current loop */
    uint32_t busy;           /* workers that have not finished it */
    bool ending;

    panda_task_fn task; /* the current loop; written before `round` moves */
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

static void *worker_main(void *argument)
{
    struct worker_start start = *(struct worker_start *)argument;
    struct pnd_pool *pool = start.pool;
    pnd_free(pool->alloc, argument);
    uint64_t seen = 0;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        while (pool->round == seen && !pool->ending)
            pthread_cond_wait(&pool->wake, &pool->lock);
        seen = pool->round;
        bool ending = pool->ending;
        pthread_mutex_unlock(&pool->lock);
        if (ending)
            return NULL;
        run_pieces(pool, start.worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
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
    pool->ending = true;
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
    pthread_mutex_lock(&pool->lock);
    pool->busy = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    run_pieces(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy != 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&pool->callers);
}

uint32_t pnd_pool_get_threads(const struct pnd_pool *pool)
{
    return pool->threads;
}

/* Whole processors that the cgroup's quota allows; 0: no limit is known. */
static uint32_t read_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    unsigned long quota = 0, period = 0;
    int fields = fscanf(file, "%lu %lu", &quota, &period);
    fclose(file);
    if (fields != 2 || quota == 0 || period == 0)
        return 0; /* "max" */
    return (uint32_t)((quota + period - 1) / period);
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
    uint32_t quota = read_quota();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 1024 ? 1024 : count;
}
