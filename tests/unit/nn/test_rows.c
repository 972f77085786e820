/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/rows.h"

#include <math.h>

#include "unit/nn/nn_test.h"

enum operation { LAYER_NORM, RMS_NORM, GELU, SILU_MUL, ADD, OPERATIONS };

struct rows_data {
    enum operation operation;
    size_t rows, n;
    float *x, *weight, *bias, *y;
    float *before; /* y, which some operations change in place */
};

static void run(const struct pnd_context *ctx, void *user)
{
    struct rows_data *d = user;
    memcpy(d->y, d->before, d->rows * d->n * sizeof *d->y);
    switch (d->operation) {
    case LAYER_NORM:
        pnd_rows_layer_norm(ctx, d->rows, d->n, d->x, d->weight, d->bias,
                            1e-6f, d->y);
        break;
    case RMS_NORM:
        pnd_rows_rms_norm(ctx, d->rows, d->n, d->x, d->weight, 1e-6f, d->y);
        break;
    case GELU:
        pnd_rows_gelu(ctx, d->rows, d->n, d->y);
        break;
    case SILU_MUL:
        pnd_rows_silu_mul(ctx, d->rows, d->n, d->y, d->x);
        break;
    default:
        pnd_rows_add(ctx, d->rows, d->n, d->x, d->y);
    }
}

static double norm_value(const struct rows_data *d, size_t row, size_t i)
{
    const float *x = d->x + row * d->n;
    double mean = 0, variance = 0;
    for (size_t j = 0; j < d->n && d->operation == LAYER_NORM; j++)
        mean += (double)x[j] / (double)d->n;
    for (size_t j = 0; j < d->n; j++)
        variance += ((double)x[j] - mean) * ((double)x[j] - mean) /
                    (double)d->n;
    double y = ((double)x[i] - mean) / sqrt(variance + 1e-6) *
               (double)d->weight[i];
    return d->operation == LAYER_NORM ? y + (double)d->bias[i] : y;
}

static double expected_value(const struct rows_data *d, size_t row, size_t i)
{
    double x = (double)d->x[row * d->n + i];
    double y = (double)d->before[row * d->n + i];
    switch (d->operation) {
    case GELU:
        return y * (1 + erf(y / sqrt(2))) / 2;
    case SILU_MUL:
        return y / (1 + exp(-y)) * x;
    case ADD:
        return x + y;
    default:
        return norm_value(d, row, i);
    }
}

static void check(enum operation operation, size_t rows, size_t n)
{
    struct rows_data d = {.operation = operation, .rows = rows, .n = n};
    d.x = nn_floats(rows * n, 1);
    d.weight = nn_floats(n, 2);
    d.bias = nn_floats(n, 3);
    d.y = nn_floats(rows * n, 4);
    d.before = nn_floats(rows * n, 5);
    nn_check_threads(run, &d, d.y, rows * n);
    size_t step = rows * n > 2000 ? rows * n / 1000 : 1;
    for (size_t i = 0; i < rows * n; i += step) {
        double expected = expected_value(&d, i / n, i % n);
        ck_assert_msg(fabs((double)d.y[i] - expected) <= 2e-6,
                      "operation %d, %zux%zu: value %zu is %.9g, not %.9g",
                      (int)operation, rows, n, i, (double)d.y[i], expected);
    }
    free(d.x);
    free(d.weight);
    free(d.bias);
    free(d.y);
    free(d.before);
}

START_TEST(equals_the_formula)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 17}, {40, 1280}, {2, 40000},
                                       {1000, 33}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check((enum operation)_i, shapes[i][0], shapes[i][1]);
}
END_TEST

START_TEST(nothing_to_do)
{
    pnd_rows_gelu(test_context(), 0, 10, NULL);
    pnd_rows_add(test_context(), 10, 0, NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("rows");
    tcase_add_loop_test(tc, equals_the_formula, 0, OPERATIONS);
    tcase_add_test(tc, nothing_to_do);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
