/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/weights.h"
#include "kernels/kernel_test.h"
#include "tensor/blocks.h"

/* The block formats: their values against the public definition (the golden
 * file), then products of every implementation against double precision. */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct pnd_tensor *find(struct pnd_weights *w,
                                     enum pnd_dtype type, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", pnd_dtype_get_name(type), suffix);
    const struct pnd_tensor *t = pnd_weights_find(w, name);
    ck_assert_msg(t != NULL, "%s is missing", name);
    return t;
}

/* Every value to the last bit, from odd places. */
START_TEST(values_are_those_of_the_definition)
{
    const enum pnd_dtype type = kernel_block_formats[_i];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    struct pnd_weights *w;
    ck_assert_ok(pnd_weights_open(&w, test_context(),
                                  test_golden("blocks.safetensors")));
    const struct pnd_tensor *blocks = find(w, type, "blocks");
    const struct pnd_tensor *values = find(w, type, "values");
    const size_t count = (size_t)pnd_tensor_get_count(values);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(type, count), blocks->bytes);
    struct guarded from = guarded_make(blocks->bytes, 1 + (size_t)_i % 3);
    struct guarded to = guarded_make(values->bytes, 4);
    memcpy(from.data, blocks->data, blocks->bytes);
    for (size_t i = 0; i < implementations; i++) {
        memset(to.data, 0x77, to.bytes);
        list[i].kernels.format[type].to_f32(count, from.data,
                                            (float *)to.data);
        guarded_check(&to);
        for (size_t j = 0; j < count; j++) {
            float expected = pnd_tensor_get_f32(values, j);
            if (memcmp(to.data + 4 * j, &expected, 4) != 0)
                ck_abort_msg("%s, %s value %zu is %.9g, expected %.9g",
                             list[i].name, pnd_dtype_get_name(type), j,
                             (double)((float *)to.data)[j], (double)expected);
        }
    }
    guarded_free(&from);
    guarded_free(&to);
    pnd_weights_close(w);
}
END_TEST

/* A stored matrix [rows, k] with `slack` bytes between its rows, and its values
 * as the generic code has them. */
struct matrix {
    size_t rows, k, row_bytes;
    struct guarded stored, values;
};

static struct matrix make_matrix(size_t format, size_t rows, size_t k,
                                 size_t row_bytes)
{
    const struct implementation *list;
    const enum pnd_dtype type = kernel_block_formats[format];
    struct matrix m = {rows, k, row_bytes,
                       guarded_make(rows * row_bytes, rows % 4),
                       guarded_make(rows * k * 4, 0)};
    kernel_implementations(&list);
    for (size_t r = 0; r < rows; r++) {
        kernel_fill_blocks(type, k / pnd_dtype_get_block(type), (uint32_t)r + 2,
                           m.stored.data + r * row_bytes);
        list[0].kernels.format[type].to_f32(k, m.stored.data + r * row_bytes,
                                            (float *)m.values.data + r * k);
    }
    return m;
}

static void free_matrix(struct matrix *m)
{
    guarded_free(&m->stored);
    guarded_free(&m->values);
}

/* Row r of the matrix times x. */
static void check_product(const struct implementation *it, const char *what,
                          const struct matrix *m, size_t r, const float *x,
                          float got)
{
    const float *row = (const float *)m->values.data + r * m->k;
    double sum = 0, size = 0;
    for (size_t i = 0; i < m->k; i++) {
        sum += (double)row[i] * (double)x[i];
        size += fabs((double)row[i] * (double)x[i]);
    }
    kernel_check(FAMILY_PRODUCT, it->name, what, (double)got, sum, size);
}

START_TEST(matvecs)
{
    static const size_t rows[] = {1, 2, 3, 4, 5, 9};
    static const size_t sizes[] = {1, 2, 3, 5, 16};
    const enum pnd_dtype type = kernel_block_formats[_i];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    for (size_t c = 0; c < COUNT(rows) * COUNT(sizes); c++) {
        size_t n = rows[c % COUNT(rows)], blocks = sizes[c / COUNT(rows)];
        size_t k = blocks * pnd_dtype_get_block(type);
        struct matrix m = make_matrix(
            (size_t)_i, n, k, pnd_dtype_get_row_bytes(type, k) + n % 3);
        struct guarded x = guarded_make(k * 4, 4), y = guarded_make(n * 4, 4);
        kernel_fill((float *)x.data, k, 1);
        for (size_t i = 0; i < implementations; i++) {
            list[i].kernels.format[type].matvec(n, k, m.stored.data,
                                                m.row_bytes, (float *)x.data,
                                                (float *)y.data);
            guarded_check(&y);
            for (size_t r = 0; r < n; r++)
                check_product(&list[i], pnd_dtype_get_name(type), &m, r,
                              (float *)x.data, ((float *)y.data)[r]);
        }
        guarded_free(&x);
        guarded_free(&y);
        free_matrix(&m);
    }
}
END_TEST

static void check_gemm(size_t format, size_t m, size_t n, size_t k)
{
    const enum pnd_dtype type = kernel_block_formats[format];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    const size_t ldb = k + (n % 2) * pnd_dtype_get_block(type), ldc = n + 3;
    struct matrix b =
        make_matrix(format, n, k, pnd_dtype_get_row_bytes(type, ldb));
    struct guarded a = guarded_make(m * k * 4, 4);
    struct guarded c = guarded_make(m * ldc * 4, 4);
    struct guarded scratch = guarded_make(PND_GEMM_SCRATCH * 4, 4);
    kernel_fill((float *)a.data, m * k, 1);
    for (size_t i = 0; i < implementations; i++) {
        float *to = (float *)c.data;
        for (size_t j = 0; j < m * ldc; j++)
            to[j] = NAN;
        list[i].kernels.gemm.nt[type](m, n, k, (float *)a.data, k,
                                      b.stored.data, ldb, to, ldc,
                                      (float *)scratch.data);
        guarded_check(&c);
        guarded_check(&scratch);
        for (size_t r = 0; r < m; r++) {
            for (size_t j = 0; j < n; j++)
                check_product(&list[i], "gemm", &b, j,
                              (float *)a.data + r * k, to[r * ldc + j]);
            ck_assert(isnan(to[r * ldc + n]));
        }
    }
    guarded_free(&a);
    guarded_free(&c);
    guarded_free(&scratch);
    free_matrix(&b);
}

/* Around tiles, packed blocks (112 to 124 columns) and depths (512). */
START_TEST(products)
{
    static const size_t shapes[][2] = {{1, 1},   {5, 17},   {6, 16},  {14, 33},
                                       {15, 31}, {7, 113},  {3, 129}, {16, 9},
                                       {5, 112}, {29, 125}, {6, 250}};
    const size_t block = pnd_dtype_get_block(kernel_block_formats[_i]);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        check_gemm((size_t)_i, shapes[i][0], shapes[i][1], block);
        check_gemm((size_t)_i, shapes[i][0], shapes[i][1],
                   block == 32 ? 544 : 768);
    }
    check_gemm((size_t)_i, 5, 20, 1280);
}
END_TEST

START_TEST(row_bytes_are_checked)
{
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_F16, 3), 6);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_Q4_0, 64), 36);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_Q4_0, 33), 0);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_Q6_K, 512), 420);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_Q6_K, 128), 0);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_F64, SIZE_MAX / 8 + 1), 0);
    ck_assert_uint_eq(pnd_dtype_get_row_bytes(PND_Q8_0, SIZE_MAX - 31), 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("blocks");
    TCase *tc = tcase_create("blocks");
    const int count = (int)KERNEL_BLOCK_FORMATS;
    tcase_add_loop_test(tc, values_are_those_of_the_definition, 0, count);
    tcase_add_loop_test(tc, matvecs, 0, count);
    tcase_add_loop_test(tc, products, 0, count);
    tcase_add_test(tc, row_bytes_are_checked);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    enum pnd_dtype type;
    struct matrix m;
    float *x, *y;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    t->it->kernels.format[t->type].matvec(t->m.rows, t->m.k, t->m.stored.data,
                                          t->m.row_bytes, t->x, t->y);
}

static void bench(void)
{
    static float x[4096], y[8192];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    kernel_fill(x, COUNT(x), 1);
    for (size_t f = 0; f < KERNEL_BLOCK_FORMATS; f++) {
        const enum pnd_dtype type = kernel_block_formats[f];
        struct timed t = {
            .type = type, .x = x, .y = y,
            .m = make_matrix(f, COUNT(y), COUNT(x),
                             pnd_dtype_get_row_bytes(type, COUNT(x)))};
        for (size_t i = 0; i < implementations; i++) {
            t.it = &list[i];
            double seconds = kernel_seconds(run_timed, &t);
            printf("matvec_%-6s %zux%zu %-10s %6.1f GB/s %6.2f Gweight/s\n",
                   pnd_dtype_get_name(type), t.m.rows, t.m.k, t.it->name,
                   1e-9 * (double)t.m.stored.bytes / seconds,
                   1e-9 * (double)(t.m.rows * t.m.k) / seconds);
        }
        free_matrix(&t.m);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
