/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format/weights.h"
#include "kernels/layers.h"
#include "tensor/quantize.h"

#define ROWS 8
#define COLUMNS 1024
#define COUNT (ROWS * COLUMNS)
#define WIDEST 4 /* bytes of an element at most */

/* Root of the squared error over that of the values: of a normal distribution,
 * without and with the importance of fill_importance, 1 % above what they
 * are. */
static const struct {
    enum pnd_dtype type;
    double plain, weighted;
} formats[] = {
    {PND_F32, 0, 0},          {PND_F16, 0.00022, 0.00022},
    {PND_BF16, 0.0017, 0.0017}, {PND_Q8_0, 0.0054, 0.0054},
    {PND_Q4_0, 0.0870, 0.0775}, {PND_Q4_1, 0.0790, 0.0640},
    {PND_Q5_0, 0.0432, 0.0385}, {PND_Q5_1, 0.0382, 0.0309},
    {PND_Q2_K, 0.2680, 0.2360}, {PND_Q3_K, 0.1452, 0.1345},
    {PND_Q4_K, 0.0711, 0.0650}, {PND_Q5_K, 0.0353, 0.0326},
    {PND_Q6_K, 0.0175, 0.0163}, {PND_IQ4_NL, 0.0753, 0.0707},
    {PND_IQ4_XS, 0.0759, 0.0713},
};

#define FORMATS (sizeof formats / sizeof *formats)

static float x[COUNT], y[COUNT], importance[COLUMNS];
static unsigned char stored[COUNT * WIDEST + 1];

static double draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

static double draw_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(draw(state)));
    return radius * cos(6.283185307179586 * draw(state));
}

static void fill_normal(uint64_t seed, double size)
{
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)(size * draw_normal(&seed));
}

static void fill_importance(void)
{
    uint64_t seed = 7;
    for (size_t i = 0; i < COLUMNS; i++)
        importance[i] = (float)exp(draw_normal(&seed));
}

/* x through the format into y, from an odd address. */
static size_t try_through(enum pnd_dtype type, size_t rows, size_t columns,
                          const float *weights)
{
    size_t bytes = pnd_dtype_get_row_bytes(type, columns);
    size_t good =
        pnd_quantize_rows(type, rows, columns, x, weights, stored + 1);
    for (size_t r = 0; r < rows; r++)
        pnd_generic_format[type].to_f32(columns, stored + 1 + r * bytes,
                                        y + r * columns);
    return good;
}

static void go_through(enum pnd_dtype type, size_t rows, size_t columns,
                       const float *weights)
{
    ck_assert_uint_eq(try_through(type, rows, columns, weights),
                      rows * columns);
}

static double get_error(const float *weights)
{
    double error = 0, all = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double w = weights ? weights[i % COLUMNS] : 1;
        double e = (double)(x[i] - y[i]);
        error += w * e * e;
        all += w * (double)x[i] * (double)x[i];
    }
    return sqrt(error / all);
}

START_TEST(error_of_normal_numbers_is_small)
{
    fill_normal(1, 0.02);
    go_through(formats[_i].type, ROWS, COLUMNS, NULL);
    double error = get_error(NULL);
    ck_assert_msg(error <= formats[_i].plain, "%s: %.5f",
                  pnd_dtype_get_name(formats[_i].type), error);
    ck_assert(error >= formats[_i].plain * 0.9);
}
END_TEST

START_TEST(importance_lowers_the_error_that_counts)
{
    const enum pnd_dtype type = formats[_i].type;
    fill_normal(2, 0.02);
    fill_importance();
    go_through(type, ROWS, COLUMNS, NULL);
    double before = get_error(importance), plain = get_error(NULL);
    go_through(type, ROWS, COLUMNS, importance);
    double after = get_error(importance);
    ck_assert_msg(after <= formats[_i].weighted, "%s: %.5f",
                  pnd_dtype_get_name(type), after);
    if (pnd_quantize_uses_importance(type)) {
        ck_assert_double_lt(after, 0.97 * before);
    } else {
        ck_assert_double_eq(after, before);
        ck_assert_double_eq(get_error(NULL), plain);
    }
    /* Its unit makes no difference, nor does one that says nothing. */
    memcpy(stored + sizeof stored / 2, stored, COUNT);
    for (size_t i = 0; i < COLUMNS; i++)
        importance[i] *= 0x1p60f;
    go_through(type, 2, COLUMNS, importance);
    ck_assert_mem_eq(stored + 1, stored + 1 + sizeof stored / 2,
                     2 * pnd_dtype_get_row_bytes(type, COLUMNS));
    memset(importance, 0, sizeof importance);
    go_through(type, ROWS, COLUMNS, importance);
    ck_assert_double_le(get_error(NULL), plain * 1.001);
}
END_TEST

/* Heavy tails and outliers: the error stays in proportion to what a block's
 * largest element allows. */
START_TEST(outliers_do_not_spread)
{
    const enum pnd_dtype type = formats[_i].type;
    fill_normal(3, 0.02);
    for (size_t i = 0; i < COUNT; i += 512)
        x[i] *= 100;
    go_through(type, ROWS, COLUMNS, NULL);
    for (size_t i = 0; i < COUNT; i += 512) {
        ck_assert_float_le(fabsf(x[i] - y[i]), 0.16f * fabsf(x[i]));
        for (size_t j = 256; j < 512; j++) /* the next block knows nothing */
            ck_assert_float_le(fabsf(x[i + j] - y[i + j]), 0.05f);
    }
}
END_TEST

/* Values that the format has come back as they were, or nearly: a search may
 * end one bit beside a scale. */
START_TEST(representable_values_stay)
{
    const enum pnd_dtype type = formats[_i].type;
    uint64_t seed = 11;
    fill_normal(4, 0.02);
    if (type == PND_F32 || type == PND_F16 || type == PND_BF16 ||
        type == PND_Q8_0 || type == PND_Q4_0 || type == PND_Q5_0) {
        go_through(type, ROWS, COLUMNS, NULL);
        memcpy(x, y, sizeof x);
        go_through(type, ROWS, COLUMNS, NULL);
        ck_assert_mem_eq(x, y, sizeof x);
    }
    /* A few values on a coarse grid, with both ends in each group of 16, are
     * in every format that has them. */
    for (size_t i = 0; i < COUNT; i++) {
        int step = i % 16 < 2 ? (int)(i % 16) : draw(&seed) < 0.5;
        x[i] = step ? -0.5f : 0;
    }
    go_through(type, ROWS, COLUMNS, NULL);
    bool has_zero = type != PND_IQ4_NL && type != PND_IQ4_XS;
    ck_assert_double_lt(get_error(NULL), has_zero ? 0.002 : 0.008);
}
END_TEST

START_TEST(zeros_and_tiny_numbers)
{
    const enum pnd_dtype type = formats[_i].type;
    static const float sizes[] = {0, FLT_TRUE_MIN, 1e-39f, FLT_MIN, 1e-20f,
                                  1e-9f, 6e-8f};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t i = 0; i < COUNT; i++)
            x[i] = i % 3 == 1 ? -sizes[s] : i % 3 == 2 ? 0 : sizes[s];
        go_through(type, ROWS, COLUMNS, NULL);
        for (size_t i = 0; i < COUNT; i++)
            ck_assert_float_le(fabsf(y[i]), 16 * sizes[s]);
        fill_importance();
        go_through(type, ROWS, COLUMNS, importance);
        for (size_t i = 0; i < COUNT; i++)
            ck_assert_float_le(fabsf(y[i]), 16 * sizes[s]);
    }
}
END_TEST

START_TEST(huge_numbers)
{
    const enum pnd_dtype type = formats[_i].type;
    fill_normal(5, 1);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = i % 5 == 0 ? 65504.0f : -65504.0f * (float)(i % 7) / 7;
    go_through(type, ROWS, COLUMNS, NULL);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_float_le(fabsf(x[i] - y[i]), 0.35f * 65504);
}
END_TEST

START_TEST(unstorable_numbers_are_found)
{
    const enum pnd_dtype type = formats[_i].type;
    const float bad[] = {NAN, INFINITY, -INFINITY, 70000.0f, -1e38f, 3.4e38f};
    const size_t places[] = {0, 17, COLUMNS - 1, COLUMNS + 300, COUNT - 1};
    fill_normal(6, 0.02);
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            size_t expected = places[p];
            if (fabsf(bad[b]) <= FLT_MAX &&
                (type == PND_F32 ||
                 (type == PND_BF16 && fabsf(bad[b]) < 3.3e38f)))
                expected = COUNT;
            const float good = x[places[p]];
            x[places[p]] = bad[b];
            ck_assert_uint_eq(pnd_quantize_rows(type, ROWS, COLUMNS, x, NULL,
                                                stored),
                              expected);
            x[places[p]] = good;
        }
    }
}
END_TEST

/* A row that is no whole number of 256 elements gives the same blocks as a
 * longer one, and rows do not influence each other. */
START_TEST(rows_stand_alone)
{
    const enum pnd_dtype type = formats[_i].type;
    const size_t block = pnd_dtype_get_block(type);
    const size_t columns = block == 256 ? 768 : 608;
    const size_t bytes = pnd_dtype_get_row_bytes(type, columns);
    static unsigned char all[COUNT * WIDEST], one[COLUMNS * WIDEST];
    fill_normal(7, 0.02);
    fill_importance();
    for (int weighted = 0; weighted < 2; weighted++) {
        const float *w = weighted ? importance : NULL;
        pnd_quantize_rows(type, 4, columns, x, w, all);
        for (size_t r = 0; r < 4; r++) {
            pnd_quantize_rows(type, 1, columns, x + r * columns, w, one);
            ck_assert_mem_eq(one, all + r * bytes, bytes);
        }
    }
    if (block != 32)
        return;
    pnd_quantize_rows(type, 1, 32, x + 576, NULL, one);
    pnd_quantize_rows(type, 1, columns, x, NULL, all);
    ck_assert_mem_eq(one, all + pnd_dtype_get_row_bytes(type, 576),
                     pnd_dtype_get_size(type));
}
END_TEST

/* Bit for bit what the gguf package writes. */
START_TEST(blocks_are_those_of_the_definition)
{
    static const char *const names[] = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1"};
    static const enum pnd_dtype types[] = {PND_Q8_0, PND_Q4_0, PND_Q4_1,
                                           PND_Q5_0, PND_Q5_1};
    struct pnd_weights *w;
    char name[32];
    ck_assert_ok(pnd_weights_open(&w, test_context(),
                                  test_golden("blocks.safetensors")));
    const struct pnd_tensor *floats = pnd_weights_find(w, "floats");
    snprintf(name, sizeof name, "%s.rounded", names[_i]);
    const struct pnd_tensor *rounded = pnd_weights_find(w, name);
    ck_assert(floats && rounded);
    const size_t count = (size_t)pnd_tensor_get_count(floats);
    const size_t size = pnd_dtype_get_size(types[_i]);
    pnd_tensor_read_f32(floats, x);
    ck_assert_uint_eq(pnd_quantize_rows(types[_i], 1, count, x, NULL, stored),
                      count);
    ck_assert_uint_eq(rounded->bytes, count / 32 * size);
    for (size_t i = 0; i < count / 32; i++)
        ck_assert_msg(memcmp(stored + i * size,
                             (const char *)rounded->data + i * size,
                             size) == 0,
                      "%s: block %zu differs", names[_i], i);
    pnd_weights_close(w);
}
END_TEST

START_TEST(int8_rows)
{
    static int8_t codes[COLUMNS];
    float scale;
    fill_normal(8, 0.02);
    x[5] = -0.25f;
    ck_assert_uint_eq(pnd_quantize_int8(COLUMNS, x, codes, &scale), COLUMNS);
    ck_assert_float_eq(scale, 0.25f / 127);
    ck_assert_int_eq(codes[5], -127);
    for (size_t i = 0; i < COLUMNS; i++)
        ck_assert_float_le(fabsf(x[i] - (float)codes[i] * scale),
                           0.5001f * scale);
    memset(x, 0, sizeof x);
    ck_assert_uint_eq(pnd_quantize_int8(COLUMNS, x, codes, &scale), COLUMNS);
    ck_assert_float_eq(scale, 0);
    ck_assert_int_eq(codes[5], 0);
    for (size_t i = 0; i < COLUMNS; i++)
        x[i] = i % 2 ? FLT_TRUE_MIN : -FLT_TRUE_MIN;
    ck_assert_uint_eq(pnd_quantize_int8(COLUMNS, x, codes, &scale), COLUMNS);
    ck_assert_float_le(127 * scale, FLT_MIN);
    x[77] = NAN;
    ck_assert_uint_eq(pnd_quantize_int8(COLUMNS, x, codes, &scale), 77);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("quantize");
    TCase *c = tcase_create("quantize");
    tcase_add_loop_test(c, error_of_normal_numbers_is_small, 0, FORMATS);
    tcase_add_loop_test(c, importance_lowers_the_error_that_counts, 0, FORMATS);
    tcase_add_loop_test(c, outliers_do_not_spread, 0, FORMATS);
    tcase_add_loop_test(c, representable_values_stay, 0, FORMATS);
    tcase_add_loop_test(c, zeros_and_tiny_numbers, 0, FORMATS);
    tcase_add_loop_test(c, huge_numbers, 0, FORMATS);
    tcase_add_loop_test(c, unstorable_numbers_are_found, 0, FORMATS);
    tcase_add_loop_test(c, rows_stand_alone, 0, FORMATS);
    tcase_add_loop_test(c, blocks_are_those_of_the_definition, 0, 5);
    tcase_add_test(c, int8_rows);
    suite_add_tcase(s, c);
    return s;
}

/* The table of docs/quantization.md: bits, errors in percent, speed. */
static void fill_kind(int kind)
{
    uint64_t seed = 9;
    for (size_t i = 0; i < COUNT; i++) {
        double u = draw(&seed), v = draw_normal(&seed);
        x[i] = (float)(kind == 0   ? v
                       : kind == 1 ? (v < 0 ? log(u) : -log(u))
                                   : v / sqrt(-log(u) - log(draw(&seed))));
    }
}

static double get_speed(enum pnd_dtype type)
{
    const clock_t begun = clock();
    size_t rounds = 0;
    do {
        pnd_quantize_rows(type, ROWS, COLUMNS, x, NULL, stored);
        rounds++;
    } while (clock() - begun < CLOCKS_PER_SEC / 5);
    return (double)(rounds * sizeof x) / 1e6 * CLOCKS_PER_SEC /
           (double)(clock() - begun);
}

static void print_table(void)
{
    printf("| format | bits | normal | Laplace | Student t4 | importance | "
           "MB/s |\n|---|---|---|---|---|---|---|\n");
    fill_importance();
    for (size_t i = 0; i < FORMATS; i++) {
        const enum pnd_dtype type = formats[i].type;
        printf("| %s | %.4g |", pnd_dtype_get_name(type),
               8.0 * (double)pnd_dtype_get_row_bytes(type, 256) / 256);
        for (int kind = 0; kind < 3; kind++) {
            fill_kind(kind);
            try_through(type, ROWS, COLUMNS, NULL);
            printf(" %.3f |", 100 * get_error(NULL));
        }
        fill_kind(0);
        try_through(type, ROWS, COLUMNS, importance);
        printf(" %.3f |", 100 * get_error(importance));
        printf(" %.0f |\n", get_speed(type));
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        print_table();
        return 0;
    }
    return test_run(make_suite());
}
