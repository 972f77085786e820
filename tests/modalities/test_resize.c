/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "modalities/shared/resize.h"
#include "support/support.h"

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 3);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

START_TEST(windows_are_torchvisions)
{
    static const struct {
        uint32_t width, height, size;
        uint64_t new_width, new_height, left, top;
    } cases[] = {
        {640, 427, 224, 335, 224, 56, 0}, /* 55.5 is tied up to 56 */
        {300, 451, 224, 224, 336, 0, 56},
        {227, 224, 224, 227, 224, 2, 0}, /* 1.5 to 2 */
        {225, 224, 224, 225, 224, 0, 0}, /* 0.5 to 0 */
        {229, 224, 224, 229, 224, 2, 0}, /* 2.5 to 2 */
        {224, 224, 224, 224, 224, 0, 0},
        {1, 1, 224, 224, 224, 0, 0},
        {1, 178956970, 224, 224, UINT64_C(40086361280), 0,
         UINT64_C(20043180528)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pnd_window w;
        pnd_window_init(&w, cases[i].width, cases[i].height, cases[i].size);
        ck_assert_uint_eq(w.width, cases[i].new_width);
        ck_assert_uint_eq(w.height, cases[i].new_height);
        ck_assert_uint_eq(w.left, cases[i].left);
        ck_assert_uint_eq(w.top, cases[i].top);
        ck_assert_uint_eq(w.size, cases[i].size);
    }
}
END_TEST

/* A picture of `channels` whose channel c is the pattern plus c. */
static struct pnd_picture make_picture(uint32_t width, uint32_t height,
                                       uint32_t channels, uint32_t step)
{
    struct pnd_picture p = {.width = width, .height = height,
                            .channels = channels, .step = step,
                            .stride = (size_t)width * step + 3};
    uint8_t *pixels = calloc(height, p.stride);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < channels; c++)
                pixels[y * p.stride + x * step + c] =
                    (uint8_t)(x * x * 7 + y * 29 + x * y * 3);
    p.pixels = pixels;
    return p;
}

static void check_bicubic(uint32_t width, uint32_t height, uint32_t size,
                          const uint8_t *expected)
{
    static const uint32_t layouts[][2] = {{1, 1}, {1, 2}, {3, 3}, {3, 4}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        uint32_t channels = layouts[i][0];
        struct pnd_picture p = make_picture(width, height, channels,
                                            layouts[i][1]);
        struct pnd_window w;
        uint8_t out[512];
        pnd_window_init(&w, width, height, size);
        ck_assert_int_eq(pnd_resize_bicubic(&f.host, out, &p, &w), 0);
        for (size_t k = 0; k < (size_t)size * size * channels; k++)
            ck_assert_msg(out[k] == expected[k / channels],
                          "%ux%u, value %zu is %d, expected %d", width, height,
                          k, out[k], expected[k / channels]);
        free((void *)p.pixels);
    }
}

/* Expected values: Pillow 9.5, Image.resize(BICUBIC) and crop. */
START_TEST(bicubic_shrinks_as_pillow)
{
    static const uint8_t expected[] = {
        74, 137, 141, 132, 125, 158, 130, 129, 130, 127, 110, 124, 133,
        117, 109, 116, 114, 122, 136, 120, 126, 120, 128, 139, 143};
    check_bicubic(23, 17, 5, expected);
}
END_TEST

START_TEST(bicubic_grows_as_pillow)
{
    static const uint8_t expected[] = {
        0, 0, 5, 17, 34, 57, 91, 7, 10, 16, 29, 46, 70, 105, 26, 30, 38,
        51, 70, 95, 131, 42, 47, 56, 71, 91, 117, 154, 59, 64, 74, 91, 112,
        139, 177, 78, 84, 96, 113, 136, 164, 203, 88, 94, 107, 125, 148, 177,
        217};
    check_bicubic(5, 4, 7, expected);
}
END_TEST

START_TEST(bicubic_keeps_an_equal_size)
{
    struct pnd_picture p = make_picture(9, 6, 1, 1);
    struct pnd_window w;
    uint8_t out[36];
    pnd_window_init(&w, 9, 6, 6);
    ck_assert_uint_eq(w.left, 2); /* 1.5, tied to even */
    ck_assert_int_eq(pnd_resize_bicubic(&f.host, out, &p, &w), 0);
    for (uint32_t y = 0; y < 6; y++)
        ck_assert_mem_eq(out + y * 6, p.pixels + y * p.stride + 2, 6);
    free((void *)p.pixels);
}
END_TEST

START_TEST(strips_need_no_more_than_the_window)
{
    for (int wide = 0; wide < 2; wide++) {
        uint32_t width = wide ? 100000 : 1, height = wide ? 1 : 100000;
        struct pnd_picture p = make_picture(width, height, 1, 1);
        struct pnd_window w;
        uint8_t out[64 * 64];
        pnd_window_init(&w, width, height, 64);
        ck_assert_int_eq(pnd_resize_bicubic(&f.host, out, &p, &w), 0);
        free((void *)p.pixels);
    }
}
END_TEST

START_TEST(failures_leave_nothing)
{
    struct pnd_picture p = make_picture(23, 17, 3, 3);
    struct pnd_window w;
    uint8_t out[75];
    pnd_window_init(&w, 23, 17, 5);
    for (long n = 1; n <= 7; n++) {
        fake_host_clear(&f);
        f.fail_at = n;
        ck_assert_int_eq(pnd_resize_bicubic(&f.host, out, &p, &w),
                         PANDA_E_MEMORY);
        ck_assert_int_eq(fake_host_check(&f), 0);
    }
    fake_host_clear(&f);
    f.cancel_at = 1;
    ck_assert_int_eq(pnd_resize_bicubic(&f.host, out, &p, &w),
                     PANDA_E_CANCELLED);
    free((void *)p.pixels);
}
END_TEST

struct plane {
    const float *values;
    uint32_t width;
    uint32_t last; /* rows come in order, each once */
};

static void get_row(const void *context, uint32_t y, uint32_t first,
                    uint32_t count, float *row)
{
    struct plane *p = (struct plane *)context;
    ck_assert(p->last == UINT32_MAX || y > p->last);
    ck_assert_uint_le(first + count, p->width);
    p->last = y;
    memcpy(row, p->values + (size_t)y * p->width + first,
           count * sizeof *row);
}

static void check_bilinear(const float *values, uint32_t width,
                           uint32_t height, uint32_t size,
                           const float *expected)
{
    struct plane p = {values, width, UINT32_MAX};
    struct pnd_window w;
    float out[64];
    pnd_window_init(&w, width, height, size);
    ck_assert_int_eq(pnd_resize_bilinear(&f.host, out, width, height, &w,
                                         get_row, &p), 0);
    test_assert_close("bilinear", out, expected, (size_t)size * size, 1e-6);
}

/* By hand: centres at half pixels, edges repeated, no averaging. */
START_TEST(bilinear_is_torchs)
{
    static const float two[] = {0, 1, 2, 3};
    static const float four[] = {0, .25f, .75f, 1, .5f, .75f, 1.25f, 1.5f,
                                 1.5f, 1.75f, 2.25f, 2.5f, 2, 2.25f, 2.75f, 3};
    check_bilinear(two, 2, 2, 4, four);
    check_bilinear(two, 2, 2, 2, two);
    static const float middle[] = {1.5f};
    check_bilinear(two, 2, 2, 1, middle);
    /* 6 wide, 2 high: the crop's columns 2 and 3. */
    static const float wide[] = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
    static const float crop[] = {2, 3, 12, 13};
    check_bilinear(wide, 6, 2, 2, crop);
    /* 6 high to 3, of which the middle one: between rows 2 and 3. */
    static const float tall[] = {0, 9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9};
    static const float shrunk[] = {5.75f};
    check_bilinear(tall, 2, 6, 1, shrunk);
}
END_TEST

START_TEST(bilinear_failures)
{
    static const float two[] = {0, 1, 2, 3};
    struct plane p = {two, 2, UINT32_MAX};
    struct pnd_window w;
    float out[16];
    pnd_window_init(&w, 2, 2, 4);
    for (long n = 1; n <= 3; n++) {
        fake_host_clear(&f);
        f.fail_at = n;
        ck_assert_int_eq(pnd_resize_bilinear(&f.host, out, 2, 2, &w, get_row,
                                             &p), PANDA_E_MEMORY);
        ck_assert_int_eq(fake_host_check(&f), 0);
    }
    fake_host_clear(&f);
    f.cancel_at = 2;
    ck_assert_int_eq(pnd_resize_bilinear(&f.host, out, 2, 2, &w, get_row, &p),
                     PANDA_E_CANCELLED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resize");
    TCase *tc = tcase_create("resize");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, windows_are_torchvisions);
    tcase_add_test(tc, bicubic_shrinks_as_pillow);
    tcase_add_test(tc, bicubic_grows_as_pillow);
    tcase_add_test(tc, bicubic_keeps_an_equal_size);
    tcase_add_test(tc, strips_need_no_more_than_the_window);
    tcase_add_test(tc, failures_leave_nothing);
    tcase_add_test(tc, bilinear_is_torchs);
    tcase_add_test(tc, bilinear_failures);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
