/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/kernels.h"
#include "nn/linear.h"
#include "unit/nn/nn_test.h"

struct linear_case {
    uint32_t in, out, outliers;
    bool bias;
    size_t rows;
    enum pnd_linear_end end;
};

struct linear_data {
    struct pnd_linear layer;
    size_t rows;
    enum pnd_linear_end end;
    int8_t *codes;
    int32_t *columns;
    float *x, *y, *before, *bias, *scales, *outliers;
};

static struct linear_data make_data(const struct linear_case *c)
{
    const size_t count = (size_t)c->in * c->out;
    struct linear_data d = {.rows = c->rows, .end = c->end};
    float *values = nn_floats(count, 1);
    d.codes = malloc(count);
    d.columns = malloc((c->outliers + 1) * sizeof *d.columns);
    ck_assert(d.codes && d.columns);
    for (uint32_t i = 0; i < c->outliers; i++)
        d.columns[i] = (int32_t)(c->in * (i + 1) / c->outliers) - 1;
    for (size_t i = 0; i < count; i++)
        d.codes[i] = (int8_t)(values[i] * 127);
    for (uint32_t i = 0; i < c->outliers; i++) {
        for (size_t r = 0; r < c->out; r++)
            d.codes[r * c->in + (size_t)d.columns[i]] = 0;
    }
    free(values);
    d.x = nn_floats(c->rows * c->in, 2);
    for (size_t r = 0; r < c->rows; r++) {
        for (uint32_t i = 0; i < c->outliers; i++)
            d.x[r * c->in + (size_t)d.columns[i]] *= 1000;
    }
    d.y = nn_floats(c->rows * c->out, 3);
    d.before = nn_floats(c->rows * c->out, 3);
    d.bias = nn_floats(c->out, 4);
    d.scales = nn_floats(c->out, 5);
    d.outliers = nn_floats((size_t)c->out * c->outliers, 6);
    d.layer = (struct pnd_linear){
        .dtype = PND_I8, .in = c->in, .out = c->out, .weight = d.codes,
        .bias = c->bias ? d.bias : NULL, .row_scale = d.scales,
        .outliers = {c->outliers, d.columns, d.outliers}};
    return d;
}

static void free_data(struct linear_data *d)
{
    free(d->codes);
    free(d->columns);
    free(d->x);
    free(d->y);
    free(d->before);
    free(d->bias);
    free(d->scales);
    free(d->outliers);
}

static void run(const struct pnd_context *ctx, void *user)
{
    struct linear_data *d = user;
    size_t count = pnd_linear_get_scratch(ctx, &d->layer, d->rows);
    float *scratch = nn_floats(count, 9);
    memset(scratch, 0xff, count * sizeof *scratch);
    float *end = scratch + count; /* nn_floats leaves one more */
    *end = 42;
    memcpy(d->y, d->before, d->rows * d->layer.out * sizeof *d->y);
    pnd_linear_run_end(ctx, &d->layer, d->rows, d->x, d->y, d->end, scratch);
    ck_assert(*end == 42);
    free(scratch);
}

/* With x as it is, and how far rounding x may move the result. */
static double expected_value(const struct linear_data *d, size_t row,
                             size_t column, double *allowed)
{
    const struct pnd_linear *l = &d->layer;
    const float *x = d->x + row * l->in;
    double sum = l->bias ? (double)l->bias[column] : 0, largest = 0;
    double size = fabs(sum);
    for (uint32_t i = 0, next = 0; i < l->in; i++) {
        if (next < l->outliers.count && l->outliers.columns[next] == (int)i) {
            double term = (double)x[i] *
                          (double)d->outliers[column * l->outliers.count +
                                              next++];
            sum += term;
            size += fabs(term);
            continue;
        }
        double weight = (double)l->row_scale[column] *
                        d->codes[(size_t)column * l->in + i];
        sum += (double)x[i] * weight;
        size += fabs((double)x[i] * weight);
        largest += fabs(weight) * 0.5 / 127; /* |x| < 1 */
    }
    *allowed = largest + 2e-6 * size;
    double before = (double)d->before[row * l->out + column];
    if (d->end == PND_END_ADD)
        return sum + before;
    return d->end == PND_END_GELU ? sum * (1 + erf(sum / sqrt(2))) / 2 : sum;
}

static const struct linear_case cases[] = {
    {1, 1, 0, false, 1, PND_END_STORE},
    {7, 5, 1, true, 3, PND_END_STORE},
    {48, 64, 0, true, 1, PND_END_GELU},
    {300, 130, 3, true, 4, PND_END_ADD},
    {65, 257, 2, true, 5, PND_END_GELU},
    {512, 300, 8, false, 40, PND_END_ADD},
    {768, 200, 0, true, 257, PND_END_ADD},
    {128, 64, 1, false, 700, PND_END_STORE},
};

START_TEST(equals_the_formula)
{
    const struct linear_case *c = &cases[_i];
    struct linear_data d = make_data(c);
    size_t count = c->rows * c->out, step = count > 4000 ? count / 2000 : 1;
    nn_check_threads(run, &d, d.y, count);
    for (size_t i = 0; i < count; i += step) {
        double allowed;
        double sum = expected_value(&d, i / c->out, i % c->out, &allowed);
        ck_assert_msg(fabs((double)d.y[i] - sum) <= 1.2 * allowed,
                      "%u -> %u, %zu rows: value %zu is %.9g, not %.9g",
                      c->in, c->out, c->rows, i, (double)d.y[i], sum);
    }
    free_data(&d);
}
END_TEST

/* Another library's product, which leaves some columns to own kernels. */
static size_t large_calls;

static size_t multiply_some(size_t m, size_t n, size_t k, const int8_t *a,
                            size_t lda, const float *a_scales, const int8_t *b,
                            size_t ldb, const float *b_scales, float *c,
                            size_t ldc, float *scratch)
{
    n = n * (large_calls++ % 3) / 2; /* nothing, half, all */
    test_context()->kernels->i8.product(m, n, k, a, lda, a_scales, b, ldb,
                                        b_scales, c, ldc, scratch);
    return n;
}

START_TEST(what_a_provider_leaves_is_computed)
{
    const struct linear_case c = {300, 700, 2, true, 40, PND_END_ADD};
    struct pnd_context ctx = *test_context();
    struct pnd_kernels k = *ctx.kernels;
    ctx.kernels = &k;
    ck_assert_ok(pnd_pool_create(&ctx.pool, &ctx.alloc, 1, NULL, NULL));
    k.large.i8_product = NULL;
    struct linear_data d = make_data(&c);
    run(&ctx, &d);
    float *own = nn_floats(d.rows * c.out, 0);
    memcpy(own, d.y, d.rows * c.out * sizeof *own);
    k.large.i8_product = multiply_some;
    k.large.least_rows = d.rows + 1;
    large_calls = 0;
    for (int i = 0; i < 2; i++, k.large.least_rows = d.rows) {
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
    struct linear_data d = make_data(&cases[5]);
    size_t last = 0;
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
    Suite *suite = suite_create("linear_i8");
    TCase *tc = tcase_create("linear_i8");
    tcase_add_loop_test(tc, equals_the_formula, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, what_a_provider_leaves_is_computed);
    tcase_add_test(tc, scratch_grows_with_rows);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
