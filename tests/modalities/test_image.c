/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/make_png.h"
#include "modalities/tiny_jpeg.h"
#include "support/support.h"

#include "pandagpt_config.h"

extern const panda_frontend_ops pnd_frontend_image;

#define WIDTH 40
#define HEIGHT 29
#define SIZE 24
#define COUNT (3 * SIZE * SIZE)

static uint8_t pixels[HEIGHT][WIDTH][3];

static void fill_pixels(void)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++)
                pixels[y][x][c] = (uint8_t)(x * (c + 3) + y * 5 + c * 40);
}

static panda_input make_raw(const void *data, uint32_t width, uint32_t height,
                            uint32_t channels)
{
    return (panda_input){
        .struct_size = sizeof(panda_input),
        .modality = PANDA_MODALITY_IMAGE,
        .source = PANDA_SOURCE_RAW,
        .element = PANDA_ELEMENT_U8,
        .data = data,
        .size = (uint64_t)width * height * channels,
        .width = width,
        .height = height,
        .channels = channels,
    };
}

static void make_png_sample(struct conformance_sample *sample)
{
    static uint8_t *file;
    fill_pixels();
    free(file);
    file = make_png(&sample->size, &(struct png_recipe){
        .width = WIDTH, .height = HEIGHT, .bits = 8, .color = 2,
        .rows = pixels});
    sample->bytes = file;
    sample->size = HAVE_PNG ? sample->size : 0;
    sample->suffix = ".png";
    sample->has_raw = true;
    sample->raw_is_same = true;
    sample->raw = make_raw(pixels, WIDTH, HEIGHT, 3);
}

/* A palette that is too short; the raw form has what it means. */
static void make_palette_sample(struct conformance_sample *sample)
{
    static uint8_t *file, rows[HEIGHT][WIDTH], palette[100][3];
    for (int i = 0; i < 100; i++)
        for (int c = 0; c < 3; c++)
            palette[i][c] = (uint8_t)(i * (c + 2));
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            rows[y][x] = (uint8_t)(x * 2 + y * 5);
            if (rows[y][x] < 100)
                memcpy(pixels[y][x], palette[rows[y][x]], 3);
            else
                memset(pixels[y][x], rows[y][x], 3);
        }
    free(file);
    file = make_png(&sample->size, &(struct png_recipe){
        .width = WIDTH, .height = HEIGHT, .bits = 8, .color = 3, .rows = rows,
        .palette = palette, .palette_count = 100});
    sample->bytes = file;
    sample->size = HAVE_PNG ? sample->size : 0;
    sample->suffix = ".png";
    sample->has_raw = true;
    sample->raw_is_same = true;
    sample->raw = make_raw(pixels, WIDTH, HEIGHT, 3);
}

static void make_jpeg_sample(struct conformance_sample *sample)
{
    fill_pixels();
    sample->bytes = tiny_jpeg;
    sample->size = HAVE_JPEG ? sizeof tiny_jpeg : 0;
    sample->suffix = ".jpg";
    sample->has_raw = true;
    sample->raw = make_raw(pixels, WIDTH, HEIGHT, 3);
}

#define WANTED {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 4, \
                {3, 2, SIZE, SIZE}}

static const struct conformance conformance_image_png = {
    .ops = &pnd_frontend_image, .tensor = WANTED,
    .make_sample = make_png_sample};
static const struct conformance conformance_image_palette = {
    .ops = &pnd_frontend_image, .tensor = WANTED,
    .make_sample = make_palette_sample};
static const struct conformance conformance_image_jpeg = {
    .ops = &pnd_frontend_image, .tensor = WANTED,
    .make_sample = make_jpeg_sample};

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
    fill_pixels();
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static panda_status run(const panda_input *input, float out[COUNT])
{
    panda_frontend_tensor tensor = WANTED;
    fake_host_clear(&f);
    panda_status status = pnd_frontend_image.describe(NULL, &f.host, input,
                                                      &tensor);
    ck_assert_int_eq(status, PANDA_OK);
    ck_assert_uint_eq(tensor.items, 1);
    ck_assert_uint_eq(tensor.shape[1], 1); /* a picture has one frame */
    return pnd_frontend_image.preprocess(NULL, &f.host, input, &tensor, out);
}

static void expect_failure(const panda_input *input, panda_status status,
                           const char *part)
{
    float out[COUNT];
    ck_assert_int_eq(run(input, out), status);
    ck_assert_msg(strstr(f.message, part) != NULL, "\"%s\" lacks \"%s\"",
                  f.message, part);
}

static void expect_same(const panda_input *a, const panda_input *b)
{
    float one[COUNT], two[COUNT];
    ck_assert_int_eq(run(a, one), PANDA_OK);
    ck_assert_int_eq(run(b, two), PANDA_OK);
    ck_assert_mem_eq(one, two, sizeof one);
}

START_TEST(values_are_normalised)
{
    uint8_t flat[SIZE][SIZE][3];
    for (int i = 0; i < SIZE * SIZE; i++)
        memcpy(flat[i / SIZE][i % SIZE], (uint8_t[]){0, 128, 255}, 3);
    panda_input input = make_raw(flat, SIZE, SIZE, 3);
    float out[COUNT];
    ck_assert_int_eq(run(&input, out), PANDA_OK);
    const float expected[] = {(0.0f - 0.48145466f) / 0.26862954f,
                              (128.0f / 255.0f - 0.4578275f) / 0.26130258f,
                              (1.0f - 0.40821073f) / 0.27577711f};
    for (int i = 0; i < COUNT; i++)
        ck_assert(out[i] == expected[i / (SIZE * SIZE)]);
}
END_TEST

START_TEST(raw_layouts_agree)
{
    static uint8_t rgba[HEIGHT][WIDTH][4], padded[HEIGHT][WIDTH * 3 + 7];
    static uint8_t gray[HEIGHT][WIDTH], gray_rgb[HEIGHT][WIDTH][3];
    for (int y = 0; y < HEIGHT; y++) {
        memcpy(padded[y], pixels[y], WIDTH * 3);
        memset(padded[y] + WIDTH * 3, 99, 7);
        for (int x = 0; x < WIDTH; x++) {
            memcpy(rgba[y][x], pixels[y][x], 3);
            rgba[y][x][3] = (uint8_t)(x * y); /* not looked at */
            gray[y][x] = pixels[y][x][0];
            memset(gray_rgb[y][x], gray[y][x], 3);
        }
    }
    panda_input rgb = make_raw(pixels, WIDTH, HEIGHT, 3), other;
    other = make_raw(rgba, WIDTH, HEIGHT, 4);
    expect_same(&rgb, &other);
    other = make_raw(padded, WIDTH, HEIGHT, 3);
    other.row_stride = WIDTH * 3 + 7;
    other.size = sizeof padded - 7; /* the last row needs no padding */
    expect_same(&rgb, &other);
    rgb = make_raw(gray_rgb, WIDTH, HEIGHT, 3);
    other = make_raw(gray, WIDTH, HEIGHT, 1);
    expect_same(&rgb, &other);
}
END_TEST

START_TEST(raw_descriptions_are_checked)
{
    panda_input input = make_raw(pixels, WIDTH, HEIGHT, 2);
    expect_failure(&input, PANDA_E_ARGUMENT, "2 channels, expected");
    input = make_raw(pixels, WIDTH, HEIGHT, 3);
    input.element = PANDA_ELEMENT_F32;
    expect_failure(&input, PANDA_E_ARGUMENT, "element type 5");
    input = make_raw(pixels, WIDTH, HEIGHT, 3);
    input.size--;
    expect_failure(&input, PANDA_E_ARGUMENT, "too few for 29 rows of 120");
    input = make_raw(pixels, WIDTH, HEIGHT, 3);
    input.row_stride = UINT64_MAX;
    expect_failure(&input, PANDA_E_ARGUMENT, "too few for 29 rows");
    input.row_stride = WIDTH * 3 - 1;
    expect_failure(&input, PANDA_E_ARGUMENT, "too few for 29 rows");
    input = make_raw(pixels, 0, HEIGHT, 3);
    expect_failure(&input, PANDA_E_FORMAT, "0 x 29 pixels, expected 1 to");
    input = make_raw(pixels, UINT32_MAX, UINT32_MAX, 3);
    expect_failure(&input, PANDA_E_FORMAT, "expected 1 to 178956970 in all");
}
END_TEST

START_TEST(other_content_is_named)
{
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_PATH,
                         .path = test_write_temp(".png", "Hello, world.", 13)};
    expect_failure(&input, PANDA_E_FORMAT,
                   "the content is text, expected a JPEG or PNG image");
    input.path = test_write_temp(".jpg", "GIF89a\1\0\1\0", 10);
    expect_failure(&input, PANDA_E_FORMAT,
                   "the content is a GIF image, expected a JPEG or PNG image");
}
END_TEST

START_TEST(shapes_are_checked)
{
    static const panda_frontend_tensor wrong[] = {
        {sizeof *wrong, PANDA_ELEMENT_I32, 1, 4, {3, 2, SIZE, SIZE}},
        {sizeof *wrong, PANDA_ELEMENT_F32, 1, 3, {3, SIZE, SIZE}},
        {sizeof *wrong, PANDA_ELEMENT_F32, 1, 4, {1, 2, SIZE, SIZE}},
        {sizeof *wrong, PANDA_ELEMENT_F32, 1, 4, {3, 2, SIZE, SIZE + 1}},
        {sizeof *wrong, PANDA_ELEMENT_F32, 1, 4, {3, 2, 0, 0}},
        {sizeof *wrong, PANDA_ELEMENT_F32, 1, 4, {3, 2, 65536, 65536}},
    };
    panda_input input = make_raw(pixels, WIDTH, HEIGHT, 3);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        panda_frontend_tensor tensor = wrong[i];
        ck_assert_int_eq(pnd_frontend_image.describe(NULL, &f.host, &input,
                                                     &tensor), PANDA_E_SHAPE);
    }
}
END_TEST

#if HAVE_JPEG
static const uint8_t exif_turn[] = {
    'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
    1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0};

/* tiny_jpeg with an EXIF block that says: turn right. */
static size_t make_turned(uint8_t out[sizeof tiny_jpeg + 64])
{
    static const uint8_t head[] = {0xff, 0xd8, 0xff, 0xe1, 0,
                                   sizeof exif_turn + 2};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, exif_turn, sizeof exif_turn);
    memcpy(out + sizeof head + sizeof exif_turn, tiny_jpeg + 2,
           sizeof tiny_jpeg - 2);
    return sizeof head + sizeof exif_turn + sizeof tiny_jpeg - 2;
}

START_TEST(exif_turns_only_when_asked)
{
    uint8_t turned[sizeof tiny_jpeg + 64];
    float plain_out[COUNT], out[COUNT];
    panda_image_options options = {.struct_size = sizeof options};
    panda_input plain = {.struct_size = sizeof plain,
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_BYTES,
                         .data = tiny_jpeg, .size = sizeof tiny_jpeg};
    panda_input input = plain;
    input.data = turned;
    input.size = make_turned(turned);
    expect_same(&plain, &input);
    input.image_options = &options;
    expect_same(&plain, &input);
    options.exif_rotation = PANDA_SWITCH_OFF;
    expect_same(&plain, &input);
    options.exif_rotation = PANDA_SWITCH_ON;
    ck_assert_int_eq(run(&plain, plain_out), PANDA_OK);
    ck_assert_int_eq(run(&input, out), PANDA_OK);
    /* Red grew to the right, now downwards; what grew downwards, green, now
     * grows to the left. Passes of rounding change places: a step or two. */
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            for (int c = 0; c < 3; c++) {
                float now = out[(c * SIZE + y) * SIZE + x];
                float then = plain_out[(c * SIZE + SIZE - 1 - x) * SIZE + y];
                ck_assert(now - then < 0.04f && then - now < 0.04f);
            }
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("image");
    TCase *tc = tcase_create("image");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_are_normalised);
    tcase_add_test(tc, raw_layouts_agree);
    tcase_add_test(tc, raw_descriptions_are_checked);
    tcase_add_test(tc, other_content_is_named);
    tcase_add_test(tc, shapes_are_checked);
#if HAVE_JPEG
    tcase_add_test(tc, exif_turns_only_when_asked);
#endif
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(image_png));
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(image_palette));
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(image_jpeg));
    return test_run(suite);
}
