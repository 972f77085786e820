/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/audio/clips.h"
#include "modalities/audio/stream.h"
#include "modalities/fake_host.h"
#include "pandagpt_config.h"
#include "support/support.h"

/* Sound files against what torchaudio and the reference made of them. */

extern const panda_frontend_ops pnd_frontend_audio;

#define MELS 128
#define FRAMES 204

/* First samples of the clips as the reference cut them (manifest.json,
 * info.audio_clips); a clip is cut at the end of its file. */
static const struct {
    const char *name;
    bool resampled;
    uint64_t samples, first[3];
} files[] = {
    {"speech_16k_mono.wav", false, 40000, {0, 4000, 8000}},
    {"mix_44k1_stereo.wav", true, 116800, {0, 42399, 84799}},
    {"short_48k_24bit.wav", true, 19200, {0, 0, 0}},
    {"speech_8k.wav", true, 49892, {0, 8946, 17892}},
    {"mix_22k05.flac", true, 80000, {0, 24000, 48000}},
    {"click_30ms_16k.wav", false, 480, {0, 0, 0}},
    {"dc_offset_16k.wav", false, 43200, {0, 5600, 11200}},
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

#if HAVE_SNDFILE

static bool open_input(const char *file, panda_input *input)
{
    char name[64];
    snprintf(name, sizeof name, "inputs/%s", file);
    *input = (panda_input){.struct_size = sizeof *input,
                           .modality = PANDA_MODALITY_AUDIO,
                           .source = PANDA_SOURCE_PATH,
                           .path = test_fixture(name)};
    return true;
}

#else

static uint32_t read_number(const uint8_t *p, int bytes)
{
    uint32_t number = 0;
    for (int i = 0; i < bytes; i++)
        number |= (uint32_t)p[i] << (8 * i);
    return number;
}

/* Without libsndfile, the fixtures' PCM is given as raw samples. */
static bool open_input(const char *file, panda_input *input)
{
    static uint8_t wav[1 << 21];
    static float samples[1 << 20];
    char name[64];
    snprintf(name, sizeof name, "inputs/%s", file);
    FILE *stream = fopen(test_fixture(name), "rb");
    ck_assert_ptr_nonnull(stream);
    size_t size = fread(wav, 1, sizeof wav, stream);
    fclose(stream);
    if (size < 44 || memcmp(wav, "RIFF", 4) != 0) {
        printf("SKIP: %s (built without libsndfile)\n", file);
        return false;
    }
    const uint8_t *data = wav + 12;
    while (memcmp(data, "data", 4) != 0)
        data += 8 + read_number(data + 4, 4);
    uint32_t bytes = read_number(wav + 34, 2) / 8;
    uint32_t count = read_number(data + 4, 4) / bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = read_number(data + 8 + (size_t)i * bytes, (int)bytes);
        samples[i] = (float)(int32_t)(bits << (32 - 8 * bytes)) * 0x1p-31f;
    }
    uint32_t channels = read_number(wav + 22, 2);
    *input = (panda_input){.struct_size = sizeof *input,
                           .modality = PANDA_MODALITY_AUDIO,
                           .source = PANDA_SOURCE_RAW,
                           .element = PANDA_ELEMENT_F32,
                           .data = samples,
                           .size = count * sizeof *samples,
                           .channels = channels,
                           .count = count / channels,
                           .rate = read_number(wav + 24, 4)};
    return true;
}

#endif

static struct test_tensor read_expected(const char *kind, int file)
{
    char key[96];
    snprintf(key, sizeof key, "%s/%s", kind, files[file].name);
    return test_tensor_read("preprocess_audio.safetensors", key);
}

START_TEST(clips_begin_where_the_references_do)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct pnd_audio_clip clip =
            pnd_audio_find_clip(files[_i].samples, 3, 2.0, i);
        uint64_t end = files[_i].first[i] + 32000;
        ck_assert_uint_eq(clip.first, files[_i].first[i]);
        ck_assert_uint_eq(clip.end, end < files[_i].samples
                                        ? end : files[_i].samples);
    }
}
END_TEST

START_TEST(resampled_samples_are_torchaudios)
{
    struct pnd_stream stream;
    panda_input input;
    if (!open_input(files[_i].name, &input))
        return;
    ck_assert_int_eq(pnd_stream_open(&stream, &f.host, &input), PANDA_OK);
    ck_assert_uint_eq(stream.length, files[_i].samples);
    if (files[_i].resampled) {
        struct test_tensor expected = read_expected("resampled_16k", _i);
        ck_assert_uint_eq(expected.count, stream.length);
        ck_assert_int_eq(pnd_stream_move(&stream, 0, stream.length), PANDA_OK);
        printf("%s: resampled within %.2g\n", files[_i].name,
               test_max_difference(stream.lead, expected.values,
                                   expected.count));
        test_assert_close(files[_i].name, stream.lead, expected.values,
                          expected.count, 2e-6);
        test_tensor_free(&expected);
    }
    pnd_stream_close(&stream);
}
END_TEST

static panda_frontend_tensor describe(const panda_input *input)
{
    panda_frontend_tensor tensor = {
        .struct_size = sizeof tensor,
        .element = PANDA_ELEMENT_F32,
        .items = 1,
        .rank = 3,
        .shape = {1, MELS, FRAMES},
    };
    ck_assert_int_eq(
        pnd_frontend_audio.describe(NULL, &f.host, input, &tensor), PANDA_OK);
    ck_assert_uint_eq(tensor.items, 3);
    return tensor;
}

START_TEST(filter_banks_are_the_references)
{
    panda_input input;
    if (!open_input(files[_i].name, &input))
        return;
    panda_frontend_tensor tensor = describe(&input);
    size_t item = MELS * FRAMES;
    float *out = malloc(3 * item * sizeof *out);
    panda_status status = pnd_frontend_audio.preprocess(NULL, &f.host, &input,
                                                        &tensor, out);
    ck_assert_msg(status == PANDA_OK, "%s", f.message);
    struct test_tensor expected = read_expected("fbank", _i);
    double loud = 0, quiet = 0; /* where cancellation leaves few digits */
    for (size_t i = 0; i < 3 * item; i++) {
        double found = (double)out[i] * 9.138 - 4.268;
        double wanted = (double)expected.values[i % expected.count];
        double *worst = wanted > -10 ? &loud : &quiet;
        *worst = fmax(*worst, fabs(found - wanted));
        if (!(fabs(found - wanted) <= (wanted > -10 ? 2e-3 : 2e-2)))
            ck_abort_msg("%s: clip %zu, mel %zu, frame %zu: %g, expected %g",
                         files[_i].name, i / item, i % item / FRAMES,
                         i % FRAMES, found, wanted);
    }
    printf("%s: filter bank within %.2g above -10, %.2g below\n",
           files[_i].name, loud, quiet);
    test_tensor_free(&expected);
    free(out);
}
END_TEST

START_TEST(too_short_is_refused)
{
    panda_input input;
    ck_assert(open_input("too_short_20ms_16k.wav", &input));
    panda_frontend_tensor tensor = describe(&input);
    float *out = malloc(3 * sizeof *out * MELS * FRAMES);
    ck_assert_int_eq(pnd_frontend_audio.preprocess(NULL, &f.host, &input,
                                                   &tensor, out),
                     PANDA_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(f.message, "320 samples (20.000 ms)"));
    free(out);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("parity_audio");
    TCase *tc = tcase_create("parity_audio");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, clips_begin_where_the_references_do, 0, FILES);
    tcase_add_loop_test(tc, resampled_samples_are_torchaudios, 0, FILES);
    tcase_add_loop_test(tc, filter_banks_are_the_references, 0, FILES);
    tcase_add_test(tc, too_short_is_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
