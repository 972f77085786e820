/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "modalities/parity_pictures.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_depth;

static const panda_frontend_tensor wanted = {
    sizeof wanted, PANDA_ELEMENT_F32, 1, 3, {1, SIDE, SIDE}};

static const char *const names[] = {"depth_metres_f32.npy",
                                    "depth_mm_16bit.png"};

START_TEST(values_are_the_recipes)
{
    const char *name = names[_i];
    static float out[PIXELS];
    char key[64];
    snprintf(key, sizeof key, "depth/%s", name);
    if (strstr(name, ".png") && !HAVE_PNG) {
        printf("SKIP: %s: this build has no decoder for it\n", name);
        return;
    }
    struct test_tensor t = test_tensor_read("preprocess_other.safetensors",
                                            key);
    ck_assert_uint_eq(t.count, PIXELS);
    preprocess_fixture(out, &pnd_frontend_depth, wanted, name);
    printf("%s: largest difference %g\n", name,
           test_max_difference(out, t.values, t.count));
    test_assert_close(name, out, t.values, t.count, 2e-4);
    test_tensor_free(&t);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("depth parity");
    TCase *tc = tcase_create("depth parity");
    tcase_add_loop_test(tc, values_are_the_recipes, 0, 2);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
