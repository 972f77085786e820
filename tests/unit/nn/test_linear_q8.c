/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/linear_q8.h"

#include <math.h>

#include "kernels/kernels.h"
#include "unit/nn/nn_test.h"

/* Layers with rounded activations against the same layers in f32, given the
 * values that the rounded activations stand for. */

#define LAYERS 3

struct q8_case {
    enum pnd_dtype dtypes[LAYERS];
    uint32_t in, outs[LAYERS], rank; /* rank 0: no side paths */
    bool bias;
    size_t rows;
};

struct q8_data {
    struct pnd_linear layers[LAYERS];
    struct pnd_low_rank side[LAYERS];
    struct pnd_linear_group group;
    uint32_t in, rank;
    size_t rows, count; /* results of all layers together */
    float *x, *rounded; /* (rows, in) */
    float *y, *expected; /* the layers' results one after the other */
};

static unsigned char *make_blocks(enum pnd_dtype dtype, size_t in, size_t out)
{
    const size_t size = pnd_dtype_get_size(dtype);
    const size_t bytes = out * pnd_dtype_get_row_bytes(dtype, in);
    unsigned char *blocks = malloc(bytes);
    ck_assert_ptr_nonnull(blocks);
    for (size_t i = 0; i < bytes; i++)
        blocks[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < bytes; i += size) {
        const size_t scale = dtype == PND_Q6_K ? i + 208 : i;
        blocks[scale] = (unsigned char)i; /* an f16 of 2^-7 and more */
        blocks[scale + 1] = 0x20;
        if (dtype == PND_Q4_K)
            memcpy(blocks + i + 2, blocks + i, 2);
    }
    return blocks;
}

static float *round_values(size_t rows, size_t in, const float *x)
{
    float *values = nn_floats(rows * in, 1);
    const size_t count = pnd_q8_count_blocks(in);
    struct pnd_q8_block *blocks = malloc(count * sizeof *blocks);
    ck_assert_ptr_nonnull(blocks);
    for (size_t r = 0; r < rows; r++) {
        test_context()->kernels->q8.round(in, x + r * in, blocks);
        for (size_t i = 0; i < in; i++)
            values[r * in + i] = blocks[i / 256].scales[i % 256 / 16] *
                                 (float)blocks[i / 256].codes[i % 256];
    }
    free(blocks);
    return values;
}

static void make_layer(struct q8_data *d, const struct q8_case *c, size_t i)
{
    struct pnd_linear *l = &d->layers[i];
    *l = (struct pnd_linear){
        .dtype = c->dtypes[i], .in = c->in, .out = c->outs[i],
        .weight = make_blocks(c->dtypes[i], c->in, c->outs[i]),
        .bias = c->bias ? nn_floats(c->outs[i], 4) : NULL,
    };
    if (c->rank > 0) {
        d->side[i] = (struct pnd_low_rank){
            c->rank, 0.75f, nn_floats((size_t)c->rank * c->in, 5),
            nn_floats((size_t)c->rank * c->outs[i], 6)};
        l->side = &d->side[i];
    }
    d->group.layers[i] = l;
    d->count += c->rows * c->outs[i];
}

static struct q8_data *make_data(const struct q8_case *c)
{
    struct q8_data *d = calloc(1, sizeof *d);
    ck_assert_ptr_nonnull(d);
    d->in = c->in;
    d->rank = c->rank;
    d->rows = c->rows;
    d->group.count = LAYERS;
    for (size_t i = 0; i < LAYERS; i++)
        make_layer(d, c, i);
    d->x = nn_floats(c->rows * c->in, 2);
    d->rounded = round_values(c->rows, c->in, d->x);
    d->y = nn_floats(d->count, 3);
    d->expected = nn_floats(d->count, 3);
    float *y = d->y;
    for (size_t i = 0; i < LAYERS; y += c->rows * c->outs[i++])
        d->group.y[i] = y;
    return d;
}

static void free_data(struct q8_data *d)
{
    for (size_t i = 0; i < LAYERS; i++) {
        free((void *)d->layers[i].weight);
        free((void *)d->layers[i].bias);
        free((void *)d->side[i].a);
        free((void *)d->side[i].b);
    }
    free(d->x);
    free(d->rounded);
    free(d->y);
    free(d->expected);
    free(d);
}

static void run(const struct pnd_context *ctx, void *user)
{
    struct q8_data *d = user;
    size_t count = pnd_linear_q8_get_scratch(ctx, d->in, d->rank, d->rows);
    float *scratch = pnd_alloc(&ctx->alloc, (count + 1) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    memset(scratch, 0xff, count * sizeof *scratch);
    scratch[count] = 42;
    pnd_linear_q8_run(ctx, &d->group, d->rows, d->x, scratch);
    ck_assert(scratch[count] == 42);
    pnd_free(&ctx->alloc, scratch);
}

/* Of the main path alone: side paths see x as it is. */
static void run_exact(struct q8_data *d)
{
    const struct pnd_context *ctx = test_context();
    float *y = d->expected;
    for (size_t i = 0; i < LAYERS; i++) {
        struct pnd_linear layer = d->layers[i];
        const size_t count = d->rows * layer.out;
        float *with = nn_floats(count, 1), *without = nn_floats(count, 1);
        float *scratch =
            nn_floats(pnd_linear_get_scratch(ctx, &layer, d->rows), 1);
        pnd_linear_run(ctx, &layer, d->rows, d->x, with, scratch);
        layer.side = NULL;
        pnd_linear_run(ctx, &layer, d->rows, d->x, without, scratch);
        pnd_linear_run(ctx, &layer, d->rows, d->rounded, y, scratch);
        for (size_t j = 0; j < count; j++)
            y[j] += with[j] - without[j];
        y += count;
        free(with);
        free(without);
        free(scratch);
    }
}

static const struct q8_case cases[] = {
    {{PND_Q8_0, PND_Q4_0, PND_Q8_0}, 32, {5, 1, 3}, 0, true, 1},
    {{PND_Q8_0, PND_Q4_0, PND_Q8_0}, 96, {160, 20, 70}, 8, true, 1},
    {{PND_Q4_0, PND_Q4_0, PND_Q8_0}, 1056, {300, 64, 33}, 0, false, 4},
    {{PND_Q4_K, PND_Q4_0, PND_Q6_K}, 512, {65, 257, 130}, 4, false, 9},
    {{PND_Q4_K, PND_Q4_K, PND_Q8_0}, 768, {200, 16, 31}, 8, true, 70},
    {{PND_Q4_0, PND_Q8_0, PND_Q4_0}, 2080, {40, 40, 300}, 0, true, 40},
};

START_TEST(equals_f32_of_rounded_activations)
{
    struct q8_data *d = make_data(&cases[_i]);
    nn_check_threads(run, d, d->y, d->count);
    run_exact(d);
    double largest = 1;
    for (size_t i = 0; i < d->count; i++)
        largest = fmax(largest, fabs((double)d->expected[i]));
    test_assert_close("rounded", d->y, d->expected, d->count, 1e-5 * largest);
    free_data(d);
}
END_TEST

START_TEST(no_rows_do_nothing)
{
    struct q8_data *d = make_data(&cases[0]);
    const float before = d->y[0];
    pnd_linear_q8_run(test_context(), &d->group, 0, d->x, NULL);
    ck_assert(d->y[0] == before);
    free_data(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linear_q8");
    TCase *tc = tcase_create("linear_q8");
    tcase_add_loop_test(tc, equals_f32_of_rounded_activations, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, no_rows_do_nothing);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
