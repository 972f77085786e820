/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "projector/projection.h"
#include "support/support.h"

/* The reference's embeddings, projected, against the reference's vectors. */

#define TOLERANCE 5e-4 /* manifest.json */

static const struct {
    const char *projected; /* key in e2e.safetensors */
    size_t row;            /* of it */
    const char *embedding; /* key in encoder.safetensors */
} cases[] = {
    {"image/projected_image", 0, "embedding/vision/landscape_baseline.jpg"},
    {"image_turn2/projected_image", 0,
     "embedding/vision/landscape_baseline.jpg"},
    {"image_turn3/projected_image", 0,
     "embedding/vision/landscape_baseline.jpg"},
    {"audio/projected_audio", 0,
     "embedding_pandagpt/audio/mix_44k1_stereo.wav"},
    {"video/projected_video", 0,
     "embedding/vision/landscape_25fps_6s_aac.mp4"},
    {"thermal/projected_thermal", 0,
     "embedding/thermal/thermal_pseudo_rgb.jpg"},
    {"image_audio/projected_image", 0,
     "embedding/vision/portrait_progressive.jpg"},
    {"image_audio/projected_audio", 0,
     "embedding_pandagpt/audio/speech_16k_mono.wav"},
    {"video_audio/projected_audio", 0,
     "embedding_pandagpt/audio/mix_22k05.flac"},
    {"video_audio/projected_video", 0,
     "embedding/vision/portrait_30fps_3s.mp4"},
    {"two_images/projected_image", 0,
     "embedding/vision/landscape_baseline.jpg"},
    {"two_images/projected_image", 1, "embedding/vision/rgb.png"},
    {"all_four/projected_image", 0, "embedding/vision/exif_orientation6.jpg"},
    {"all_four/projected_audio", 0,
     "embedding_pandagpt/audio/short_48k_24bit.wav"},
    {"all_four/projected_video", 0, "embedding/vision/short_1s.mp4"},
    {"all_four/projected_thermal", 0, "embedding/thermal/thermal_gray.jpg"},
    {"empty_prompt/projected_image", 0, "embedding/vision/tiny_17x23.png"},
};

static void check_file(const char *file)
{
    struct pnd_projection *p;
    struct pnd_weights *weights;
    double worst = 0;
    ck_assert_ok(
        pnd_weights_open(&weights, test_context(), test_fixture(file)));
    ck_assert_ok(pnd_projection_load(&p, test_context(), weights));
    const size_t out = pnd_projection_get_out(p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_tensor x =
            test_tensor_read("encoder.safetensors", cases[i].embedding);
        struct test_tensor expected =
            test_tensor_read("e2e.safetensors", cases[i].projected);
        float y[64] = {0};
        ck_assert_uint_le(out, 64);
        ck_assert_uint_eq(x.count, pnd_projection_get_in(p));
        ck_assert_uint_le((cases[i].row + 1) * out, expected.count);
        ck_assert_ok(pnd_projection_add(p, x.values, y));
        const float *row = expected.values + cases[i].row * out;
        double difference = test_max_difference(y, row, out);
        worst = difference > worst ? difference : worst;
        test_assert_close(cases[i].projected, y, row, out, TOLERANCE);
        test_tensor_free(&x);
        test_tensor_free(&expected);
    }
    printf("%s: largest difference %.2g, limit %.0g\n", file, worst, TOLERANCE);
    pnd_projection_free(p);
    pnd_weights_close(weights);
}

START_TEST(test_delta)
{
    check_file("weights/pandagpt_tiny_delta.pt");
}
END_TEST

START_TEST(test_plain_delta)
{
    check_file("weights/pandagpt_tiny_delta_plain.pt");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("parity_projection");
    TCase *tc = tcase_create("projection");
    tcase_add_test(tc, test_delta);
    tcase_add_test(tc, test_plain_delta);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    return test_run(make_suite());
}
