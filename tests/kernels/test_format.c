/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "kernels/kernel_test.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const enum pnd_dtype types[] = {PND_F32, PND_F16, PND_BF16};

/* Every half-precision number becomes the float that it is. */
START_TEST(all_halves)
{
    enum pnd_dtype type = _i == 0 ? PND_F16 : PND_BF16;
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct guarded from = guarded_make(65536 * 2, 1);
    struct guarded to = guarded_make(65536 * 4, 4);
    for (size_t i = 0; i < 65536; i++)
        memcpy(from.data + 2 * i, &(uint16_t){(uint16_t)i}, 2);
    for (size_t i = 0; i < count; i++) {
        list[i].kernels.format[type].to_f32(65536, from.data,
                                            (float *)to.data);
        for (size_t h = 0; h < 65536; h++) {
            float got = ((float *)to.data)[h];
            float expected = type == PND_F16 ? pnd_f16_to_f32((uint16_t)h)
                                             : pnd_bf16_to_f32((uint16_t)h);
            if (isnan(expected) ? !isnan(got) : memcmp(&got, &expected, 4))
                ck_abort_msg("%s, %s 0x%04zx: %.9g, expected %.9g",
                             list[i].name, pnd_dtype_get_name(type), h,
                             (double)got, (double)expected);
        }
        guarded_check(&to);
    }
    guarded_free(&from);
    guarded_free(&to);
}
END_TEST

/* Every length up to 70 at odd places. */
START_TEST(conversion_lengths)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float values[70];
    kernel_fill(values, COUNT(values), 3);
    for (size_t t = 0; t < COUNT(types); t++) {
        for (size_t n = 0; n <= COUNT(values); n++) {
            struct guarded from =
                guarded_make(n * pnd_dtype_get_size(types[t]), n % 3);
            struct guarded to = guarded_make(n * 4, 4);
            kernel_store(types[t], values, n, from.data);
            for (size_t i = 0; i < count; i++) {
                list[i].kernels.format[types[t]].to_f32(n, from.data,
                                                        (float *)to.data);
                for (size_t j = 0; j < n; j++)
                    kernel_check(FAMILY_CONVERT, list[i].name, "to_f32",
                                 (double)((float *)to.data)[j],
                                 kernel_value(types[t], from.data, j), 0);
                guarded_check(&to);
            }
            guarded_free(&from);
            guarded_free(&to);
        }
    }
}
END_TEST

struct matvec {
    enum pnd_dtype type;
    size_t rows, k, row_bytes;
    struct guarded w, x, y;
};

static struct matvec make_matvec(enum pnd_dtype type, size_t rows, size_t k,
                                 size_t slack)
{
    size_t size = pnd_dtype_get_size(type);
    struct matvec m = {.type = type, .rows = rows, .k = k,
                       .row_bytes = k * size + slack};
    struct guarded floats = guarded_make(k * 4, 0);
    m.w = guarded_make(rows * m.row_bytes, slack);
    m.x = guarded_make(k * 4, 4 * slack);
    m.y = guarded_make(rows * 4, 4 * slack);
    kernel_fill((float *)m.x.data, k, 1);
    for (size_t r = 0; r < rows; r++) {
        kernel_fill((float *)floats.data, k, (uint32_t)r + 2);
        kernel_store(type, (float *)floats.data, k,
                     m.w.data + r * m.row_bytes);
    }
    guarded_free(&floats);
    return m;
}

static void free_matvec(struct matvec *m)
{
    guarded_free(&m->w);
    guarded_free(&m->x);
    guarded_free(&m->y);
}

static void run_matvec(const struct implementation *it, struct matvec *m)
{
    it->kernels.format[m->type].matvec(m->rows, m->k, m->w.data, m->row_bytes,
                                       (const float *)m->x.data,
                                       (float *)m->y.data);
}

static void check_matvec(enum pnd_dtype type, size_t rows, size_t k)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct matvec m = make_matvec(type, rows, k, (rows + k) % 4);
    char what[64];
    snprintf(what, sizeof what, "%s matvec %zux%zu", pnd_dtype_get_name(type),
             rows, k);
    for (size_t i = 0; i < count; i++) {
        run_matvec(&list[i], &m);
        for (size_t r = 0; r < rows; r++) {
            double sum = 0, size = 0;
            for (size_t j = 0; j < k; j++) {
                double term =
                    (double)((float *)m.x.data)[j] *
                    kernel_value(type, m.w.data + r * m.row_bytes, j);
                sum += term;
                size += fabs(term);
            }
            kernel_check(FAMILY_PRODUCT, list[i].name, what,
                         (double)((float *)m.y.data)[r], sum, size);
        }
        guarded_check(&m.y);
    }
    free_matvec(&m);
}

START_TEST(matvecs)
{
    static const size_t rows[] = {1, 2, 3, 4, 5, 8, 11};
    static const size_t sizes[] = {1,  2,  7,  8,  9,  15, 16,  17,
                                   31, 32, 33, 63, 64, 65, 100, 1280};
    for (size_t r = 0; r < COUNT(rows); r++) {
        for (size_t k = 0; k < COUNT(sizes); k++)
            check_matvec(types[_i], rows[r], sizes[k]);
    }
}
END_TEST

/* Sums over rows: x has one value a row, y one a column. */
static void check_weigh(enum pnd_dtype type, size_t rows, size_t k)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    struct matvec m = make_matvec(type, rows, k, (rows + k) % 4);
    struct guarded x = guarded_make(rows * 4, 4), y = guarded_make(k * 4, 4);
    const float *weights = (const float *)x.data;
    kernel_fill((float *)x.data, rows, 3);
    for (size_t i = 0; i < count; i++) {
        list[i].kernels.format[type].weigh(rows, k, m.w.data, m.row_bytes,
                                           weights, (float *)y.data);
        guarded_check(&y);
        for (size_t j = 0; j < k; j++) {
            double sum = 0, size = 0;
            for (size_t r = 0; r < rows; r++) {
                double term = (double)weights[r] *
                              kernel_value(type, m.w.data + r * m.row_bytes, j);
                sum += term;
                size += fabs(term);
            }
            kernel_check(FAMILY_PRODUCT, list[i].name, "weigh",
                         (double)((float *)y.data)[j], sum, size);
        }
    }
    guarded_free(&x);
    guarded_free(&y);
    free_matvec(&m);
}

START_TEST(weighed_rows)
{
    static const size_t rows[] = {1, 2, 9, 70};
    static const size_t sizes[] = {1, 4, 7, 16, 33, 64, 128, 129, 200};
    for (size_t r = 0; r < COUNT(rows); r++) {
        for (size_t k = 0; k < COUNT(sizes); k++)
            check_weigh(types[_i], rows[r], sizes[k]);
    }
}
END_TEST

/* As pnd_f32_to_f16, ties and overflow included. */
START_TEST(floats_become_halves)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    float x[67] = {1e6f, -1e6f, 65519, 65520, 1e-8f, -6e-8f, 2049, 2051, 0};
    kernel_fill(x + 9, 50, 5);
    x[60] = INFINITY;
    for (size_t i = 0; i < count; i++) {
        uint16_t y[68] = {[67] = 42};
        list[i].kernels.vector.to_f16(67, x, y);
        for (size_t j = 0; j < 67; j++)
            ck_assert_uint_eq(y[j], pnd_f32_to_f16(x[j]));
        ck_assert_uint_eq(y[67], 42);
    }
}
END_TEST

START_TEST(empty_rows)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t i = 0; i < count; i++) {
        float x = 1, y[3] = {1, 2, 3};
        list[i].kernels.format[PND_F16].matvec(2, 0, &x, 0, &x, y);
        ck_assert(y[0] == 0 && y[1] == 0 && y[2] == 3);
        list[i].kernels.format[PND_F16].matvec(0, 1, &x, 2, &x, y + 2);
        ck_assert(y[2] == 3);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("format");
    TCase *tc = tcase_create("format");
    tcase_add_loop_test(tc, all_halves, 0, 2);
    tcase_add_test(tc, conversion_lengths);
    tcase_add_loop_test(tc, matvecs, 0, (int)COUNT(types));
    tcase_add_loop_test(tc, weighed_rows, 0, (int)COUNT(types));
    tcase_add_test(tc, floats_become_halves);
    tcase_add_test(tc, empty_rows);
    suite_add_tcase(suite, tc);
    return suite;
}

struct timed {
    const struct implementation *it;
    struct matvec m;
};

static void run_timed(void *context)
{
    struct timed *t = context;
    run_matvec(t->it, &t->m);
}

/* From memory: more than any cache holds. */
static void bench(void)
{
    const struct implementation *list;
    size_t count = kernel_implementations(&list);
    for (size_t t = 0; t < COUNT(types); t++) {
        struct timed timed = {.m = make_matvec(types[t], 24576, 4096, 0)};
        for (size_t i = 0; i < count; i++) {
            timed.it = &list[i];
            double seconds = kernel_seconds(run_timed, &timed);
            printf("matvec_%s %zux%zu %-10s %6.1f GB/s\n",
                   pnd_dtype_get_name(types[t]), timed.m.rows, timed.m.k,
                   list[i].name, 1e-9 * (double)timed.m.w.bytes / seconds);
        }
        free_matvec(&timed.m);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
