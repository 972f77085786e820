/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "kernels/kernel_test.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const size_t lengths[] = {1,  2,  7,  8,  9,   15,  16,  17,   31,
                                 32, 33, 64, 65, 127, 384, 768, 1280, 5120};

struct row {
    size_t n;
    struct guarded x, weight, bias, y;
};

/* Values around `middle`, so that the mean matters. */
static struct row make_row(size_t n, float middle, size_t offset)
{
    struct row r = {n, guarded_make(4 * n, offset),
                    guarded_make(4 * n, 3 * offset),
                    guarded_make(4 * n, 5 * offset),
                    guarded_make(4 * n, offset)};
    kernel_fill((float *)r.x.data, n, 1);
    kernel_fill((float *)r.weight.data, n, 2);
    kernel_fill((float *)r.bias.data, n, 3);
    for (size_t i = 0; i < n; i++)
        ((float *)r.x.data)[i] += middle;
    return r;
}

static void free_row(struct row *r)
{
    guarded_free(&r->x);
    guarded_free(&r->weight);
    guarded_free(&r->bias);
    guarded_free(&r->y);
}

static void run_norm(const struct implementation *it, struct row *r, bool layer,
                     bool in_place)
{
    const float *x = (float *)r->x.data, *weight = (float *)r->weight.data;
    float *y = (float *)r->y.data;
    if (in_place)
        memcpy(y, x, 4 * r->n);
    if (layer)
        it->kernels.norm.layer_norm(r->n, in_place ? y : x, weight,
                                    (float *)r->bias.data, 1e-6f, y);
    else
        it->kernels.norm.rms_norm(r->n, in_place ? y : x, weight, 1e-6f, y);
}

static void check_row(const struct implementation *it, const struct row *r,
                      bool layer)
{
    const float *x = (float *)r->x.data;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < r->n && layer; i++)
        mean += (double)x[i];
    mean /= (double)r->n;
    for (size_t i = 0; i < r->n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = 1 / sqrt(variance / (double)r->n + (double)1e-6f);
    for (size_t i = 0; i < r->n; i++) {
        double y = ((double)x[i] - mean) * scale *
                   (double)((float *)r->weight.data)[i];
        if (layer)
            y += (double)((float *)r->bias.data)[i];
        /* The scale of the input's own rounding, which the norm magnifies. */
        kernel_check(FAMILY_NORM, it->name, layer ? "layer_norm" : "rms_norm",
                     (double)((float *)r->y.data)[i], y,
                     fabs(y) + fabs(mean) * scale);
    }
    guarded_check(&r->y);
}

START_TEST(norms)
{
    static const float middles[] = {0, 1, -30};
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t m = 0; m < COUNT(middles); m++) {
        for (size_t n = 0; n < COUNT(lengths); n++) {
            struct row r = make_row(lengths[n], middles[m], n % 2 ? 4 : 0);
            for (size_t i = 0; i < count; i++) {
                run_norm(&list[i], &r, _i == 0, n % 2);
                check_row(&list[i], &r, _i == 0);
            }
            free_row(&r);
        }
    }
}
END_TEST

/* A row of equal values has no variance: epsilon keeps it finite. */
START_TEST(constant_rows)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t i = 0; i < count; i++) {
        float x[40], one[40], y[40];
        for (size_t j = 0; j < 40; j++) {
            x[j] = 3;
            one[j] = 1;
        }
        list[i].kernels.norm.layer_norm(40, x, one, one, 1e-5f, y);
        for (size_t j = 0; j < 40; j++)
            ck_assert(y[j] == 1);
        memset(x, 0, sizeof x);
        list[i].kernels.norm.rms_norm(40, x, one, 1e-5f, y);
        for (size_t j = 0; j < 40; j++)
            ck_assert(y[j] == 0);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("norm");
    TCase *tc = tcase_create("norm");
    tcase_add_loop_test(tc, norms, 0, 2);
    tcase_add_test(tc, constant_rows);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    struct row row;
    bool layer;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    for (int i = 0; i < 1000; i++)
        run_norm(t->it, &t->row, t->layer, false);
}

static void bench(void)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (int layer = 0; layer < 2; layer++) {
        struct timed t = {.row = make_row(1280, 1, 0), .layer = layer};
        for (size_t i = 0; i < count; i++) {
            t.it = &list[i];
            double bytes = 1000 * 8.0 * (double)t.row.n;
            printf("%s %zu %-10s %6.1f GB/s\n",
                   layer ? "layer_norm" : "rms_norm", t.row.n, list[i].name,
                   1e-9 * bytes / kernel_seconds(run_timed, &t));
        }
        free_row(&t.row);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
