/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/rows.h"

#include "kernels/kernels.h"

#define PIECE_VALUES (16 * 1024) /* worth a thread's while */

struct rows_job {
    const struct pnd_kernels *kernels;
    size_t rows, n, piece; /* rows of one piece */
    const float *x;
    const float *weight, *bias;
    float eps;
    float *y;
};

/* The operation on rows [first, first + count). */
typedef void (*rows_fn)(const struct rows_job *job, size_t first,
                        size_t count);

struct rows_call {
    struct rows_job job;
    rows_fn run;
};

static void run_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct rows_call *call = context;
    size_t first = index * call->job.piece;
    size_t left = call->job.rows - first;
    (void)worker;
    call->run(&call->job, first,
              left < call->job.piece ? left : call->job.piece);
}

static void run_rows(const struct pnd_context *ctx, rows_fn run,
                     struct rows_job job)
{
    if (job.rows == 0 || job.n == 0)
        return;
    job.kernels = ctx->kernels;
    job.piece = job.n < PIECE_VALUES ? PIECE_VALUES / job.n : 1;
    struct rows_call call = {job, run};
    pnd_pool_run(ctx->pool, run_piece, &call,
                 (uint32_t)((job.rows + job.piece - 1) / job.piece));
}

static void run_layer_norm(const struct rows_job *job, size_t first,
                           size_t count)
{
    for (size_t r = first; r < first + count; r++)
        job->kernels->norm.layer_norm(job->n, job->x + r * job->n, job->weight,
                                      job->bias, job->eps,
                                      job->y + r * job->n);
}

static void run_rms_norm(const struct rows_job *job, size_t first,
                         size_t count)
{
    for (size_t r = first; r < first + count; r++)
        job->kernels->norm.rms_norm(job->n, job->x + r * job->n, job->weight,
                                    job->eps, job->y + r * job->n);
}

static void run_gelu(const struct rows_job *job, size_t first, size_t count)
{
    job->kernels->vector.gelu(count * job->n, job->y + first * job->n);
}

static void run_silu_mul(const struct rows_job *job, size_t first,
                         size_t count)
{
    job->kernels->vector.silu_mul(count * job->n, job->y + first * job->n,
                                  job->x + first * job->n);
}

static void run_add(const struct rows_job *job, size_t first, size_t count)
{
    job->kernels->vector.add(count * job->n, job->x + first * job->n,
                             job->y + first * job->n);
}

void pnd_rows_layer_norm(const struct pnd_context *ctx, size_t rows, size_t n,
                         const float *x, const float *weight,
                         const float *bias, float eps, float *y)
{
    run_rows(ctx, run_layer_norm,
             (struct rows_job){.rows = rows, .n = n, .x = x, .weight = weight,
                               .bias = bias, .eps = eps, .y = y});
}

void pnd_rows_rms_norm(const struct pnd_context *ctx, size_t rows, size_t n,
                       const float *x, const float *weight, float eps,
                       float *y)
{
    run_rows(ctx, run_rms_norm,
             (struct rows_job){.rows = rows, .n = n, .x = x, .weight = weight,
                               .eps = eps, .y = y});
}

void pnd_rows_gelu(const struct pnd_context *ctx, size_t rows, size_t n,
                   float *x)
{
    run_rows(ctx, run_gelu, (struct rows_job){.rows = rows, .n = n, .y = x});
}

void pnd_rows_silu_mul(const struct pnd_context *ctx, size_t rows, size_t n,
                       float *gate, const float *up)
{
    run_rows(ctx, run_silu_mul,
             (struct rows_job){.rows = rows, .n = n, .x = up, .y = gate});
}

void pnd_rows_add(const struct pnd_context *ctx, size_t rows, size_t n,
                  const float *x, float *y)
{
    run_rows(ctx, run_add,
             (struct rows_job){.rows = rows, .n = n, .x = x, .y = y});
}
