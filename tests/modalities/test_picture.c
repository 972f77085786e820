/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "modalities/make_png.h"
#include "modalities/shared/exif.h"
#include "modalities/shared/picture.h"
#include "modalities/tiny_jpeg.h"
#include "support/support.h"

#include "pandagpt_config.h"

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static panda_status open_bytes(struct pnd_picture *out, const void *data,
                               size_t size)
{
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_BYTES,
                         .data = data, .size = size};
    fake_host_clear(&f);
    return pnd_picture_open(out, &f.host, &input);
}

static void expect_failure(const void *data, size_t size, panda_status status,
                           const char *part)
{
    struct pnd_picture p;
    ck_assert_int_eq(open_bytes(&p, data, size), status);
    ck_assert_msg(strstr(f.message, part) != NULL, "\"%s\" lacks \"%s\"",
                  f.message, part);
}

#if HAVE_PNG

/* A PNG of one row gives these channels and bytes. */
static void expect_row(const struct png_recipe *recipe, uint32_t channels,
                       const uint8_t *expected)
{
    size_t size;
    struct pnd_picture p;
    uint8_t *file = make_png(&size, recipe);
    panda_status status = open_bytes(&p, file, size);
    ck_assert_msg(status == PANDA_OK, "color %d, %d bits: %s", recipe->color,
                  recipe->bits, f.message);
    ck_assert_uint_eq(p.width, recipe->width);
    ck_assert_uint_eq(p.height, 1);
    ck_assert_uint_eq(p.channels, channels);
    ck_assert_mem_eq(p.pixels, expected, (size_t)p.width * channels);
    pnd_picture_close(&p, &f.host);
    free(file);
}

/* Expected values: Pillow's convert("RGB"). */
START_TEST(every_kind_of_png)
{
    expect_row(&(struct png_recipe){4, 1, 1, 0, .rows = "\x50"}, 1,
               (const uint8_t[]){0, 255, 0, 255});
    expect_row(&(struct png_recipe){4, 1, 2, 0, .rows = "\x1b"}, 1,
               (const uint8_t[]){0, 85, 170, 255});
    expect_row(&(struct png_recipe){2, 1, 4, 0, .rows = "\x1f"}, 1,
               (const uint8_t[]){17, 255});
    expect_row(&(struct png_recipe){2, 1, 8, 0, .rows = "\x01\xfe"}, 1,
               (const uint8_t[]){1, 254});
    /* 16-bit gray is clipped, other 16-bit values lose their low byte. */
    expect_row(&(struct png_recipe){3, 1, 16, 0, .rows = "\0\x7f\0\xff\1\0"},
               1, (const uint8_t[]){127, 255, 255});
    expect_row(&(struct png_recipe){1, 1, 16, 2, .rows = "\1\xff\2\xff\3\0"},
               3, (const uint8_t[]){1, 2, 3});
    /* Alpha is dropped, not blended. */
    expect_row(&(struct png_recipe){2, 1, 8, 4, .rows = "\x09\0\x08\xff"}, 1,
               (const uint8_t[]){9, 8});
    expect_row(&(struct png_recipe){1, 1, 16, 4, .rows = "\x09\xff\0\0"}, 1,
               (const uint8_t[]){9});
    expect_row(&(struct png_recipe){1, 1, 8, 6, .rows = "\1\2\3\0"}, 3,
               (const uint8_t[]){1, 2, 3});
    expect_row(&(struct png_recipe){1, 1, 16, 6,
                                    .rows = "\1\xff\2\xff\3\xff\0\0"},
               3, (const uint8_t[]){1, 2, 3});
    expect_row(&(struct png_recipe){2, 1, 8, 2, .rows = "\1\2\3\4\5\6",
                                    .trns = "\0\1\0\2\0\3", .trns_size = 6},
               3, (const uint8_t[]){1, 2, 3, 4, 5, 6});
    expect_row(&(struct png_recipe){2, 1, 2, 0, .rows = "\x60",
                                    .trns = "\0\1", .trns_size = 2},
               1, (const uint8_t[]){85, 170});
}
END_TEST

START_TEST(palettes)
{
    struct png_recipe r = {3, 1, 8, 3, .rows = "\1\0\2",
                           .palette = "abcdef", .palette_count = 2,
                           .trns = "\0", .trns_size = 1};
    /* An index past the end stands for itself as gray. */
    expect_row(&r, 3, (const uint8_t *)"defabc\2\2\2");
    r.bits = 2;
    r.rows = "\x48";
    expect_row(&r, 3, (const uint8_t *)"defabc\2\2\2");
    r.palette = NULL;
    size_t size;
    uint8_t *file = make_png(&size, &r);
    expect_failure(file, size, PANDA_E_FORMAT, "the PNG image is damaged: ");
    free(file);
}
END_TEST

START_TEST(interlaced_png)
{
    /* 3 x 3 gray: pass 1 has (0, 0); 6 row 0 and 2 column 1... */
    size_t size;
    struct pnd_picture p;
    uint8_t *file = make_png(&size, &(struct png_recipe){
        .width = 3, .height = 3, .bits = 8, .interlaced = 1,
        .rows = "\0\2\x20\x22\1\x21\x10\x11\x12"});
    ck_assert_int_eq(open_bytes(&p, file, size), PANDA_OK);
    ck_assert_mem_eq(p.pixels, "\0\1\2\x10\x11\x12\x20\x21\x22", 9);
    pnd_picture_close(&p, &f.host);
    free(file);
}
END_TEST

START_TEST(bombs_cost_nothing)
{
    size_t size;
    uint8_t *file = make_png(&size, &(struct png_recipe){
        .width = 60000, .height = 60000, .bits = 16, .color = 6});
    expect_failure(file, size, PANDA_E_FORMAT,
                   "60000 x 60000 pixels, expected 1 to 178956970 in all");
    f.limits.max_pixels = UINT64_MAX;
    f.fail_at = 0;
    expect_failure(file, size, PANDA_E_MEMORY, "");
    free(file);
    file = make_png(&size, &(struct png_recipe){
        .width = 2, .height = 2, .bits = 8, .rows = "abcd"});
    f.limits.max_pixels = 3;
    expect_failure(file, size, PANDA_E_FORMAT, "2 x 2 pixels, expected 1 to 3");
    f.limits.max_pixels = 4;
    struct pnd_picture p;
    ck_assert_int_eq(open_bytes(&p, file, size), PANDA_OK);
    pnd_picture_close(&p, &f.host);
    expect_failure(file, size - 30, PANDA_E_FORMAT, "is truncated");
    file[45] ^= 1; /* in the pixels: the sum no longer fits */
    expect_failure(file, size, PANDA_E_FORMAT, "the PNG image is damaged: ");
    free(file);
}
END_TEST

START_TEST(orientation_in_png)
{
    size_t size;
    struct pnd_picture p;
    uint8_t *file = make_png(&size, &(struct png_recipe){
        .width = 2, .height = 1, .bits = 8, .rows = "ab",
        .exif = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0",
        .exif_size = 26});
    ck_assert_int_eq(open_bytes(&p, file, size), PANDA_OK);
    ck_assert_int_eq(p.orientation, 3);
    pnd_picture_close(&p, &f.host);
    free(file);
}
END_TEST

#endif

#if HAVE_JPEG

START_TEST(jpeg_pixels)
{
    struct pnd_picture p;
    ck_assert_int_eq(open_bytes(&p, tiny_jpeg, sizeof tiny_jpeg), PANDA_OK);
    ck_assert_uint_eq(p.width, 24);
    ck_assert_uint_eq(p.height, 16);
    ck_assert_uint_eq(p.channels, 3);
    for (size_t i = 0; i < sizeof tiny_jpeg_pixels / sizeof *tiny_jpeg_pixels;
         i++) {
        const uint8_t *pixel = p.pixels + tiny_jpeg_pixels[i].y * p.stride +
                               tiny_jpeg_pixels[i].x * p.step;
        for (int c = 0; c < 3; c++) /* other versions may round otherwise */
            ck_assert_int_le(abs(pixel[c] - tiny_jpeg_pixels[i].rgb[c]), 2);
    }
    pnd_picture_close(&p, &f.host);
}
END_TEST

START_TEST(bad_jpeg)
{
    uint8_t file[sizeof tiny_jpeg];
    memcpy(file, tiny_jpeg, sizeof file);
    expect_failure(file, sizeof file - 40, PANDA_E_FORMAT,
                   "the JPEG image is truncated: its data end at row");
    expect_failure(file, 3, PANDA_E_FORMAT, "the JPEG image is truncated");
    f.limits.max_pixels = 383;
    expect_failure(file, sizeof file, PANDA_E_FORMAT, "24 x 16 pixels");
    f.limits.max_pixels = 384;
    file[3] = 0xc3; /* lossless: known, not supported */
    file[2] = 0xff;
    expect_failure(file, sizeof file, PANDA_E_FORMAT,
                   "the JPEG image is damaged: ");
}
END_TEST

#endif

/* The letters' picture, rows with '/' between them. */
static void expect_turned(int orientation, const char *expected)
{
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_RAW,
                         .element = PANDA_ELEMENT_U8,
                         .data = "abcdef", .size = 6,
                         .width = 3, .height = 2, .channels = 1};
    struct pnd_picture p;
    char found[16];
    size_t length = 0;
    ck_assert_int_eq(pnd_picture_open(&p, &f.host, &input), PANDA_OK);
    p.orientation = orientation;
    ck_assert_int_eq(pnd_picture_upright(&p, &f.host), PANDA_OK);
    for (uint32_t y = 0; y < p.height; y++) {
        for (uint32_t x = 0; x < p.width; x++)
            found[length++] = (char)p.pixels[y * p.stride + x];
        found[length++] = '/';
    }
    found[length - 1] = '\0';
    ck_assert_str_eq(found, expected);
    pnd_picture_close(&p, &f.host);
}

START_TEST(turns)
{
    expect_turned(0, "abc/def");
    expect_turned(1, "abc/def");
    expect_turned(2, "cba/fed");
    expect_turned(3, "fed/cba");
    expect_turned(4, "def/abc");
    expect_turned(5, "ad/be/cf");
    expect_turned(6, "da/eb/fc");
    expect_turned(7, "fc/eb/da");
    expect_turned(8, "cf/be/ad");
    expect_turned(9, "abc/def");
}
END_TEST

START_TEST(exif_blocks)
{
    static const char big[] = "MM\0*\0\0\0\x08\0\2\1\0\0\3\0\0\0\1\0\5\0\0"
                              "\1\x12\0\3\0\0\0\1\0\x08\0\0";
    const uint8_t *data = (const uint8_t *)big;
    ck_assert_int_eq(pnd_exif_get_orientation(data, sizeof big), 8);
    /* Cut before the value's end: silent. */
    for (size_t size = 0; size < sizeof big - 1; size++)
        ck_assert_int_eq(pnd_exif_get_orientation(data, size), 1);
    static const char far[] = "MM\0*\xff\xff\xff\xff\0\1";
    ck_assert_int_eq(pnd_exif_get_orientation((const uint8_t *)far,
                                              sizeof far), 1);
    uint8_t wrong[sizeof big];
    memcpy(wrong, big, sizeof big);
    wrong[31] = 9;
    ck_assert_int_eq(pnd_exif_get_orientation(wrong, sizeof wrong), 1);
    wrong[31] = 2;
    ck_assert_int_eq(pnd_exif_get_orientation(wrong, sizeof wrong), 2);
    wrong[25] = 4; /* not a short */
    ck_assert_int_eq(pnd_exif_get_orientation(wrong, sizeof wrong), 1);
}
END_TEST

START_TEST(missing_decoders_say_so)
{
    if (!HAVE_PNG)
        expect_failure("\x89PNG\r\n\x1a\n", 8, PANDA_E_UNSUPPORTED,
                       "is a PNG image, which this build cannot read");
    if (!HAVE_JPEG)
        expect_failure(tiny_jpeg, sizeof tiny_jpeg, PANDA_E_UNSUPPORTED,
                       "is a JPEG image, which this build cannot read");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tc = tcase_create("picture");
    tcase_add_checked_fixture(tc, setup, teardown);
#if HAVE_PNG
    tcase_add_test(tc, every_kind_of_png);
    tcase_add_test(tc, palettes);
    tcase_add_test(tc, interlaced_png);
    tcase_add_test(tc, bombs_cost_nothing);
    tcase_add_test(tc, orientation_in_png);
#endif
#if HAVE_JPEG
    tcase_add_test(tc, jpeg_pixels);
    tcase_add_test(tc, bad_jpeg);
#endif
    tcase_add_test(tc, turns);
    tcase_add_test(tc, exif_blocks);
    tcase_add_test(tc, missing_decoders_say_so);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
