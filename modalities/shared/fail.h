/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_FAIL_H
#define PND_SHARED_FAIL_H

#include <pandagpt/sys/frontend.h>

/* Failing and allocating through the frontend's host, with the arithmetic
 * checked. */

#if defined(__GNUC__)
#  define PND_HOST_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#  define PND_HOST_PRINTF(f, a)
#endif

/** Record a sentence, cut at 400 bytes, and return `status`. Say what was found
 *  and what was expected; the library puts the file's name in front. */
panda_status pnd_host_fail(const panda_frontend_host *host,
                           panda_status status, const char *format, ...)
    PND_HOST_PRINTF(3, 4);

/** PANDA_E_MEMORY with its standard sentence. */
panda_status pnd_host_fail_memory(const panda_frontend_host *host);

#ifdef __clang_analyzer__ /* sees one file at a time: what the two return */
#  define pnd_host_fail(host, status, ...) \
    (pnd_host_fail(host, status, __VA_ARGS__), (status))
#  define pnd_host_fail_memory(host) \
    (pnd_host_fail_memory(host), PANDA_E_MEMORY)
#endif

/** PANDA_E_CANCELLED when the call was cancelled, PANDA_OK otherwise. */
panda_status pnd_host_check_cancel(const panda_frontend_host *host);

/** count * size bytes, not initialised; NULL when there is no memory, the
 *  product overflows or is 0. Release with host->free. */
void *pnd_host_alloc(const panda_frontend_host *host, size_t count,
                     size_t size);

/** Evaluate a panda_status expression; on failure jump to `out` with `status`
 *  set. Needs a local `panda_status status` and a label `out`. */
#define PND_HOST_TRY(expression)      \
    do {                              \
        status = (expression);        \
        if (status < 0)               \
            goto out;                 \
    } while (0)

#endif
