/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernel_test.h"
#include "kernels/tile_emulator.h"

/* Products of numbers rounded to bf16, where the machine has such. */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const enum pnd_dtype types[] = {PND_F32, PND_F16, PND_BF16};

/* Rows longer than needed, at odd places. */
struct product {
    size_t m, n, k, lda, ldb, ldc;
    enum pnd_dtype type; /* of b */
    struct guarded a, b, c;
};

static struct guarded scratch;

static struct product make_product(size_t m, size_t n, size_t k,
                                   enum pnd_dtype type, size_t slack)
{
    struct product p = {.m = m, .n = n, .k = k, .lda = k + slack,
                        .ldb = k + 2 * slack, .ldc = n + 3 * slack,
                        .type = type};
    const size_t b_count = (n - 1) * p.ldb + k; /* none after the last */
    struct guarded floats = guarded_make(b_count * 4, 0);
    p.a = guarded_make(((m - 1) * p.lda + k) * 4, 4 * slack);
    p.b = guarded_make(b_count * pnd_dtype_get_size(type), slack);
    p.c = guarded_make(m * p.ldc * 4, 12 * slack);
    if (!scratch.block)
        scratch = guarded_make(PND_GEMM_SCRATCH * 4, 4);
    kernel_fill((float *)p.a.data, (m - 1) * p.lda + k, 1);
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
    it->kernels.bf16.nt[p->type](
        p->m, p->n, p->k, (const float *)p->a.data, p->lda, p->b.data, p->ldb,
        (float *)p->c.data, p->ldc, (float *)scratch.data);
}

static double round_number(double x)
{
    return (double)pnd_bf16_to_f32(pnd_f32_to_bf16((float)x));
}

static void check_value(const struct implementation *it,
                        const struct product *p, size_t row, size_t column)
{
    const float *a = (const float *)p->a.data + row * p->lda;
    double sum = 0, size = 0;
    char what[96];
    for (size_t i = 0; i < p->k; i++) {
        double b = kernel_value(p->type, p->b.data, column * p->ldb + i);
        double term = round_number((double)a[i]) * round_number(b);
        sum += term;
        size += fabs(term);
    }
    snprintf(what, sizeof what, "%s %zux%zux%zu at (%zu, %zu)",
             pnd_dtype_get_name(p->type), p->m, p->n, p->k, row, column);
    kernel_check(FAMILY_BF16, it->name, what,
                 (double)((float *)p->c.data)[row * p->ldc + column], sum,
                 size);
}

static void check_product(size_t m, size_t n, size_t k, enum pnd_dtype type)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(m, n, k, type, (m + n + k) % 2);
    float *c = (float *)p.c.data;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].kernels.bf16.nt[type])
            continue;
        for (size_t at = 0; at < m * p.ldc; at++)
            c[at] = NAN;
        run_product(&list[i], &p);
        tile_emulator_check_released();
        const size_t step = m * n > 2000 ? m * n / 1000 : 1;
        for (size_t at = 0; at < m * n; at += step)
            check_value(&list[i], &p, at / n, at % n);
        check_value(&list[i], &p, m - 1, n - 1);
        for (size_t at = 0; at < m * p.ldc; at++) {
            if (at % p.ldc >= n && !isnan(c[at]))
                ck_abort_msg("%s wrote between rows", list[i].name);
        }
        guarded_check(&p.c);
        guarded_check(&scratch);
    }
    free_product(&p);
}

/* Around the sizes of tiles (rows up to 14, 16 and 32; columns up to 32) and
 * vectors (32 numbers). */
static const size_t some_m[] = {1, 5, 13, 14, 15, 16, 17, 29, 33};
static const size_t some_n[] = {1, 15, 16, 17, 31, 32, 33, 65};
static const size_t some_k[] = {1, 2, 3, 16, 31, 32, 33, 65};

START_TEST(small_products)
{
    for (size_t n = 0; n < COUNT(some_n); n++) {
        for (size_t k = 0; k < COUNT(some_k); k++)
            check_product(some_m[_i], some_n[n], some_k[k],
                          types[(n + k) % COUNT(types)]);
    }
}
END_TEST

/* Around the blocks: of k 512 and 384, of columns 256. */
START_TEST(large_products)
{
    static const size_t shapes[][3] = {
        {57, 130, 511}, {30, 256, 512}, {17, 257, 513},
        {5, 300, 1100}, {65, 64, 384},  {33, 80, 385},
    };
    for (size_t i = 0; i < COUNT(shapes); i++)
        check_product(shapes[i][0], shapes[i][1], shapes[i][2],
                      types[i % COUNT(types)]);
}
END_TEST

/* Halves go to even numbers, on both sides. */
START_TEST(rounding)
{
    static const float numbers[] = {
        0x1.01p0f,     /* between 0x1.00 and 0x1.02: down */
        0x1.03p0f,     /* between 0x1.02 and 0x1.04: up */
        0x1.010002p0f, /* above the half: up */
        -0x1.03p-9f, 0x1.ffp127f, 3e38f,
    };
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(2, 2, 1, PND_F32, 0);
    for (size_t i = 0; i < count * COUNT(numbers); i++) {
        const struct implementation *it = &list[i / COUNT(numbers)];
        const float x = numbers[i % COUNT(numbers)];
        const float *c = (const float *)p.c.data;
        const float expected = pnd_bf16_to_f32(pnd_f32_to_bf16(x));
        if (!it->kernels.bf16.nt[PND_F32])
            continue;
        memcpy(p.a.data, (float[]){x, 1}, 8);
        memcpy(p.b.data, (float[]){1, x}, 8);
        run_product(it, &p);
        ck_assert_msg(c[0] == expected && c[3] == expected,
                      "%s: %a is %a and %a, expected %a", it->name, (double)x,
                      (double)c[0], (double)c[3], (double)expected);
    }
    free_product(&p);
}
END_TEST

START_TEST(empty_sum_is_zero)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float a = 1, b = 1, unused = 0;
    for (size_t i = 0; i < count; i++) {
        float c[4] = {1, 2, 3, 4};
        if (!list[i].kernels.bf16.nt[PND_F32])
            continue;
        list[i].kernels.bf16.nt[PND_F32](2, 1, 0, &a, 0, &b, 0, c, 2, &unused);
        ck_assert(c[0] == 0 && c[1] == 2 && c[2] == 0 && c[3] == 4);
    }
}
END_TEST

/* Not a number and infinity come through, also beside a tile's edge. */
START_TEST(special_values)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct product p = make_product(7, 17, 33, PND_F32, 0);
    ((float *)p.b.data)[16 * p.ldb + 32] = NAN;
    ((float *)p.a.data)[6 * p.lda] = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const float *c = (float *)p.c.data;
        if (!list[i].kernels.bf16.nt[PND_F32])
            continue;
        run_product(&list[i], &p);
        ck_assert(isnan(c[16]) && isfinite(c[15]));
        ck_assert(isinf(c[6 * p.ldc]) && isfinite(c[5 * p.ldc]));
    }
    free_product(&p);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("bf16");
    TCase *tc = tcase_create("bf16");
    tcase_add_loop_test(tc, small_products, 0, (int)COUNT(some_m));
    tcase_add_test(tc, large_products);
    tcase_add_test(tc, rounding);
    tcase_add_test(tc, empty_sum_is_zero);
    tcase_add_test(tc, special_values);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    pnd_gemm_fn gemm;
    struct product p;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    t->gemm(t->p.m, t->p.n, t->p.k, (const float *)t->p.a.data, t->p.lda,
            t->p.b.data, t->p.ldb, (float *)t->p.c.data, t->p.ldc,
            (float *)scratch.data);
}

static void bench(void)
{
    static const size_t cases[][3] = {
        {257, 256, 1280}, {257, 1280, 5120}, {64, 256, 1024}, {10, 256, 1024},
    };
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t c = 0; c < COUNT(cases) * COUNT(types); c++) {
        const size_t *s = cases[c / COUNT(types)];
        const enum pnd_dtype type = types[c % COUNT(types)];
        struct timed t = {.p = make_product(s[0], s[1], s[2], type, 0)};
        const double work = 2e-9 * (double)(s[0] * s[1]) * (double)s[2];
        for (size_t i = 0; i < count; i++) {
            t.it = &list[i];
            t.gemm = t.it->kernels.bf16.nt[type];
            const char *kind = t.gemm ? "bf16" : "f32";
            if (!t.gemm)
                t.gemm = t.it->kernels.gemm.nt[type];
            if (strcmp(t.it->name, "generic") != 0)
                printf("%-4s %-4s %4zux%4zux%4zu %-8s %7.1f GFLOP/s\n", kind,
                       pnd_dtype_get_name(type), s[0], s[1], s[2], t.it->name,
                       work / kernel_seconds(run_timed, &t));
        }
        free_product(&t.p);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
