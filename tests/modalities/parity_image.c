/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "modalities/parity_pictures.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_image;

static const panda_frontend_tensor wanted = {
    sizeof wanted, PANDA_ELEMENT_F32, 1, 4, {3, 2, SIDE, SIDE}};

static const char *const names[] = {
    "landscape_baseline.jpg", "portrait_progressive.jpg", "gray.jpg",
    "exif_orientation6.jpg",  "rgb.png",                  "rgba.png",
    "palette.png",            "gray16.png",               "tiny_17x23.png",
    "wide_1000x60.png",       "square_224.png"};
#define NAME_COUNT (int)(sizeof names / sizeof *names)

static bool can_read(const char *name)
{
    if (strstr(name, ".jpg") ? HAVE_JPEG : HAVE_PNG)
        return true;
    printf("SKIP: %s: this build has no decoder for it\n", name);
    return false;
}

/* The float tensor is made of the resized bytes, bit for bit. */
static float normalise(float byte, size_t channel)
{
    static const float means[] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float deviations[] = {0.26862954f, 0.26130258f, 0.27577711f};
    return (byte / 255.0f - means[channel]) / deviations[channel];
}

START_TEST(pixels_are_the_references)
{
    const char *name = names[_i];
    static float out[3 * PIXELS];
    char key[64];
    if (!can_read(name))
        return;
    snprintf(key, sizeof key, "resized_u8/%s", name);
    struct test_tensor t = test_tensor_read("preprocess_image.safetensors",
                                            key);
    ck_assert_uint_eq(t.count, 3 * PIXELS);
    preprocess_fixture(out, &pnd_frontend_image, wanted, name);
    size_t different = 0;
    for (size_t i = 0; i < t.count; i++) {
        float step = 1.001f / 255.0f / 0.26f;
        float expected = normalise(t.values[i], i / PIXELS);
        different += out[i] != expected;
        ck_assert_msg(fabsf(out[i] - expected) <= step,
                      "%s: value %zu is %g, expected %g", name, i,
                      (double)out[i], (double)expected);
    }
    printf("%s: %zu of %zu values differ\n", name, different, t.count);
    ck_assert_uint_lt(different, t.count / 1000);
    test_tensor_free(&t);
}
END_TEST

START_TEST(tensor_is_the_references)
{
    static float out[3 * PIXELS];
    const char *name = "landscape_baseline.jpg";
    if (!can_read(name))
        return;
    struct test_tensor t = test_tensor_read(
        "preprocess_image.safetensors", "tensor_every4/landscape_baseline.jpg");
    ck_assert_uint_eq(t.count, 3 * 56 * 56);
    preprocess_fixture(out, &pnd_frontend_image, wanted, name);
    for (size_t i = 0; i < t.count; i++) {
        size_t c = i / (56 * 56), y = i / 56 % 56 * 4, x = i % 56 * 4;
        test_assert_close(name, &out[c * PIXELS + y * SIDE + x], &t.values[i],
                          1, 1e-6);
    }
    test_tensor_free(&t);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("image parity");
    TCase *tc = tcase_create("image parity");
    tcase_add_loop_test(tc, pixels_are_the_references, 0, NAME_COUNT);
    tcase_add_test(tc, tensor_is_the_references);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
