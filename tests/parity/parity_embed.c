/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"
#include "parity/model.h"

/* From files to embeddings through the public API, for every input that the
 * reference embedded (encoder.safetensors). */

#define MAX_DIM 1024

static panda_runtime *runtime;
static panda_model *model;
static panda_encoder *encoder;

static void open_model(void)
{
    runtime = parity_runtime();
    model = parity_model(runtime);
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
}

static void close_model(void)
{
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}

static void encode(const panda_input *input, panda_output output, float *values)
{
    panda_encode_options options = {.struct_size = sizeof options,
                                    .output = output};
    panda_embedding *embedding;
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, input, &options));
    ck_assert_ok(panda_embedding_read_f32(embedding, values,
                                          panda_embedding_get_dim(embedding)));
    panda_embedding_unref(embedding);
}

static double get_cosine(const float *a, const float *b, size_t count)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < count; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* `row` of a stored tensor against a fresh embedding. */
static void check_row(const char *key, uint32_t row, const panda_input *input,
                      panda_output output, double tolerance)
{
    float values[MAX_DIM];
    struct test_tensor expected = test_tensor_read("encoder.safetensors", key);
    size_t dim = (size_t)expected.shape[1];
    encode(input, output, values);
    const float *want = expected.values + row * dim;
    ck_assert_msg(get_cosine(values, want, dim) >= 0.99999,
                  "%s: cosine is %.7f", key, get_cosine(values, want, dim));
    test_assert_close(key, values, want, dim, tolerance);
    test_tensor_free(&expected);
}

struct sample {
    panda_modality modality;
    const char *name; /* of the file in inputs/ */
    double tolerance; /* of the scaled embedding */
};

static const struct sample samples[] = {
    {PANDA_MODALITY_IMAGE, "landscape_baseline.jpg", 2e-5},
    {PANDA_MODALITY_IMAGE, "portrait_progressive.jpg", 2e-5},
    {PANDA_MODALITY_IMAGE, "gray.jpg", 2e-5},
    {PANDA_MODALITY_IMAGE, "exif_orientation6.jpg", 2e-5},
    {PANDA_MODALITY_IMAGE, "rgb.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "rgba.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "palette.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "gray16.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "tiny_17x23.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "wide_1000x60.png", 2e-5},
    {PANDA_MODALITY_IMAGE, "square_224.png", 2e-5},
    /* From the film itself: the decoder's last bits are not the reference's;
     * its own frames are compared exactly in parity_video. */
    {PANDA_MODALITY_VIDEO, "landscape_25fps_6s_aac.mp4", 2e-3},
    {PANDA_MODALITY_VIDEO, "portrait_30fps_3s.mp4", 2e-3},
    {PANDA_MODALITY_VIDEO, "short_1s.mp4", 2e-3},
    {PANDA_MODALITY_AUDIO, "speech_16k_mono.wav", 4e-4},
    {PANDA_MODALITY_AUDIO, "mix_44k1_stereo.wav", 4e-4},
    {PANDA_MODALITY_AUDIO, "short_48k_24bit.wav", 4e-4},
    {PANDA_MODALITY_AUDIO, "speech_8k.wav", 4e-4},
    {PANDA_MODALITY_AUDIO, "mix_22k05.flac", 4e-4},
    {PANDA_MODALITY_AUDIO, "click_30ms_16k.wav", 4e-4},
    {PANDA_MODALITY_AUDIO, "dc_offset_16k.wav", 4e-4},
    {PANDA_MODALITY_DEPTH, "depth_mm_16bit.png", 1e-4},
    {PANDA_MODALITY_DEPTH, "depth_metres_f32.npy", 1e-4},
    {PANDA_MODALITY_THERMAL, "thermal_gray.jpg", 1e-4},
    {PANDA_MODALITY_THERMAL, "thermal_pseudo_rgb.jpg", 1e-4},
    {PANDA_MODALITY_IMU, "imu.csv", 1e-4},
    {PANDA_MODALITY_IMU, "imu_f32.npy", 1e-4},
};

static const char *get_tower(panda_modality modality)
{
    return modality == PANDA_MODALITY_IMAGE || modality == PANDA_MODALITY_VIDEO
               ? "vision"
               : panda_modality_get_name(modality);
}

START_TEST(file_gives_reference_embedding)
{
    const struct sample *s = &samples[_i];
    char path[64], key[128];
    panda_input input;
    snprintf(path, sizeof path, "inputs/%s", s->name);
    ck_assert_ok(panda_input_init_path(&input, sizeof input, s->modality,
                                       test_fixture(path)));
    if (!parity_can_read(model, s->modality, s->name)) {
        panda_embedding *embedding;
        ck_assert_fails(
            panda_encoder_encode(&embedding, encoder, &input, NULL),
            PANDA_E_UNSUPPORTED, s->name);
        return;
    }
    snprintf(key, sizeof key, "embedding/%s/%s", get_tower(s->modality),
             s->name);
    check_row(key, 0, &input, PANDA_OUTPUT_SCALED, s->tolerance);
    if (s->modality == PANDA_MODALITY_AUDIO) {
        snprintf(key, sizeof key, "embedding_pandagpt/audio/%s", s->name);
        check_row(key, 0, &input, PANDA_OUTPUT_PANDAGPT, 2e-5);
    } else {
        check_row(key, 0, &input, PANDA_OUTPUT_PANDAGPT, s->tolerance);
    }
}
END_TEST

/* Captions, with today's cut and with PandaGPT's. */
START_TEST(captions_give_reference_embeddings)
{
    struct pnd_json *json;
    ck_assert_ok(pnd_json_open(&json, test_context(),
                               test_fixture("expected/manifest.json")));
    const struct pnd_json_value *captions = pnd_json_find(
        pnd_json_find(pnd_json_get_root(json), "info"), "captions");
    ck_assert_uint_eq(captions->length, 13);
    uint32_t row = 0;
    for (const struct pnd_json_value *c = captions->child; c; c = c->next) {
        panda_input input;
        panda_text_options options = {.struct_size = sizeof options};
        ck_assert_ok(
            panda_input_init_text(&input, sizeof input, c->string, c->length));
        input.text_options = &options;
        check_row("embedding/text/captions", row, &input, PANDA_OUTPUT_SCALED,
                  1e-3);
        options.cut = PANDA_TEXT_CUT_REFERENCE;
        check_row("embedding_pandagpt/text/captions", row, &input,
                  PANDA_OUTPUT_PANDAGPT, 1e-3);
        row++;
    }
    pnd_json_free(json);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("embeddings");
    TCase *tc = tcase_create("embeddings");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_loop_test(tc, file_gives_reference_embedding, 0,
                        sizeof samples / sizeof *samples);
    if (parity_can_read_text())
        tcase_add_test(tc, captions_give_reference_embeddings);
    else
        printf("SKIP: captions (built without zlib or utf8proc)\n");
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
