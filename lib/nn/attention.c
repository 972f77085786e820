/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"

#include <math.h>

#include "base/sizes.h"
#include "kernels/kernels.h"

/* One piece is a block of queries of one head of one sequence. Its scores
 * [block, keys] stay in the cache between the two products. Each block packs
 * all keys and values anew, which is for large blocks; with a causal mask it
 * also computes scores that it does not need, which is for small ones. */
#define MOST_QUERIES 132
#define MOST_CAUSAL 64
#define LEAST_QUERIES 8
#define MOST_SCORES (256 * 1024) /* floats; fewer queries for long contexts */

struct attention_job {
    const struct pnd_kernels *kernels;
    const struct pnd_attention_shape *shape;
    const float *q;
    const void *k, *v;
    float *out;
    float *scratch;
    uint32_t blocks;     /* of one head's queries: its pieces */
    size_t scratch_size; /* floats of one worker */
    float scale;
};

static uint32_t count_blocks(const struct pnd_attention_shape *shape)
{
    uint32_t most = shape->causal ? MOST_CAUSAL : MOST_QUERIES;
    while (most > LEAST_QUERIES && (size_t)most * shape->keys > MOST_SCORES)
        most /= 2;
    return (shape->queries + most - 1) / most;
}

/* Floats of a head's values, where they have to be made first. */
static size_t count_values(const struct pnd_attention_shape *shape)
{
    return shape->kv_dtype == PND_F32 || shape->queries == 1
               ? 0
               : pnd_round_line((size_t)shape->keys * shape->head_dim);
}

/* [PND_GEMM_SCRATCH] [values] [scores], whole cache lines. At least what
 * count_blocks leaves, but never less for more queries or keys. */
static size_t worker_scratch(const struct pnd_attention_shape *shape)
{
    size_t keys = shape->keys;
    size_t most = pnd_min_size(shape->queries, MOST_QUERIES) * keys;
    size_t least = pnd_min_size(shape->queries, LEAST_QUERIES) * keys;
    size_t scores =
        pnd_min_size(most, least < MOST_SCORES ? MOST_SCORES : least);
    return PND_GEMM_SCRATCH + count_values(shape) + pnd_round_line(scores);
}

/* scores[rows, keys] = q k^T */
static void multiply_keys(const struct attention_job *job, size_t rows,
                          size_t keys, const float *q, const void *k,
                          float *scores, float *scratch)
{
    const struct pnd_attention_shape *s = job->shape;
    if (rows == 1)
        job->kernels->format[s->kv_dtype].matvec(
            keys, s->head_dim, k,
            s->kv_stride * pnd_dtype_get_size(s->kv_dtype), q, scores);
    else
        job->kernels->gemm.nt[s->kv_dtype](rows, keys, s->head_dim, q,
                                           s->q_stride, k, s->kv_stride,
                                           scores, keys, scratch);
}

/* out[rows, head_dim] = scores v */
static void multiply_values(const struct attention_job *job, size_t rows,
                            size_t keys, const float *scores,
                            const unsigned char *v, float *out, float *scratch)
{
    const struct pnd_attention_shape *s = job->shape;
    const struct pnd_format_kernels *format =
        &job->kernels->format[s->kv_dtype];
    const size_t row_bytes = s->kv_stride * pnd_dtype_get_size(s->kv_dtype);
    if (rows == 1) {
        format->weigh(keys, s->head_dim, v, row_bytes, scores, out);
        return;
    }
    const float *values = (const float *)(const void *)v;
    size_t stride = s->kv_stride;
    if (s->kv_dtype != PND_F32) {
        float *made = scratch + PND_GEMM_SCRATCH;
        for (size_t i = 0; i < keys; i++)
            format->to_f32(s->head_dim, v + i * row_bytes,
                           made + i * s->head_dim);
        values = made;
        stride = s->head_dim;
    }
    job->kernels->gemm.f32_nn(rows, s->head_dim, keys, scores, keys, values,
                              stride, out, s->out_stride, scratch);
}

static void run_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct attention_job *job = context;
    const struct pnd_attention_shape *s = job->shape;
    float *scratch = job->scratch + worker * job->scratch_size;
    float *scores =
        scratch + PND_GEMM_SCRATCH + count_values(s); /* (rows, keys) */
    /* Blocks of even size. */
    const uint32_t block = index % job->blocks;
    const uint32_t size = s->queries / job->blocks;
    const uint32_t larger = s->queries % job->blocks; /* by one: the first */
    size_t rows = size + (block < larger);
    uint32_t first = block * size + (block < larger ? block : larger);
    uint32_t head = index / job->blocks % s->heads;
    size_t item = index / job->blocks / s->heads;
    size_t kv_head = head / (s->heads / s->kv_heads);
    size_t kv = (item * s->kv_batch_stride + kv_head * s->head_dim) *
                pnd_dtype_get_size(s->kv_dtype);
    const float *q = job->q + item * s->q_batch_stride +
                     first * s->q_stride + (size_t)head * s->head_dim;
    float *out = job->out + item * s->out_batch_stride +
                 first * s->out_stride + (size_t)head * s->head_dim;

    /* Keys that the first and the last row see. */
    size_t seen = s->causal ? s->keys - s->queries + first + 1 : s->keys;
    size_t keys = s->causal ? seen + rows - 1 : s->keys;
    multiply_keys(job, rows, keys, q, (const unsigned char *)job->k + kv,
                  scores, scratch);
    for (size_t r = 0; r < rows; r++) {
        float *row = scores + r * keys;
        size_t count = s->causal ? seen + r : keys;
        job->kernels->vector.softmax(count, job->scale, row);
        for (size_t i = count; i < keys; i++)
            row[i] = 0;
    }
    multiply_values(job, rows, keys, scores,
                    (const unsigned char *)job->v + kv, out, scratch);
}

size_t pnd_attention_get_scratch(const struct pnd_context *ctx,
                                 const struct pnd_attention_shape *shape)
{
    return pnd_pool_get_threads(ctx->pool) * worker_scratch(shape);
}

void pnd_attention_run(const struct pnd_context *ctx,
                       const struct pnd_attention_shape *shape, const float *q,
                       const void *k, const void *v, float *out,
                       float *scratch)
{
    if (shape->batch == 0 || shape->queries == 0)
        return;
    struct attention_job job = {
        .kernels = ctx->kernels,
        .shape = shape,
        .q = q,
        .k = k,
        .v = v,
        .out = out,
        .scratch = scratch,
        .blocks = count_blocks(shape),
        .scratch_size = worker_scratch(shape),
        .scale = 1 / sqrtf((float)shape->head_dim),
    };
    pnd_pool_run(ctx->pool, run_piece, &job,
                 shape->batch * shape->heads * job.blocks);
}
