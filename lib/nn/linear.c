/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/linear.h"

#include "base/sizes.h"
#include "kernels/kernels.h"
#include "nn/linear_parts.h"

/* Up to this many rows the weights are streamed and dotted with each row;
 * packing them into panels only pays for more. */
#define FEW_ROWS 4

/* Pieces of many rows: what the level-two cache and the register tiles like,
 * then halved while there are too few for all threads. */
#define MOST_ROWS PND_LINEAR_ROWS
#define MOST_COLUMNS PND_LINEAR_COLUMNS
#define LEAST_ROWS 56
#define LEAST_COLUMNS 32
#define ENOUGH_PIECES 32
#define LEAST_WORK (1 << 20) /* multiply-adds of a piece worth halving */

/* Pieces of few rows: a slice of weights that stays in the level-two cache for
 * the second row, and is long enough to be worth a thread's while. */
#define SLICE_BYTES (128 * 1024)

/* Scratch: [side: rows * rank] then for each worker
 * [PND_GEMM_SCRATCH] [side product of a piece] [its sums, to be added]. */
#define PRODUCT ((size_t)MOST_ROWS * MOST_COLUMNS)
#define WORKER_SCRATCH (PND_GEMM_SCRATCH + 2 * PRODUCT)

struct linear_job {
    const struct pnd_kernels *kernels;
    const struct pnd_linear *layer;
    struct pnd_linear_pieces pieces;
    enum pnd_linear_end end;
    size_t rows;
    const float *x; /* (rows, in) */
    float *y;       /* (rows, out) */
    const float *t; /* (rows, rank): scale * x A^T; NULL: no side path */
    float *scratch; /* of the workers */
};

struct pnd_linear_pieces pnd_linear_cut(const struct pnd_context *ctx,
                                        const struct pnd_linear *layer,
                                        size_t rows)
{
    const bool own_kernels =
        ctx->kernels->providers_used == PANDA_PROVIDER_NONE;
    const size_t enough =
        own_kernels ? pnd_min_size(ENOUGH_PIECES,
                                   4 * (size_t)pnd_pool_get_threads(ctx->pool))
                    : ENOUGH_PIECES;
    struct pnd_linear_pieces p;
    if (rows <= FEW_ROWS) {
        size_t row_bytes = pnd_dtype_get_row_bytes(layer->dtype, layer->in);
        p.rows = rows;
        p.columns = pnd_divide_up(SLICE_BYTES, row_bytes + 1);
        if (p.columns > MOST_COLUMNS)
            p.columns = MOST_COLUMNS;
        p.columns = (p.columns + 3) & ~(size_t)3;
    } else {
        p.rows = pnd_divide_up(rows, pnd_divide_up(rows, MOST_ROWS));
        p.columns = MOST_COLUMNS;
    }
    for (;;) {
        p.row_count = pnd_divide_up(rows, p.rows);
        p.column_count = pnd_divide_up(layer->out, p.columns);
        if (rows <= FEW_ROWS || p.row_count * p.column_count >= enough ||
            p.rows * p.columns * layer->in < 2 * LEAST_WORK)
            return p;
        if (p.columns > LEAST_COLUMNS)
            p.columns /= 2;
        else if (p.rows >= 2 * LEAST_ROWS)
            p.rows = pnd_divide_up(p.rows, 2);
        else
            return p;
    }
}

bool pnd_linear_can_round(const struct pnd_context *ctx, enum pnd_dtype dtype)
{
    return ctx->kernels->bf16.nt[dtype] != NULL;
}

/* The part of `multiply` that packs weights into panels. */
static void multiply_many(const struct pnd_kernels *kernels,
                          enum pnd_dtype dtype, bool rounds, size_t rows,
                          size_t columns, size_t in, const float *x,
                          const void *weight, float *y, size_t y_stride,
                          float *scratch)
{
    const struct pnd_large_kernels *large = &kernels->large;
    pnd_gemm_fn bf16 = rounds ? kernels->bf16.nt[dtype] : NULL;
    pnd_gemm_fn own = bf16 ? bf16 : kernels->gemm.nt[dtype];
    pnd_large_gemm_fn other = dtype == PND_F32 && !bf16 ? large->f32_nt : NULL;
    size_t done = 0;
    if (other && rows >= large->least_rows)
        done = other(rows, columns, in, x, in, weight, in, y, y_stride,
                     scratch);
    if (done < columns)
        own(rows, columns - done, in, x, in,
            (const char *)weight + done * pnd_dtype_get_row_bytes(dtype, in),
            in, y + done, y_stride, scratch);
}

/* y[rows, columns] = x[rows, in] * transpose(weight[columns, in]) */
static void multiply(const struct pnd_kernels *kernels, enum pnd_dtype dtype,
                     bool rounds, size_t rows, size_t columns, size_t in,
                     const float *x, const void *weight, float *y,
                     size_t y_stride, float *scratch)
{
    if (rows > FEW_ROWS) {
        multiply_many(kernels, dtype, rounds, rows, columns, in, x, weight, y,
                      y_stride, scratch);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        kernels->format[dtype].matvec(columns, in, weight,
                                      pnd_dtype_get_row_bytes(dtype, in),
                                      x + r * in, y + r * y_stride);
}

/* Add the side path, then the bias, to a piece of sums (rows, columns). */
static void add_sides(const struct linear_job *job, size_t row, size_t rows,
                      size_t column, size_t columns, float *sums,
                      size_t stride, float *scratch)
{
    const struct pnd_linear *layer = job->layer;
    const struct pnd_low_rank *side = layer->side;
    float *product = scratch + PND_GEMM_SCRATCH; /* (rows, columns) */
    if (side)
        multiply(job->kernels, PND_F32, false, rows, columns, side->rank,
                 job->t + row * side->rank, side->b + column * side->rank,
                 product, columns, scratch);
    for (size_t r = 0; r < rows; r++, sums += stride) {
        if (side)
            job->kernels->vector.add(columns, product + r * columns, sums);
        if (layer->bias)
            job->kernels->vector.add(columns, layer->bias + column, sums);
    }
}

static void run_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct linear_job *job = context;
    const struct pnd_linear *layer = job->layer;
    const struct pnd_linear_pieces *p = &job->pieces;
    const struct pnd_vector_kernels *vector = &job->kernels->vector;
    float *scratch = job->scratch + worker * WORKER_SCRATCH;
    size_t row = index % p->row_count * p->rows;
    size_t column = index / p->row_count * p->columns;
    size_t rows = pnd_min_size(job->rows - row, p->rows);
    size_t columns = pnd_min_size(layer->out - column, p->columns);
    const char *weight =
        (const char *)layer->weight +
        column * pnd_dtype_get_row_bytes(layer->dtype, layer->in);
    float *y = job->y + row * layer->out + column;
    bool adds = job->end == PND_END_ADD;
    float *sums = adds ? scratch + PND_GEMM_SCRATCH + PRODUCT : y;
    size_t stride = adds ? columns : layer->out;

    multiply(job->kernels, layer->dtype, layer->rounds, rows, columns,
             layer->in, job->x + row * layer->in, weight, sums, stride,
             scratch);
    add_sides(job, row, rows, column, columns, sums, stride, scratch);
    for (size_t r = 0; r < rows && job->end != PND_END_STORE; r++) {
        if (adds)
            vector->add(columns, sums + r * stride, y + r * layer->out);
        else
            vector->gelu(columns, y + r * layer->out);
    }
}

static void run_main(const struct pnd_context *ctx,
                     const struct pnd_linear *layer, size_t rows,
                     const float *x, const float *t, float *y,
                     enum pnd_linear_end end, float *scratch)
{
    struct linear_job job = {
        .kernels = ctx->kernels,
        .layer = layer,
        .pieces = pnd_linear_cut(ctx, layer, rows),
        .end = end,
        .rows = rows,
        .x = x,
        .y = y,
        .t = t,
        .scratch = scratch,
    };
    pnd_pool_run(ctx->pool, run_piece, &job,
                 (uint32_t)(job.pieces.row_count * job.pieces.column_count));
}

size_t pnd_linear_get_scratch(const struct pnd_context *ctx,
                              const struct pnd_linear *layer, size_t rows)
{
    if (layer->dtype == PND_I8)
        return pnd_linear_i8_get_scratch(ctx, layer, rows);
    size_t t = layer->side ? pnd_round_line(rows * layer->side->rank) : 0;
    return t + pnd_pool_get_threads(ctx->pool) * WORKER_SCRATCH;
}

void pnd_linear_run_end(const struct pnd_context *ctx,
                        const struct pnd_linear *layer, size_t rows,
                        const float *x, float *y, enum pnd_linear_end end,
                        float *scratch)
{
    const struct pnd_low_rank *side = layer->side;
    if (rows == 0)
        return;
    if (layer->dtype == PND_I8) {
        pnd_linear_i8_run(ctx, layer, rows, x, y, end, scratch);
        return;
    }
    if (!side) {
        run_main(ctx, layer, rows, x, NULL, y, end, scratch);
        return;
    }
    float *t = scratch;
    scratch += pnd_round_line(rows * side->rank);
    struct pnd_linear down = {
        .dtype = PND_F32, .in = layer->in, .out = side->rank,
        .weight = side->a,
    };
    run_main(ctx, &down, rows, x, NULL, t, PND_END_STORE, scratch);
    for (size_t i = 0; i < rows * side->rank; i++)
        t[i] *= side->scale;
    run_main(ctx, layer, rows, x, t, y, end, scratch);
}

void pnd_linear_run(const struct pnd_context *ctx,
                    const struct pnd_linear *layer, size_t rows,
                    const float *x, float *y, float *scratch)
{
    pnd_linear_run_end(ctx, layer, rows, x, y, PND_END_STORE, scratch);
}
