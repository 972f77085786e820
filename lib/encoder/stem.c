/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoder/tower_parts.h"
#include "kernels/kernels.h"
#include "nn/rows.h"

const struct pnd_linear *pnd_stem_get_layer(const struct pnd_tower *tower,
                                            uint32_t frames)
{
    bool still = frames == 1 && tower->stem.still.weight;
    return still ? &tower->stem.still : &tower->stem.proj;
}

size_t pnd_stem_get_patches(const struct pnd_tower *tower)
{
    return (size_t)tower->stem.grid_height * tower->stem.grid_width;
}

/* One row of the grid of one item: its windows, one after the other. */
static void unfold_row(void *context, uint32_t index, uint32_t worker)
{
    const struct pnd_tower_run *run = context;
    const struct pnd_tower_stem *s = &run->tower->stem;
    const size_t planes = (size_t)s->channels * run->frames;
    const size_t area = (size_t)s->height * s->width;
    const size_t item = index / s->grid_height, row = index % s->grid_height;
    const float *corner = (const float *)run->input + item * planes * area +
                          row * s->stride * s->width;
    float *to = run->wide + (size_t)index * s->grid_width * planes *
                                s->kernel_height * s->kernel_width;
    (void)worker;
    for (size_t column = 0; column < s->grid_width; column++) {
        const float *from = corner + column * s->stride;
        for (size_t plane = 0; plane < planes; plane++) {
            for (size_t y = 0; y < s->kernel_height; y++) {
                memcpy(to, from + plane * area + y * s->width,
                       s->kernel_width * sizeof *to);
                to += s->kernel_width;
            }
        }
    }
}

/* Class token, then patches, of one item; with their positions. */
static void place_patches(void *context, uint32_t item, uint32_t worker)
{
    const struct pnd_tower_run *run = context;
    const struct pnd_tower *t = run->tower;
    const size_t d = t->dims.width, patches = pnd_stem_get_patches(t);
    float *to = run->state + item * run->length * d;
    (void)worker;
    memcpy(to, t->class_token, d * sizeof *to);
    memcpy(to + d, run->normed + item * patches * d, patches * d * sizeof *to);
    run->ctx->kernels->vector.add(run->length * d, t->positions, to);
}

static void run_patches(const struct pnd_tower_run *run)
{
    const struct pnd_tower *t = run->tower;
    const size_t rows = run->items * pnd_stem_get_patches(t);
    const struct pnd_tower_norm *norm = &t->stem.norm;
    void *context = (void *)run; /* only read */
    pnd_pool_run(run->ctx->pool, unfold_row, context,
                 run->items * t->stem.grid_height);
    pnd_linear_run(run->ctx, pnd_stem_get_layer(t, run->frames), rows,
                   run->wide, run->normed, run->scratch);
    if (norm->weight)
        pnd_rows_layer_norm(run->ctx, rows, t->dims.width, run->normed,
                            norm->weight, norm->bias, norm->eps, run->normed);
    pnd_pool_run(run->ctx->pool, place_patches, context, run->items);
}

const int32_t *pnd_stem_get_words(const struct pnd_tower_run *run, size_t item)
{
    const size_t at = run->order ? run->order[item] : item;
    return (const int32_t *)run->input + at * run->tower->dims.tokens;
}

/* Rows of the table for the first words of each item; with positions. */
static void run_words(const struct pnd_tower_run *run)
{
    const struct pnd_tower *t = run->tower;
    const struct pnd_kernels *kernels = run->ctx->kernels;
    const struct pnd_tensor *table = t->stem.table;
    const size_t d = t->dims.width;
    const size_t row_bytes = d * pnd_dtype_get_size(table->dtype);
    for (size_t item = 0; item < run->items; item++) {
        const int32_t *ids = pnd_stem_get_words(run, item);
        float *to = run->state + item * run->length * d;
        for (size_t i = 0; i < run->length; i++) {
            const char *row =
                (const char *)table->data + (size_t)ids[i] * row_bytes;
            kernels->format[table->dtype].to_f32(d, row, to + i * d);
        }
        kernels->vector.add(run->length * d, t->positions, to);
    }
}

panda_status pnd_stem_check(const struct pnd_tower *tower, uint32_t items,
                            uint32_t frames, const void *input)
{
    const struct pnd_tensor *table = tower->stem.table;
    if (tower->stem.still.weight && frames != 1 && frames != 2)
        return pnd_fail(PANDA_E_ARGUMENT,
                        "the picture has %u frames, expected 1 or 2", frames);
    if (!table)
        return PANDA_OK;
    const int32_t *ids = input;
    const size_t tokens = tower->dims.tokens;
    for (size_t i = 0; i < items * tokens; i++) {
        if (ids[i] < 0 || ids[i] >= table->shape[0])
            return pnd_fail(PANDA_E_ARGUMENT,
                            "token %zu of text %zu has id %d, expected "
                            "0..%lld",
                            i % tokens, i / tokens, ids[i],
                            (long long)table->shape[0] - 1);
    }
    return PANDA_OK;
}

void pnd_stem_run(const struct pnd_tower_run *run)
{
    if (run->tower->stem.table)
        run_words(run);
    else
        run_patches(run);
}
