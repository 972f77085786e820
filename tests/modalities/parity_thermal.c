/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "modalities/parity_pictures.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_thermal;

static const panda_frontend_tensor wanted = {
    sizeof wanted, PANDA_ELEMENT_F32, 1, 3, {1, SIDE, SIDE}};

static const char *const names[] = {"thermal_gray.jpg",
                                    "thermal_pseudo_rgb.jpg"};

START_TEST(pixels_are_the_references)
{
    const char *name = names[_i];
    static float out[PIXELS];
    char key[64];
    snprintf(key, sizeof key, "resized_u8/%s", name);
    struct test_tensor t = test_tensor_read("preprocess_image.safetensors",
                                            key);
    ck_assert_uint_eq(t.count, PIXELS);
    preprocess_fixture(out, &pnd_frontend_thermal, wanted, name);
    size_t different = 0;
    for (size_t i = 0; i < t.count; i++) {
        float expected = t.values[i] / 255.0f;
        different += out[i] != expected;
        ck_assert_msg(fabsf(out[i] - expected) <= 1.001f / 255.0f,
                      "%s: value %zu is %g, expected %g", name, i,
                      (double)out[i], (double)expected);
    }
    printf("%s: %zu of %zu values differ\n", name, different, t.count);
    ck_assert_uint_lt(different, t.count / 1000);
    test_tensor_free(&t);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    if (!HAVE_JPEG) {
        printf("SKIP: this build has no JPEG decoder\n");
        return TEST_SKIP;
    }
    Suite *suite = suite_create("thermal parity");
    TCase *tc = tcase_create("thermal parity");
    tcase_add_loop_test(tc, pixels_are_the_references, 0, 2);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
