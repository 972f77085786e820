/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_CONTEXT_H
#define PND_BASE_CONTEXT_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/host_file.h"

/* What every module needs of the runtime, which owns it (lib/api/runtime.c)
 * and outlives all that is made with it. */

struct pnd_kernels; /* kernels/kernels.h */

struct pnd_context {
    struct pnd_allocator alloc;
    struct pnd_pool *pool;
    const struct pnd_kernels *kernels;
    panda_log_fn log;
    void *log_user;
    panda_log_level log_level;
    const struct pnd_host_file *host_files; /* while a model is opened */
    uint32_t host_file_count;
};

/** One line of log, when the level is wanted. */
void pnd_log(const struct pnd_context *ctx, panda_log_level level,
             const char *format, ...) PND_PRINTF(3, 4);

/* How a long computation is watched: either may be NULL. */
struct pnd_watch {
    const atomic_int *cancelled; /* nonzero: stop */
    panda_progress_fn progress;
    void *progress_user;
};

/** PANDA_E_CANCELLED or PANDA_E_CALLBACK (message set) when the call has to
 *  stop. `fraction` in [0, 1]; negative: only look for cancelling. `watch` may
 *  be NULL. */
panda_status pnd_watch_check(const struct pnd_watch *watch, double fraction);

#endif
