/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/audio/clips.h"
#include "modalities/audio/fbank.h"
#include "modalities/audio/stream.h"
#include "modalities/fake_host.h"
#include "support/support.h"

/* The arithmetic between samples and spectrogram, piece by piece. */

static const double pi = 3.14159265358979323846;

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

/* Computed with Python's fractions, as the reference does. Where marked, plain
 * doubles give another sample. */
static const struct {
    uint64_t samples;
    uint32_t clips;
    double seconds;
    uint32_t index;
    uint64_t first, end;
} clips[] = {
    {116800, 3, 2.0, 1, 42399, 74399},
    {123457, 3, 2.0, 2, 91456, 123456}, /* marked, as all up to the blank */
    {33333, 2, 0.025, 1, 32932, 33332},
    {200001, 2, 0.3, 1, 195200, 200000},
    {123457, 10, 0.1, 9, 121856, 123456},
    {116800, 1000, 0.3, 999, 112000, 116799},
    {57600000, 2, 0.3, 1, 57595199, 57599999},
    {200001, 7, 0.025, 6, 199600, 200000},
    {57600000, 7, 0.025, 3, 28799799, 28800199},
    {33333, 1000, 0.3, 0, 0, 4799},

    {116800, 1000, 0.025, 1, 116, 516},
    {123457, 3, 0.3, 1, 59328, 64128},
    {116800, 3, 59.9, 0, 0, 116800},
    {40000, 1, 2.0, 0, 0, 32000},
    {32000, 3, 2.0, 2, 0, 32000},
    {400, 3, 2.0, 1, 0, 400},
    {1, 3, 2.0, 1, 0, 1},
};

START_TEST(clips_are_exact)
{
    struct pnd_audio_clip clip =
        pnd_audio_find_clip(clips[_i].samples, clips[_i].clips,
                            clips[_i].seconds, clips[_i].index);
    ck_assert_uint_eq(clip.first, clips[_i].first);
    ck_assert_uint_eq(clip.end, clips[_i].end);
}
END_TEST

START_TEST(clips_go_forward_and_stay_inside)
{
    for (uint64_t samples = 400; samples < 3000000; samples += 99991) {
        struct pnd_audio_clip before = {0, 0};
        for (uint32_t i = 0; i < 64; i++) {
            struct pnd_audio_clip clip =
                pnd_audio_find_clip(samples, 64, 0.7, i);
            ck_assert(clip.first >= before.first && clip.end >= before.end);
            ck_assert(clip.first < clip.end && clip.end <= samples);
            ck_assert(clip.end - clip.first >= 400);
            before = clip;
        }
    }
}
END_TEST

START_TEST(power_is_that_of_the_plain_transform)
{
    enum { SIZE = 64 };
    float in[SIZE], power[SIZE / 2 + 1];
    struct pnd_fft *fft;
    ck_assert_int_eq(pnd_fft_create(&fft, &f.host, SIZE), PANDA_OK);
    for (int i = 0; i < SIZE; i++)
        in[i] = (float)((i * 37 + i * i * 11) % 101) / 101 - 0.5f;
    pnd_fft_get_power(fft, in, power);
    for (int k = 0; k <= SIZE / 2; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < SIZE; i++) {
            re += (double)in[i] * cos(2 * pi * k * i / SIZE);
            im -= (double)in[i] * sin(2 * pi * k * i / SIZE);
        }
        ck_assert_double_eq_tol(power[k], re * re + im * im, 1e-4);
    }
    pnd_fft_destroy(fft, &f.host);
    pnd_fft_destroy(NULL, &f.host);
}
END_TEST

static const uint32_t rates[] = {1000,  7999,  8000,  11025, 22050,  32000,
                                 44100, 44101, 48000, 96000, 192000, 768000};

/* A tone well below both Nyquist frequencies stays the same tone. */
START_TEST(tones_survive_resampling)
{
    uint32_t rate = rates[_i];
    double step = 2 * pi * 200 / rate;
    uint64_t count = rate / 4;
    float *sound = malloc(count * sizeof *sound);
    for (uint64_t i = 0; i < count; i++)
        sound[i] = (float)(0.5 * sin(step * (double)i));
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_AUDIO,
                         .source = PANDA_SOURCE_RAW,
                         .element = PANDA_ELEMENT_F32,
                         .data = sound,
                         .size = count * sizeof *sound,
                         .channels = 1,
                         .count = count,
                         .rate = rate};
    struct pnd_stream stream;
    ck_assert_int_eq(pnd_stream_open(&stream, &f.host, &input), PANDA_OK);
    ck_assert_uint_eq(stream.length, (count * 16000 + rate - 1) / rate);
    ck_assert_int_eq(pnd_stream_move(&stream, 0, stream.length), PANDA_OK);
    /* Not at the ends, where the filter reaches over them. */
    uint64_t margin = rate < 16000 ? 8 * 16000 / rate : 16;
    for (uint64_t i = margin; i < stream.length - margin; i++)
        ck_assert_double_eq_tol(stream.lead[i],
                                0.5 * sin(2 * pi * 200 * (double)i / 16000),
                                5e-3);
    pnd_stream_close(&stream);
    free(sound);
}
END_TEST

/* What lies above the new Nyquist frequency goes. */
START_TEST(high_tones_are_filtered)
{
    static float sound[48000];
    for (int i = 0; i < 48000; i++)
        sound[i] = (float)sin(2 * pi * 15000 * i / 48000);
    struct pnd_resampler r;
    ck_assert_int_eq(pnd_resampler_init(&r, &f.host, 48000, 16000), PANDA_OK);
    float out[1000];
    uint64_t first = 4000;
    pnd_resampler_run(&r, sound + pnd_resampler_get_start(&r, first), first,
                      1000, out);
    for (int i = 0; i < 1000; i++)
        ck_assert_float_le(fabsf(out[i]), 0.01f);
    pnd_resampler_free(&r, &f.host);
}
END_TEST

START_TEST(resampler_lengths)
{
    struct pnd_resampler r;
    ck_assert_int_eq(pnd_resampler_init(&r, &f.host, 44100, 16000), PANDA_OK);
    ck_assert_uint_eq(r.from, 441);
    ck_assert_uint_eq(r.to, 160);
    ck_assert_uint_eq(pnd_resampler_get_length(&r, 0), 0);
    ck_assert_uint_eq(pnd_resampler_get_length(&r, 1), 1);
    ck_assert_uint_eq(pnd_resampler_get_length(&r, 441), 160);
    ck_assert_uint_eq(pnd_resampler_get_length(&r, 442), 161);
    ck_assert_uint_eq(pnd_resampler_get_length(&r, UINT64_C(441) << 40),
                      UINT64_C(160) << 40);
    pnd_resampler_free(&r, &f.host);
}
END_TEST

static panda_input make_stereo(float *samples, uint64_t count, double rate)
{
    for (uint64_t i = 0; i < count; i++) {
        samples[2 * i] = (float)sin(0.05 * (double)i);
        samples[2 * i + 1] = (float)cos(0.003 * (double)(i * i % 1000));
    }
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_AUDIO,
                         .source = PANDA_SOURCE_RAW,
                         .element = PANDA_ELEMENT_F32,
                         .data = samples,
                         .size = 2 * count * sizeof *samples,
                         .channels = 2,
                         .count = count,
                         .rate = rate};
}

/* Windows of all kinds, next to, over and far from each other, show what one
 * window over everything does. */
START_TEST(windows_do_not_change_samples)
{
    static const double window_rates[] = {16000, 22050, 44100, 8000};
    static const uint64_t windows[][2] = {
        {0, 10},      {3, 5000},     {4000, 5000},   {4999, 9100},
        {9100, 9101}, {9200, 17000}, {16000, 20000}, {20000, 20000},
    };
    enum { COUNT = 60000 };
    float *samples = malloc(2 * COUNT * sizeof *samples);
    panda_input input = make_stereo(samples, COUNT, window_rates[_i]);
    struct pnd_stream whole, stream;
    ck_assert_int_eq(pnd_stream_open(&whole, &f.host, &input), PANDA_OK);
    ck_assert_int_eq(pnd_stream_move(&whole, 0, whole.length), PANDA_OK);
    ck_assert_int_eq(pnd_stream_open(&stream, &f.host, &input), PANDA_OK);
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        uint64_t first = windows[w][0], end = windows[w][1];
        size_t bytes = (size_t)(end - first) * sizeof(float);
        ck_assert_int_eq(pnd_stream_move(&stream, first, end), PANDA_OK);
        if (bytes == 0)
            continue;
        ck_assert_mem_eq(stream.lead, whole.lead + first, bytes);
        ck_assert_mem_eq(stream.mix, whole.mix + first, bytes);
    }
    pnd_stream_close(&stream);
    pnd_stream_close(&whole);
    free(samples);
}
END_TEST

/* The mean is over both channels, and stays subtracted where windows
 * overlap. */
START_TEST(centring_is_in_place)
{
    float samples[12] = {1, 3, 1, 3, 1, 3, 5, 7, 5, 7, 5, 7};
    panda_input input = make_stereo(samples, 6, 16000);
    for (int i = 0; i < 12; i++)
        samples[i] = (float)(i < 6 ? 1 : 5) + (float)(i % 2 * 2);
    struct pnd_stream stream;
    ck_assert_int_eq(pnd_stream_open(&stream, &f.host, &input), PANDA_OK);
    ck_assert_int_eq(pnd_stream_move(&stream, 0, 4), PANDA_OK);
    pnd_stream_center(&stream); /* mean 3 */
    ck_assert_float_eq(stream.lead[0], -2);
    ck_assert_float_eq(stream.lead[3], 2);
    ck_assert_float_eq(stream.mix[0], -1);
    ck_assert_int_eq(pnd_stream_move(&stream, 2, 6), PANDA_OK);
    ck_assert_float_eq(stream.lead[0], -2); /* shifted by the first clip */
    ck_assert_float_eq(stream.lead[2], 5);
    pnd_stream_center(&stream); /* mean (-1 + 3 + 6 + 6) / 4 */
    ck_assert_float_eq(stream.lead[0], -5.5f);
    ck_assert_float_eq(stream.lead[3], 1.5f);
    pnd_stream_close(&stream);
}
END_TEST

/* Band of a filter's centre frequency. */
static uint32_t find_loudest(const float *bank, uint32_t mels, uint32_t frames,
                             uint32_t frame)
{
    uint32_t best = 0;
    for (uint32_t m = 1; m < mels; m++)
        if (bank[m * frames + frame] > bank[best * frames + frame])
            best = m;
    return best;
}

START_TEST(tones_reach_their_band)
{
    enum { MELS = 64, FRAMES = 12, COUNT = 400 + 9 * 160 + 159 };
    static const double tones[] = {300, 1000, 3000, 7000};
    float samples[COUNT], bank[MELS * FRAMES];
    struct pnd_fbank fbank;
    ck_assert_int_eq(pnd_fbank_init(&fbank, &f.host, MELS), PANDA_OK);
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < COUNT; i++)
            samples[i] = (float)(0.25 * sin(2 * pi * tones[t] * i / 16000));
        pnd_fbank_run(&fbank, samples, COUNT, bank, FRAMES);
        double low = 1127 * log(1 + 20 / 700.0);
        double step = (1127 * log(1 + 8000 / 700.0) - low) / (MELS + 1);
        double band = (1127 * log(1 + tones[t] / 700.0) - low) / step - 1;
        for (uint32_t frame = 0; frame < 10; frame++)
            ck_assert_double_le(
                fabs(find_loudest(bank, MELS, FRAMES, frame) - band), 1.0);
        /* Ten frames fit; the rest is 0. */
        for (uint32_t m = 0; m < MELS; m++)
            ck_assert(bank[m * FRAMES + 10] == 0 && bank[m * FRAMES + 11] == 0);
    }
    pnd_fbank_free(&fbank, &f.host);
}
END_TEST

START_TEST(silence_is_the_floor)
{
    enum { MELS = 128, FRAMES = 3 };
    float samples[400] = {0}, bank[MELS * FRAMES];
    struct pnd_fbank fbank;
    ck_assert_int_eq(pnd_fbank_init(&fbank, &f.host, MELS), PANDA_OK);
    for (int i = 0; i < 400; i++)
        samples[i] = 0.75f; /* each frame loses its mean */
    pnd_fbank_run(&fbank, samples, 400, bank, FRAMES);
    for (uint32_t m = 0; m < MELS; m++) {
        ck_assert_float_eq(bank[m * FRAMES], logf(1.1920929e-07f));
        ck_assert_float_eq(bank[m * FRAMES + 1], 0);
    }
    pnd_fbank_run(&fbank, samples, 399, bank, FRAMES);
    ck_assert_float_eq(bank[0], 0);
    pnd_fbank_free(&fbank, &f.host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("audio_signal");
    TCase *tc = tcase_create("audio_signal");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, clips_are_exact, 0,
                        (int)(sizeof clips / sizeof *clips));
    tcase_add_test(tc, clips_go_forward_and_stay_inside);
    tcase_add_test(tc, power_is_that_of_the_plain_transform);
    tcase_add_loop_test(tc, tones_survive_resampling, 0,
                        (int)(sizeof rates / sizeof *rates));
    tcase_add_test(tc, high_tones_are_filtered);
    tcase_add_test(tc, resampler_lengths);
    tcase_add_loop_test(tc, windows_do_not_change_samples, 0, 4);
    tcase_add_test(tc, centring_is_in_place);
    tcase_add_test(tc, tones_reach_their_band);
    tcase_add_test(tc, silence_is_the_floor);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
