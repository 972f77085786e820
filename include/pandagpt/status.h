/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_STATUS_H
#define PANDAGPT_STATUS_H

#include <stdint.h>

#include <pandagpt/export.h>

/** @file status.h
 *  Status codes and the text of the last failure.
 *
 *  Every function that can fail returns a panda_status: PANDA_OK, a positive
 *  event, or a negative error. After an error,
 *  panda_error_get_message() gives one sentence that names the file, the
 *  thing, what was found and what was expected:
 *
 *      if (panda_model_open(&model, runtime, &options) < 0)
 *          fprintf(stderr, "%s\n", panda_error_get_message());
 *
 *  The values below are pinned: they never change and are never reused. */

PANDA_BEGIN_DECLS

typedef int32_t panda_status;

enum {
    PANDA_OK = 0, /**< success */

    PANDA_END = 1,   /**< event: nothing more to give */
    PANDA_AGAIN = 2, /**< event: call again with more input */

    PANDA_E_ARGUMENT = -10,    /**< an argument or option is out of range */
    PANDA_E_SHAPE = -11,       /**< sizes that must agree do not */
    PANDA_E_STATE = -12,       /**< not possible now; the message says when */
    PANDA_E_UNSUPPORTED = -13, /**< valid, but not in this build or model */

    PANDA_E_MEMORY = -20,       /**< the allocator returned nothing */
    PANDA_E_CONTEXT_FULL = -21, /**< the decoder's context has no room left */

    PANDA_E_IO = -30,      /**< a file cannot be opened or read */
    PANDA_E_FORMAT = -31,  /**< a file's content is not what it should be */
    PANDA_E_VERSION = -32, /**< made for another version of this library */

    PANDA_E_CALLBACK = -40,  /**< a callback of the host asked to stop */
    PANDA_E_CANCELLED = -41, /**< stopped by a `cancel` call */

    PANDA_E_INTERNAL = -90 /**< a fault of this library; please report it */
};

/** Name of a status code, such as "PANDA_E_FORMAT".
 *  @return borrowed, static storage; "PANDA_UNKNOWN" for other numbers
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API const char *panda_status_get_name(panda_status status);

/** One sentence about the last failure on the calling thread, in UTF-8.
 *  Cleared on entry to every public function that returns a status, so it
 *  is "" after a success. Never NULL.
 *  @return borrowed; valid until the next call into the library on this thread
 *  Thread safety: any thread (each thread has its own text).
 *  @since 0.1 */
PANDA_API const char *panda_error_get_message(void);

PANDA_END_DECLS

#endif
