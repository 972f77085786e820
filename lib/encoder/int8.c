/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/int8.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tensor/quantize.h"

/* An input is an outlier when it is this many times larger than the median. A
 * limit of 3 chose the same columns of random models whose norms have channels
 * 20 to 100 times larger. */
#define OUTLIER 5.0f

#define PIECE_ROWS 8

/* Values are >= 0; their bits are in the same order. */
static uint32_t get_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The value that `rank` others are below, by halving the range of all. */
static float find_rank(uint32_t count, const float *values, uint32_t rank)
{
    uint32_t low = 0, high = get_bits(INFINITY);
    float value;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, within = 0;
        for (uint32_t i = 0; i < count; i++)
            within += get_bits(values[i]) <= middle;
        if (within > rank)
            high = middle;
        else
            low = middle + 1;
    }
    memcpy(&value, &low, sizeof value);
    return value;
}

uint32_t pnd_outliers_choose(uint32_t count, const float *sizes,
                             int32_t columns[PND_OUTLIERS_MOST])
{
    uint32_t found = 0;
    float limit = OUTLIER * find_rank(count, sizes, count / 2);
    if (count > PND_OUTLIERS_MOST)
        limit = fmaxf(limit, find_rank(count, sizes,
                                       count - 1 - PND_OUTLIERS_MOST));
    for (uint32_t i = 0; i < count && found < PND_OUTLIERS_MOST; i++) {
        if (sizes[i] > limit)
            columns[found++] = (int32_t)i;
    }
    return found;
}

void pnd_outliers_measure_norm(uint32_t count, const float *weight,
                               const float *bias, float *sizes)
{
    for (uint32_t i = 0; i < count; i++)
        sizes[i] = sqrtf(weight[i] * weight[i] + bias[i] * bias[i]);
}

struct int8_job {
    const struct pnd_kernels *kernels;
    const struct pnd_linear *layer; /* of floats */
    const float *sizes;             /* (in) */
    float *out;                     /* (out) */
    struct pnd_outliers outliers;
    int8_t *codes;                  /* (out, in) */
    float *row_scale;               /* (out) */
    float *columns;                 /* (out, outliers.count) */
    float *rows;                    /* (threads, in) */
    atomic_bool is_bad;             /* a weight is not finite */
};

static const void *get_row(const struct pnd_linear *layer, size_t row)
{
    return (const char *)layer->weight +
           row * pnd_dtype_get_row_bytes(layer->dtype, layer->in);
}

/* Inputs are taken to be independent: squares add up. */
static float measure_row(const struct int8_job *job, size_t row)
{
    const struct pnd_linear *layer = job->layer;
    const char *weight = get_row(layer, row);
    float bias = layer->bias ? layer->bias[row] : 0, sum = bias * bias;
    float part[256];
    for (size_t i = 0; i < layer->in; i += 256) {
        const size_t count = layer->in - i < 256 ? layer->in - i : 256;
        job->kernels->format[layer->dtype].to_f32(
            count, weight + i * pnd_dtype_get_size(layer->dtype), part);
        for (size_t j = 0; j < count; j++)
            sum += part[j] * job->sizes[i + j] * part[j] * job->sizes[i + j];
    }
    return sqrtf(sum);
}

static void measure_rows(void *context, uint32_t index, uint32_t worker)
{
    const struct int8_job *job = context;
    const size_t first = (size_t)index * PIECE_ROWS;
    (void)worker;
    for (size_t r = first; r < first + PIECE_ROWS && r < job->layer->out; r++)
        job->out[r] = measure_row(job, r);
}

static uint32_t count_pieces(const struct pnd_linear *layer)
{
    return (layer->out + PIECE_ROWS - 1) / PIECE_ROWS;
}

void pnd_outliers_measure_layer(const struct pnd_context *ctx,
                                const struct pnd_linear *layer,
                                const float *sizes, float *out)
{
    struct int8_job job = {.kernels = ctx->kernels, .layer = layer,
                           .sizes = sizes, .out = out};
    pnd_pool_run(ctx->pool, measure_rows, &job, count_pieces(layer));
}

/* Bytes that keep what follows aligned. */
static size_t round_up(size_t bytes)
{
    return (bytes + PND_ALIGN - 1) / PND_ALIGN * PND_ALIGN;
}

size_t pnd_int8_get_bytes(const struct pnd_linear *layer, uint32_t outliers)
{
    const size_t out = layer->out, in = layer->in;
    return round_up(out * in) + round_up(out * sizeof(float)) +
           round_up(outliers * sizeof(int32_t)) +
           round_up(out * outliers * sizeof(float));
}

static void round_rows(void *context, uint32_t index, uint32_t worker)
{
    struct int8_job *job = context;
    const struct pnd_linear *layer = job->layer;
    const struct pnd_outliers *o = &job->outliers;
    const size_t in = layer->in, first = (size_t)index * PIECE_ROWS;
    float *values = job->rows + worker * in;
    for (size_t r = first; r < first + PIECE_ROWS && r < layer->out; r++) {
        job->kernels->format[layer->dtype].to_f32(in, get_row(layer, r),
                                                  values);
        for (uint32_t i = 0; i < o->count; i++) {
            job->columns[r * o->count + i] = values[o->columns[i]];
            values[o->columns[i]] = 0;
        }
        if (pnd_quantize_int8(in, values, job->codes + r * in,
                              &job->row_scale[r]) < in)
            atomic_store(&job->is_bad, true);
    }
}

panda_status pnd_int8_round(const struct pnd_context *ctx,
                            struct pnd_linear *layer, uint32_t outliers,
                            const int32_t *columns, void *memory)
{
    const size_t out = layer->out, in = layer->in;
    char *at = memory;
    struct int8_job job = {.kernels = ctx->kernels, .layer = layer};
    job.rows = pnd_alloc_array(&ctx->alloc,
                               pnd_pool_get_threads(ctx->pool) * in,
                               sizeof *job.rows);
    if (!job.rows)
        return pnd_fail_memory();
    job.codes = (int8_t *)at;
    at += round_up(out * in);
    job.row_scale = (float *)(void *)at;
    at += round_up(out * sizeof(float));
    if (outliers > 0)
        memcpy(at, columns, outliers * sizeof *columns);
    job.outliers = (struct pnd_outliers){
        outliers, (const int32_t *)(const void *)at, NULL};
    at += round_up(outliers * sizeof *columns);
    job.columns = (float *)(void *)at;
    job.outliers.weight = job.columns;
    pnd_pool_run(ctx->pool, round_rows, &job, count_pieces(layer));
    pnd_free(&ctx->alloc, job.rows);
    if (atomic_load(&job.is_bad))
        return pnd_fail(PANDA_E_FORMAT,
                        "a weight is not finite or larger than 65504, "
                        "expected numbers that can be rounded to int8");
    layer->dtype = PND_I8;
    layer->weight = job.codes;
    layer->row_scale = job.row_scale;
    layer->outliers = job.outliers;
    return PANDA_OK;
}
