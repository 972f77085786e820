/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_ROWS_H
#define PND_CONVERT_ROWS_H

#include "convert/plan.h"

/* Making the rows of a tensor, by groups on all threads. */

/* Made together, so that a product with LoRA's A pays. */
#define PND_GROUP_ROWS 16

struct pnd_rows {
    const struct pnd_context *ctx;
    const struct pnd_plan_tensor *t;
    size_t count, columns;
    size_t bytes;  /* of a row in the file */
    float *lora_a; /* (rank, columns) or NULL */
    float *scratch;
    size_t scratch_count; /* floats of a thread */
};

/** Whether the bytes of the file are those of the source, in the same order. */
bool pnd_rows_are_copied(const struct pnd_plan_tensor *t);

/** Begin a tensor that comes from another. */
panda_status pnd_rows_begin(struct pnd_rows *rows,
                            const struct pnd_context *ctx,
                            const struct pnd_plan_tensor *t);

/** Make rows [first, first + count) into `out`; `first` is a multiple of
 *  PND_GROUP_ROWS. PANDA_E_FORMAT for a number that the type cannot hold. */
panda_status pnd_rows_make(const struct pnd_rows *rows, size_t first,
                           size_t count, void *out);

void pnd_rows_end(struct pnd_rows *rows); /* a zeroed one is allowed */

#endif
