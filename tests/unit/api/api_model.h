/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_API_MODEL_H
#define PANDA_TESTS_API_MODEL_H

#include <pandagpt/pandagpt.h>

#include "support/support.h"

/* A small whole model from a seed, in files: encoders of all modalities, a
 * decoder on the golden vocabulary, a delta with projection and LoRA. */

struct api_files {
    const char *imagebind, *config, *decoder, *tokenizer, *adapter;
};

/** Write the files of a model of this decoder width (divides by 4). */
struct api_files api_files_write(uint32_t hidden);

/** Options that open all of them. */
panda_model_options api_options(const struct api_files *files);

/** A runtime on this allocator, NULL for the C heap. */
panda_runtime *api_runtime(const struct test_alloc *alloc, uint32_t threads);

/** The whole model on a runtime of its own, which it keeps alive. */
panda_model *api_model(void);

/** A picture of 8-bit RGB that only depends on `seed`; static storage. */
panda_input api_picture(uint32_t seed);

#endif
