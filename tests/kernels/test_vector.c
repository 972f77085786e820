/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/kernel_test.h"

#define LONGEST 300

enum operation { ADD, GELU, SILU_MUL, SOFTMAX, OPERATIONS };

static const struct {
    const char *name;
    enum kernel_family family;
} operations[OPERATIONS] = {
    [ADD] = {"add", FAMILY_ADD},
    [GELU] = {"gelu", FAMILY_GELU},
    [SILU_MUL] = {"silu_mul", FAMILY_SILU},
    [SOFTMAX] = {"softmax", FAMILY_SOFTMAX},
};

static const float softmax_scale = 0.7f;

static void run_operation(const struct implementation *it, enum operation op,
                          size_t n, const float *x, float *y)
{
    const struct pnd_vector_kernels *k = &it->kernels.vector;
    switch (op) {
    case ADD:
        k->add(n, x, y);
        break;
    case GELU:
        k->gelu(n, y);
        break;
    case SILU_MUL:
        k->silu_mul(n, y, x);
        break;
    default:
        k->softmax(n, softmax_scale, y);
    }
}

/* Value i in double precision, and the scale of its tolerance. */
static double expected_value(enum operation op, size_t n, const float *x,
                             const float *y, size_t i, double *scale)
{
    double a = (double)y[i], b = x ? (double)x[i] : 0, sum = 0;
    double result;
    switch (op) {
    case ADD:
        *scale = fabs(a + b);
        return a + b;
    case GELU:
        *scale = fabs(a) / 2;
        return a * erfc(-a * sqrt(0.5)) / 2;
    case SILU_MUL:
        result = a / (1 + exp(-a)) * b;
        break;
    default:
        for (size_t j = 0; j < n; j++)
            sum += exp((double)softmax_scale * ((double)y[j] - a));
        result = 1 / sum;
    }
    *scale = fabs(result);
    return result;
}

/* Every length, at every offset of 4 bytes up to 12. */
START_TEST(lengths)
{
    enum operation op = (enum operation)_i;
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float before[LONGEST], x[LONGEST];
    for (size_t n = 1; n <= LONGEST; n += n < 70 ? 1 : 23) {
        struct guarded y = guarded_make(4 * n, 4 * (n % 4));
        float *values = (float *)y.data;
        kernel_fill(before, n, (uint32_t)n);
        kernel_fill(x, n, 7);
        for (size_t i = 0; i < n; i++)
            before[i] *= 10;
        for (size_t it = 0; it < count; it++) {
            memcpy(values, before, 4 * n);
            run_operation(&list[it], op, n, x, values);
            for (size_t i = 0; i < n; i++) {
                double scale;
                double e = expected_value(op, n, x, before, i, &scale);
                kernel_check(operations[op].family, list[it].name,
                             operations[op].name, (double)values[i], e, scale);
            }
            guarded_check(&y);
        }
        guarded_free(&y);
    }
}
END_TEST

/* Dense over all magnitudes, both signs. */
START_TEST(whole_range)
{
    enum operation op = _i == 0 ? GELU : SILU_MUL;
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    const float one = 1;
    for (float a = 1e-30f; a < 1e30f; a *= a < 1e-3f || a > 200 ? 1.7f
                                                               : 1.0003f) {
        for (size_t it = 0; it < count * 2; it++) {
            const struct implementation *use = &list[it / 2];
            float before = it % 2 ? -a : a, after = before;
            double scale;
            run_operation(use, op, 1, &one, &after);
            double e = expected_value(op, 1, &one, &before, 0, &scale);
            char what[64];
            snprintf(what, sizeof what, "%s(%.9g)", operations[op].name,
                     (double)before);
            kernel_check(operations[op].family, use->name, what, (double)after,
                         e, scale);
        }
    }
}
END_TEST

START_TEST(special_values)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t it = 0; it < count; it++) {
        const struct pnd_vector_kernels *k = &list[it].kernels.vector;
        float x[20], up[20];
        for (size_t i = 0; i < 20; i++)
            x[i] = up[i] = 1;
        x[3] = NAN;
        x[4] = INFINITY;
        x[5] = 0;
        x[6] = -0.0f;
        k->gelu(20, x);
        ck_assert(isnan(x[3]) && isinf(x[4]) && x[5] == 0 && x[6] == 0);
        ck_assert(x[2] > 0.84f && x[2] < 0.85f);
        x[3] = NAN;
        x[4] = INFINITY;
        x[5] = -INFINITY;
        x[6] = -FLT_MAX;
        k->silu_mul(20, x, up);
        ck_assert(isnan(x[3]) && isinf(x[4]) && x[6] == 0);
    }
}
END_TEST

/* Far apart, equal, and one: still a distribution. */
START_TEST(softmax_extremes)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t it = 0; it < count; it++) {
        const struct pnd_vector_kernels *k = &list[it].kernels.vector;
        float x[33] = {0};
        x[17] = 3e38f;
        x[18] = -3e38f;
        k->softmax(33, 1, x);
        for (size_t i = 0; i < 33; i++)
            ck_assert(x[i] == (i == 17 ? 1 : 0));
        for (size_t i = 0; i < 33; i++)
            x[i] = -1e30f;
        k->softmax(33, 0.125f, x);
        for (size_t i = 0; i < 33; i++)
            ck_assert(fabsf(x[i] - 1 / 33.0f) < 1e-8f);
        k->softmax(1, 1, x);
        ck_assert(x[0] == 1);
    }
}
END_TEST

/* A value's result does not depend on its place in the row. */
START_TEST(place_does_not_matter)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t it = 0; it < count; it++) {
        for (enum operation op = ADD; op <= SILU_MUL; op++) {
            float y[37], x[37], one_y, one_x = 0.3f;
            for (size_t i = 0; i < 37; i++) {
                y[i] = 1.2345f;
                x[i] = one_x;
            }
            one_y = y[0];
            run_operation(&list[it], op, 37, x, y);
            run_operation(&list[it], op, 1, &one_x, &one_y);
            for (size_t i = 0; i < 37; i++)
                ck_assert_msg(y[i] == one_y, "%s, %s", list[it].name,
                              operations[op].name);
        }
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("vector");
    TCase *tc = tcase_create("vector");
    tcase_add_loop_test(tc, lengths, 0, OPERATIONS);
    tcase_add_loop_test(tc, whole_range, 0, 2);
    tcase_add_test(tc, special_values);
    tcase_add_test(tc, softmax_extremes);
    tcase_add_test(tc, place_does_not_matter);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    enum operation op;
    size_t n;
    float *x, *y;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    for (int i = 0; i < 100; i++)
        run_operation(t->it, t->op, t->n, t->x, t->y);
}

static void bench(void)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct guarded x = guarded_make(4 * 5120, 0), y = guarded_make(4 * 5120, 0);
    kernel_fill((float *)x.data, 5120, 1);
    for (int op = 0; op < OPERATIONS; op++) {
        struct timed t = {.op = (enum operation)op, .n = 5120,
                          .x = (float *)x.data, .y = (float *)y.data};
        for (size_t i = 0; i < count; i++) {
            t.it = &list[i];
            kernel_fill(t.y, t.n, 2);
            printf("%-8s %zu %-10s %6.2f G values/s\n", operations[op].name,
                   t.n, t.it->name,
                   1e-9 * 100 * (double)t.n / kernel_seconds(run_timed, &t));
        }
    }
    guarded_free(&x);
    guarded_free(&y);
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
