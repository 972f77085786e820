/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_PARITY_MODEL_H
#define PANDA_TESTS_PARITY_MODEL_H

#include <pandagpt/pandagpt.h>

#include <stdbool.h>

/* Tiny weights through the public API: the fixtures', and the golden set's. */

/** A runtime with the threads, CPU mask and providers of the environment (see
 *  test_context). */
panda_runtime *parity_runtime(void);

/** All parts (the merges table where the build has a use for it). Closed by the
 *  caller. */
panda_model *parity_model(panda_runtime *runtime);
panda_model *parity_golden_model(panda_runtime *runtime,
                                 panda_lora_mode lora_mode);

/** Whether this build reads the fixtures' merges and splits text by them. */
bool parity_can_read_text(void);

/** Whether this build can decode a file of this name for this modality;
 *  otherwise says by name what is skipped. Every build reads .npy. */
bool parity_can_read(const panda_model *model, panda_modality modality,
                     const char *name);

#endif
