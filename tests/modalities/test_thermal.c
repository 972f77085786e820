/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/make_png.h"
#include "support/support.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_thermal;

#define SIDE 20
#define COUNT (SIDE * SIDE)
#define WANTED {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 3, \
                {1, SIDE, SIDE}}

static uint8_t pixels[SIDE][SIDE + 9][3];

static panda_input make_raw(const void *data, uint32_t width, uint32_t height,
                            uint32_t channels)
{
    return (panda_input){
        .struct_size = sizeof(panda_input),
        .modality = PANDA_MODALITY_THERMAL,
        .source = PANDA_SOURCE_RAW,
        .element = PANDA_ELEMENT_U8,
        .data = data,
        .size = (uint64_t)width * height * channels,
        .width = width,
        .height = height,
        .channels = channels,
    };
}

static void make_sample(struct conformance_sample *sample)
{
    static uint8_t *file;
    for (size_t i = 0; i < sizeof pixels; i++)
        ((uint8_t *)pixels)[i] = (uint8_t)(i * 7 + i / 100);
    free(file);
    file = make_png(&sample->size, &(struct png_recipe){
        .width = SIDE + 9, .height = SIDE, .bits = 8, .color = 2,
        .rows = pixels});
    sample->bytes = file;
    sample->size = HAVE_PNG ? sample->size : 0;
    sample->suffix = ".png";
    sample->has_raw = true;
    sample->raw_is_same = true;
    sample->raw = make_raw(pixels, SIDE + 9, SIDE, 3);
}

static const struct conformance conformance_thermal = {
    .ops = &pnd_frontend_thermal, .tensor = WANTED,
    .make_sample = make_sample};

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static void run(const panda_input *input, float out[COUNT])
{
    panda_frontend_tensor tensor = WANTED;
    ck_assert_int_eq(pnd_frontend_thermal.describe(NULL, &f.host, input,
                                                   &tensor), 0);
    ck_assert_int_eq(pnd_frontend_thermal.preprocess(NULL, &f.host, input,
                                                     &tensor, out), 0);
}

/* Expected values: Pillow's convert("L"). */
START_TEST(luma_is_pillows)
{
    static const struct { uint8_t rgb[3], luma; } cases[] = {
        {{0, 0, 0}, 0},      {{255, 255, 255}, 255}, {{255, 0, 0}, 76},
        {{0, 255, 0}, 150},  {{0, 0, 255}, 29},      {{1, 1, 1}, 1},
        {{10, 200, 31}, 124}, {{3, 0, 1}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t flat[COUNT][3];
        float out[COUNT];
        for (int k = 0; k < COUNT; k++)
            memcpy(flat[k], cases[i].rgb, 3);
        panda_input input = make_raw(flat, SIDE, SIDE, 3);
        run(&input, out);
        for (int k = 0; k < COUNT; k++)
            ck_assert(out[k] == (float)cases[i].luma / 255.0f);
    }
}
END_TEST

START_TEST(range_is_stretched_when_asked)
{
    uint8_t gray[COUNT];
    float out[COUNT];
    for (int i = 0; i < COUNT; i++)
        gray[i] = (uint8_t)(100 + i % 51);
    panda_input input = make_raw(gray, SIDE, SIDE, 1);
    panda_thermal_options options = {.struct_size = sizeof options};
    input.thermal_options = &options;
    run(&input, out);
    for (int i = 0; i < COUNT; i++)
        ck_assert(out[i] == (float)gray[i] / 255.0f);
    options.normalise = PANDA_SWITCH_ON;
    run(&input, out);
    for (int i = 0; i < COUNT; i++)
        ck_assert(out[i] == (float)(i % 51) / 50.0f);
    memset(gray, 7, sizeof gray);
    run(&input, out);
    for (int i = 0; i < COUNT; i++)
        ck_assert(out[i] == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thermal");
    TCase *tc = tcase_create("thermal");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, luma_is_pillows);
    tcase_add_test(tc, range_is_stretched_when_asked);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(thermal));
    return test_run(suite);
}
