/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/fake_host.h"
#include "modalities/shared/picture.h"
#include "modalities/video/sample_frames.h"
#include "modalities/video/video.h"
#include "pandagpt_config.h"
#include "support/support.h"

/* Videos against what decord, pytorchvideo and the reference made of them. */

extern const panda_frontend_ops pnd_frontend_video;

#define CLIPS 5
#define ITEMS (CLIPS * 3)
#define SIZE 224
#define PLANE (SIZE * SIZE)
#define PLANES (ITEMS * 3 * 2)

static const struct {
    const char *name;
    uint64_t frames;
    double fps;
} files[] = {
    {"landscape_25fps_6s_aac", 150, 25},
    {"portrait_30fps_3s", 90, 30},
    {"short_1s", 20, 20},
};
#define FILES ((int)(sizeof files / sizeof *files))

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 2);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static struct test_tensor read_expected(int file, const char *what)
{
    char key[96];
    snprintf(key, sizeof key, "%s/%s", files[file].name, what);
    return test_tensor_read("preprocess_video.safetensors", key);
}

START_TEST(clips_show_the_references_frames)
{
    struct test_tensor expected = read_expected(_i, "clip_frames");
    struct pnd_video_sampling sampling = {files[_i].frames, files[_i].fps,
                                          CLIPS, 2.0, 2};
    for (uint32_t i = 0; i < CLIPS * 2; i++) {
        uint64_t frame = UINT64_MAX;
        ck_assert(pnd_video_find_frame(&sampling, i / 2, i % 2, &frame));
        ck_assert_float_eq((float)frame, expected.values[i]);
    }
    test_tensor_free(&expected);
}
END_TEST

/* A frame as decord gave it. */
static void open_png(int file, uint64_t index, struct pnd_picture *out)
{
    char name[96];
    snprintf(name, sizeof name, "expected/frames/%s/%05d.png",
             files[file].name, (int)index);
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_PATH,
                         .path = test_fixture(name)};
    panda_status status = pnd_picture_open(out, &f.host, &input);
    ck_assert_msg(status == PANDA_OK, "%s: %s", name, f.message);
    ck_assert_uint_eq(out->channels, 3);
}

static void run(const panda_input *input, float *out)
{
    panda_frontend_tensor tensor = {
        .struct_size = sizeof tensor,
        .element = PANDA_ELEMENT_F32,
        .items = 1,
        .rank = 4,
        .shape = {3, 2, SIZE, SIZE},
    };
    ck_assert_int_eq(
        pnd_frontend_video.describe(NULL, &f.host, input, &tensor), PANDA_OK);
    ck_assert_uint_eq(tensor.items, ITEMS);
    panda_status status = pnd_frontend_video.preprocess(NULL, &f.host, input,
                                                        &tensor, out);
    ck_assert_msg(status == PANDA_OK, "%s", f.message);
}

/* Every 8th pixel and the sum of each plane. */
static void expect_crops(int file, const float *out, const char *from)
{
    struct test_tensor crops = read_expected(file, "crops_every8");
    struct test_tensor sums = read_expected(file, "crops_sum");
    float *thinned = malloc(crops.count * sizeof *thinned);
    size_t used = 0;
    double worst = 0;
    ck_assert_uint_eq(sums.count, PLANES);
    for (size_t p = 0; p < PLANES; p++) {
        const float *plane = out + p * PLANE;
        double sum = 0;
        for (size_t i = 0; i < PLANE; i++) {
            sum += plane[i];
            if (i / SIZE % 8 == 0 && i % SIZE % 8 == 0)
                thinned[used++] = plane[i];
        }
        double wanted = (double)sums.values[p];
        worst = fmax(worst, fabs(sum - wanted) / fabs(wanted));
        ck_assert_msg(fabs(sum - wanted) <= 1e-5 * fabs(wanted),
                      "plane %zu: sum %.9g, expected %.9g", p, sum, wanted);
    }
    ck_assert_uint_eq(used, crops.count);
    test_assert_close(files[file].name, thinned, crops.values, used, 2e-5);
    printf("%s, %s: crops within %.2g, sums within %.2g of themselves\n",
           files[file].name, from,
           test_max_difference(thinned, crops.values, used), worst);
    free(thinned);
    test_tensor_free(&crops);
    test_tensor_free(&sums);
}

START_TEST(crops_of_raw_frames)
{
    struct test_tensor used = read_expected(_i, "frame_index");
    struct pnd_picture first;
    open_png(_i, 0, &first);
    size_t row = (size_t)first.width * 3;
    size_t stride = row * first.height;
    uint8_t *frames = calloc(files[_i].frames, stride);
    float *out = malloc(sizeof *out * PLANES * PLANE);
    for (size_t k = 0; k < used.count; k++) {
        struct pnd_picture frame;
        uint64_t index = (uint64_t)used.values[k];
        open_png(_i, index, &frame);
        for (uint32_t y = 0; y < frame.height; y++)
            memcpy(frames + index * stride + y * row,
                   frame.pixels + y * frame.stride, row);
        pnd_picture_close(&frame, &f.host);
    }
    panda_input input = {
        .struct_size = sizeof input,
        .modality = PANDA_MODALITY_VIDEO,
        .source = PANDA_SOURCE_RAW,
        .element = PANDA_ELEMENT_U8,
        .data = frames,
        .size = files[_i].frames * stride,
        .width = first.width,
        .height = first.height,
        .channels = 3,
        .count = files[_i].frames,
        .rate = files[_i].fps,
    };
    run(&input, out);
    expect_crops(_i, out, "raw");
    free(out);
    free(frames);
    pnd_picture_close(&first, &f.host);
    test_tensor_free(&used);
}
END_TEST

#if HAVE_FFMPEG
static panda_input open_input(int file)
{
    char name[96];
    snprintf(name, sizeof name, "inputs/%s.mp4", files[file].name);
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_VIDEO,
                         .source = PANDA_SOURCE_PATH,
                         .path = test_fixture(name)};
}

/* FFmpeg versions may convert colours a step or two differently. */
START_TEST(decoded_pixels_are_decords)
{
    struct test_tensor used = read_expected(_i, "frame_index");
    panda_input input = open_input(_i);
    struct pnd_video video;
    panda_status status = pnd_video_open(&video, &f.host, &input);
    ck_assert_msg(status == PANDA_OK, "%s", f.message);
    ck_assert_uint_eq(video.frames, files[_i].frames);
    ck_assert(video.fps == files[_i].fps);
    int worst = 0;
    for (size_t k = 0; k < used.count; k++) {
        struct pnd_picture found, expected;
        uint64_t index = (uint64_t)used.values[k];
        open_png(_i, index, &expected);
        status = pnd_video_get_frame(&video, index, &found);
        ck_assert_msg(status == PANDA_OK, "%s", f.message);
        ck_assert_uint_eq(found.width, expected.width);
        ck_assert_uint_eq(found.height, expected.height);
        for (size_t i = 0; i < (size_t)found.height * found.width * 3; i++) {
            size_t y = i / (found.width * 3), x = i % (found.width * 3);
            int d = abs(found.pixels[y * found.stride + x] -
                        expected.pixels[y * expected.stride + x]);
            worst = d > worst ? d : worst;
        }
        pnd_picture_close(&expected, &f.host);
    }
    printf("%s: decoded pixels within %d steps\n", files[_i].name, worst);
    ck_assert_int_le(worst, 3);
    pnd_video_close(&video);
    test_tensor_free(&used);
}
END_TEST

/* Whole, from the file; a step of one pixel is 0.015 here. */
START_TEST(crops_of_files)
{
    panda_input input = open_input(_i);
    struct test_tensor crops = read_expected(_i, "crops_every8");
    float *out = malloc(sizeof *out * PLANES * PLANE);
    run(&input, out);
    size_t used = 0;
    double worst = 0;
    for (size_t i = 0; i < (size_t)PLANES * PLANE; i++)
        if (i % PLANE / SIZE % 8 == 0 && i % SIZE % 8 == 0)
            worst = fmax(worst, fabs(out[i] - crops.values[used++]));
    ck_assert_uint_eq(used, crops.count);
    printf("%s: crops of the file within %.2g\n", files[_i].name, worst);
    ck_assert_double_le(worst, 0.05);
    free(out);
    test_tensor_free(&crops);
}
END_TEST
#endif

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    if (!HAVE_PNG) {
        printf("SKIP: the frames are PNG files (built without libpng)\n");
        return TEST_SKIP;
    }
    Suite *suite = suite_create("parity_video");
    TCase *tc = tcase_create("parity_video");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, clips_show_the_references_frames, 0, FILES);
    tcase_add_loop_test(tc, crops_of_raw_frames, 0, FILES);
#if HAVE_FFMPEG
    tcase_add_loop_test(tc, decoded_pixels_are_decords, 0, FILES);
    tcase_add_loop_test(tc, crops_of_files, 0, FILES);
#else
    printf("SKIP: video files (built without FFmpeg)\n");
#endif
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
