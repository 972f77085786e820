/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_REFERENCE_H
#define PANDA_TESTS_REFERENCE_H

#include <stddef.h>

#include "support/tiny_llama.h"

/* The decoder once more, in double precision and as plainly as possible: every
 * position anew, no cache, no shared code with the library. */

struct reference {
    const struct tiny_llama *tiny;
    const struct tiny_file *weights;
    const struct tiny_file *lora; /* or NULL */
    double scale;                 /* alpha / rank */
};

struct reference_result {
    float *hidden; /* (layers + 1, count, hidden), as pnd_hidden_fn gives */
    float *logits; /* (count, vocab_size) */
};

/** From tokens, or from `vectors` (count, hidden) where not NULL. Free with
 *  reference_free. */
struct reference_result reference_run(const struct reference *r,
                                      const int32_t *tokens,
                                      const float *vectors, size_t count);
void reference_free(struct reference_result *result);

#endif
