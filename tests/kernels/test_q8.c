/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel_test.h"
#include "kernels/tile_emulator.h"
#include "tensor/blocks.h"

/* Activations of 8 bits, and block formats multiplied with them. */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct guarded make_rounded(const struct implementation *it, size_t k,
                                   const float *x)
{
    struct guarded g = guarded_make(
        pnd_q8_count_blocks(k) * sizeof(struct pnd_q8_block), 0);
    memset(g.data, 0x55, g.bytes);
    it->kernels.q8.round(k, x, (struct pnd_q8_block *)g.data);
    guarded_check(&g);
    return g;
}

/* Against the definition: each 32 elements have the largest magnitude / 127 as
 * their scale, and codes are the nearest integers. */
START_TEST(rounding)
{
    static const size_t sizes[] = {32, 64, 256, 288, 1024, 1056};
    const size_t k = sizes[_i];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    struct guarded x = guarded_make(k * 4, 4);
    float *values = (float *)x.data;
    kernel_fill(values, k, 3);
    for (size_t i = 0; i < 8; i++)
        values[i] *= 1000; /* one group has larger ones */
    for (size_t n = 0; n < implementations; n++) {
        struct guarded g = make_rounded(&list[n], k, values);
        const struct pnd_q8_block *blocks = (struct pnd_q8_block *)g.data;
        for (size_t i = 0; i < pnd_q8_count_blocks(k) * 256; i++) {
            const struct pnd_q8_block *b = &blocks[i / 256];
            const size_t at = i % 256, group = at / 16;
            float largest = 0;
            int sum = 0;
            for (size_t j = 0; j < 32 && i / 32 * 32 + j < k; j++)
                largest = fmaxf(largest, fabsf(values[i / 32 * 32 + j]));
            for (size_t j = 0; j < 16; j++)
                sum += b->codes[group * 16 + j];
            const float scale = largest / 127;
            ck_assert_float_eq(b->scales[group], scale);
            ck_assert_float_eq(b->sums[group], scale * (float)sum);
            ck_assert_int_eq(b->biases[group], -128 * sum);
            ck_assert_int_eq(b->wide_biases[group / 2],
                             b->biases[group / 2 * 2] +
                                 b->biases[group / 2 * 2 + 1]);
            const float exact =
                i < k ? values[i] * (127 / largest) : 0;
            ck_assert_int_eq(b->codes[at], (int)nearbyintf(exact));
        }
        guarded_free(&g);
    }
    guarded_free(&x);
}
END_TEST

/* Zeros, numbers too small for a scale, and what is not finite. */
START_TEST(rounding_special_values)
{
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    float x[160] = {0};
    x[40] = 1e-40f;
    x[70] = INFINITY;
    x[100] = NAN;
    x[130] = -3e38f;
    for (size_t n = 0; n < implementations; n++) {
        struct guarded g = make_rounded(&list[n], COUNT(x), x);
        const struct pnd_q8_block *b = (struct pnd_q8_block *)g.data;
        ck_assert(b->scales[0] == 0 && b->sums[1] == 0 && b->codes[0] == 0);
        ck_assert(b->scales[2] == 0 && b->codes[40] == 0);
        ck_assert(isnan(b->scales[4]) && isnan(b->sums[5]));
        ck_assert(isnan(b->scales[6]) && isnan(b->sums[6]));
        ck_assert_int_eq(b->codes[130], -127);
        guarded_free(&g);
    }
}
END_TEST

/* w[n, k] `slack` bytes apart times a[m, k]. */
struct product {
    enum pnd_dtype type;
    size_t m, n, k, row_bytes, ldy;
    struct guarded a, w, values, y, scratch;
};

static struct product make_product(enum pnd_dtype type, size_t m, size_t n,
                                   size_t k, size_t slack)
{
    const struct implementation *list;
    const size_t blocks = pnd_q8_count_blocks(k);
    struct product p = {.type = type, .m = m, .n = n, .k = k,
                        .row_bytes = pnd_dtype_get_row_bytes(type, k) + slack,
                        .ldy = n + slack};
    p.a = guarded_make(m * blocks * sizeof(struct pnd_q8_block), 0);
    p.w = guarded_make(n * p.row_bytes - slack, slack);
    p.values = guarded_make(n * k * 4, 0);
    p.y = guarded_make(((m - 1) * p.ldy + n) * 4, 4);
    p.scratch = guarded_make(PND_GEMM_SCRATCH * 4, 0);
    struct guarded x = guarded_make(m * k * 4, 4);
    kernel_fill((float *)x.data, m * k, 1);
    kernel_implementations(&list);
    for (size_t r = 0; r < m; r++)
        list[0].kernels.q8.round(
            k, (float *)x.data + r * k,
            (struct pnd_q8_block *)p.a.data + r * blocks);
    for (size_t r = 0; r < n; r++) {
        unsigned char *row = p.w.data + r * p.row_bytes;
        kernel_fill_blocks(type, k / pnd_dtype_get_block(type),
                           (uint32_t)r + 2, row);
        list[0].kernels.format[type].to_f32(k, row,
                                            (float *)p.values.data + r * k);
    }
    guarded_free(&x);
    return p;
}

static void free_product(struct product *p)
{
    guarded_free(&p->a);
    guarded_free(&p->w);
    guarded_free(&p->values);
    guarded_free(&p->y);
    guarded_free(&p->scratch);
}

static void run_product(const struct implementation *it,
                        const struct product *p)
{
    it->kernels.q8.product[p->type](
        p->m, p->n, p->k, (struct pnd_q8_block *)p->a.data, p->w.data,
        p->row_bytes, (float *)p->y.data, p->ldy, (float *)p->scratch.data);
}

/* The product of the rounded activations and the weights' values. The scale of
 * what may be lost counts codes without their offsets, as kernels add them. */
static double expect(const struct product *p, size_t r, size_t j, double *size)
{
    const struct pnd_q8_block *a = (const struct pnd_q8_block *)p->a.data +
                                   r * pnd_q8_count_blocks(p->k);
    const float *w = (const float *)p->values.data + j * p->k;
    double sum = 0;
    *size = 0;
    for (size_t i = 0; i < p->k; i += 32) {
        double most = 0, magnitude = 0;
        for (size_t l = i; l < i + 32; l++) {
            const struct pnd_q8_block *b = &a[l / 256];
            double x = (double)b->scales[l % 256 / 16] * b->codes[l % 256];
            sum += x * (double)w[l];
            magnitude += fabs(x);
            most = fmax(most, fabs((double)w[l]));
        }
        *size += 4 * most * magnitude;
    }
    return sum;
}

/* All implementations, one after the other. */
static void check_made(struct product p)
{
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    const size_t m = p.m, n = p.n, k = p.k;
    for (size_t i = 0; i < implementations; i++) {
        float *y = (float *)p.y.data;
        for (size_t j = 0; j < p.y.bytes / 4; j++)
            y[j] = -12345;
        run_product(&list[i], &p);
        guarded_check(&p.y);
        guarded_check(&p.scratch);
        tile_emulator_check_released();
        for (size_t r = 0; r < m; r++) {
            for (size_t j = 0; j < n; j++) {
                char what[128];
                double size, expected = expect(&p, r, j, &size);
                snprintf(what, sizeof what, "%s %zux%zux%zu at %zu, %zu",
                         pnd_dtype_get_name(p.type), m, n, k, r, j);
                kernel_check(FAMILY_PRODUCT, list[i].name, what,
                             (double)y[r * p.ldy + j], expected, size);
            }
            for (size_t j = n; j < p.ldy && r + 1 < m; j++)
                ck_assert_float_eq(y[r * p.ldy + j], -12345);
        }
    }
}

static void check_product(enum pnd_dtype type, size_t m, size_t n, size_t k)
{
    struct product p = make_product(type, m, n, k, m * n % 3);
    check_made(p);
    free_product(&p);
}

START_TEST(products)
{
    static const size_t shapes[][2] = {{1, 1},  {1, 5},   {2, 3},  {3, 17},
                                       {4, 9},  {5, 16},  {6, 33}, {7, 31},
                                       {9, 32}, {13, 18}, {17, 65}};
    const enum pnd_dtype type = kernel_block_formats[_i];
    const size_t block = pnd_dtype_get_block(type);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        check_product(type, shapes[i][0], shapes[i][1], block);
        check_product(type, shapes[i][0], shapes[i][1],
                      block == 32 ? 32 * (7 + i) : 512);
    }
    check_product(type, 10, 20, 2304);
    /* More than is unpacked at a time, of each way to scale. */
    if (type == PND_Q4_0 || type == PND_Q4_1 || type == PND_Q2_K ||
        type == PND_Q6_K)
        check_product(type, 99, 165, 1280);
}
END_TEST

/* All codes of a block as large as they get. */
static void enlarge(enum pnd_dtype type, void *block)
{
#define ENLARGE(name, member) \
    memset(((struct pnd_block_##name *)block)->member, 0xff, \
           sizeof((struct pnd_block_##name *)block)->member)
    switch (type) {
    case PND_Q8_0:
        memset(((struct pnd_block_q8_0 *)block)->codes, 127, 32);
        break;
    case PND_Q5_0:
        ENLARGE(q5_0, high), ENLARGE(q5_0, codes);
        break;
    case PND_Q5_1:
        ENLARGE(q5_1, high), ENLARGE(q5_1, codes);
        break;
    case PND_Q3_K:
        ENLARGE(q3_k, high), ENLARGE(q3_k, codes);
        break;
    case PND_Q5_K:
        ENLARGE(q5_k, high), ENLARGE(q5_k, codes);
        break;
    case PND_Q6_K:
        ENLARGE(q6_k, high), ENLARGE(q6_k, low);
        break;
    case PND_Q4_0:
        ENLARGE(q4_0, codes);
        break;
    case PND_Q4_1:
        ENLARGE(q4_1, codes);
        break;
    case PND_Q2_K:
        ENLARGE(q2_k, codes);
        break;
    case PND_Q4_K:
        ENLARGE(q4_k, codes);
        break;
    case PND_IQ4_NL:
        ENLARGE(iq4_nl, codes);
        break;
    default:
        ENLARGE(iq4_xs, codes);
    }
#undef ENLARGE
}

/* Nothing saturates: equal activations have codes of 127 or -127. */
START_TEST(largest_codes)
{
    const enum pnd_dtype type = kernel_block_formats[_i];
    const size_t block = pnd_dtype_get_block(type), k = 512;
    const size_t bytes = pnd_dtype_get_row_bytes(type, block);
    const struct implementation *list;
    kernel_implementations(&list);
    for (size_t m = 1; m < 14; m += 4) {
        struct product p = make_product(type, m, 17, k, 0);
        for (size_t i = 0; i < p.n * k / block; i++)
            enlarge(type, p.w.data + i * bytes);
        for (size_t r = 0; r < p.n; r++)
            list[0].kernels.format[type].to_f32(
                k, p.w.data + r * p.row_bytes, (float *)p.values.data + r * k);
        for (size_t r = 0; r < m; r++) {
            float x[512];
            for (size_t i = 0; i < k; i++)
                x[i] = r % 2 ? -1 : 1;
            list[0].kernels.q8.round(k, x,
                                     (struct pnd_q8_block *)p.a.data +
                                         r * pnd_q8_count_blocks(k));
        }
        check_made(p);
        free_product(&p);
    }
}
END_TEST

/* Tiles give the bits of VNNI, in strips of one, two and three. */
START_TEST(tiles_agree)
{
    static const size_t rows[] = {6, 16, 17, 32, 33, 70};
    const enum pnd_dtype type = kernel_block_formats[_i];
    const struct implementation *list, *vnni = NULL;
    size_t implementations = kernel_implementations(&list);
    for (size_t i = 0; i < implementations * COUNT(rows); i++) {
        const struct implementation *it = &list[i / COUNT(rows)];
        const size_t m = rows[i % COUNT(rows)];
        if (strcmp(it->name, "vnni") == 0)
            vnni = it;
        if (!vnni || strcmp(it->name, "amx_int8") != 0)
            continue;
        struct product p = make_product(type, m, 37, 1536, 3);
        float *first = malloc(p.y.bytes);
        ck_assert_ptr_nonnull(first);
        memset(p.y.data, 0, p.y.bytes);
        run_product(vnni, &p);
        memcpy(first, p.y.data, p.y.bytes);
        run_product(it, &p);
        ck_assert(memcmp(first, p.y.data, p.y.bytes) == 0);
        free(first);
        free_product(&p);
    }
}
END_TEST

/* What is not a number is not hidden. */
START_TEST(nan_comes_through)
{
    const enum pnd_dtype type = kernel_block_formats[_i];
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    for (size_t m = 1; m < 16; m += 7) {
        struct product p = make_product(type, m, 4, 512, 0);
        struct pnd_q8_block *a = (struct pnd_q8_block *)p.a.data;
        a[1].scales[2] = a[1].scales[3] = a[1].sums[3] = NAN;
        for (size_t i = 0; i < implementations; i++) {
            run_product(&list[i], &p);
            ck_assert(isnan(((float *)p.y.data)[0]));
            ck_assert(m == 1 || !isnan(((float *)p.y.data)[4]));
        }
        free_product(&p);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("q8");
    TCase *tc = tcase_create("q8");
    tcase_add_loop_test(tc, rounding, 0, 6);
    tcase_add_test(tc, rounding_special_values);
    tcase_add_loop_test(tc, products, 0, KERNEL_BLOCK_FORMATS);
    tcase_add_loop_test(tc, largest_codes, 0, KERNEL_BLOCK_FORMATS);
    tcase_add_loop_test(tc, tiles_agree, 0, KERNEL_BLOCK_FORMATS);
    tcase_add_loop_test(tc, nan_comes_through, 0, KERNEL_BLOCK_FORMATS);
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
    /* Of 8192 rows of weights only few are in a near cache. */
    static const size_t rows[] = {1, 2, 4, 4, 8, 128};
    static const size_t columns[] = {8192, 256, 256, 8192, 256, 256};
    const struct implementation *list;
    size_t implementations = kernel_implementations(&list);
    for (size_t f = 0; f < KERNEL_BLOCK_FORMATS * COUNT(rows); f++) {
        const size_t m = rows[f % COUNT(rows)], n = columns[f % COUNT(rows)];
        struct timed t = {.p = make_product(
                              kernel_block_formats[f / COUNT(rows)], m, n,
                              4096, 0)};
        for (size_t i = 1; i < implementations; i++) {
            t.it = &list[i];
            if (strcmp(t.it->name, "openblas") == 0 ||
                t.it->kernels.q8.round == list[i - 1].kernels.q8.round)
                continue; /* the same as the one before */
            double seconds = kernel_seconds(run_timed, &t);
            printf("q8_%-6s %3zux%4zux%zu %-8s %6.1f GB/s %7.1f Gop/s\n",
                   pnd_dtype_get_name(t.p.type), m, n, t.p.k, t.it->name,
                   1e-9 * (double)t.p.w.bytes / seconds,
                   2e-9 * (double)(m * n * t.p.k) / seconds);
        }
        free_product(&t.p);
    }
}

int main(int argc, char **argv)
{
    return kernel_main(argc, argv, make_suite, bench);
}
