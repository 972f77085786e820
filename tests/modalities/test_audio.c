/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/fake_host.h"
#include "pandagpt_config.h"
#include "support/support.h"

#if HAVE_SNDFILE
#  include <sndfile.h>
#endif

extern const panda_frontend_ops pnd_frontend_audio;

#define MELS 16
#define FRAMES 20
#define ITEM (MELS * FRAMES)
#define MAX_CLIPS 8

/* Silence and padding, normalised. */
#define FLOOR ((logf(1.1920929e-07f) + 4.268f) / 9.138f)
#define PADDING (4.268f / 9.138f)

static struct fake_host f;
static float out[MAX_CLIPS * ITEM], other[MAX_CLIPS * ITEM];

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
                         .modality = PANDA_MODALITY_AUDIO,
                         .source = PANDA_SOURCE_BYTES,
                         .data = data,
                         .size = size};
}

static panda_input from_raw(const void *samples, panda_element element,
                            uint64_t count, uint32_t channels, double rate)
{
    panda_input input = from_bytes(
        samples, count * channels * (element == PANDA_ELEMENT_I16 ? 2 : 4));
    input.source = PANDA_SOURCE_RAW;
    input.element = element;
    input.count = count;
    input.channels = channels;
    input.rate = rate;
    return input;
}

static panda_status run(const panda_input *input, float *values)
{
    panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                    .element = PANDA_ELEMENT_F32,
                                    .items = 1,
                                    .rank = 3,
                                    .shape = {1, MELS, FRAMES}};
    fake_host_clear(&f);
    panda_status status =
        pnd_frontend_audio.describe(NULL, &f.host, input, &tensor);
    if (status < 0)
        return status;
    ck_assert_uint_le(tensor.items, MAX_CLIPS);
    for (uint32_t i = 0; i < tensor.items * ITEM; i++)
        values[i] = NAN;
    status = pnd_frontend_audio.preprocess(NULL, &f.host, input, &tensor,
                                           values);
    for (uint32_t i = 0; status == PANDA_OK && i < tensor.items * ITEM; i++)
        if (!isfinite(values[i]))
            ck_abort_msg("value %u is %g", i, (double)values[i]);
    return status;
}

static void expect_ok(const panda_input *input, float *values)
{
    panda_status status = run(input, values);
    ck_assert_msg(status == PANDA_OK, "%d: %s", (int)status, f.message);
}

static void expect_failure(panda_input input, panda_status expected,
                           const char *part)
{
    panda_status status = run(&input, out);
    ck_assert_msg(status == expected && strstr(f.message, part),
                  "%d: \"%s\" instead of %d: \"%s\"", (int)status, f.message,
                  (int)expected, part);
}

/* A sound whose samples every format can hold: multiples of 1/128. */
static float get_sample(uint64_t i)
{
    double t = (double)i / 16000;
    double wave = 60 * sin(2500 * t) + 40 * sin(9000 * t * t) +
                  (double)(i * 7919 % 23);
    return (float)(floor(wave) / 128);
}

static float *make_sound(uint64_t frames, uint32_t channels)
{
    float *samples = malloc(frames * channels * sizeof *samples);
    for (uint64_t i = 0; i < frames * channels; i++)
        samples[i] = get_sample(i / channels);
    return samples;
}

START_TEST(raw_elements_agree)
{
    enum { COUNT = 60000 };
    float *floats = make_sound(COUNT, 1);
    int16_t *integers = malloc(COUNT * sizeof *integers);
    for (int i = 0; i < COUNT; i++)
        integers[i] = (int16_t)(floats[i] * 32768);
    panda_input input = from_raw(floats, PANDA_ELEMENT_F32, COUNT, 1, 16000);
    expect_ok(&input, out);
    input = from_raw(integers, PANDA_ELEMENT_I16, COUNT, 1, 16000);
    expect_ok(&input, other);
    ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
    /* The clips begin at different samples. */
    ck_assert(memcmp(out, out + ITEM, ITEM * sizeof *out) != 0);
    ck_assert(memcmp(out + ITEM, out + 2 * ITEM, ITEM * sizeof *out) != 0);
    free(floats);
    free(integers);
}
END_TEST

/* With equal channels, their number changes nothing. */
START_TEST(equal_channels_are_as_one)
{
    static const uint32_t counts[] = {2, 6, 1024};
    static const double channel_rates[] = {16000, 44100};
    enum { COUNT = 9000 };
    for (int r = 0; r < 2; r++) {
        float *mono = make_sound(COUNT, 1);
        panda_input input = from_raw(mono, PANDA_ELEMENT_F32, COUNT, 1,
                                     channel_rates[r]);
        expect_ok(&input, out);
        for (int c = 0; c < 3; c++) {
            float *samples = make_sound(COUNT, counts[c]);
            input = from_raw(samples, PANDA_ELEMENT_F32, COUNT, counts[c],
                             channel_rates[r]);
            expect_ok(&input, other);
            ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
            free(samples);
        }
        free(mono);
    }
}
END_TEST

/* The other channels only count in the mean that is subtracted. */
START_TEST(first_channel_is_heard)
{
    enum { COUNT = 5000 };
    float *samples = make_sound(COUNT, 2);
    for (int i = 0; i < COUNT; i++)
        samples[2 * i] = 0;
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, COUNT, 2, 16000);
    expect_ok(&input, out);
    for (int i = 0; i < 3 * ITEM; i++)
        ck_assert_float_eq(out[i], FLOOR);
    free(samples);
}
END_TEST

START_TEST(short_sounds)
{
    float *samples = make_sound(40000, 1);
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, 31999, 1, 16000);
    expect_ok(&input, out);
    ck_assert_mem_eq(out, out + ITEM, ITEM * sizeof *out);
    ck_assert_mem_eq(out, out + 2 * ITEM, ITEM * sizeof *out);
    /* One frame, then padding that is 0 before it is normalised. */
    input.count = 400;
    expect_ok(&input, out);
    for (int m = 0; m < MELS; m++)
        for (int t = 1; t < FRAMES; t++)
            ck_assert_float_eq(out[m * FRAMES + t], PADDING);
    ck_assert(out[0] != PADDING);
    input.count = 399;
    expect_failure(input, PANDA_E_FORMAT,
                   "399 samples (24.938 ms) long at 16 kHz, expected at least "
                   "400");
    input.count = 0;
    expect_failure(input, PANDA_E_FORMAT, "no samples found");
    /* 25 ms at another rate. */
    input = from_raw(samples, PANDA_ELEMENT_F32, 1099, 1, 44100);
    expect_failure(input, PANDA_E_FORMAT, "the sound is 399 samples");
    input = from_raw(samples, PANDA_ELEMENT_F32, 1100, 1, 44100);
    expect_ok(&input, out);
    free(samples);
}
END_TEST

START_TEST(clip_options)
{
    enum { COUNT = 80000 };
    float *samples = make_sound(COUNT, 1);
    panda_audio_options options = {.struct_size = sizeof options};
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, COUNT, 1, 16000);
    input.audio_options = &options;
    expect_ok(&input, out);
    for (uint32_t clips = 1; clips <= MAX_CLIPS; clips++) {
        options.clips = clips;
        expect_ok(&input, other);
        /* The first clip, and what no other clip has shifted. */
        ck_assert_mem_eq(out, other, ITEM * sizeof *out);
    }
    options.clips = 2;
    options.clip_seconds = 0.1; /* 8 frames */
    expect_ok(&input, other);
    for (int m = 0; m < MELS; m++) {
        ck_assert(other[m * FRAMES + 7] != PADDING);
        ck_assert_float_eq(other[m * FRAMES + 8], PADDING);
    }
    options.clips = 1025;
    expect_failure(input, PANDA_E_ARGUMENT, "1025 audio clips");
    options.clips = 1;
    options.clip_seconds = 0.02;
    expect_failure(input, PANDA_E_ARGUMENT, "clips of 0.02 s");
    options.clip_seconds = 61;
    expect_failure(input, PANDA_E_ARGUMENT, "clips of 61 s");
    options.clip_seconds = (double)NAN;
    expect_failure(input, PANDA_E_ARGUMENT, "clips of nan s");
    options.struct_size = 8; /* the length is not the caller's */
    expect_ok(&input, other);
    free(samples);
}
END_TEST

START_TEST(wrong_raw_descriptions)
{
    float samples[800] = {0};
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, 800, 1, 16000.5);
    expect_failure(input, PANDA_E_ARGUMENT, "16000.5 samples/s");
    input.rate = 999;
    expect_failure(input, PANDA_E_ARGUMENT, "999 samples/s");
    input.rate = (double)NAN;
    expect_failure(input, PANDA_E_ARGUMENT, "nan samples/s");
    input.rate = 16000;
    input.channels = 2;
    expect_failure(input, PANDA_E_SHAPE, "fewer than the 800 samples of 2");
    input.channels = 0;
    expect_failure(input, PANDA_E_FORMAT, "0 channels");
    input = from_raw(samples, PANDA_ELEMENT_U8, 800, 1, 16000);
    expect_failure(input, PANDA_E_ARGUMENT, "elements of type 1");
    panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                    .element = PANDA_ELEMENT_F32,
                                    .rank = 3,
                                    .shape = {2, MELS, FRAMES}};
    ck_assert_int_eq(
        pnd_frontend_audio.describe(NULL, &f.host, &input, &tensor),
        PANDA_E_SHAPE);
}
END_TEST

START_TEST(values_must_be_finite)
{
    float *samples = make_sound(2000, 3);
    samples[3 * 1234 + 2] = NAN;
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, 2000, 3, 22050);
    expect_failure(input, PANDA_E_FORMAT,
                   "sample 1234 of channel 2 is not a finite number");
    samples[3 * 1234 + 2] = -INFINITY;
    expect_failure(input, PANDA_E_FORMAT, "sample 1234 of channel 2");
    free(samples);
}
END_TEST

START_TEST(length_is_limited)
{
    float *samples = make_sound(32000, 1);
    f.limits.max_seconds = 1.5;
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, 32000, 1, 16000);
    expect_failure(input, PANDA_E_FORMAT, "lasts 2 s, expected at most 1.5 s");
    free(samples);
}
END_TEST

#if HAVE_SNDFILE

struct file {
    uint8_t *bytes;
    size_t size;
};

/* Write a sound file, and read it back whole. */
static struct file make_file(int format, int rate, const float *samples,
                             uint64_t frames, uint32_t channels)
{
    const char *path = test_write_temp(".sound", "", 0);
    SF_INFO info = {.format = format, .samplerate = rate,
                    .channels = (int)channels};
    SNDFILE *sound = sf_open(path, SFM_WRITE, &info);
    ck_assert_msg(sound != NULL, "%x: %s", (unsigned)format, sf_strerror(NULL));
    sf_command(sound, SFC_SET_CLIPPING, NULL, SF_TRUE);
    ck_assert_int_eq(sf_writef_float(sound, samples, (sf_count_t)frames),
                     (sf_count_t)frames);
    sf_close(sound);
    FILE *stream = fopen(path, "rb");
    struct file file = {malloc(1 << 24), 0};
    file.size = fread(file.bytes, 1, 1 << 24, stream);
    fclose(stream);
    return file;
}

static void free_file(struct file *file)
{
    free(file->bytes);
}

static const int lossless[] = {
    SF_FORMAT_WAV | SF_FORMAT_PCM_U8,   SF_FORMAT_WAV | SF_FORMAT_PCM_16,
    SF_FORMAT_WAV | SF_FORMAT_PCM_24,   SF_FORMAT_WAV | SF_FORMAT_PCM_32,
    SF_FORMAT_WAV | SF_FORMAT_FLOAT,    SF_FORMAT_WAV | SF_FORMAT_DOUBLE,
    SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_S8,
    SF_FORMAT_FLAC | SF_FORMAT_PCM_16,  SF_FORMAT_FLAC | SF_FORMAT_PCM_24,
    SF_FORMAT_AIFF | SF_FORMAT_PCM_16,  SF_FORMAT_AU | SF_FORMAT_PCM_24,
    SF_FORMAT_CAF | SF_FORMAT_ALAC_16,  SF_FORMAT_W64 | SF_FORMAT_PCM_16,
};

/* Long enough for gaps between the clips: skipped where samples can be found
 * without decoding, decoded elsewhere. */
START_TEST(lossless_files_are_as_raw)
{
    enum { COUNT = 110000 };
    int format = lossless[_i];
    for (uint32_t channels = 1; channels <= 6; channels += 5) {
        for (int rate = 16000; rate <= 24000; rate += 8000) {
            float *samples = make_sound(COUNT, channels);
            panda_input input = from_raw(samples, PANDA_ELEMENT_F32, COUNT,
                                         channels, rate);
            expect_ok(&input, out);
            struct file file = make_file(format, rate, samples, COUNT,
                                         channels);
            input = from_bytes(file.bytes, file.size);
            expect_ok(&input, other);
            ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
            input.source = PANDA_SOURCE_PATH;
            input.path = test_write_temp(".wav", file.bytes, file.size);
            expect_ok(&input, other);
            ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
            free_file(&file);
            free(samples);
        }
    }
}
END_TEST

START_TEST(lossy_files_are_near)
{
    enum { COUNT = 50000 };
    float *samples = make_sound(COUNT, 2);
    panda_input input = from_raw(samples, PANDA_ELEMENT_F32, COUNT, 2, 16000);
    expect_ok(&input, out);
    struct file file = make_file(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000,
                                 samples, COUNT, 2);
    input = from_bytes(file.bytes, file.size);
    expect_ok(&input, other);
    double sum = 0;
    for (int i = 0; i < 3 * ITEM; i++)
        sum += fabs((double)out[i] - (double)other[i]);
    ck_assert_double_le(sum / (3 * ITEM), 0.05);
    free_file(&file);
    free(samples);
}
END_TEST

static size_t largest; /* block asked for */
static void *(*real_alloc)(const panda_frontend_host *host, size_t size);

static void *watch_alloc(const panda_frontend_host *host, size_t size)
{
    if (size > largest)
        largest = size;
    return real_alloc(host, size);
}

/* STREAMINFO's 36 bits of length. */
static void set_flac_length(struct file *file, uint64_t frames)
{
    uint8_t *p = file->bytes + 21;
    p[0] = (uint8_t)((p[0] & 0xf0) | (frames >> 32 & 15));
    for (int i = 0; i < 4; i++)
        p[1 + i] = (uint8_t)(frames >> (24 - 8 * i));
}

START_TEST(headers_may_lie)
{
    enum { COUNT = 20000 };
    float *samples = make_sound(COUNT, 1);
    struct file file = make_file(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000,
                                 samples, COUNT, 1);
    panda_input input = from_bytes(file.bytes, file.size);
    real_alloc = f.host.alloc;
    f.host.alloc = watch_alloc;
    expect_ok(&input, other);
    set_flac_length(&file, UINT64_C(3601) * 16000);
    expect_failure(input, PANDA_E_FORMAT,
                   "lasts 3601 s, expected at most 3600");
    set_flac_length(&file, UINT64_C(3599) * 16000);
    expect_failure(input, PANDA_E_FORMAT, "");
    ck_assert(strstr(f.message, "ends after") ||
              strstr(f.message, "cannot be decoded"));
    ck_assert_uint_le(largest, 1 << 20);
    /* Written to a pipe: the length is counted. */
    set_flac_length(&file, 0);
    expect_ok(&input, out);
    ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
    f.limits.max_seconds = 1;
    expect_failure(input, PANDA_E_FORMAT, "expected at most 1 s");
    free_file(&file);
    free(samples);
}
END_TEST

START_TEST(damaged_files)
{
    enum { COUNT = 60000 };
    float *samples = make_sound(COUNT, 1);
    struct file file = make_file(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000,
                                 samples, COUNT, 1);
    panda_input input = from_bytes(file.bytes, file.size * 2 / 3);
    expect_failure(input, PANDA_E_FORMAT, "");
    memset(file.bytes + file.size / 3, 0, file.size / 3);
    input = from_bytes(file.bytes, file.size);
    expect_failure(input, PANDA_E_FORMAT, "");
    free_file(&file);
    file = make_file(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, samples, 0, 1);
    expect_failure(from_bytes(file.bytes, file.size), PANDA_E_FORMAT,
                   "no samples found");
    free_file(&file);
    samples[3456] = INFINITY;
    file = make_file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, samples, COUNT, 1);
    expect_failure(from_bytes(file.bytes, file.size), PANDA_E_FORMAT,
                   "sample 3456 of channel 0 is not a finite number");
    free_file(&file);
    free(samples);
}
END_TEST

/* A WAV file that was cut off is told from one that was written to a pipe. */
START_TEST(cut_off_wav_files)
{
    static const struct {
        uint32_t claimed; /* bytes of samples; 0: as they are */
        bool is_whole;
    } cases[] = {{0, true}, {16002, false}, {0x70000000, false},
                 {0x7ffff000, true}, {0xffffffff, true}};
    float *samples = make_sound(8000, 1);
    struct file file = make_file(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000,
                                 samples, 8000, 1);
    uint8_t *claim = file.bytes + file.size - 16000 - 4;
    ck_assert_mem_eq(claim - 4, "data", 4);
    panda_input input = from_bytes(file.bytes, file.size);
    expect_ok(&input, other);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int b = 0; cases[i].claimed && b < 4; b++)
            claim[b] = (uint8_t)(cases[i].claimed >> (8 * b));
        if (cases[i].is_whole) {
            expect_ok(&input, out);
            ck_assert_mem_eq(out, other, 3 * ITEM * sizeof *out);
        } else {
            expect_failure(input, PANDA_E_FORMAT,
                           "truncated: 16000 bytes of samples found");
        }
    }
    free_file(&file);
    free(samples);
}
END_TEST

START_TEST(other_files)
{
    expect_failure(from_bytes("ax,ay,az\n1,2,3\n", 15), PANDA_E_FORMAT,
                   "holds text that libsndfile cannot open");
    expect_failure(from_bytes("\x89PNG\r\n\x1a\n1234", 12), PANDA_E_FORMAT,
                   "holds a PNG image");
    expect_failure(from_bytes("RIFF\4\0\0\0WAVE", 12), PANDA_E_FORMAT,
                   "holds a WAV file that libsndfile cannot open");
    expect_failure(from_bytes("", 0), PANDA_E_FORMAT, "empty");
}
END_TEST

#else

START_TEST(files_need_libsndfile)
{
    expect_failure(from_bytes("RIFF", 4), PANDA_E_UNSUPPORTED,
                   "reads no sound files");
}
END_TEST

#endif

/* A tone of 0.1 s as a WAV file of 16 bits, written by hand. */
static void make_wav(struct conformance_sample *sample)
{
    enum { COUNT = 2205, BYTES = 44 + 2 * COUNT };
    static uint8_t wav[BYTES];
    static const uint8_t header[44] =
        "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x22\x56\0\0\x44\xac\0\0\2\0"
        "\x10\0data\0\0\0";
    static int16_t samples[COUNT];
    memcpy(wav, header, 44);
    for (int i = 0; i < 4; i++) {
        wav[4 + i] = (uint8_t)((BYTES - 8) >> (8 * i));
        wav[40 + i] = (uint8_t)((2 * COUNT) >> (8 * i));
    }
    for (int i = 0; i < COUNT; i++) {
        samples[i] = (int16_t)(9000 * sin(0.1 * i));
        wav[44 + 2 * i] = (uint8_t)samples[i];
        wav[45 + 2 * i] = (uint8_t)((uint16_t)samples[i] >> 8);
    }
    *sample = (struct conformance_sample){
        .bytes = wav,
        .size = HAVE_SNDFILE ? BYTES : 0,
        .suffix = ".wav",
        .has_raw = true,
        .raw_is_same = true,
        .raw = from_raw(samples, PANDA_ELEMENT_I16, COUNT, 1, 22050),
    };
}

static const struct conformance conformance_audio = {
    .ops = &pnd_frontend_audio,
    .tensor = {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 3,
               {1, MELS, FRAMES}},
    .flags = CONFORMANCE_CUT_IS_VALID,
    .make_sample = make_wav,
};

int main(void)
{
    Suite *suite = suite_create("audio");
    TCase *tc = tcase_create("audio");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, raw_elements_agree);
    tcase_add_test(tc, equal_channels_are_as_one);
    tcase_add_test(tc, first_channel_is_heard);
    tcase_add_test(tc, short_sounds);
    tcase_add_test(tc, clip_options);
    tcase_add_test(tc, wrong_raw_descriptions);
    tcase_add_test(tc, values_must_be_finite);
    tcase_add_test(tc, length_is_limited);
#if HAVE_SNDFILE
    tcase_add_loop_test(tc, lossless_files_are_as_raw, 0,
                        (int)(sizeof lossless / sizeof *lossless));
    tcase_add_test(tc, lossy_files_are_near);
    tcase_add_test(tc, headers_may_lie);
    tcase_add_test(tc, damaged_files);
    tcase_add_test(tc, cut_off_wav_files);
    tcase_add_test(tc, other_files);
#else
    tcase_add_test(tc, files_need_libsndfile);
#endif
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(audio));
    return test_run(suite);
}
