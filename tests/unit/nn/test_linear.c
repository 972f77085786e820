/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/linear.h"

#include <math.h>

#include "kernels/kernels.h"
#include "unit/nn/nn_test.h"

struct linear_case {
    enum pnd_dtype dtype;
    uint32_t in, out, rank; /* rank 0: no side path */
    bool bias;
    size_t rows;
};

struct linear_data {
    struct pnd_linear layer;
    struct pnd_low_rank side;
    size_t rows;
    void *weight;
    struct pnd_tensor values; /* the weight again, as a type of single values */
    float *x, *y, *bias, *a, *b;
};

/* Blocks of a format that has its f16 scales at bytes 0 and 2, if there. */
static void make_blocks(struct linear_data *d, const struct linear_case *c,
                        float *values)
{
    const size_t size = pnd_dtype_get_size(c->dtype);
    const size_t row_bytes = pnd_dtype_get_row_bytes(c->dtype, c->in);
    unsigned char *blocks = malloc(c->out * row_bytes);
    ck_assert_ptr_nonnull(blocks);
    for (size_t i = 0; i < c->out * row_bytes; i++)
        blocks[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < c->out * row_bytes; i += size) {
        blocks[i] = (unsigned char)i; /* 2^-7 and more */
        blocks[i + 1] = 0x20;
        if (c->dtype != PND_Q8_0)
            memcpy(blocks + i + 2, blocks + i, 2);
    }
    for (size_t r = 0; r < c->out; r++)
        test_context()->kernels->format[c->dtype].to_f32(
            c->in, blocks + r * row_bytes, values + r * c->in);
    d->weight = blocks;
    d->values = (struct pnd_tensor){.dtype = PND_F32, .data = values};
}

static struct linear_data make_data(const struct linear_case *c)
{
    struct linear_data d = {.rows = c->rows};
    size_t count = (size_t)c->in * c->out;
    float *values = nn_floats(count, 1);
    uint16_t *halves = malloc(count * sizeof *halves + 1);
    ck_assert_ptr_nonnull(halves);
    d.weight = values;
    if (pnd_dtype_is_block(c->dtype)) {
        free(halves);
        make_blocks(&d, c, values);
    } else if (c->dtype != PND_F32) {
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            halves[i] = c->dtype == PND_F16 ? pnd_f32_to_f16(values[i])
                                            : (uint16_t)(bits >> 16);
        }
        free(values);
        d.weight = halves;
    } else {
        free(halves);
    }
    if (!d.values.data)
        d.values = (struct pnd_tensor){.dtype = c->dtype, .data = d.weight};
    d.x = nn_floats(c->rows * c->in, 2);
    d.y = nn_floats(c->rows * c->out, 3);
    d.bias = nn_floats(c->out, 4);
    d.a = nn_floats((size_t)c->rank * c->in, 5);
    d.b = nn_floats((size_t)c->rank * c->out, 6);
    d.side = (struct pnd_low_rank){c->rank, 0.75f, d.a, d.b};
    d.layer = (struct pnd_linear){.dtype = c->dtype, .in = c->in,
                                  .out = c->out, .weight = d.weight,
                                  .bias = c->bias ? d.bias : NULL};
    return d;
}

static void free_data(struct linear_data *d)
{
    if (d->values.data != d->weight)
        free((void *)d->values.data);
    free(d->weight);
    free(d->x);
    free(d->y);
    free(d->bias);
    free(d->a);
    free(d->b);
}

static void run(const struct pnd_context *ctx, void *user)
{
    struct linear_data *d = user;
    if (d->side.rank > 0)
        d->layer.side = &d->side;
    size_t count = pnd_linear_get_scratch(ctx, &d->layer, d->rows);
    float *scratch = nn_floats(count, 9);
    memset(scratch, 0xff, count * sizeof *scratch);
    float *end = scratch + count; /* nn_floats leaves one more */
    *end = 42;
    pnd_linear_run(ctx, &d->layer, d->rows, d->x, d->y, scratch);
    ck_assert(*end == 42);
    free(scratch);
}

static double expected_value(const struct linear_data *d, size_t row,
                             size_t column, double *size)
{
    const struct pnd_linear *l = &d->layer;
    const float *x = d->x + row * l->in;
    double sum = l->bias ? (double)l->bias[column] : 0;
    *size = fabs(sum);
    for (size_t i = 0; i < l->in; i++) {
        double term = (double)x[i] *
                      (double)pnd_tensor_get_f32(&d->values,
                                                 column * l->in + i);
        sum += term;
        *size += fabs(term);
    }
    for (size_t r = 0; r < d->side.rank; r++) {
        double t = 0, s = (double)d->side.scale *
                          (double)d->b[column * d->side.rank + r];
        for (size_t i = 0; i < l->in; i++) {
            double term = (double)x[i] * (double)d->a[r * l->in + i];
            t += term;
            *size += fabs(s * term);
        }
        sum += s * t;
    }
    return sum;
}

static void check_case(const struct linear_case *c)
{
    struct linear_data d = make_data(c);
    size_t count = c->rows * c->out;
    nn_check_threads(run, &d, d.y, count);
    size_t step = count > 4000 ? count / 2000 : 1;
    for (size_t i = 0; i < count; i += step) {
        double size;
        double sum = expected_value(&d, i / c->out, i % c->out, &size);
        ck_assert_msg(fabs((double)d.y[i] - sum) <= 1e-6 * size,
                      "%s %u -> %u, %zu rows: value %zu is %.9g, not %.9g",
                      pnd_dtype_get_name(c->dtype), c->in, c->out, c->rows, i,
                      (double)d.y[i], sum);
    }
    free_data(&d);
}

static const struct linear_case cases[] = {
    {PND_F32, 1, 1, 0, false, 1},      {PND_F32, 7, 5, 0, true, 3},
    {PND_F16, 48, 64, 0, true, 1},     {PND_BF16, 33, 130, 0, false, 4},
    {PND_F32, 65, 257, 0, true, 5},    {PND_F16, 64, 96, 0, false, 40},
    {PND_BF16, 80, 200, 0, true, 17},  {PND_F32, 512, 768, 0, true, 257},
    {PND_F32, 128, 64, 0, false, 700}, {PND_F16, 1030, 1000, 0, true, 2},
    {PND_F16, 96, 160, 8, false, 1},   {PND_F16, 96, 160, 8, true, 6},
    {PND_F32, 512, 300, 32, true, 9},  {PND_BF16, 512, 300, 3, false, 340},
    {PND_Q8_0, 96, 160, 8, true, 1},   {PND_Q8_0, 1056, 300, 0, false, 40},
    {PND_Q4_1, 64, 257, 4, false, 7},  {PND_Q4_K, 256, 130, 0, true, 4},
    {PND_Q4_K, 768, 200, 8, true, 340}, {PND_Q5_K, 512, 33, 0, false, 2},
};

START_TEST(equals_the_formula)
{
    check_case(&cases[_i]);
}
END_TEST

/* Within the rounding of both sides to bf16, on any number of threads; few
 * rows, and machines without such products, are exact. */
START_TEST(rounds_where_the_machine_can)
{
    const struct linear_case *c = &cases[_i];
    if (!pnd_dtype_is_weight(c->dtype))
        return;
    struct linear_data d = make_data(c);
    const bool rounds = c->rows > 4 &&
                        pnd_linear_can_round(test_context(), c->dtype);
    size_t different = 0, count = c->rows * c->out;
    d.layer.rounds = true;
    nn_check_threads(run, &d, d.y, count);
    for (size_t i = 0; i < count; i++) {
        double size;
        double sum = expected_value(&d, i / c->out, i % c->out, &size);
        double error = fabs((double)d.y[i] - sum);
        different += error > 1e-6 * size;
        ck_assert_double_le(error, (rounds ? 0x1p-8 : 1e-6) * size);
    }
    ck_assert((different > count / 2) == rounds);
    free_data(&d);
}
END_TEST

/* The ends are what they say, to the bit, for few rows and for many. */
START_TEST(ends_follow_the_sums)
{
    const struct linear_case *c = &cases[_i];
    struct linear_data d = make_data(c);
    const struct pnd_context *ctx = test_context();
    const size_t count = c->rows * c->out;
    float *sums = nn_floats(count, 0), *added = nn_floats(count, 3);
    if (d.side.rank > 0)
        d.layer.side = &d.side;
    float *scratch =
        nn_floats(pnd_linear_get_scratch(ctx, &d.layer, c->rows), 0);
    pnd_linear_run(ctx, &d.layer, c->rows, d.x, sums, scratch);
    pnd_linear_run_end(ctx, &d.layer, c->rows, d.x, d.y, PND_END_ADD, scratch);
    for (size_t i = 0; i < count; i++)
        ck_assert(d.y[i] == added[i] + sums[i]);
    pnd_linear_run_end(ctx, &d.layer, c->rows, d.x, d.y, PND_END_GELU, scratch);
    for (size_t i = 0; i < count; i++) {
        double x = (double)sums[i];
        ck_assert_double_le(
            fabs((double)d.y[i] - x * (1 + erf(x / sqrt(2))) / 2),
            4e-7 * fmax(fabs(x), 1));
    }
    free(sums);
    free(added);
    free(scratch);
    free_data(&d);
}
END_TEST

START_TEST(no_rows_do_nothing)
{
    struct linear_data d = make_data(&cases[1]);
    float before = d.y[0];
    pnd_linear_run(test_context(), &d.layer, 0, d.x, d.y, NULL);
    ck_assert(d.y[0] == before);
    free_data(&d);
}
END_TEST

/* Another library's products, of which some columns are left to own kernels. */
static size_t large_calls;
static struct pnd_kernels own_kernels; /* the same bits in any piece */

static size_t multiply_some(size_t m, size_t n, size_t k, const float *a,
                            size_t lda, const void *b, size_t ldb, float *c,
                            size_t ldc, float *scratch)
{
    n = n * (large_calls++ % 3) / 2; /* nothing, half, all */
    own_kernels.gemm.nt[PND_F32](m, n, k, a, lda, b, ldb, c, ldc, scratch);
    return n;
}

START_TEST(what_a_provider_leaves_is_computed)
{
    const struct linear_case c = {PND_F32, 300, 700, 4, true, 40};
    struct pnd_context ctx = *test_context();
    pnd_kernels_select(&own_kernels, ctx.kernels->cpu_used,
                       PANDA_PROVIDER_NONE, 0);
    struct pnd_kernels k = own_kernels;
    ctx.kernels = &k;
    ck_assert_ok(pnd_pool_create(&ctx.pool, &ctx.alloc, 1, NULL, NULL));
    struct linear_data d = make_data(&c);
    run(&ctx, &d);
    float *own = nn_floats(d.rows * c.out, 0);
    memcpy(own, d.y, d.rows * c.out * sizeof *own);
    k.large.f32_nt = multiply_some;
    k.large.least_rows = d.rows + 1;
    large_calls = 0;
    for (int i = 0; i < 2; i++, k.large.least_rows = d.rows) {
        memset(d.y, 0, d.rows * c.out * sizeof *d.y);
        run(&ctx, &d);
        ck_assert((large_calls > 2) == i);
        ck_assert_mem_eq(own, d.y, d.rows * c.out * sizeof *own);
    }
    pnd_pool_destroy(ctx.pool);
    free(own);
    free_data(&d);
}
END_TEST

/* A session reserves for its largest run. */
START_TEST(scratch_grows_with_rows)
{
    struct linear_data d = make_data(&cases[11]);
    size_t last = 0;
    d.layer.side = &d.side;
    for (size_t rows = 1; rows < 2000; rows++) {
        size_t count = pnd_linear_get_scratch(test_context(), &d.layer, rows);
        ck_assert_uint_ge(count, last);
        last = count;
    }
    free_data(&d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linear");
    TCase *tc = tcase_create("linear");
    tcase_add_loop_test(tc, rounds_where_the_machine_can, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(tc, equals_the_formula, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(tc, ends_follow_the_sums, 0, 18);
    tcase_add_test(tc, no_rows_do_nothing);
    tcase_add_test(tc, what_a_provider_leaves_is_computed);
    tcase_add_test(tc, scratch_grows_with_rows);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
