/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/make_png.h"
#include "support/support.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_depth;

#define WIDTH 21
#define HEIGHT 16
#define SIZE 16
#define COUNT (SIZE * SIZE)
#define WANTED {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 3, \
                {1, SIZE, SIZE}}

static uint16_t depths[HEIGHT][WIDTH];

static panda_input make_raw(const void *data, panda_element element)
{
    return (panda_input){
        .struct_size = sizeof(panda_input),
        .modality = PANDA_MODALITY_DEPTH,
        .source = PANDA_SOURCE_RAW,
        .element = element,
        .data = data,
        .size = WIDTH * HEIGHT * (element == PANDA_ELEMENT_U16 ? 2 : 4),
        .width = WIDTH,
        .height = HEIGHT,
        .channels = 1,
    };
}

static void fill_depths(void)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            depths[y][x] = (uint16_t)(x * y % 7 == 6 ? 0 : 700 + x * 90 +
                                                             y * y * 30);
}

static void make_png_sample(struct conformance_sample *sample)
{
    static uint8_t *file, big_endian[HEIGHT][WIDTH][2];
    fill_depths();
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            big_endian[y][x][0] = (uint8_t)(depths[y][x] >> 8);
            big_endian[y][x][1] = (uint8_t)depths[y][x];
        }
    free(file);
    file = make_png(&sample->size, &(struct png_recipe){
        .width = WIDTH, .height = HEIGHT, .bits = 16, .rows = big_endian});
    sample->bytes = file;
    sample->size = HAVE_PNG ? sample->size : 0;
    sample->suffix = ".png";
    sample->has_raw = true;
    sample->raw_is_same = true;
    sample->raw = make_raw(depths, PANDA_ELEMENT_U16);
}

/* The same as a NumPy array of little-endian u16. */
static void make_npy_sample(struct conformance_sample *sample)
{
    static uint8_t file[128 + sizeof depths];
    fill_depths();
    static const char header[] = "\x93NUMPY\x01\0\x76\0{'descr': '<u2', "
                                 "'fortran_order': False, "
                                 "'shape': (16, 21), }";
    memset(file, ' ', 128);
    memcpy(file, header, sizeof header - 1);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        file[128 + 2 * i] = (uint8_t)((const uint16_t *)depths)[i];
        file[129 + 2 * i] = (uint8_t)(((const uint16_t *)depths)[i] >> 8);
    }
    sample->bytes = file;
    sample->size = sizeof file;
    sample->suffix = ".npy";
    sample->has_raw = true;
    sample->raw_is_same = true;
    sample->raw = make_raw(depths, PANDA_ELEMENT_U16);
}

static const struct conformance conformance_depth_png = {
    .ops = &pnd_frontend_depth, .tensor = WANTED,
    .make_sample = make_png_sample};
static const struct conformance conformance_depth_npy = {
    .ops = &pnd_frontend_depth, .tensor = WANTED,
    .make_sample = make_npy_sample};

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static panda_status run(const panda_input *input, float out[COUNT])
{
    panda_frontend_tensor tensor = WANTED;
    fake_host_clear(&f);
    panda_status status = pnd_frontend_depth.describe(NULL, &f.host, input,
                                                      &tensor);
    if (status < 0)
        return status;
    return pnd_frontend_depth.preprocess(NULL, &f.host, input, &tensor, out);
}

static void expect_failure(const panda_input *input, panda_status status,
                           const char *part)
{
    float out[COUNT];
    ck_assert_int_eq(run(input, out), status);
    ck_assert_msg(strstr(f.message, part) != NULL, "\"%s\" lacks \"%s\"",
                  f.message, part);
}

/* A picture of one value gives the value for this disparity everywhere. */
static void expect_flat(const void *data, panda_element element,
                        const panda_depth_options *options, double disparity)
{
    panda_input input = make_raw(data, element);
    input.depth_options = options;
    float out[COUNT];
    panda_status status = run(&input, out);
    ck_assert_msg(status == PANDA_OK, "%s", f.message);
    double expected = (fmin(fmax(disparity, 0.01), 75) / 75 - 0.0418) / 0.0295;
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(fabs((double)out[i] - expected) < 2e-5,
                      "%.9g is not %.9g", (double)out[i], expected);
}

static const uint16_t *fill_u16(uint16_t value)
{
    static uint16_t values[WIDTH * HEIGHT];
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        values[i] = value;
    return values;
}

static const float *fill_f32(float value)
{
    static float values[WIDTH * HEIGHT];
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        values[i] = value;
    return values;
}

START_TEST(units_sensors_and_limits)
{
    panda_depth_options o = {.struct_size = sizeof o};
    expect_flat(fill_u16(2500), PANDA_ELEMENT_U16, NULL, 42.75 / 2.5);
    expect_flat(fill_u16(2500), PANDA_ELEMENT_U16, &o, 42.75 / 2.5);
    expect_flat(fill_f32(2.5f), PANDA_ELEMENT_F32, &o, 42.75 / 2.5);
    o.unit = PANDA_DEPTH_UNIT_MILLIMETRE;
    expect_flat(fill_f32(2500), PANDA_ELEMENT_F32, &o, 42.75 / 2.5);
    o.unit = PANDA_DEPTH_UNIT_METRE;
    expect_flat(fill_u16(3), PANDA_ELEMENT_U16, &o, 42.75 / 3);
    expect_flat(fill_u16(60), PANDA_ELEMENT_U16, &o, 42.75 / 50);
    expect_flat(fill_f32(0.001f), PANDA_ELEMENT_F32, &o, 4275);
    o.sensor = PANDA_DEPTH_SENSOR_XTION;
    expect_flat(fill_f32(2), PANDA_ELEMENT_F32, &o, 0.095 * 570 / 2);
    o.baseline = 0.1;
    expect_flat(fill_f32(2), PANDA_ELEMENT_F32, &o, 0.1 * 570 / 2);
    o.focal_length = 100;
    expect_flat(fill_f32(2), PANDA_ELEMENT_F32, &o, 0.1 * 100 / 2);
    expect_flat(fill_f32(1e30f), PANDA_ELEMENT_F32, &o, 0.1 * 100 / 50);
    o.baseline = 1e-9;
    expect_flat(fill_f32(2), PANDA_ELEMENT_F32, &o, 0.01);
}
END_TEST

START_TEST(sun_bits_are_turned_back)
{
    panda_depth_options o = {.struct_size = sizeof o,
                             .sun_rotated = PANDA_SWITCH_ON};
    /* 2501 mm, rotated left by 3 bits as SUN RGB-D stores it. */
    uint16_t stored = (uint16_t)(2501u << 3 | 2501u >> 13);
    expect_flat(fill_u16(stored), PANDA_ELEMENT_U16, &o, 42.75 / 2.501);
    stored = (uint16_t)(20000u << 3 | 20000u >> 13);
    expect_flat(fill_u16(stored), PANDA_ELEMENT_U16, &o, 42.75 / 8);
    panda_input input = make_raw(fill_f32(1), PANDA_ELEMENT_F32);
    input.depth_options = &o;
    expect_failure(&input, PANDA_E_ARGUMENT, "not 16-bit integers");
}
END_TEST

START_TEST(holes_are_near)
{
    static const float holes[] = {NAN, INFINITY, -INFINITY, -1, 0};
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        float values[WIDTH * HEIGHT], out[COUNT];
        memcpy(values, fill_f32(holes[i]), sizeof values);
        panda_input input = make_raw(values, PANDA_ELEMENT_F32);
        expect_failure(&input, PANDA_E_FORMAT, "none of the 21 x 16 depth");
        values[WIDTH * HEIGHT - 1] = 1;
        ck_assert_int_eq(run(&input, out), PANDA_OK);
        ck_assert(fabs((double)out[0] - (1 - 0.0418) / 0.0295) < 2e-5);
    }
}
END_TEST

START_TEST(options_are_checked)
{
    panda_input input = make_raw(fill_f32(1), PANDA_ELEMENT_F32);
    static const struct {
        panda_depth_options options;
        const char *part;
    } cases[] = {
        {{.unit = 3}, "unit is 3, expected 0 to 2"},
        {{.sensor = 6}, "sensor is 6, expected 0 to 5"},
        {{.sensor = -1}, "sensor is -1"},
        {{.baseline = -0.1}, "baseline is -0.1, expected a number above 0"},
        {{.baseline = NAN}, "baseline is"},
        {{.focal_length = INFINITY}, "focal_length is inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        input.depth_options = &cases[i].options;
        expect_failure(&input, PANDA_E_ARGUMENT, cases[i].part);
    }
}
END_TEST

START_TEST(raw_descriptions_are_checked)
{
    panda_input input = make_raw(fill_u16(1), PANDA_ELEMENT_U8);
    expect_failure(&input, PANDA_E_ARGUMENT, "type 1, expected u16 or f32");
    input = make_raw(fill_u16(1), PANDA_ELEMENT_U16);
    input.size--;
    expect_failure(&input, PANDA_E_ARGUMENT, "too few for 16 rows of 42");
    input.size++;
    input.row_stride = 43;
    expect_failure(&input, PANDA_E_ARGUMENT, "every 43 bytes");
}
END_TEST

START_TEST(rows_may_be_padded_and_unaligned)
{
    static uint8_t padded[HEIGHT * (WIDTH * 2 + 3) + 1];
    fill_depths();
    for (int y = 0; y < HEIGHT; y++)
        memcpy(padded + 1 + y * (WIDTH * 2 + 3), depths[y], WIDTH * 2);
    panda_input tight = make_raw(depths, PANDA_ELEMENT_U16);
    panda_input input = make_raw(padded + 1, PANDA_ELEMENT_U16);
    input.row_stride = WIDTH * 2 + 3;
    input.size = sizeof padded - 4;
    float one[COUNT], two[COUNT];
    ck_assert_int_eq(run(&tight, one), PANDA_OK);
    ck_assert_int_eq(run(&input, two), PANDA_OK);
    ck_assert_mem_eq(one, two, sizeof one);
}
END_TEST

START_TEST(other_content_is_named)
{
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_DEPTH,
                         .source = PANDA_SOURCE_BYTES,
                         .data = "\xff\xd8\xff\xe0", .size = 4};
    expect_failure(&input, PANDA_E_FORMAT,
                   "is a JPEG image, expected a gray PNG image or a NumPy");
    static const char header[] = "\x93NUMPY\x01\0\x76\0{'descr': '|u1', "
                                 "'fortran_order': False, 'shape': (1,)}";
    char file[128];
    memset(file, ' ', sizeof file);
    memcpy(file, header, sizeof header - 1);
    input.data = file;
    input.size = sizeof file;
    expect_failure(&input, PANDA_E_FORMAT, "fewer than its shape needs");
}
END_TEST

#if HAVE_PNG
START_TEST(colour_and_eight_bits)
{
    size_t size;
    uint8_t rows[WIDTH * HEIGHT * 3];
    memset(rows, 200, sizeof rows);
    struct png_recipe recipe = {.width = WIDTH, .height = HEIGHT, .bits = 8,
                                .color = 2, .rows = rows};
    uint8_t *file = make_png(&size, &recipe);
    panda_depth_options o = {.struct_size = sizeof o};
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_DEPTH,
                         .source = PANDA_SOURCE_BYTES,
                         .data = file, .size = size, .depth_options = &o};
    expect_failure(&input, PANDA_E_FORMAT, "has colours, expected one channel");
    free(file);
    recipe.color = 0;
    file = make_png(&size, &recipe);
    input.data = file;
    input.size = size;
    float out[COUNT];
    ck_assert_int_eq(run(&input, out), PANDA_OK); /* 200 mm */
    ck_assert(fabs((double)out[0] - (1 - 0.0418) / 0.0295) < 2e-5);
    o.sun_rotated = PANDA_SWITCH_ON;
    expect_failure(&input, PANDA_E_ARGUMENT, "not 16-bit integers");
    free(file);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("depth");
    TCase *tc = tcase_create("depth");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, units_sensors_and_limits);
    tcase_add_test(tc, sun_bits_are_turned_back);
    tcase_add_test(tc, holes_are_near);
    tcase_add_test(tc, options_are_checked);
    tcase_add_test(tc, raw_descriptions_are_checked);
    tcase_add_test(tc, rows_may_be_padded_and_unaligned);
    tcase_add_test(tc, other_content_is_named);
#if HAVE_PNG
    tcase_add_test(tc, colour_and_eight_bits);
#endif
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(depth_png));
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(depth_npy));
    return test_run(suite);
}
