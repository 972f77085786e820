/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel_test.h"
#include "kernels/tile_emulator.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One product. Rows are longer than needed and begin at odd places. */
struct product {
    size_t m, n, k, lda, ldb, ldc, groups;
    struct guarded a, a_scales, b, b_scales, c;
};

static struct guarded scratch;

/* Codes all over their range, or only the outermost ones, of the same sign in
 * pairs: sums of such products leave 16 bits. */
static void fill_codes(int8_t *codes, size_t count, uint32_t seed,
                       bool outermost)
{
    float *values = malloc(count * sizeof *values);
    if (!values)
        ck_abort_msg("no memory");
    kernel_fill(values, count, seed);
    for (size_t i = 0; i < count; i++)
        codes[i] = (int8_t)(outermost ? i / 2 % 3 ? 127 : -127
                                      : lrintf(values[i] * 127));
    free(values);
}

static struct product make_product(size_t m, size_t n, size_t k, size_t slack,
                                   bool outermost)
{
    struct product p = {.m = m, .n = n, .k = k, .lda = k + slack,
                        .ldb = k + 2 * slack, .ldc = n + 3 * slack,
                        .groups = pnd_i8_count_groups(k)};
    p.a = guarded_make(m * p.lda, slack);
    p.a_scales = guarded_make(m * p.groups * 4, 4 * slack);
    p.b = guarded_make(n * p.ldb, 3 * slack);
    p.b_scales = guarded_make(n * 4, 8 * slack);
    p.c = guarded_make(m * p.ldc * 4, 12 * slack);
    if (!scratch.block)
        scratch = guarded_make(PND_GEMM_SCRATCH * 4, 4);
    fill_codes((int8_t *)p.a.data, m * p.lda, 1, outermost);
    fill_codes((int8_t *)p.b.data, n * p.ldb, 2, outermost);
    kernel_fill((float *)p.a_scales.data, m * p.groups, 3);
    kernel_fill((float *)p.b_scales.data, n, 4);
    return p;
}

static void free_product(struct product *p)
{
    guarded_free(&p->a);
    guarded_free(&p->a_scales);
    guarded_free(&p->b);
    guarded_free(&p->b_scales);
    guarded_free(&p->c);
}

static void run_product(const struct implementation *it, struct product *p)
{
    it->kernels.i8.product(p->m, p->n, p->k, (const int8_t *)p->a.data, p->lda,
                           (const float *)p->a_scales.data,
                           (const int8_t *)p->b.data, p->ldb,
                           (const float *)p->b_scales.data,
                           (float *)p->c.data, p->ldc,
                           (float *)scratch.data);
}

/* What is there before: products are added. */
static float get_start(size_t row, size_t column)
{
    return (float)(row % 7) - (float)(column % 5);
}

static void check_value(const struct implementation *it,
                        const struct product *p, size_t row, size_t column)
{
    const int8_t *a = (const int8_t *)p->a.data + row * p->lda;
    const int8_t *b = (const int8_t *)p->b.data + column * p->ldb;
    const float *scales = (const float *)p->a_scales.data + row * p->groups;
    const double scale = (double)((const float *)p->b_scales.data)[column];
    double sum = (double)get_start(row, column), size = fabs(sum);
    for (size_t i = 0; i < p->k; i++) {
        double term = (double)scales[i / PND_I8_GROUP] * a[i] * b[i] * scale;
        sum += term;
        size += fabs(term);
    }
    char what[96];
    snprintf(what, sizeof what, "%zux%zux%zu at (%zu, %zu)", p->m, p->n, p->k,
             row, column);
    kernel_check(FAMILY_PRODUCT, it->name, what,
                 (double)((float *)p->c.data)[row * p->ldc + column], sum,
                 size);
}

static void check_product(size_t m, size_t n, size_t k, bool outermost)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p =
        make_product(m, n, k, m * n * k % 2 ? 1 : 0, outermost);
    float *c = (float *)p.c.data;
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < m * p.ldc; at++)
            c[at] = at % p.ldc < n ? get_start(at / p.ldc, at % p.ldc) : NAN;
        run_product(&list[i], &p);
        size_t step = m * n > 2000 ? m * n / 1000 : 1;
        for (size_t at = 0; at < m * n; at += step)
            check_value(&list[i], &p, at / n, at % n);
        check_value(&list[i], &p, m - 1, n - 1);
        for (size_t at = 0; at < m * p.ldc; at++) {
            if (at % p.ldc >= n && !isnan(c[at]))
                ck_abort_msg("%s wrote between rows", list[i].name);
        }
        guarded_check(&p.c);
        guarded_check(&scratch);
        tile_emulator_check_released();
    }
    free_product(&p);
}

/* Around the sizes of tiles (rows up to 14, of AMX 16 and 32; columns up to
 * 32), words and vectors (up to 64 codes). */
static const size_t some_m[] = {1, 5, 6, 7, 13, 14, 15, 16, 17, 29, 33};
static const size_t some_n[] = {1, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65};
static const size_t some_k[] = {1, 2, 3, 4, 8, 31, 33, 63, 64, 65};

START_TEST(small_products)
{
    for (size_t n = 0; n < COUNT(some_n); n++) {
        for (size_t k = 0; k < COUNT(some_k); k++)
            check_product(some_m[_i], some_n[n], some_k[k], k % 2);
    }
}
END_TEST

/* Around groups (256) and blocks (1024 x 128). */
START_TEST(large_products)
{
    static const size_t shapes[][3] = {
        {30, 130, 255}, {30, 128, 256}, {17, 129, 257},
        {5, 257, 1023}, {16, 96, 1024}, {3, 33, 1025}, {64, 40, 2600},
    };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        check_product(shapes[i][0], shapes[i][1], shapes[i][2], false);
        check_product(shapes[i][0], shapes[i][1], shapes[i][2], true);
    }
}
END_TEST

/* Which of them computes a row may depend on how the rows are cut, and the
 * result must not: all with fused multiply-adds give the same bits. */
START_TEST(wide_registers_agree)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(45, 77, 1300, 1, false);
    float *first = NULL, *c = (float *)p.c.data;
    for (size_t i = 0; i < count; i++) {
        if (!(list[i].kernels.cpu_used & PANDA_CPU_AVX2))
            continue;
        for (size_t at = 0; at < p.m * p.ldc; at++)
            c[at] = get_start(at / p.ldc, at % p.ldc);
        run_product(&list[i], &p);
        if (!first) {
            first = malloc(p.c.bytes);
            ck_assert_ptr_nonnull(first);
            memcpy(first, c, p.c.bytes);
        }
        ck_assert_msg(memcmp(first, c, p.c.bytes) == 0,
                      "%s gives other bits than the first", list[i].name);
    }
    free(first);
    free_product(&p);
}
END_TEST

START_TEST(empty_sum_adds_nothing)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    const int8_t codes[2] = {1, 2};
    const float scales[2] = {1, 1};
    float unused = 0;
    for (size_t i = 0; i < count; i++) {
        float c[3] = {1, 2, 3};
        list[i].kernels.i8.product(1, 2, 0, codes, 0, scales, codes, 0, scales,
                                   c, 2, &unused);
        ck_assert(c[0] == 1 && c[1] == 2 && c[2] == 3);
    }
}
END_TEST

/* A group that is not a number spoils its own row, and no other. */
START_TEST(nan_stays_in_its_row)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(15, 17, 300, 0, false);
    ((float *)p.a_scales.data)[3] = NAN; /* row 1, second group */
    for (size_t i = 0; i < count; i++) {
        float *c = (float *)p.c.data;
        memset(c, 0, p.c.bytes);
        run_product(&list[i], &p);
        for (size_t at = 0; at < p.m * p.n; at++)
            ck_assert(isnan(c[at]) == (at / p.n == 1));
    }
    free_product(&p);
}
END_TEST

/* Codes and scales of all implementations are those of the definition. */
static void check_rounding(const float *x, size_t k)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    const size_t groups = pnd_i8_count_groups(k);
    struct guarded codes = guarded_make(k, 1);
    struct guarded scales = guarded_make(groups * 4, 4);
    for (size_t i = 0; i < count; i++) {
        list[i].kernels.i8.round(k, x, (int8_t *)codes.data,
                                 (float *)scales.data);
        guarded_check(&codes);
        guarded_check(&scales);
        for (size_t at = 0; at < k; at++) {
            const size_t first = at / PND_I8_GROUP * PND_I8_GROUP;
            float largest = 0;
            for (size_t j = first; j < k && j < first + PND_I8_GROUP; j++)
                largest = fmaxf(largest, fabsf(x[j]));
            float scale = ((const float *)scales.data)[at / PND_I8_GROUP];
            long code = largest > 1e-30f ? lrintf(x[at] * (127 / largest)) : 0;
            ck_assert_msg(((int8_t *)codes.data)[at] == code,
                          "%s: element %zu of %zu is %d, expected %ld",
                          list[i].name, at, k, ((int8_t *)codes.data)[at],
                          code);
            ck_assert(scale == (largest > 1e-30f ? largest / 127 : 0));
        }
    }
    guarded_free(&codes);
    guarded_free(&scales);
}

START_TEST(rounding)
{
    static const size_t counts[] = {1, 3, 4, 15, 16, 17, 255, 256, 257, 700};
    float x[700];
    for (size_t i = 0; i < COUNT(counts); i++) {
        kernel_fill(x, COUNT(x), (uint32_t)i);
        x[counts[i] / 2] *= 30;
        check_rounding(x, counts[i]);
    }
    for (size_t i = 0; i < COUNT(x); i++) /* halves go to even codes */
        x[i] = ((float)(i % 254) - 126.5f) * 0.25f;
    for (size_t i = 0; i < COUNT(x); i += 100)
        x[i] = -127 * 0.25f;
    check_rounding(x, COUNT(x));
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = i < 300 ? 0 : 1e-38f;
    check_rounding(x, COUNT(x));
}
END_TEST

START_TEST(rounding_tells_what_is_not_finite)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float x[600];
    int8_t codes[600];
    float scales[3];
    for (size_t i = 0; i < count * COUNT(bad); i++) {
        kernel_fill(x, COUNT(x), 1);
        x[511 - i] = bad[i % COUNT(bad)];
        list[i / COUNT(bad)].kernels.i8.round(COUNT(x), x, codes, scales);
        ck_assert(isfinite(scales[0]) && isnan(scales[1]) &&
                  isfinite(scales[2]));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("i8");
    TCase *tc = tcase_create("i8");
    tcase_add_loop_test(tc, small_products, 0, (int)COUNT(some_m));
    tcase_add_test(tc, large_products);
    tcase_add_test(tc, wide_registers_agree);
    tcase_add_test(tc, empty_sum_adds_nothing);
    tcase_add_test(tc, nan_stays_in_its_row);
    tcase_add_test(tc, rounding);
    tcase_add_test(tc, rounding_tells_what_is_not_finite);
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

static void run_rounding(void *context)
{
    struct timed *t = context;
    t->it->kernels.i8.round(t->p.k, (const float *)t->p.c.data,
                            (int8_t *)t->p.a.data,
                            (float *)t->p.a_scales.data);
}

static void bench(void)
{
    static const size_t cases[][3] = {
        {257, 128, 1280}, {257, 1280, 5120}, {64, 128, 1024}, {10, 128, 1024},
        {1, 128, 1024},
    };
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct timed t = {.p = make_product(cases[c][0], cases[c][1],
                                            cases[c][2], 0, false)};
        double work = 2e-9 * (double)t.p.m * (double)t.p.n * (double)t.p.k;
        memset(t.p.c.data, 0, t.p.c.bytes);
        for (size_t i = 0; i < count; i++) {
            t.it = &list[i];
            printf("i8_product %4zux%4zux%4zu %-10s %7.1f GOP/s\n", t.p.m,
                   t.p.n, t.p.k, t.it->name,
                   work / kernel_seconds(run_timed, &t));
        }
        for (size_t i = 0; c == 0 && i < count; i++) {
            t.it = &list[i];
            printf("i8_round %zu %-10s %7.2f GB/s\n", t.p.k, t.it->name,
                   4e-9 * (double)t.p.k / kernel_seconds(run_rounding, &t));
        }
        free_product(&t.p);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
