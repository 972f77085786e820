/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/rows.h"

#include <stdatomic.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tensor/quantize.h"

struct job {
    const struct pnd_rows *rows;
    size_t first, count;
    uint8_t *out;
    atomic_size_t bad; /* the first row that the type cannot hold */
};

/* What a thread works in. */
struct desk {
    float *x;       /* (PND_GROUP_ROWS, columns) */
    float *more;    /* (columns) a row of the base */
    float *sums;    /* (PND_GROUP_ROWS, columns) B A */
    float *b;       /* (PND_GROUP_ROWS, rank) */
    float *product; /* (PND_GEMM_SCRATCH) */
};

bool pnd_rows_are_copied(const struct pnd_plan_tensor *t)
{
    return t->make == PND_MAKE_ROWS && t->dtype == t->tensor->dtype &&
           t->head_dim == 0 && !t->base && !t->lora.a;
}

static size_t count_scratch(const struct pnd_rows *rows)
{
    const struct pnd_plan_tensor *t = rows->t;
    size_t count = PND_GROUP_ROWS * rows->columns;
    if (t->base)
        count += rows->columns;
    if (t->lora.a)
        count += PND_GROUP_ROWS *
                     (rows->columns + (size_t)t->lora.a->shape[0]) +
                 PND_GEMM_SCRATCH;
    return count;
}

static struct desk get_desk(const struct pnd_rows *rows, uint32_t worker)
{
    struct desk d = {.x = rows->scratch + worker * rows->scratch_count};
    float *at = d.x + PND_GROUP_ROWS * rows->columns;
    if (rows->t->base) {
        d.more = at;
        at += rows->columns;
    }
    if (rows->t->lora.a) {
        d.product = at;
        d.sums = d.product + PND_GEMM_SCRATCH;
        d.b = d.sums + PND_GROUP_ROWS * rows->columns;
    }
    return d;
}

panda_status pnd_rows_begin(struct pnd_rows *rows,
                            const struct pnd_context *ctx,
                            const struct pnd_plan_tensor *t)
{
    const uint32_t threads = pnd_pool_get_threads(ctx->pool);
    *rows = (struct pnd_rows){.ctx = ctx, .t = t,
                              .count = pnd_plan_get_rows(t),
                              .columns = pnd_plan_get_columns(t)};
    if (t->make == PND_MAKE_INT8_SCALE || t->make == PND_MAKE_OUTLIERS) {
        /* their shape is another than the source's */
        rows->count = (size_t)t->shape[0];
        rows->columns = (size_t)pnd_tensor_get_count(t->tensor) / rows->count;
        rows->bytes = sizeof(float);
        if (t->make == PND_MAKE_OUTLIERS)
            rows->bytes *= t->outlier_count;
    } else {
        rows->bytes = pnd_dtype_get_row_bytes(t->dtype, rows->columns);
    }
    rows->scratch_count = count_scratch(rows);
    rows->scratch = pnd_alloc_array(&ctx->alloc, threads,
                                    rows->scratch_count * sizeof(float));
    if (!rows->scratch)
        return pnd_fail_memory();
    if (!t->lora.a)
        return PANDA_OK;
    rows->lora_a = pnd_alloc_array(
        &ctx->alloc, (size_t)pnd_tensor_get_count(t->lora.a), sizeof(float));
    if (!rows->lora_a) {
        pnd_rows_end(rows);
        return pnd_fail_memory();
    }
    pnd_tensor_read_f32(t->lora.a, rows->lora_a);
    return PANDA_OK;
}

void pnd_rows_end(struct pnd_rows *rows)
{
    if (!rows->ctx)
        return;
    pnd_free(&rows->ctx->alloc, rows->scratch);
    pnd_free(&rows->ctx->alloc, rows->lora_a);
    *rows = (struct pnd_rows){0};
}

/* The row of the source that becomes row `row`: pairs of a head are written
 * one after the other, sources have them half a head apart. */
static size_t find_source(uint32_t head_dim, size_t row)
{
    if (head_dim == 0)
        return row;
    const size_t at = row % head_dim;
    return row - at + at / 2 + at % 2 * (head_dim / 2);
}

static const char *get_row(const struct pnd_tensor *t, size_t row,
                           size_t columns)
{
    return (const char *)t->data +
           row * pnd_dtype_get_row_bytes(t->dtype, columns);
}

static void round_row(enum pnd_dtype dtype, size_t count, float *x)
{
    for (size_t i = 0; i < count && dtype == PND_F16; i++)
        x[i] = pnd_f16_to_f32(pnd_f32_to_f16(x[i]));
    for (size_t i = 0; i < count && dtype == PND_BF16; i++)
        x[i] = pnd_bf16_to_f32(pnd_f32_to_bf16(x[i]));
}

static void read_row(const struct pnd_rows *rows, size_t row, float *x,
                     float *more)
{
    const struct pnd_kernels *kernels = rows->ctx->kernels;
    const struct pnd_tensor *t = rows->t->tensor, *base = rows->t->base;
    const size_t n = rows->columns;
    kernels->format[t->dtype].to_f32(n, get_row(t, row, n), x);
    if (!base)
        return;
    if (base->rank < 2 || row < (size_t)base->shape[0]) {
        kernels->format[base->dtype].to_f32(n, get_row(base, row, n), more);
        for (size_t i = 0; i < n; i++)
            x[i] += more[i];
    }
    round_row(t->dtype, n, x);
}

/* x += scale * (B A), in the order in which merging at load adds. */
static void add_lora(const struct pnd_rows *rows, const struct desk *desk,
                     size_t first, size_t count)
{
    const struct pnd_plan_lora *lora = &rows->t->lora;
    const size_t rank = (size_t)lora->a->shape[0], n = rows->columns;
    for (size_t r = 0; r < count; r++) {
        const size_t row = find_source(lora->head_dim, first + r);
        for (size_t i = 0; i < rank; i++)
            desk->b[r * rank + i] =
                pnd_tensor_get_f32(lora->b, row * rank + i);
    }
    rows->ctx->kernels->gemm.f32_nn(count, n, rank, desk->b, rank,
                                    rows->lora_a, n, desk->sums, n,
                                    desk->product);
    for (size_t i = 0; i < count * n; i++)
        desk->x[i] += lora->scale * desk->sums[i];
}

/* Takes the outliers out of a row, to `out` where it is not NULL. */
static bool take_outliers(const struct pnd_plan_tensor *t, float *x,
                          uint8_t *out)
{
    bool good = true;
    for (uint32_t i = 0; i < t->outlier_count; i++) {
        float *at = x + t->outliers[i];
        if (out)
            good &= pnd_quantize_rows(PND_F32, 1, 1, at, NULL,
                                      out + i * sizeof *at) == 1;
        *at = 0;
    }
    return good;
}

/* False: there is an element that the type cannot hold. `x` is used up. */
static bool encode_row(const struct pnd_rows *rows, float *x, uint8_t *out)
{
    const struct pnd_plan_tensor *t = rows->t;
    const size_t n = rows->columns;
    float scale;
    if (t->make == PND_MAKE_ROWS)
        return pnd_quantize_rows(t->dtype, 1, n, x, t->importance, out) == n;
    if (t->make == PND_MAKE_OUTLIERS)
        return take_outliers(t, x, out);
    take_outliers(t, x, NULL);
    if (t->make == PND_MAKE_INT8)
        return pnd_quantize_int8(n, x, (int8_t *)out, &scale) == n;
    bool good = pnd_quantize_int8(n, x, NULL, &scale) == n;
    memcpy(out, &scale, sizeof scale);
    return good;
}

/* Whichever thread finds it: the smallest one. */
static void note_bad(struct job *job, size_t row)
{
    size_t bad = atomic_load(&job->bad);
    while (row < bad && !atomic_compare_exchange_weak(&job->bad, &bad, row))
        ;
}

static void make_group(void *context, uint32_t index, uint32_t worker)
{
    struct job *job = context;
    const struct pnd_rows *rows = job->rows;
    const struct pnd_plan_tensor *t = rows->t;
    const struct desk desk = get_desk(rows, worker);
    const size_t begin = (size_t)index * PND_GROUP_ROWS;
    const size_t left = job->count - begin;
    const size_t count = left < PND_GROUP_ROWS ? left : PND_GROUP_ROWS;
    uint8_t *out = job->out + begin * rows->bytes;
    const bool as_it_is = t->make == PND_MAKE_ROWS && !t->base && !t->lora.a &&
                          t->dtype == t->tensor->dtype;
    for (size_t r = 0; r < count; r++) {
        const size_t row = find_source(t->head_dim, job->first + begin + r);
        if (as_it_is)
            memcpy(out + r * rows->bytes,
                   get_row(t->tensor, row, rows->columns), rows->bytes);
        else
            read_row(rows, row, desk.x + r * rows->columns, desk.more);
    }
    if (t->lora.a)
        add_lora(rows, &desk, job->first + begin, count);
    for (size_t r = 0; r < count && !as_it_is; r++) {
        if (!encode_row(rows, desk.x + r * rows->columns,
                        out + r * rows->bytes))
            note_bad(job, job->first + begin + r);
    }
}

panda_status pnd_rows_make(const struct pnd_rows *rows, size_t first,
                           size_t count, void *out)
{
    const struct pnd_plan_tensor *t = rows->t;
    struct job job = {rows, first, count, out, SIZE_MAX};
    pnd_pool_run(rows->ctx->pool, make_group, &job,
                 (uint32_t)((count + PND_GROUP_ROWS - 1) / PND_GROUP_ROWS));
    const size_t bad = atomic_load(&job.bad);
    if (bad == SIZE_MAX)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s has a number in row %zu that is not finite "
                    "or too large, expected one that %s can hold",
                    pnd_weights_get_path(t->weights), t->tensor->name,
                    find_source(t->head_dim, bad),
                    pnd_dtype_get_name(t->dtype));
}
