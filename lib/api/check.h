/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_CHECK_H
#define PND_API_CHECK_H

#include <pandagpt/model.h>

#include "base/error.h"

/* The first lines of every public function that returns a status. */

/** Forget the text of the last failure. */
#define PND_ENTER() pnd_error_clear()

/** Return PANDA_E_ARGUMENT with a sentence unless `condition` holds. */
#define PANDA_CHECK_ARG(condition, ...)                                        \
  do {                                                                         \
    if (!(condition))                                                          \
      return pnd_fail(PANDA_E_ARGUMENT, __VA_ARGS__);                          \
  } while (0)

/** The same for a pointer that must not be NULL. */
#define PANDA_CHECK_POINTER(pointer)                                           \
  PANDA_CHECK_ARG((pointer) != NULL, "%s: argument %s is NULL", __func__,      \
                  #pointer)

/** The same for flags of PANDA_TOKENIZE_*. */
#define PANDA_CHECK_TOKENIZE(flags)                                            \
  PANDA_CHECK_ARG(((flags) & ~(uint32_t)(PANDA_TOKENIZE_BOS |                  \
                                         PANDA_TOKENIZE_PARSE_SPECIAL |        \
                                         PANDA_TOKENIZE_EOS)) == 0,            \
                  "%s: flags is %#x, unknown bits are set", __func__, flags)

#endif
