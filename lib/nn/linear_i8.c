/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/sizes.h"
#include "kernels/kernels.h"
#include "nn/linear_parts.h"

/* Layers of int8 weights: the activations are rounded to int8 first, row by
 * row in groups, but for the outliers, which are multiplied as floats. */

#define PIECE_VALUES (16 * 1024) /* worth a thread's while */

/* Scratch: [codes] [scales] [outliers], then for each worker
 * [PND_GEMM_SCRATCH] [product of outliers]. */
#define WORKER_SCRATCH \
    (PND_GEMM_SCRATCH + (size_t)PND_LINEAR_ROWS * PND_LINEAR_COLUMNS)

struct i8_job {
    const struct pnd_kernels *kernels;
    const struct pnd_linear *layer;
    struct pnd_linear_pieces pieces;
    enum pnd_linear_end end;
    size_t rows, groups;
    size_t few;      /* rows that are rounded in one piece */
    const float *x;  /* (rows, in) */
    float *y;        /* (rows, out) */
    int8_t *codes;   /* (rows, in) */
    float *scales;   /* (rows, groups) */
    float *outliers; /* (rows, outliers.count): their values of x */
    float *scratch;  /* of the workers */
};

/* As pnd_i8_kernels.round, with zeros in the columns of outliers, whose values
 * go to `outliers`. */
static void round_row(const struct i8_job *job, const float *x, int8_t *codes,
                      float *scales, float *outliers)
{
    const struct pnd_outliers *o = &job->layer->outliers;
    const size_t in = job->layer->in;
    uint32_t next = 0;
    if (o->count == 0) {
        job->kernels->i8.round(in, x, codes, scales);
        return;
    }
    for (size_t i = 0; i < in; i += PND_I8_GROUP) {
        const size_t count = pnd_min_size(in - i, PND_I8_GROUP);
        float group[PND_I8_GROUP];
        memcpy(group, x + i, count * sizeof *group);
        for (; next < o->count && (size_t)o->columns[next] < i + count;
             next++) {
            outliers[next] = x[o->columns[next]];
            group[(size_t)o->columns[next] - i] = 0;
        }
        job->kernels->i8.round(count, group, codes + i, scales++);
    }
}

static void round_rows(void *context, uint32_t index, uint32_t worker)
{
    const struct i8_job *job = context;
    const size_t in = job->layer->in, first = index * job->few;
    const size_t end = first + pnd_min_size(job->rows - first, job->few);
    (void)worker;
    for (size_t r = first; r < end; r++)
        round_row(job, job->x + r * in, job->codes + r * in,
                  job->scales + r * job->groups,
                  job->outliers + r * job->layer->outliers.count);
}

/* What the products are added to: bias, outliers. */
static void start_piece(const struct i8_job *job, size_t row, size_t rows,
                        size_t column, size_t columns, float *y,
                        float *scratch)
{
    const struct pnd_linear *layer = job->layer;
    const struct pnd_outliers *o = &layer->outliers;
    const float *bias = layer->bias ? layer->bias + column : NULL;
    const bool adds = job->end == PND_END_ADD;
    float *product = scratch + PND_GEMM_SCRATCH; /* (rows, columns) */
    if (o->count > 0)
        job->kernels->gemm.nt[PND_F32](
            rows, columns, o->count, job->outliers + row * o->count, o->count,
            o->weight + column * o->count, o->count, product, columns,
            scratch);
    for (size_t r = 0; r < rows; r++, y += layer->out) {
        if (adds && bias)
            job->kernels->vector.add(columns, bias, y);
        else if (bias)
            memcpy(y, bias, columns * sizeof *y);
        else if (!adds)
            memset(y, 0, columns * sizeof *y);
        if (o->count > 0)
            job->kernels->vector.add(columns, product + r * columns, y);
    }
}

static void add_product(const struct i8_job *job, size_t row, size_t rows,
                        size_t column, size_t columns, float *y,
                        float *scratch)
{
    const struct pnd_linear *layer = job->layer;
    const struct pnd_large_kernels *large = &job->kernels->large;
    const size_t in = layer->in;
    const int8_t *codes = job->codes + row * in;
    const float *scales = job->scales + row * job->groups;
    const int8_t *weight = (const int8_t *)layer->weight + column * in;
    const float *row_scale = layer->row_scale + column;
    size_t done = 0;
    if (large->i8_product && rows >= large->least_rows)
        done = large->i8_product(rows, columns, in, codes, in, scales, weight,
                                 in, row_scale, y, layer->out, scratch);
    if (done < columns)
        job->kernels->i8.product(rows, columns - done, in, codes, in, scales,
                                 weight + done * in, in, row_scale + done,
                                 y + done, layer->out, scratch);
}

static void run_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct i8_job *job = context;
    const struct pnd_linear *layer = job->layer;
    const struct pnd_linear_pieces *p = &job->pieces;
    float *scratch = job->scratch + worker * WORKER_SCRATCH;
    const size_t row = index % p->row_count * p->rows;
    const size_t column = index / p->row_count * p->columns;
    const size_t rows = pnd_min_size(job->rows - row, p->rows);
    const size_t columns = pnd_min_size(layer->out - column, p->columns);
    float *y = job->y + row * layer->out + column;

    start_piece(job, row, rows, column, columns, y, scratch);
    add_product(job, row, rows, column, columns, y, scratch);
    for (size_t r = 0; r < rows && job->end == PND_END_GELU; r++)
        job->kernels->vector.gelu(columns, y + r * layer->out);
}

size_t pnd_linear_i8_get_scratch(const struct pnd_context *ctx,
                                 const struct pnd_linear *layer, size_t rows)
{
    const size_t groups = pnd_i8_count_groups(layer->in);
    return pnd_round_line((rows * layer->in + 3) / 4) +
           pnd_round_line(rows * groups) +
           pnd_round_line(rows * layer->outliers.count) +
           pnd_pool_get_threads(ctx->pool) * WORKER_SCRATCH;
}

void pnd_linear_i8_run(const struct pnd_context *ctx,
                       const struct pnd_linear *layer, size_t rows,
                       const float *x, float *y, enum pnd_linear_end end,
                       float *scratch)
{
    struct i8_job job = {
        .kernels = ctx->kernels,
        .layer = layer,
        .pieces = pnd_linear_cut(ctx, layer, rows),
        .end = end,
        .rows = rows,
        .groups = pnd_i8_count_groups(layer->in),
        .few = layer->in < PIECE_VALUES ? PIECE_VALUES / layer->in : 1,
        .x = x,
        .y = y,
        .codes = (int8_t *)scratch,
    };
    job.scales = scratch + pnd_round_line((rows * layer->in + 3) / 4);
    job.outliers = job.scales + pnd_round_line(rows * job.groups);
    job.scratch = job.outliers + pnd_round_line(rows * layer->outliers.count);
    pnd_pool_run(ctx->pool, round_rows, &job,
                 (uint32_t)((rows + job.few - 1) / job.few));
    pnd_pool_run(ctx->pool, run_piece, &job,
                 (uint32_t)(job.pieces.row_count * job.pieces.column_count));
}
