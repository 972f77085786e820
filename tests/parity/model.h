/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_PARITY_MODEL_H
#define PANDA_TESTS_PARITY_MODEL_H

#include <pandagpt/pandagpt.h>

/* The fixtures' tiny weights through the public API. */

/** A runtime with the threads, CPU mask and providers of the environment (see
 *  test_context). */
panda_runtime *parity_runtime(void);

/** All parts: encoders, adapter, decoder. Closed by the caller. */
panda_model *parity_model(panda_runtime *runtime);

#endif
