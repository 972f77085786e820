/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_NN_ATTENTION_H
#define PND_NN_ATTENTION_H

#include "base/context.h"
#include "tensor/tensor.h"

/* softmax(q k^T / sqrt(head_dim) [+ causal mask]) v, heads in parallel, for a
 * batch of sequences. */

struct pnd_attention_shape {
    uint32_t batch;      /* sequences */
    uint32_t queries;    /* rows of q in each sequence */
    uint32_t keys;       /* rows of k and v in each sequence */
    uint32_t heads;      /* query heads */
    uint32_t kv_heads;   /* key/value heads; divides heads */
    uint32_t head_dim;
    enum pnd_dtype kv_dtype; /* of k and v: PND_F32 or PND_F16 */
    bool causal;         /* query i sees keys 0 .. keys - queries + i; then
                            keys >= queries */
    size_t q_stride;     /* elements from row to row of q, and so on; head h */
    size_t kv_stride;    /* starts at h * head_dim within a row */
    size_t out_stride;
    size_t q_batch_stride;  /* elements from sequence to sequence */
    size_t kv_batch_stride;
    size_t out_batch_stride;
};

/** Floats of scratch for all workers of `ctx` together; grows with each of
 *  `queries` and `keys`, so that the largest run's is enough for all. */
size_t pnd_attention_get_scratch(const struct pnd_context *ctx,
                                 const struct pnd_attention_shape *shape);

/** `out` may not overlap the inputs. */
void pnd_attention_run(const struct pnd_context *ctx,
                       const struct pnd_attention_shape *shape, const float *q,
                       const void *k, const void *v, float *out,
                       float *scratch);

#endif
