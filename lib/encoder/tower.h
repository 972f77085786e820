/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_ENCODER_TOWER_H
#define PND_ENCODER_TOWER_H

#include <pandagpt/encoder.h>
#include <pandagpt/model.h>

#include "format/config.h"
#include "format/weights.h"

/* One ImageBind tower: stem, trunk, head. The tower is immutable; a run uses
 * the memory of a workspace. */

struct pnd_tower;

/** Read and check the tensors of one tower; `weights` must outlive it. Where
 *  `precision` is PANDA_PRECISION_SMALL, those of the trunk's matrices that are
 *  worth it (encoder/int8.h) are rounded to int8; where it is
 *  PANDA_PRECISION_FAST, the trunk's products may be of bf16. */
panda_status pnd_tower_load(struct pnd_tower **out,
                            const struct pnd_context *ctx,
                            struct pnd_weights *weights,
                            const struct pnd_imagebind_config *config,
                            enum pnd_tower_id id, panda_precision precision);
void pnd_tower_free(struct pnd_tower *tower); /* NULL is allowed */

/** Whether the file has this tower at all (its first tensor). */
bool pnd_tower_is_in(struct pnd_weights *weights, enum pnd_tower_id id);

struct pnd_tower_dims {
    uint32_t width, blocks, heads;
    uint32_t tokens;         /* class token included */
    uint32_t embedding_dim;
    uint64_t parameters;
    uint64_t heap_bytes;     /* derived weights */
    float scale;             /* of PANDA_OUTPUT_SCALED; 1: none */
    enum pnd_dtype dtype;    /* of the trunk's matrices */
    bool rounds;             /* they are multiplied in bf16 */
    uint32_t rank;           /* input of one item, as panda_frontend_tensor */
    uint32_t shape[4];       /* image: 3, frames (may be 1), size, size */
    bool token_ids;          /* input is i32 ids, not floats */
};
const struct pnd_tower_dims *pnd_tower_get_dims(const struct pnd_tower *tower);

/* Scratch of a session, grown to the largest run. */
struct pnd_workspace {
    const struct pnd_context *ctx;
    float *memory;
    size_t count; /* floats */
    uint32_t *order; /* texts by length */
    size_t order_count;
};
void pnd_workspace_free(struct pnd_workspace *ws);

struct pnd_trace {
    panda_trace_fn fn; /* NULL: none */
    void *user;
};

/** Encode `items` items at once: input [items, shape...] (an image's second
 *  dimension is `frames`, 1 or the model's) to raw head outputs
 *  [items, embedding_dim]. */
panda_status pnd_tower_run(const struct pnd_tower *tower,
                           struct pnd_workspace *ws, uint32_t items,
                           uint32_t frames, const void *input, float *raw,
                           const struct pnd_watch *watch,
                           const struct pnd_trace *trace);

/** raw [items, dim] to unit and scaled [items, dim] (either may be NULL), and
 *  then their means over the items are the embedding. A zero vector stays
 *  zero, as in the reference. */
void pnd_tower_finish(const struct pnd_tower *tower, uint32_t items,
                      const float *raw, float *unit, float *scaled);

#endif
