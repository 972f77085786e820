/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel_test.h"

static const enum pnd_dtype types[] = {PND_F32, PND_F16, PND_BF16};

/* One product. The matrices have rows longer than needed and begin at odd
 * places. */
struct product {
    size_t m, n, k, lda, ldb, ldc;
    bool transposed;
    enum pnd_dtype type; /* of b */
    struct guarded a, b, c;
};

/* One for all products: making it takes longer than small products. */
static struct guarded scratch;

static struct product make_product(size_t m, size_t n, size_t k,
                                   bool transposed, enum pnd_dtype type,
                                   size_t slack)
{
    struct product p = {.m = m, .n = n, .k = k, .lda = k + slack,
                        .ldb = (transposed ? k : n) + 2 * slack,
                        .ldc = n + 3 * slack, .transposed = transposed,
                        .type = type};
    size_t b_count = (transposed ? n : k) * p.ldb;
    struct guarded floats = guarded_make(b_count * 4, 0);
    p.a = guarded_make(m * p.lda * 4, 4 * slack);
    p.b = guarded_make(b_count * pnd_dtype_get_size(type),
                       transposed ? slack : 4 * slack);
    p.c = guarded_make(m * p.ldc * 4, 12 * slack);
    if (!scratch.block)
        scratch = guarded_make(PND_GEMM_SCRATCH * 4, 4);
    kernel_fill((float *)p.a.data, m * p.lda, 1);
    kernel_fill((float *)floats.data, b_count, 2);
    kernel_store(type, (float *)floats.data, b_count, p.b.data);
    guarded_free(&floats);
    return p;
}

static void free_product(struct product *p)
{
    guarded_free(&p->a);
    guarded_free(&p->b);
    guarded_free(&p->c);
}

static void run_product(const struct implementation *it, struct product *p)
{
    pnd_gemm_fn gemm =
        p->transposed ? it->kernels.gemm.nt[p->type] : it->kernels.gemm.f32_nn;
    gemm(p->m, p->n, p->k, (const float *)p->a.data, p->lda, p->b.data, p->ldb,
         (float *)p->c.data, p->ldc, (float *)scratch.data);
}

/* Value (row, column) in double precision, and the sum of magnitudes. */
static double expected_value(const struct product *p, size_t row,
                             size_t column, double *size)
{
    const float *a = (const float *)p->a.data + row * p->lda;
    double sum = 0;
    *size = 0;
    for (size_t i = 0; i < p->k; i++) {
        size_t at = p->transposed ? column * p->ldb + i : i * p->ldb + column;
        double term = (double)a[i] * kernel_value(p->type, p->b.data, at);
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static void check_value(const struct product *p, size_t row, size_t column,
                        const float *const *results)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    double size, sum = expected_value(p, row, column, &size);
    for (size_t i = 0; i < count; i++) {
        double got = (double)results[i][row * p->ldc + column];
        char what[128];
        if (kernel_is_near(FAMILY_PRODUCT, got, sum, size))
            continue;
        snprintf(what, sizeof what, "%s %s %zux%zux%zu at (%zu, %zu)",
                 pnd_dtype_get_name(p->type), p->transposed ? "nt" : "nn",
                 p->m, p->n, p->k, row, column);
        kernel_check(FAMILY_PRODUCT, list[i].name, what, got, sum, size);
    }
}

/* What lies between the rows of c stays. */
static void check_gaps(const struct product *p, const char *name)
{
    const float *c = (float *)p->c.data;
    for (size_t row = 0; row < p->m; row++) {
        for (size_t column = p->n; column < p->ldc; column++) {
            if (!isnan(c[row * p->ldc + column]))
                ck_abort_msg("%s wrote between rows", name);
        }
    }
    guarded_check(&p->c);
    guarded_check(&scratch);
}

/* Every value, or for large products about 4000 of them, the last included. */
static void check_product(size_t m, size_t n, size_t k, bool transposed,
                          enum pnd_dtype type)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p =
        make_product(m, n, k, transposed, type, m * n * k % 2 ? 1 : 0);
    float *results[KERNEL_IMPLEMENTATIONS];
    for (size_t i = 0; i < count; i++) {
        float *c = (float *)p.c.data;
        for (size_t j = 0; j < m * p.ldc; j++)
            c[j] = NAN;
        run_product(&list[i], &p);
        check_gaps(&p, list[i].name);
        results[i] = malloc(p.c.bytes);
        if (!results[i])
            ck_abort_msg("no memory");
        memcpy(results[i], c, p.c.bytes);
    }
    size_t step = m * n > 8000 ? m * n / 4000 : 1;
    for (size_t at = 0; at < m * n; at += step)
        check_value(&p, at / n, at % n, (const float *const *)results);
    check_value(&p, m - 1, n - 1, (const float *const *)results);
    for (size_t i = 0; i < count; i++)
        free(results[i]);
    free_product(&p);
}

/* Around the sizes of every tile (rows up to 14, columns up to 32) and vector
 * (up to 16). */
static const size_t some_m[] = {1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 29};
static const size_t some_n[] = {1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 65};
static const size_t some_k[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33};
#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(small_products)
{
    for (size_t n = 0; n < COUNT(some_n); n++) {
        for (size_t k = 0; k < COUNT(some_k); k++) {
            for (size_t t = 0; t < COUNT(types); t++)
                check_product(some_m[_i], some_n[n], some_k[k], true,
                              types[t]);
            check_product(some_m[_i], some_n[n], some_k[k], false, PND_F32);
        }
    }
}
END_TEST

/* Around the blocks: DEPTH 512, BLOCK 128. */
START_TEST(large_products)
{
    static const size_t shapes[][3] = {
        {257, 130, 511}, {30, 128, 512}, {17, 129, 513},
        {5, 300, 1100},  {64, 257, 80},  {4, 80, 1030},
    };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const size_t *s = shapes[i];
        for (size_t t = 0; t < COUNT(types); t++)
            check_product(s[0], s[1], s[2], true, types[t]);
        check_product(s[0], s[1], s[2], false, PND_F32);
    }
}
END_TEST

START_TEST(empty_sum_is_zero)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float a = 1, b = 1, unused = 0;
    for (size_t i = 0; i < count; i++) {
        float c[6] = {1, 2, 3, 4, 5, 6};
        list[i].kernels.gemm.nt[PND_F32](2, 2, 0, &a, 0, &b, 0, c, 3,
                                         &unused);
        ck_assert(c[0] == 0 && c[1] == 0 && c[2] == 3);
        ck_assert(c[3] == 0 && c[4] == 0 && c[5] == 6);
        list[i].kernels.gemm.f32_nn(1, 1, 0, &a, 0, &b, 1, c + 5, 1, &unused);
        ck_assert(c[5] == 0);
    }
}
END_TEST

/* Not a number and infinity come through, also beside a tile's edge. */
START_TEST(special_values)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(7, 17, 33, true, PND_F32, 0);
    ((float *)p.b.data)[16 * p.ldb + 32] = NAN;
    ((float *)p.a.data)[6 * p.lda] = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const float *c = (float *)p.c.data;
        run_product(&list[i], &p);
        ck_assert(isnan(c[16]) && isfinite(c[15]));
        ck_assert(isinf(c[6 * p.ldc]) && isfinite(c[5 * p.ldc]));
    }
    free_product(&p);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tc = tcase_create("gemm");
    tcase_add_loop_test(tc, small_products, 0, (int)COUNT(some_m));
    tcase_add_test(tc, large_products);
    tcase_add_test(tc, empty_sum_is_zero);
    tcase_add_test(tc, special_values);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    struct product p;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    run_product(t->it, &t->p);
}

static void bench(void)
{
    static const struct {
        size_t m, n, k;
        bool transposed;
        enum pnd_dtype type;
    } cases[] = {
        {257, 1280, 5120, true, PND_F32},  {257, 128, 1280, true, PND_F32},
        {16, 4096, 4096, true, PND_F32},   {257, 1280, 5120, true, PND_F16},
        {257, 1280, 5120, true, PND_BF16}, {16, 4096, 4096, true, PND_F16},
        {64, 257, 80, true, PND_F32},      {64, 80, 257, false, PND_F32},
        {257, 1280, 1280, false, PND_F32},
    };
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct timed t = {
            .p = make_product(cases[c].m, cases[c].n, cases[c].k,
                              cases[c].transposed, cases[c].type, 0)};
        double work = 2e-9 * (double)t.p.m * (double)t.p.n * (double)t.p.k;
        for (size_t i = 0; i < count; i++) {
            t.it = &list[i];
            printf("gemm_%s_%s %4zux%4zux%4zu %-10s %7.1f GFLOP/s\n",
                   pnd_dtype_get_name(t.p.type),
                   t.p.transposed ? "nt" : "nn", t.p.m, t.p.n, t.p.k,
                   t.it->name, work / kernel_seconds(run_timed, &t));
        }
        free_product(&t.p);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
