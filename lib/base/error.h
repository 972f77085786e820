/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_ERROR_H
#define PND_BASE_ERROR_H

#include <pandagpt/status.h>

/* The calling thread's error text. Failures are reported where they are found:
 *
 *     return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s has ...", path, name);
 *
 * and passed on unchanged with PND_TRY. */

#if defined(__GNUC__)
#  define PND_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#  define PND_PRINTF(f, a)
#endif

/** Record the sentence and return `status` (negative). */
panda_status pnd_fail(panda_status status, const char *format, ...)
    PND_PRINTF(2, 3);

/** pnd_fail(PANDA_E_MEMORY) with the standard sentence. */
panda_status pnd_fail_memory(void);

#ifdef __clang_analyzer__ /* sees one file at a time: what the two return */
#  define pnd_fail(status, ...) (pnd_fail(status, __VA_ARGS__), (status))
#  define pnd_fail_memory() (pnd_fail_memory(), PANDA_E_MEMORY)
#endif

/** Put "prefix: " in front of the recorded sentence. */
void pnd_error_prefix(const char *prefix);

/** Forget the sentence. */
void pnd_error_clear(void);

/** The sentence; never NULL. */
const char *pnd_error_get(void);

/** Evaluate a panda_status expression; on failure jump to `out` with `status`
 *  set. Needs a local `panda_status status` and a label `out`. */
#define PND_TRY(expression)                                                    \
  do {                                                                         \
    status = (expression);                                                     \
    if (status < 0)                                                            \
      goto out;                                                                \
  } while (0)

#endif
