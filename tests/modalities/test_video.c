/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/fake_host.h"
#include "modalities/make_video.h"
#include "modalities/video/crops.h"
#include "modalities/video/packets.h"
#include "modalities/video/sample_frames.h"
#include "modalities/video/video.h"
#include "pandagpt_config.h"
#include "support/support.h"

extern const panda_frontend_ops pnd_frontend_video;

#define SIZE 16
#define SLOTS 2
#define PLANE (SIZE * SIZE)
#define ITEM (3 * SLOTS * PLANE)
#define MAX_CLIPS 8

static struct fake_host f;
static float out[MAX_CLIPS * 3 * ITEM]; /* (clips, 3, 3, SLOTS, SIZE, SIZE) */

static void setup(void)
{
    fake_host_init(&f, 2);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static panda_input from_bytes(const void *data, size_t size)
{
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_VIDEO,
                         .source = PANDA_SOURCE_BYTES,
                         .data = data,
                         .size = size};
}

static panda_input from_raw(const uint8_t *frames, uint64_t count,
                            uint32_t width, uint32_t height, double rate)
{
    panda_input input =
        from_bytes(frames, (size_t)count * width * height * 3);
    input.source = PANDA_SOURCE_RAW;
    input.element = PANDA_ELEMENT_U8;
    input.channels = 3;
    input.width = width;
    input.height = height;
    input.count = count;
    input.rate = rate;
    return input;
}

static panda_status run(const panda_input *input)
{
    panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                    .element = PANDA_ELEMENT_F32,
                                    .items = 1,
                                    .rank = 4,
                                    .shape = {3, SLOTS, SIZE, SIZE}};
    fake_host_clear(&f);
    panda_status status =
        pnd_frontend_video.describe(NULL, &f.host, input, &tensor);
    if (status < 0)
        return status;
    ck_assert_uint_le(tensor.items, MAX_CLIPS * 3);
    for (uint32_t i = 0; i < tensor.items * ITEM; i++)
        out[i] = NAN;
    status = pnd_frontend_video.preprocess(NULL, &f.host, input, &tensor, out);
    for (uint32_t i = 0; status == PANDA_OK && i < tensor.items * ITEM; i++)
        if (!isfinite(out[i]))
            ck_abort_msg("value %u is %g", i, (double)out[i]);
    return status;
}

static void expect_ok(const panda_input *input)
{
    panda_status status = run(input);
    ck_assert_msg(status == PANDA_OK, "%d: %s", (int)status, f.message);
}

static void expect_failure(panda_input input, panda_status expected,
                           const char *part)
{
    panda_status status = run(&input);
    ck_assert_msg(status == expected && strstr(f.message, part),
                  "%d: \"%s\" instead of %d: \"%s\"", (int)status, f.message,
                  (int)expected, part);
}

/* Computed with Python's fractions, as the reference does; in those above the
 * blank, plain doubles give other frames. */
static const struct {
    struct pnd_video_sampling sampling;
    uint32_t clip;
    uint64_t first, end;
} clips[] = {
    {{90, 25.0, 7, 2.0, 2}, 3, 20, 70},
    {{100003, 1000.0, 7, 0.3, 2}, 6, 99703, 100003},
    {{1000, 30.0, 7, 2.0, 2}, 3, 471, 530},
    {{1000, 30.0, 7, 2.0, 2}, 6, 941, 1000},
    {{150, 20.0, 7, 0.1, 2}, 3, 74, 76},
    {{50, 20.0, 7, 1.7, 2}, 6, 16, 50},
    {{100003, 12.5, 7, 2.0, 2}, 3, 49989, 50014},

    {{150, 25.0, 5, 2.0, 2}, 4, 100, 150},
    {{7, 1000.0, 7, 1.7, 2}, 0, 0, 7},
    {{51, 29.97002997002997, 64, 0.1, 2}, 0, 0, 3},
    {{1, 23.976023976023978, 1, 1.7, 2}, 0, 0, 1},
    {{1000, 25.0, 7, 1.7, 2}, 3, 479, 522},
};

START_TEST(clips_are_exact)
{
    uint64_t first, end, frame;
    const struct pnd_video_sampling *s = &clips[_i].sampling;
    pnd_video_find_clip(s, clips[_i].clip, &first, &end);
    ck_assert_uint_eq(first, clips[_i].first);
    ck_assert_uint_eq(end, clips[_i].end);
    ck_assert(pnd_video_find_frame(s, clips[_i].clip, 0, &frame));
    ck_assert_uint_eq(frame, first);
    ck_assert(pnd_video_find_frame(s, clips[_i].clip, 1, &frame));
    ck_assert_uint_eq(frame, end - 1);
}
END_TEST

/* torch.linspace(0, n - 1, slots).long() */
START_TEST(slots_spread_as_linspace)
{
    static const struct {
        uint64_t count;
        uint32_t slots;
        uint64_t expected[8];
    } cases[] = {
        {10, 1, {0}},
        {10, 4, {0, 3, 6, 9}},
        {50, 8, {0, 7, 14, 21, 28, 35, 42, 49}},
        {60, 8, {0, 8, 16, 25, 33, 42, 50, 59}},
        {3, 8, {0, 0, 0, 0, 1, 1, 1, 2}},
        {1, 3, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pnd_video_sampling s = {cases[i].count, 25, 1, 60,
                                       cases[i].slots};
        for (uint32_t slot = 0; slot < s.slots; slot++) {
            uint64_t frame;
            ck_assert(pnd_video_find_frame(&s, 0, slot, &frame));
            ck_assert_uint_eq(frame, cases[i].expected[slot]);
        }
    }
}
END_TEST

START_TEST(crops_lie_where_the_references_do)
{
    static const struct {
        uint32_t width, height;
        uint64_t long_side, middle, last;
    } cases[] = {
        {320, 240, 298, 37, 74}, {426, 240, 397, 87, 173},
        {240, 240, 224, 0, 0},   {301, 300, 224, 0, 0},
        {1, 7, 1568, 672, 1344}, {1000, 60, 3733, 1755, 3509},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int turned = 0; turned < 2; turned++) {
            uint32_t width = turned ? cases[i].height : cases[i].width;
            uint32_t height = turned ? cases[i].width : cases[i].height;
            for (uint32_t crop = 0; crop < 3; crop++) {
                struct pnd_window w;
                pnd_video_find_crop(&w, width, height, 224, crop);
                uint64_t offset = crop == 0   ? 0
                                  : crop == 1 ? cases[i].middle
                                              : cases[i].last;
                bool tall = height > width;
                ck_assert_uint_eq(w.size, 224);
                ck_assert_uint_eq(tall ? w.height : w.width,
                                  cases[i].long_side);
                ck_assert_uint_eq(tall ? w.width : w.height, 224);
                ck_assert_uint_eq(tall ? w.top : w.left, offset);
                ck_assert_uint_eq(tall ? w.left : w.top, 0);
            }
        }
    }
}
END_TEST

START_TEST(packets_are_found_by_time)
{
    struct pnd_packets p;
    pnd_packets_init(&p, &f.host);
    /* Groups of ten, shown in another order than stored. */
    for (int i = 0; i < 5000; i++) {
        int in_group = i % 10;
        int shown = in_group == 0 ? 0 : in_group % 3 == 1 ? in_group + 2
                                                          : in_group - 1;
        ck_assert_int_eq(pnd_packets_add(&p, true, (i - in_group + shown) * 40,
                                         in_group == 0), PANDA_OK);
    }
    ck_assert_int_eq(pnd_packets_finish(&p), PANDA_OK);
    ck_assert(p.timed);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_int_eq(p.times[i], (int64_t)i * 40);
    for (size_t i = 0; i < 5000; i += 7)
        ck_assert_uint_eq(pnd_packets_find_key(&p, p.times[i]), i / 10 * 10);
    pnd_packets_free(&p);
    pnd_packets_free(&p);
}
END_TEST

START_TEST(packets_without_times)
{
    for (int kind = 0; kind < 2; kind++) {
        struct pnd_packets p;
        pnd_packets_init(&p, &f.host);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(
                pnd_packets_add(&p, kind == 1 || i != 1, i / 2, true),
                PANDA_OK);
        ck_assert_int_eq(pnd_packets_finish(&p), PANDA_OK);
        ck_assert(!p.timed); /* unknown, or twice the same */
        pnd_packets_free(&p);
    }
}
END_TEST

#define WIDTH 40
#define HEIGHT 30

/* Flat frames of three channels that say their number. */
static uint8_t *make_frames(uint64_t count, uint64_t row_stride,
                            uint64_t frame_stride)
{
    uint8_t *frames = calloc(count, frame_stride);
    for (uint64_t i = 0; i < count; i++)
        for (uint32_t y = 0; y < HEIGHT; y++)
            for (uint32_t x = 0; x < WIDTH * 3; x++)
                frames[i * frame_stride + y * row_stride + x] =
                    (uint8_t)(i * 2 + x % 3 * 10);
    return frames;
}

/* The byte that a plane of one colour was made of. */
static double get_byte(uint32_t clip, uint32_t crop, uint32_t channel,
                       uint32_t slot)
{
    static const double means[] = {0.48145466, 0.4578275, 0.40821073};
    static const double stds[] = {0.26862954, 0.26130258, 0.27577711};
    const float *plane =
        out + (((clip * 3 + crop) * 3 + channel) * SLOTS + slot) * PLANE;
    for (int i = 1; i < PLANE; i++)
        if (!(fabsf(plane[i] - plane[0]) < 0.01f))
            ck_abort_msg("value %d is %g, not %g", i, (double)plane[i],
                         (double)plane[0]);
    return (plane[0] * stds[channel] + means[channel]) * 255;
}

START_TEST(raw_frames_with_strides)
{
    static const struct {
        uint64_t row, frame;
    } strides[] = {
        {WIDTH * 3, WIDTH *HEIGHT * 3},
        {WIDTH * 3 + 5, (WIDTH * 3 + 5) * HEIGHT},
        {WIDTH * 3 + 8, (WIDTH * 3 + 8) * HEIGHT + 100},
    };
    struct pnd_video_sampling s = {100, 10, 5, 2, SLOTS};
    for (int i = 0; i < 3; i++) {
        uint8_t *frames = make_frames(100, strides[i].row, strides[i].frame);
        panda_input input = from_raw(frames, 100, WIDTH, HEIGHT, 10);
        input.size = 100 * strides[i].frame;
        input.row_stride = i == 0 ? 0 : strides[i].row;
        input.frame_stride = i == 0 ? 0 : strides[i].frame;
        expect_ok(&input);
        for (uint32_t k = 0; k < 5 * 3 * 3 * SLOTS; k++) {
            uint64_t frame;
            uint32_t clip = k / 18, crop = k / 6 % 3, c = k / 2 % 3;
            ck_assert(pnd_video_find_frame(&s, clip, k % 2, &frame));
            ck_assert_double_eq_tol(get_byte(clip, crop, c, k % 2),
                                    (double)(frame * 2 + c * 10), 0.01);
        }
        free(frames);
    }
}
END_TEST

START_TEST(square_frames_have_three_equal_crops)
{
    uint8_t *frames = make_frames(3, WIDTH * 3, WIDTH * HEIGHT * 3);
    for (size_t i = 0; i < 3 * WIDTH * HEIGHT * 3; i++)
        frames[i] = (uint8_t)(i * i >> 3);
    panda_input input = from_raw(frames, 3, HEIGHT, HEIGHT, 1);
    expect_ok(&input);
    for (int crop = 1; crop < 3; crop++)
        ck_assert_mem_eq(out, out + crop * ITEM, ITEM * sizeof *out);
    input = from_raw(frames, 3, WIDTH, HEIGHT, 1);
    expect_ok(&input);
    ck_assert(memcmp(out, out + ITEM, ITEM * sizeof *out) != 0);
    free(frames);
}
END_TEST

START_TEST(short_videos_have_equal_clips)
{
    uint8_t *frames = make_frames(9, WIDTH * 3, WIDTH * HEIGHT * 3);
    panda_input input = from_raw(frames, 9, WIDTH, HEIGHT, 5);
    expect_ok(&input);
    for (int clip = 1; clip < 5; clip++)
        ck_assert_mem_eq(out, out + clip * 3 * ITEM, 3 * ITEM * sizeof *out);
    ck_assert_double_eq_tol(get_byte(0, 0, 0, 1), 16, 0.01);
    input.count = 1;
    expect_ok(&input);
    ck_assert_double_eq_tol(get_byte(4, 2, 0, 1), 0, 0.01);
    input.count = 0;
    expect_failure(input, PANDA_E_FORMAT, "no frames found");
    free(frames);
}
END_TEST

START_TEST(options_and_limits)
{
    uint8_t *frames = make_frames(20, WIDTH * 3, WIDTH * HEIGHT * 3);
    panda_video_options options = {.struct_size = sizeof options, .clips = 2,
                                   .clip_seconds = 0.5};
    panda_input input = from_raw(frames, 20, WIDTH, HEIGHT, 10);
    input.video_options = &options;
    expect_ok(&input);
    ck_assert_double_eq_tol(get_byte(0, 0, 0, 1), 8, 0.01);
    ck_assert_double_eq_tol(get_byte(1, 0, 0, 0), 30, 0.01);
    ck_assert_double_eq_tol(get_byte(1, 0, 0, 1), 38, 0.01);
    options.clips = 65;
    expect_failure(input, PANDA_E_ARGUMENT, "65 video clips");
    options.clips = 3;
    options.clip_seconds = 60.5;
    expect_failure(input, PANDA_E_ARGUMENT, "clips of 60.5 s");
    options.clip_seconds = -1;
    expect_failure(input, PANDA_E_ARGUMENT, "clips of -1 s");
    options.clip_seconds = 0.01; /* falls between two frames */
    expect_failure(input, PANDA_E_FORMAT, "clip 2 of 0.01 s holds no frame");
    input.video_options = NULL;
    f.limits.max_seconds = 1.5;
    expect_failure(input, PANDA_E_FORMAT, "lasts 2 s, expected at most 1.5 s");
    f.limits.max_pixels = WIDTH * HEIGHT - 1;
    expect_failure(input, PANDA_E_FORMAT, "pixels");
    input.rate = 0;
    expect_failure(input, PANDA_E_ARGUMENT, "the rate is 0 frames/s");
    input.rate = INFINITY;
    expect_failure(input, PANDA_E_ARGUMENT, "the rate is inf");
    input.channels = 4;
    expect_failure(input, PANDA_E_ARGUMENT, "frames of 4 channels");
    free(frames);
}
END_TEST

START_TEST(wrong_shapes)
{
    static const uint32_t shapes[][4] = {
        {1, 2, 16, 16}, {3, 0, 16, 16}, {3, 65, 16, 16}, {3, 2, 16, 15},
    };
    panda_input input = from_bytes("x", 1);
    for (int i = 0; i < 4; i++) {
        panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                        .element = PANDA_ELEMENT_F32,
                                        .rank = 4};
        memcpy(tensor.shape, shapes[i], sizeof tensor.shape);
        ck_assert_int_eq(
            pnd_frontend_video.describe(NULL, &f.host, &input, &tensor),
            PANDA_E_SHAPE);
    }
}
END_TEST

#if HAVE_FFMPEG

static const struct video_recipe recipes[] = {
    {"mp4", "mpeg4", 64, 48, 25, 1, 150, 12, 2},
    {"mp4", "mpeg4", 48, 64, 30000, 1001, 100, 250, 0},
    {"matroska", "mpeg4", 64, 48, 10, 1, 150, 7, 1},
    {"matroska", "ffv1", 64, 48, 10, 1, 60, 1, 0},
    {"avi", "mpeg4", 64, 48, 25, 1, 150, 12, 2},
    {"avi", "mjpeg", 64, 48, 25, 1, 60, 1, 0},
    {"mpegts", "mpeg2video", 64, 48, 25, 1, 100, 12, 2},
};

/* Frames are the right ones in containers with and without times, from key
 * frames and from the start, in order and with B-frames. */
START_TEST(files_show_the_right_frames)
{
    const struct video_recipe *r = &recipes[_i];
    size_t size;
    uint8_t *file = make_video(&size, r);
    if (!file)
        return; /* not in this FFmpeg */
    panda_input input = from_bytes(file, size);
    panda_video_options options = {.struct_size = sizeof options, .clips = 8,
                                   .clip_seconds = 0.3};
    struct pnd_video video;
    panda_status status = pnd_video_open(&video, &f.host, &input);
    ck_assert_msg(status == PANDA_OK, "%s", f.message);
    ck_assert_uint_eq(video.frames, (uint64_t)r->frames);
    ck_assert_double_eq_tol(video.fps, (double)r->rate_num / r->rate_den,
                            0.01);
    struct pnd_video_sampling s = {video.frames, video.fps, 8, 0.3, SLOTS};
    pnd_video_close(&video);
    input.video_options = &options;
    for (int path = 0; path < 2; path++) {
        if (path) {
            input.source = PANDA_SOURCE_PATH;
            input.path = test_write_temp(".mp4", file, size);
        }
        expect_ok(&input);
        for (uint32_t k = 0; k < 16; k++) {
            uint64_t frame;
            ck_assert(pnd_video_find_frame(&s, k / 2, k % 2, &frame));
            double gray = (video_get_gray((int)frame) - 16) * 255.0 / 219;
            for (uint32_t channel = 0; channel < 3; channel++)
                ck_assert_double_eq_tol(get_byte(k / 2, 1, channel, k % 2),
                                        gray, 3.5);
        }
    }
    free(file);
}
END_TEST

/* Each frame, one after the other: no jumps to key frames. */
START_TEST(every_frame_can_be_read)
{
    const struct video_recipe *r = &recipes[_i];
    size_t size;
    uint8_t *file = make_video(&size, r);
    if (!file)
        return;
    panda_input input = from_bytes(file, size);
    struct pnd_video video;
    ck_assert_int_eq(pnd_video_open(&video, &f.host, &input), PANDA_OK);
    for (uint64_t i = 0; i < 2 * video.frames; i++) { /* each twice */
        struct pnd_picture frame;
        panda_status status = pnd_video_get_frame(&video, i / 2, &frame);
        ck_assert_msg(status == PANDA_OK, "frame %d: %s", (int)i / 2,
                      f.message);
        double gray = (video_get_gray((int)(i / 2)) - 16) * 255.0 / 219;
        ck_assert_double_eq_tol(frame.pixels[frame.stride * 9 + 27], gray, 3.5);
    }
    pnd_video_close(&video);
    free(file);
}
END_TEST

START_TEST(cut_off_files_are_refused)
{
    size_t size;
    uint8_t *file = make_video(&size, &recipes[0]);
    if (!file)
        return;
    expect_failure(from_bytes(file, size - 100), PANDA_E_FORMAT,
                   "holds an MP4 or QuickTime file that FFmpeg cannot open");
    expect_failure(from_bytes(file, 16), PANDA_E_FORMAT, "cannot open");
    free(file);
}
END_TEST

/* The table of contents first, as files for streaming have it. */
static void move_index_to_front(uint8_t *file, size_t size)
{
    size_t data = 0, index = 0, data_size = 0, index_size = 0;
    for (size_t at = 0; at + 8 <= size;) {
        size_t length = (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 |
                        (size_t)file[at + 2] << 8 | file[at + 3];
        if (memcmp(file + at + 4, "mdat", 4) == 0) {
            data = at;
            data_size = length;
        } else if (memcmp(file + at + 4, "moov", 4) == 0) {
            index = at;
            index_size = length;
        }
        at += length < 8 ? 8 : length;
    }
    ck_assert_uint_eq(data + data_size, index);
    uint8_t *copy = malloc(index_size);
    memcpy(copy, file + index, index_size);
    memmove(file + data + index_size, file + data, data_size);
    memcpy(file + data, copy, index_size);
    free(copy);
    uint8_t *table = NULL; /* of the chunks' places, which have moved */
    for (size_t i = data; i < data + index_size; i++)
        if (memcmp(file + i, "stco", 4) == 0)
            table = file + i + 4;
    ck_assert_ptr_nonnull(table);
    uint32_t count = (uint32_t)table[6] << 8 | table[7];
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = table + 8 + 4 * i;
        uint32_t place = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
                         (uint32_t)p[2] << 8 | p[3];
        place += (uint32_t)index_size;
        for (int b = 0; b < 4; b++)
            p[b] = (uint8_t)(place >> (24 - 8 * b));
    }
}

START_TEST(cut_off_data_is_noticed)
{
    size_t size;
    uint8_t *file = make_video(&size, &recipes[0]);
    if (!file)
        return;
    move_index_to_front(file, size);
    panda_input input = from_bytes(file, size);
    expect_ok(&input);
    for (size_t part = 5; part < 10; part++) {
        input = from_bytes(file, size * part / 10);
        panda_status status = run(&input);
        ck_assert_msg(status == PANDA_E_FORMAT, "%zu: %d %s", part,
                      (int)status, f.message);
    }
    free(file);
}
END_TEST

START_TEST(damaged_data_is_noticed_or_harmless)
{
    size_t size;
    uint8_t *file = make_video(&size, &recipes[0]);
    if (!file)
        return;
    uint8_t *broken = malloc(size);
    for (size_t at = 48; at < size; at += size / 97) {
        memcpy(broken, file, size);
        for (size_t i = at; i < at + 40 && i < size; i++)
            broken[i] ^= (uint8_t)(0x5a + i);
        panda_input input = from_bytes(broken, size);
        panda_status status = run(&input);
        ck_assert_msg(status == PANDA_OK || f.message[0] != '\0', "%d",
                      (int)status);
        ck_assert_int_eq(fake_host_check(&f), 0);
    }
    free(broken);
    free(file);
}
END_TEST

START_TEST(limits_of_files)
{
    size_t size;
    uint8_t *file = make_video(&size, &recipes[0]);
    if (!file)
        return;
    panda_input input = from_bytes(file, size);
    f.limits.max_seconds = 5.9;
    expect_failure(input, PANDA_E_FORMAT, "lasts 6 s, expected at most 5.9 s");
    f.limits.max_seconds = 6;
    expect_ok(&input);
    f.limits.max_pixels = 64 * 48 - 1;
    expect_failure(input, PANDA_E_FORMAT, "max_pixels");
    f.limits.max_pixels = 64 * 48;
    f.limits.max_file_bytes = size - 1;
    expect_failure(input, PANDA_E_FORMAT, "max_file_bytes");
    free(file);
}
END_TEST

START_TEST(other_files)
{
    static uint8_t wav[4044] =
        "RIFF\xc4\x0f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0"
        "\2\0\x10\0data\xa0\x0f\0";
    expect_failure(from_bytes(wav, sizeof wav), PANDA_E_FORMAT,
                   "holds a WAV file that FFmpeg cannot open");
    expect_failure(from_bytes("hello world", 11), PANDA_E_FORMAT,
                   "holds text that FFmpeg cannot open");
    /* A playlist must not make us read what it names. */
    const char *list = "ffconcat version 1.0\nfile /etc/hostname\n";
    expect_failure(from_bytes(list, strlen(list)), PANDA_E_FORMAT,
                   "holds text that FFmpeg cannot open");
    list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n"
           "#EXT-X-ENDLIST\n";
    expect_failure(from_bytes(list, strlen(list)), PANDA_E_FORMAT,
                   "holds text that FFmpeg cannot open");
}
END_TEST

/* Whatever the number of threads that decode. */
START_TEST(threads_change_nothing)
{
    size_t size;
    uint8_t *file = make_video(&size, &recipes[0]);
    if (!file)
        return;
    panda_input input = from_bytes(file, size);
    f.host.threads = 1;
    expect_ok(&input);
    float *alone = malloc(sizeof out);
    memcpy(alone, out, sizeof out);
    f.host.threads = 7;
    expect_ok(&input);
    ck_assert_mem_eq(alone, out, 15 * ITEM * sizeof *out);
    free(alone);
    free(file);
}
END_TEST

#else

START_TEST(files_need_ffmpeg)
{
    expect_failure(from_bytes("RIFF", 4), PANDA_E_UNSUPPORTED,
                   "reads no video files");
}
END_TEST

#endif

static void make_sample(struct conformance_sample *sample)
{
    static const struct video_recipe recipe = {"mp4", "mpeg4", 16, 16, 10, 1,
                                               5, 5, 1};
    static uint8_t *file, *frames;
    static size_t size;
    if (!frames) {
        file = make_video(&size, &recipe);
        frames = make_frames(12, WIDTH * 3, WIDTH * HEIGHT * 3);
    }
    *sample = (struct conformance_sample){
        .bytes = file,
        .size = file ? size : 0,
        .suffix = ".mp4",
        .has_raw = true,
    };
    sample->raw = from_raw(frames, 12, WIDTH, HEIGHT, 10);
}

static const struct conformance conformance_video = {
    .ops = &pnd_frontend_video,
    .tensor = {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 4,
               {3, SLOTS, SIZE, SIZE}},
    .make_sample = make_sample,
};

static void add_file_tests(TCase *tc)
{
#if HAVE_FFMPEG
    int count = (int)(sizeof recipes / sizeof *recipes);
    tcase_add_loop_test(tc, files_show_the_right_frames, 0, count);
    tcase_add_loop_test(tc, every_frame_can_be_read, 0, count);
    tcase_add_test(tc, cut_off_files_are_refused);
    tcase_add_test(tc, cut_off_data_is_noticed);
    tcase_add_test(tc, damaged_data_is_noticed_or_harmless);
    tcase_add_test(tc, limits_of_files);
    tcase_add_test(tc, other_files);
    tcase_add_test(tc, threads_change_nothing);
#else
    tcase_add_test(tc, files_need_ffmpeg);
#endif
}

int main(void)
{
    Suite *suite = suite_create("video");
    TCase *tc = tcase_create("video");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, clips_are_exact, 0,
                        (int)(sizeof clips / sizeof *clips));
    tcase_add_test(tc, slots_spread_as_linspace);
    tcase_add_test(tc, crops_lie_where_the_references_do);
    tcase_add_test(tc, packets_are_found_by_time);
    tcase_add_test(tc, packets_without_times);
    tcase_add_test(tc, raw_frames_with_strides);
    tcase_add_test(tc, square_frames_have_three_equal_crops);
    tcase_add_test(tc, short_videos_have_equal_clips);
    tcase_add_test(tc, options_and_limits);
    tcase_add_test(tc, wrong_shapes);
    add_file_tests(tc);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(video));
    return test_run(suite);
}
