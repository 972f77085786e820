/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/linear_q8.h"

#include "base/sizes.h"
#include "kernels/kernels.h"

/* Up to this many rows a piece is a slice of weights that is worth a thread's
 * while and stays in the level-two cache for the next rows. With more rows
 * arithmetic takes over: as many columns as kernels unpack at a time, or fewer
 * while there are not ENOUGH_PIECES for each thread. */
#define FEW_ROWS 3
#define SLICE_BYTES (128 * 1024)
#define MOST_COLUMNS 256
#define UNPACKED_COLUMNS 160
#define LEAST_COLUMNS 32
#define ENOUGH_PIECES 4

/* Rows that are rounded in one piece. */
#define ROUND_ELEMENTS (32 * 1024)


/* Scratch: [rounded rows] [x A^T of each side path] then for each worker
 * [PND_GEMM_SCRATCH] [a row of a side product, MOST_COLUMNS]. */
#define WORKER_SCRATCH (PND_GEMM_SCRATCH + MOST_COLUMNS)

struct q8_job {
    const struct pnd_kernels *kernels;
    const struct pnd_linear_group *group;
    size_t rows;
    const float *x;               /* (rows, in) */
    struct pnd_q8_block *rounded; /* (rows, blocks of in) */
    size_t columns[4];            /* of a piece of each layer */
    uint32_t first[4];            /* piece of each layer */
    const float *sides[4];        /* (rows, rank) or NULL */
    float *scratch;               /* of the workers */
};

static size_t count_rounded(size_t in, size_t rows)
{
    return pnd_round_line(rows * pnd_q8_count_blocks(in) *
                          (sizeof(struct pnd_q8_block) / sizeof(float)));
}

static size_t choose_columns(const struct pnd_context *ctx,
                             const struct pnd_linear *layer, size_t rows)
{
    if (rows > FEW_ROWS) {
        const size_t enough =
            ENOUGH_PIECES * (size_t)pnd_pool_get_threads(ctx->pool);
        size_t columns = UNPACKED_COLUMNS;
        while (columns > LEAST_COLUMNS && layer->out / columns < enough)
            columns -= LEAST_COLUMNS;
        return columns;
    }
    const size_t columns =
        SLICE_BYTES / pnd_dtype_get_row_bytes(layer->dtype, layer->in);
    return columns < 16 ? 16
                        : pnd_min_size(columns & ~(size_t)15, MOST_COLUMNS);
}

static void round_rows(void *context, uint32_t index, uint32_t worker)
{
    const struct q8_job *job = context;
    const size_t in = job->group->layers[0]->in;
    const size_t piece = pnd_divide_up(ROUND_ELEMENTS, in);
    const size_t first = index * piece;
    const size_t end = pnd_min_size(first + piece, job->rows);
    (void)worker;
    for (size_t r = first; r < end; r++)
        job->kernels->q8.round(in, job->x + r * in,
                               job->rounded + r * pnd_q8_count_blocks(in));
}

/* y[rows, columns] += t B^T, with the rows of B from `column` on. */
static void add_side(const struct q8_job *job, const struct pnd_linear *layer,
                     const float *t, size_t column, size_t columns, float *y,
                     float *sum)
{
    const uint32_t rank = layer->side->rank;
    for (size_t r = 0; r < job->rows; r++, y += layer->out) {
        job->kernels->format[PND_F32].matvec(
            columns, rank, layer->side->b + column * rank,
            rank * sizeof(float), t + r * rank, sum);
        job->kernels->vector.add(columns, sum, y);
    }
}

static void run_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct q8_job *job = context;
    uint32_t i = job->group->count - 1;
    while (index < job->first[i])
        i--;
    const struct pnd_linear *layer = job->group->layers[i];
    const size_t column = (index - job->first[i]) * job->columns[i];
    const size_t columns = pnd_min_size(layer->out - column, job->columns[i]);
    const size_t row_bytes = pnd_dtype_get_row_bytes(layer->dtype, layer->in);
    float *scratch = job->scratch + (size_t)worker * WORKER_SCRATCH;
    float *y = job->group->y[i] + column;

    job->kernels->q8.product[layer->dtype](
        job->rows, columns, layer->in, job->rounded,
        (const char *)layer->weight + column * row_bytes, row_bytes, y,
        layer->out, scratch);
    if (job->sides[i])
        add_side(job, layer, job->sides[i], column, columns, y,
                 scratch + PND_GEMM_SCRATCH);
    for (size_t r = 0; layer->bias && r < job->rows; r++)
        job->kernels->vector.add(columns, layer->bias + column,
                                 y + r * layer->out);
}

/* t = scale * x A^T of a layer's side path */
static void run_side(const struct pnd_context *ctx,
                     const struct pnd_linear *layer, size_t rows,
                     const float *x, float *t, float *scratch)
{
    const struct pnd_low_rank *side = layer->side;
    const struct pnd_linear down = {
        .dtype = PND_F32, .in = layer->in, .out = side->rank,
        .weight = side->a,
    };
    pnd_linear_run(ctx, &down, rows, x, t, scratch);
    for (size_t i = 0; i < rows * side->rank; i++)
        t[i] *= side->scale;
}

size_t pnd_linear_q8_get_scratch(const struct pnd_context *ctx, size_t in,
                                 size_t rank, size_t rows)
{
    return count_rounded(in, rows) + 4 * pnd_round_line(rows * rank) +
           pnd_pool_get_threads(ctx->pool) * WORKER_SCRATCH;
}

void pnd_linear_q8_run(const struct pnd_context *ctx,
                       const struct pnd_linear_group *group, size_t rows,
                       const float *x, float *scratch)
{
    const size_t in = group->layers[0]->in;
    struct q8_job job = {.kernels = ctx->kernels, .group = group, .rows = rows,
                         .x = x, .rounded = (void *)scratch};
    if (rows == 0)
        return;
    float *t = scratch + count_rounded(in, rows);
    uint32_t pieces = 0;
    job.scratch = t;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct pnd_low_rank *side = group->layers[i]->side;
        job.scratch += side ? pnd_round_line(rows * side->rank) : 0;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        const struct pnd_linear *layer = group->layers[i];
        if (layer->side) {
            run_side(ctx, layer, rows, x, t, job.scratch);
            job.sides[i] = t;
            t += pnd_round_line(rows * layer->side->rank);
        }
        job.columns[i] = choose_columns(ctx, layer, rows);
        job.first[i] = pieces;
        pieces += (uint32_t)pnd_divide_up(layer->out, job.columns[i]);
    }
    const size_t each = pnd_divide_up(ROUND_ELEMENTS, in);
    pnd_pool_run(ctx->pool, round_rows, &job,
                 (uint32_t)pnd_divide_up(rows, each));
    pnd_pool_run(ctx->pool, run_piece, &job, pieces);
}
