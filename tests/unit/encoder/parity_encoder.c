/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/tower.h"
#include "support/support.h"

/* The towers on the reference's own preprocessed inputs, against every stage
 * that the reference stored. */

/* manifest.json. Scaled embeddings: 1e-4 at a scale of 10, in proportion. */
#define POOLED_TOLERANCE 1e-4
#define UNIT_TOLERANCE 2e-5
#define STAGE_TOLERANCE 2e-4
#define LEAST_COSINE_FAST 0.9995

struct fixture {
    struct pnd_weights *weights;
    struct pnd_tower *towers[PND_TOWER_COUNT];
    struct pnd_workspace ws;
};

static struct fixture f;

static void open_towers_at(panda_precision precision)
{
    struct pnd_imagebind_config config;
    const struct pnd_context *ctx = test_context();
    f = (struct fixture){.ws.ctx = ctx};
    ck_assert_ok(pnd_imagebind_config_open(
        &config, ctx, test_fixture("weights/imagebind_tiny.json")));
    ck_assert_ok(pnd_weights_open(&f.weights, ctx,
                                  test_fixture("weights/imagebind_tiny.pth")));
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        ck_assert_ok(pnd_tower_load(&f.towers[id], ctx, f.weights, &config,
                                    (enum pnd_tower_id)id, precision));
}

static void open_towers(void)
{
    open_towers_at(PANDA_PRECISION_EXACT);
}

static void open_fast_towers(void)
{
    open_towers_at(PANDA_PRECISION_FAST);
}

static void close_towers(void)
{
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        pnd_tower_free(f.towers[id]);
    pnd_workspace_free(&f.ws);
    pnd_weights_close(f.weights);
}

/* Pictures as the reference's tensors: channel by channel. */
static void normalise_picture(struct test_tensor *t)
{
    static const float mean[] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float deviation[] = {0.26862954f, 0.26130258f, 0.27577711f};
    for (size_t i = 0; i < t->count; i++) {
        size_t channel = i / (t->count / 3);
        t->values[i] =
            (t->values[i] / 255 - mean[channel]) / deviation[channel];
    }
}

static struct test_tensor read_input(enum pnd_tower_id id, const char *input)
{
    static const char *const groups[PND_TOWER_COUNT] = {
        "resized_u8", NULL, "fbank", "depth", "resized_u8", "imu"};
    const char *file = id == PND_TOWER_AUDIO ? "preprocess_audio.safetensors" :
                       id == PND_TOWER_DEPTH || id == PND_TOWER_IMU
                           ? "preprocess_other.safetensors"
                           : "preprocess_image.safetensors";
    char key[96];
    snprintf(key, sizeof key, "%s/%s", groups[id], input);
    struct test_tensor t = test_tensor_read(file, key);
    if (id == PND_TOWER_VISION)
        normalise_picture(&t);
    for (size_t i = 0; i < t.count; i++) {
        if (id == PND_TOWER_THERMAL)
            t.values[i] /= 255;
        if (id == PND_TOWER_AUDIO)
            t.values[i] = (t.values[i] + 4.268f) / 9.138f;
    }
    return t;
}

static struct test_tensor read_expected(const char *what, enum pnd_tower_id id,
                                        const char *input)
{
    char key[128];
    snprintf(key, sizeof key, "%s/%s/%s", what, pnd_tower_get_name(id), input);
    return test_tensor_read("encoder.safetensors", key);
}

struct differences {
    double pooled, head, unit, embedding;
};

/* Demand `items` rows of `expected`, all equal to one where it is given. */
static double compare(const char *what, enum pnd_tower_id id,
                      const char *input, const float *values, size_t items,
                      double tolerance)
{
    char name[160];
    struct test_tensor expected = read_expected(what, id, input);
    size_t rows = (size_t)expected.shape[0], columns = expected.count / rows;
    double worst = 0;
    snprintf(name, sizeof name, "%s/%s/%s", what, pnd_tower_get_name(id),
             input);
    for (size_t r = 0; r < rows; r++) {
        const float *row = values + (items == 1 ? 0 : r) * columns;
        worst = fmax(worst, test_max_difference(
                                row, expected.values + r * columns, columns));
        test_assert_close(name, row, expected.values + r * columns, columns,
                          tolerance);
    }
    test_tensor_free(&expected);
    return worst;
}

static void keep_pooled(const char *stage, const float *values,
                        const int64_t *shape, uint32_t rank, void *user)
{
    if (strcmp(stage, "pooled") == 0) {
        ck_assert_uint_eq(rank, 2);
        memcpy(user, values, (size_t)(shape[0] * shape[1]) * sizeof(float));
    }
}

/* Mean over clips; texts are inputs of their own. */
static void average(size_t items, size_t dim, float *values)
{
    for (size_t i = 0; i < dim; i++) {
        double sum = 0;
        for (size_t item = 0; item < items; item++)
            sum += values[item * dim + i];
        values[i] = (float)(sum / (double)items);
    }
}

static void check_input(enum pnd_tower_id id, const char *input,
                        uint32_t items, const void *data,
                        struct differences *worst)
{
    const struct pnd_tower_dims *dims = pnd_tower_get_dims(f.towers[id]);
    const size_t dim = dims->embedding_dim, count = items * dim;
    const double scaled_tolerance = fmax(1e-4 * dims->scale / 10,
                                         UNIT_TOLERANCE);
    float *pooled = malloc(items * dims->width * sizeof *pooled);
    float *raw = malloc(count * sizeof *raw);
    float *unit = malloc(count * sizeof *unit);
    float *scaled = malloc(count * sizeof *scaled);
    const struct pnd_trace trace = {keep_pooled, pooled};
    for (int traced = 1; traced >= 0; traced--) {
        ck_assert_ok(pnd_tower_run(f.towers[id], &f.ws, items, 1, data, raw,
                                   NULL, traced ? &trace : NULL));
        pnd_tower_finish(f.towers[id], items, raw, unit, scaled);
        worst->pooled = fmax(worst->pooled, compare("pooled", id, input, pooled,
                                                    items, POOLED_TOLERANCE));
        worst->head = fmax(worst->head, compare("head", id, input, raw, items,
                                                POOLED_TOLERANCE));
        worst->unit = fmax(worst->unit, compare("normalised", id, input, unit,
                                                items, UNIT_TOLERANCE));
        if (!dims->token_ids)
            average(items, dim, scaled);
        worst->embedding = fmax(worst->embedding,
                                compare("embedding", id, input, scaled,
                                        dims->token_ids ? items : 1,
                                        scaled_tolerance));
        if (id == PND_TOWER_AUDIO) { /* PandaGPT: without the scale */
            average(items, dim, unit);
            compare("embedding_pandagpt", id, input, unit, 1, UNIT_TOLERANCE);
        }
    }
    free(pooled);
    free(raw);
    free(unit);
    free(scaled);
}

static void report(const char *name, const struct differences *worst,
                   const struct pnd_tower_dims *dims)
{
    printf("%-8s largest differences: pooled %.1e head %.1e unit %.1e "
           "embedding %.1e (scale %g)\n",
           name, worst->pooled, worst->head, worst->unit, worst->embedding,
           (double)dims->scale);
}

/* Those of texts are captions. */
static const char *const inputs[PND_TOWER_COUNT][12] = {
    [PND_TOWER_VISION] = {"landscape_baseline.jpg",
                          "portrait_progressive.jpg", "gray.jpg",
                          "exif_orientation6.jpg", "rgb.png", "rgba.png",
                          "palette.png", "gray16.png", "tiny_17x23.png",
                          "wide_1000x60.png", "square_224.png"},
    [PND_TOWER_AUDIO] = {"speech_16k_mono.wav", "mix_44k1_stereo.wav",
                         "short_48k_24bit.wav", "speech_8k.wav",
                         "mix_22k05.flac", "click_30ms_16k.wav",
                         "dc_offset_16k.wav"},
    [PND_TOWER_DEPTH] = {"depth_mm_16bit.png", "depth_metres_f32.npy"},
    [PND_TOWER_THERMAL] = {"thermal_gray.jpg", "thermal_pseudo_rgb.jpg"},
    [PND_TOWER_IMU] = {"imu.csv", "imu_f32.npy"},
};

START_TEST(test_files)
{
    const enum pnd_tower_id id = (enum pnd_tower_id)_i;
    struct differences worst = {0};
    if (id == PND_TOWER_TEXT)
        return; /* below */
    for (size_t i = 0; inputs[id][i]; i++) {
        struct test_tensor t = read_input(id, inputs[id][i]);
        uint32_t items = id == PND_TOWER_AUDIO ? (uint32_t)t.shape[0] : 1;
        check_input(id, inputs[id][i], items, t.values, &worst);
        test_tensor_free(&t);
    }
    report(pnd_tower_get_name(id), &worst, pnd_tower_get_dims(f.towers[id]));
}
END_TEST

static int32_t *read_captions(const char *key, uint32_t *items)
{
    struct test_tensor t =
        test_tensor_read("preprocess_text.safetensors", key);
    int32_t *ids = malloc(t.count * sizeof *ids);
    for (size_t i = 0; i < t.count; i++)
        ids[i] = (int32_t)t.values[i];
    *items = (uint32_t)t.shape[0];
    test_tensor_free(&t);
    return ids;
}

START_TEST(test_captions)
{
    struct differences worst = {0};
    uint32_t items;
    int32_t *ids = read_captions("tokens_imagebind", &items);
    check_input(PND_TOWER_TEXT, "captions", items, ids, &worst);
    report("text", &worst, pnd_tower_get_dims(f.towers[PND_TOWER_TEXT]));
    free(ids);
}
END_TEST

START_TEST(test_pandagpt_captions)
{
    /* Long ones without an end: pooled at their largest id. */
    const struct pnd_tower *tower = f.towers[PND_TOWER_TEXT];
    const size_t dim = pnd_tower_get_dims(tower)->embedding_dim;
    uint32_t items;
    int32_t *ids = read_captions("tokens_pandagpt", &items);
    float *raw = malloc(items * dim * sizeof *raw);
    float *scaled = malloc(items * dim * sizeof *scaled);
    ck_assert_ok(
        pnd_tower_run(tower, &f.ws, items, 1, ids, raw, NULL, NULL));
    pnd_tower_finish(tower, items, raw, NULL, scaled);
    compare("embedding_pandagpt", PND_TOWER_TEXT, "captions", scaled, items,
            1e-3); /* scale 100 */
    free(ids);
    free(raw);
    free(scaled);
}
END_TEST

struct stages {
    const char *prefix;
    uint32_t blocks;
    int compared;
    double worst;
};

static void compare_stage(const char *key, const float *values,
                          struct stages *s)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", s->prefix, key);
    struct test_tensor expected =
        test_tensor_read("encoder_stages.safetensors", full);
    s->worst = fmax(s->worst, test_max_difference(values, expected.values,
                                                  expected.count));
    test_assert_close(full, values, expected.values, expected.count,
                      STAGE_TOLERANCE);
    s->compared++;
    test_tensor_free(&expected);
}

/* Stages under the reference's names. */
static void check_stage(const char *stage, const float *values,
                        const int64_t *shape, uint32_t rank, void *user)
{
    struct stages *s = user;
    unsigned block;
    int used = 0;
    (void)shape;
    (void)rank;
    if (sscanf(stage, "block.%u%n", &block, &used) == 1) {
        char key[32];
        snprintf(key, sizeof key, "block%u%s", block, stage + used);
        if (block == 0 || stage[used] == '\0')
            compare_stage(key, values, s);
        if (block + 1 == s->blocks && stage[used] == '\0')
            compare_stage("trunk", values, s);
    } else if (strcmp(stage, "patches") == 0) {
        compare_stage("tokens", values, s);
        if (strncmp(s->prefix, "audio", 5) == 0)
            compare_stage("after_pre_ln", values, s);
    } else if (strcmp(stage, "pre_norm") == 0) {
        compare_stage("after_pre_ln", values, s);
    } else if (strcmp(stage, "head") == 0) {
        compare_stage("head", values, s);
    }
}

static void check_stages(enum pnd_tower_id id, const char *input,
                         int expected_count)
{
    const struct pnd_tower_dims *dims = pnd_tower_get_dims(f.towers[id]);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s/%s", pnd_tower_get_name(id), input);
    struct stages s = {.prefix = prefix, .blocks = dims->blocks};
    const struct pnd_trace trace = {check_stage, &s};
    struct test_tensor t = read_input(id, input);
    float raw[64], unit[64];
    ck_assert_uint_eq(dims->embedding_dim, 64);
    ck_assert_ok(pnd_tower_run(f.towers[id], &f.ws, 1, 1, t.values, raw, NULL,
                               &trace));
    pnd_tower_finish(f.towers[id], 1, raw, unit, NULL);
    compare_stage("normalised", unit, &s);
    ck_assert_int_eq(s.compared, expected_count);
    printf("%-8s largest difference of %d stages: %.1e\n",
           pnd_tower_get_name(id), s.compared, s.worst);
    test_tensor_free(&t);
}

START_TEST(test_vision_stages)
{
    check_stages(PND_TOWER_VISION, "landscape_baseline.jpg", 12);
}
END_TEST

START_TEST(test_audio_stages)
{
    check_stages(PND_TOWER_AUDIO, "speech_16k_mono.wav", 11);
}
END_TEST

/* The least cosine of any of `items` unit vectors with the reference's. */
static double compare_direction(enum pnd_tower_id id, const char *input,
                                uint32_t items, const void *data)
{
    const struct pnd_tower *tower = f.towers[id];
    const size_t dim = pnd_tower_get_dims(tower)->embedding_dim;
    struct test_tensor expected = read_expected("normalised", id, input);
    float *raw = malloc(items * dim * sizeof *raw);
    float *unit = malloc(items * dim * sizeof *unit);
    double least = 1;
    ck_assert_uint_eq(expected.count % dim, 0);
    ck_assert_ok(
        pnd_tower_run(tower, &f.ws, items, 1, data, raw, NULL, NULL));
    pnd_tower_finish(tower, items, raw, unit, NULL);
    for (size_t i = 0; i < expected.count; i += dim) {
        double cosine = test_cosine(unit + (items > 1 ? i : 0),
                                    expected.values + i, dim);
        ck_assert_msg(cosine >= LEAST_COSINE_FAST, "%s: cosine %.6f", input,
                      cosine);
        least = fmin(least, cosine);
    }
    free(raw);
    free(unit);
    test_tensor_free(&expected);
    return least;
}

START_TEST(test_fast)
{
    const enum pnd_tower_id id = (enum pnd_tower_id)_i;
    double least = 1;
    for (size_t i = 0; inputs[id][i]; i++) {
        struct test_tensor t = read_input(id, inputs[id][i]);
        uint32_t items = id == PND_TOWER_AUDIO ? (uint32_t)t.shape[0] : 1;
        least = fmin(least,
                     compare_direction(id, inputs[id][i], items, t.values));
        test_tensor_free(&t);
    }
    if (id == PND_TOWER_TEXT) {
        uint32_t items;
        int32_t *ids = read_captions("tokens_imagebind", &items);
        least = compare_direction(id, "captions", items, ids);
        free(ids);
    }
    printf("%-8s least cosine in %s: %.6f\n", pnd_tower_get_name(id),
           pnd_tower_get_dims(f.towers[id])->rounds ? "bf16" : "f32", least);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("parity_encoder");
    TCase *tc = tcase_create("encoder");
    tcase_add_checked_fixture(tc, open_towers, close_towers);
    tcase_add_loop_test(tc, test_files, 0, PND_TOWER_COUNT);
    tcase_add_test(tc, test_captions);
    tcase_add_test(tc, test_pandagpt_captions);
    tcase_add_test(tc, test_vision_stages);
    tcase_add_test(tc, test_audio_stages);
    suite_add_tcase(suite, tc);
    tc = tcase_create("fast");
    tcase_add_checked_fixture(tc, open_fast_towers, close_towers);
    tcase_add_loop_test(tc, test_fast, 0, PND_TOWER_COUNT);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    return test_run(make_suite());
}
