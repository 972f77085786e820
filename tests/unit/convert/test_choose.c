/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <string.h>

#include "convert/choose.h"

static const struct pnd_choose_model llama_7b = {32, 32, 32, false, false};

static enum pnd_dtype choose(enum pnd_role role, uint32_t layer,
                             size_t columns, panda_format format)
{
    const struct pnd_plan_tensor t = {
        .role = role, .layer = layer, .rank = 2, .dtype = PND_F16,
        .shape = {64, (int64_t)columns}};
    return pnd_choose_dtype(&t, &llama_7b, format);
}

/* The letters of llama.cpp's mixes for the 32 layers of a 7B, one a layer. */
static void assert_layers(enum pnd_role role, panda_format format,
                          const char *expected)
{
    static const enum pnd_dtype types[] = {
        ['2'] = PND_Q2_K, ['3'] = PND_Q3_K, ['4'] = PND_Q4_K,
        ['5'] = PND_Q5_K, ['6'] = PND_Q6_K,
    };
    ck_assert_uint_eq(strlen(expected), 32);
    for (uint32_t i = 0; i < 32; i++)
        ck_assert_msg(choose(role, i, 4096, format) ==
                          types[(unsigned char)expected[i]],
                      "format %d, layer %u is %s, expected Q%c_K", format, i,
                      pnd_dtype_get_name(choose(role, i, 4096, format)),
                      expected[i]);
}

START_TEST(sensitive_matrices_get_more)
{

    assert_layers(PND_ROLE_V, PANDA_FORMAT_Q4_K_M,
                  "66664464464464464464464464466666");
    assert_layers(PND_ROLE_DOWN, PANDA_FORMAT_Q4_K_M,
                  "66664464464464464464464464466666");
    assert_layers(PND_ROLE_V, PANDA_FORMAT_Q5_K_M,
                  "66665565565565565565565565566666");
    assert_layers(PND_ROLE_DOWN, PANDA_FORMAT_Q5_K_M,
                  "66665565565565565565565565566666");
    assert_layers(PND_ROLE_V, PANDA_FORMAT_Q4_K_S,
                  "55554444444444444444444444444444");
    assert_layers(PND_ROLE_DOWN, PANDA_FORMAT_Q4_K_S,
                  "55554444444444444444444444444444");
    assert_layers(PND_ROLE_V, PANDA_FORMAT_Q3_K_M,
                  "55444444444444444444444444444444");
    assert_layers(PND_ROLE_DOWN, PANDA_FORMAT_Q3_K_M,
                  "55444444444444444444444444444444");
    assert_layers(PND_ROLE_O, PANDA_FORMAT_Q3_K_M,
                  "44444444444444444444444444444444");
    assert_layers(PND_ROLE_V, PANDA_FORMAT_Q2_K,
                  "33333333333333333333333333333333");
    for (uint32_t i = 0; i < 32; i++) {
        ck_assert_int_eq(choose(PND_ROLE_Q, i, 4096, PANDA_FORMAT_Q4_K_M),
                         PND_Q4_K);
        ck_assert_int_eq(choose(PND_ROLE_DOWN, i, 4096, PANDA_FORMAT_Q4_0),
                         PND_Q4_0);
        ck_assert_int_eq(choose(PND_ROLE_V, i, 4096, PANDA_FORMAT_Q6_K),
                         PND_Q6_K);
    }
}
END_TEST

START_TEST(the_output_matrix_gets_six_bits)
{
    static const panda_format six[] = {
        PANDA_FORMAT_Q4_0,   PANDA_FORMAT_Q4_1,   PANDA_FORMAT_Q5_0,
        PANDA_FORMAT_Q5_1,   PANDA_FORMAT_Q4_K_M, PANDA_FORMAT_Q5_K_M,
        PANDA_FORMAT_Q6_K,   PANDA_FORMAT_Q2_K,   PANDA_FORMAT_Q3_K_M,
        PANDA_FORMAT_Q4_K_S, PANDA_FORMAT_Q5_K_S, PANDA_FORMAT_IQ4_NL,
        PANDA_FORMAT_IQ4_XS};
    struct pnd_choose_model tied = llama_7b;
    tied.tied = true;
    for (size_t i = 0; i < sizeof six / sizeof *six; i++) {
        struct pnd_plan_tensor t = {.role = PND_ROLE_EMBEDDING, .rank = 2,
                                    .shape = {64, 4096}};
        ck_assert_int_eq(choose(PND_ROLE_OUTPUT, 0, 4096, six[i]), PND_Q6_K);
        ck_assert_int_eq(pnd_choose_dtype(&t, &tied, six[i]), PND_Q6_K);
        ck_assert_int_eq(pnd_choose_dtype(&t, &llama_7b, six[i]),
                         choose(PND_ROLE_Q, 0, 4096, six[i]));
    }
    ck_assert_int_eq(choose(PND_ROLE_OUTPUT, 0, 4096, PANDA_FORMAT_Q8_0),
                     PND_Q8_0);
}
END_TEST

START_TEST(other_widths_fall_back)
{
    static const struct {
        panda_format format;
        enum pnd_dtype of_32, of_1;
    } cases[] = {
        {PANDA_FORMAT_Q4_K_M, PND_Q5_0, PND_F16},
        {PANDA_FORMAT_Q5_K_M, PND_Q5_1, PND_F16},
        {PANDA_FORMAT_Q6_K, PND_Q8_0, PND_F16},
        {PANDA_FORMAT_Q2_K, PND_Q4_0, PND_F16},
        {PANDA_FORMAT_Q3_K_M, PND_Q4_0, PND_F16},
        {PANDA_FORMAT_IQ4_XS, PND_IQ4_NL, PND_F16},
        {PANDA_FORMAT_Q8_0, PND_Q8_0, PND_F16},
        {PANDA_FORMAT_Q4_0, PND_Q4_0, PND_F16},
        {PANDA_FORMAT_BF16, PND_BF16, PND_BF16},
        {PANDA_FORMAT_F32, PND_F32, PND_F32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(choose(PND_ROLE_UP, 9, 576, cases[i].format),
                         cases[i].of_32);
        ck_assert_int_eq(choose(PND_ROLE_UP, 9, 100, cases[i].format),
                         cases[i].of_1);
    }
    ck_assert_int_eq(choose(PND_ROLE_OUTPUT, 0, 576, PANDA_FORMAT_Q4_0),
                     PND_Q8_0);
}
END_TEST

START_TEST(data_and_shared_heads_change_mixes)
{
    struct pnd_choose_model m = llama_7b;
    struct pnd_plan_tensor down = {.role = PND_ROLE_DOWN, .layer = 3,
                                   .rank = 2, .shape = {64, 4096}};
    struct pnd_plan_tensor v = down;
    v.role = PND_ROLE_V;
    ck_assert_int_eq(pnd_choose_dtype(&down, &m, PANDA_FORMAT_IQ4_XS),
                     PND_Q5_K);
    ck_assert_int_eq(pnd_choose_dtype(&v, &m, PANDA_FORMAT_IQ4_XS),
                     PND_IQ4_XS);
    m.measured = true;
    m.kv_heads = 8;
    ck_assert_int_eq(pnd_choose_dtype(&down, &m, PANDA_FORMAT_IQ4_XS),
                     PND_IQ4_XS);
    ck_assert_int_eq(pnd_choose_dtype(&v, &m, PANDA_FORMAT_IQ4_XS), PND_Q5_K);
    ck_assert_int_eq(pnd_choose_dtype(&v, &m, PANDA_FORMAT_Q2_K), PND_Q4_K);
    ck_assert_int_eq(pnd_choose_dtype(&down, &m, PANDA_FORMAT_Q4_0), PND_Q4_1);
    down.layer = 4;
    ck_assert_int_eq(pnd_choose_dtype(&down, &m, PANDA_FORMAT_Q4_0), PND_Q4_0);
}
END_TEST

START_TEST(vectors_and_kept_tensors_stay)
{
    struct pnd_plan_tensor t = {.role = PND_ROLE_OTHER, .rank = 1,
                                .dtype = PND_F32, .shape = {4096}};
    ck_assert_int_eq(pnd_choose_dtype(&t, &llama_7b, PANDA_FORMAT_Q4_0),
                     PND_F32);
    ck_assert_int_eq(choose(PND_ROLE_DOWN, 0, 4096, PANDA_FORMAT_KEEP),
                     PND_F16);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("choose");
    TCase *c = tcase_create("choose");
    tcase_add_test(c, sensitive_matrices_get_more);
    tcase_add_test(c, the_output_matrix_gets_six_bits);
    tcase_add_test(c, other_widths_fall_back);
    tcase_add_test(c, data_and_shared_heads_change_mixes);
    tcase_add_test(c, vectors_and_kept_tensors_stay);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
