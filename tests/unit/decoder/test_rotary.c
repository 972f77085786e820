/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/rotary.h"

#include <math.h>
#include <stdlib.h>

#include "support/support.h"

enum { HEADS = 3, HEAD_DIM = 10, ROWS = 37, HALF = HEAD_DIM / 2 };

static float inv_freq[HALF];
static float cosine[ROWS * HALF], sine[ROWS * HALF];
static float x[ROWS * HEADS * HEAD_DIM];
static struct pnd_rotary rotary = {ROWS, HEAD_DIM, cosine, sine};

START_TEST(pairs_are_half_a_head_apart)
{
    static float before[sizeof x / sizeof *x];
    pnd_rotary_init(inv_freq, HEAD_DIM, 10000);
    pnd_rotary_set(&rotary, inv_freq, 100);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = before[i] = sinf((float)i);
    pnd_rotary_apply(test_context(), &rotary, HEADS, x);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t h = 0; h < HEADS; h++) {
            const size_t at = (row * HEADS + h) * HEAD_DIM;
            for (size_t i = 0; i < HALF; i++) {
                double angle =
                    (double)(100 + row) * pow(10000, -2.0 * (double)i / 10);
                double a = (double)before[at + i];
                double b = (double)before[at + i + HALF];
                ck_assert_double_eq_tol((double)x[at + i],
                                        a * cos(angle) - b * sin(angle), 3e-5);
                ck_assert_double_eq_tol((double)x[at + i + HALF],
                                        a * sin(angle) + b * cos(angle), 3e-5);
            }
        }
    }
}
END_TEST

/* The angle is a product of two floats, whatever the position: what the
 * reference's tables hold. */
START_TEST(angles_are_single_precision)
{
    pnd_rotary_init(inv_freq, HEAD_DIM, 10000);
    pnd_rotary_set(&rotary, inv_freq, 2000);
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i < HALF; i++) {
            volatile float angle = (float)(2000 + row) * inv_freq[i];
            ck_assert_float_eq(cosine[row * HALF + i], cosf(angle));
            ck_assert_float_eq(sine[row * HALF + i], sinf(angle));
        }
    }
}
END_TEST

START_TEST(position_zero_changes_nothing)
{
    struct pnd_rotary one = {1, HEAD_DIM, cosine, sine};
    pnd_rotary_init(inv_freq, HEAD_DIM, 500000);
    pnd_rotary_set(&one, inv_freq, 0);
    for (size_t i = 0; i < HEADS * HEAD_DIM; i++)
        x[i] = (float)i - 7;
    pnd_rotary_apply(test_context(), &one, HEADS, x);
    for (size_t i = 0; i < HEADS * HEAD_DIM; i++)
        ck_assert_float_eq(x[i], (float)i - 7);
}
END_TEST

/* The same turns for neighbours as for channels half a head apart. */
START_TEST(pairs_may_be_neighbours)
{
    struct pnd_rotary halves = {1, HEAD_DIM, cosine, sine, false};
    struct pnd_rotary pairs = {1, HEAD_DIM, cosine, sine, true};
    float y[HEADS * HEAD_DIM];
    pnd_rotary_init(inv_freq, HEAD_DIM, 10000);
    pnd_rotary_set(&halves, inv_freq, 5);
    for (size_t i = 0; i < HEADS * HEAD_DIM; i++) {
        size_t at = i % HEAD_DIM;
        x[i] = (float)i - 7;
        y[i - at + at % (HEAD_DIM / 2) * 2 + at / (HEAD_DIM / 2)] = x[i];
    }
    pnd_rotary_apply(test_context(), &halves, HEADS, x);
    pnd_rotary_apply(test_context(), &pairs, HEADS, y);
    for (size_t i = 0; i < HEADS * HEAD_DIM; i++) {
        size_t at = i % HEAD_DIM;
        ck_assert_float_eq(
            x[i],
            y[i - at + at % (HEAD_DIM / 2) * 2 + at / (HEAD_DIM / 2)]);
    }
}
END_TEST

START_TEST(frequencies_are_stretched)
{
    /* Wavelengths of 6, 63, 628 and 6283 positions. */
    float f[4];
    struct pnd_rope_scaling s = {PND_ROPE_PLAIN, 8, 1, 4, 128};
    pnd_rotary_init(f, 8, 10000);
    pnd_rotary_scale(f, 8, &s);
    ck_assert_float_eq(f[2], 0.01f);
    s.kind = PND_ROPE_LLAMA3;
    pnd_rotary_scale(f, 8, &s);
    ck_assert_float_eq(f[0], 1);
    /* 0.346 of the way from 1/8 to 1, by the formula in double precision */
    ck_assert_double_eq_tol((double)f[1], 0.1 * 0.4275118, 1e-7);
    ck_assert_float_eq(f[2], 0.01f / 8);
    ck_assert_float_eq(f[3], 0.001f / 8);
    s.kind = PND_ROPE_LINEAR;
    s.factor = 2;
    pnd_rotary_scale(f, 8, &s);
    ck_assert_float_eq(f[0], 0.5f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rotary");
    TCase *tc = tcase_create("rotary");
    tcase_add_test(tc, pairs_are_half_a_head_apart);
    tcase_add_test(tc, angles_are_single_precision);
    tcase_add_test(tc, position_zero_changes_nothing);
    tcase_add_test(tc, pairs_may_be_neighbours);
    tcase_add_test(tc, frequencies_are_stretched);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
