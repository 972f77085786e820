/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_POOL_H
#define PND_BASE_POOL_H

#include <pandagpt/runtime.h>

#include "base/alloc.h"

/* Threads that run the pieces of a loop. The caller is worker 0 and works too.
 * Calls from several threads at once are served one after the other.
 *
 * Results must not depend on the number of threads: cut work into pieces by
 * its shape, never by `pool->threads`. */

struct pnd_pool;

/** `threads` >= 1; or the host's `parallel` hook when not NULL. */
panda_status pnd_pool_create(struct pnd_pool **out,
                             const struct pnd_allocator *alloc,
                             uint32_t threads, panda_parallel_fn parallel,
                             void *parallel_user);
void pnd_pool_destroy(struct pnd_pool *pool);

/** Run task(context, i, worker) for i in [0, count), worker < threads; returns
 *  when all are done. Must not be nested. */
void pnd_pool_run(struct pnd_pool *pool, panda_task_fn task, void *context,
                  uint32_t count);

uint32_t pnd_pool_get_threads(const struct pnd_pool *pool);

/** Processors this process may use (affinity and cgroup quota). */
uint32_t pnd_pool_count_processors(void);

#endif
