/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_NN_TEST_H
#define PANDA_TESTS_NN_TEST_H

#include <stdlib.h>
#include <string.h>

#include "support/support.h"

/* What the nn tests share: reproducible numbers and contexts with other
 * numbers of threads. */

static inline float *nn_floats(size_t count, uint32_t seed)
{
    float *values = malloc((count + 1) * sizeof *values);
    uint64_t state = seed * UINT64_C(2654435761) + 1;
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++) {
        state = state * UINT64_C(6364136223846793005) +
                UINT64_C(1442695040888963407);
        values[i] = (float)((int32_t)(state >> 40) - (1 << 23)) * 0x1p-23f;
    }
    return values;
}

/* A hook that runs the pieces backwards and lies about nothing else. */
static inline void nn_run_backwards(panda_task_fn task, void *context,
                                    uint32_t count, void *user)
{
    uint32_t threads = *(uint32_t *)user;
    while (count-- > 0)
        task(context, count, count % threads);
}

/* Calls run(ctx, user) with 1, 2 and 3 threads and with the hook, and demands
 * `count` floats at `result` that are equal bit for bit. */
static inline void nn_check_threads(void (*run)(const struct pnd_context *ctx,
                                                void *user),
                                    void *user, const float *result,
                                    size_t count)
{
    float *first = malloc(count * sizeof *first);
    uint32_t threads = 3;
    ck_assert_ptr_nonnull(first);
    for (uint32_t i = 1; i <= 4; i++) {
        struct pnd_context ctx = *test_context();
        ck_assert_ok(pnd_pool_create(&ctx.pool, &ctx.alloc, i < 4 ? i : threads,
                                     i < 4 ? NULL : nn_run_backwards,
                                     &threads));
        run(&ctx, user);
        pnd_pool_destroy(ctx.pool);
        if (i == 1)
            memcpy(first, result, count * sizeof *first);
        ck_assert_msg(memcmp(first, result, count * sizeof *first) == 0,
                      "results change with the threads (case %u)", i);
    }
    free(first);
}

#endif
