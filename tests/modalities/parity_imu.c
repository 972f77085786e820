/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "support/support.h"

/* IMU recordings must arrive bit for bit. */

extern const panda_frontend_ops pnd_frontend_imu;

static const char *const files[] = {"imu.csv", "imu_f32.npy"};

START_TEST(values_are_the_references)
{
    struct fake_host f;
    fake_host_init(&f, 1);
    char name[64];
    snprintf(name, sizeof name, "inputs/%s", files[_i]);
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_IMU,
                         .source = PANDA_SOURCE_PATH,
                         .path = test_fixture(name)};
    panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                    .element = PANDA_ELEMENT_F32,
                                    .items = 1,
                                    .rank = 2,
                                    .shape = {6, 2000}};
    ck_assert_int_eq(
        pnd_frontend_imu.describe(NULL, &f.host, &input, &tensor), PANDA_OK);
    snprintf(name, sizeof name, "imu/%s", files[_i]);
    struct test_tensor expected =
        test_tensor_read("preprocess_other.safetensors", name);
    ck_assert_uint_eq(expected.count, 12000);
    float *out = malloc(12000 * sizeof *out);
    ck_assert_msg(pnd_frontend_imu.preprocess(NULL, &f.host, &input, &tensor,
                                              out) == PANDA_OK,
                  "%s", f.message);
    ck_assert_mem_eq(out, expected.values, 12000 * sizeof *out);
    free(out);
    test_tensor_free(&expected);
    ck_assert_int_eq(fake_host_check(&f), 0);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("parity_imu");
    TCase *tc = tcase_create("parity_imu");
    tcase_add_loop_test(tc, values_are_the_references, 0, 2);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
