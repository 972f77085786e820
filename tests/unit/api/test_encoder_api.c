/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api_model.h"

/* Inputs as the encoder takes and refuses them, and embeddings as values. */

static panda_runtime *runtime;
static panda_model *model;
static panda_encoder *encoder;

static void open_model(void)
{
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    options.decoder = options.adapter = options.tokenizer = NULL;
    runtime = api_runtime(NULL, 2);
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
}

static void close_model(void)
{
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}

static panda_embedding *encode(const panda_input *input, panda_output output)
{
    panda_embedding *embedding;
    panda_encode_options options = {.struct_size = sizeof options,
                                    .output = output};
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, input, &options));
    return embedding;
}

static void refuse(const panda_input *input, panda_status expected,
                   const char *part)
{
    panda_embedding *embedding = (panda_embedding *)1;
    ck_assert_fails(panda_encoder_encode(&embedding, encoder, input, NULL),
                    expected, part);
    ck_assert_ptr_null(embedding);
}

START_TEST(raw_inputs_must_fit_their_description)
{
    panda_input input = api_picture(1);
    input.channels = 2;
    refuse(&input, PANDA_E_ARGUMENT, "2 channels");
    input = api_picture(1);
    input.size--;
    refuse(&input, PANDA_E_ARGUMENT, "do not hold");
    input = api_picture(1);
    input.row_stride = 100;
    refuse(&input, PANDA_E_ARGUMENT, "100 bytes apart");
    input = api_picture(1);
    input.width = 0;
    refuse(&input, PANDA_E_ARGUMENT, "0 x 40");
    input = api_picture(1);
    input.height = UINT32_MAX;
    input.row_stride = UINT64_MAX / 2;
    refuse(&input, PANDA_E_ARGUMENT, "do not hold");
    input = api_picture(1);
    input.data = NULL;
    refuse(&input, PANDA_E_ARGUMENT, "NULL");
    input = api_picture(1);
    input.element = PANDA_ELEMENT_F32;
    refuse(&input, PANDA_E_ARGUMENT, "element type");
    input = api_picture(1);
    input.modality = 77;
    refuse(&input, PANDA_E_ARGUMENT, "77");
    input = api_picture(1);
    input.source = 0;
    refuse(&input, PANDA_E_ARGUMENT, "source");
    input = api_picture(1);
    input.struct_size = 2;
    refuse(&input, PANDA_E_VERSION, "struct_size");
    /* The session lives on. */
    input = api_picture(1);
    panda_embedding_unref(encode(&input, PANDA_OUTPUT_DEFAULT));
}
END_TEST

/* The same raw data at an address that no float has (undefined behaviour
 * sanitizers see who reads it as floats all the same). */
static void compare_unaligned(panda_input input)
{
    uint8_t *copy = malloc((size_t)input.size + 1);
    ck_assert_ptr_nonnull(copy);
    panda_embedding *aligned = encode(&input, PANDA_OUTPUT_UNIT);
    memcpy(copy + 1, input.data, (size_t)input.size);
    input.data = copy + 1;
    panda_embedding *unaligned = encode(&input, PANDA_OUTPUT_UNIT);
    float similarity;
    ck_assert_ok(
        panda_embedding_get_similarity(aligned, unaligned, &similarity));
    ck_assert_float_eq_tol(similarity, 1, 1e-6f);
    panda_embedding_unref(aligned);
    panda_embedding_unref(unaligned);
    free(copy);
}

START_TEST(raw_inputs_may_lie_anywhere)
{
    enum { COUNT = 6 * 2000 };
    static float floats[COUNT];
    static int16_t integers[COUNT];
    panda_input input;
    const uint32_t size = sizeof input;
    for (int i = 0; i < COUNT; i++) {
        floats[i] = (float)(i * 7919 % 1000) / 1000;
        integers[i] = (int16_t)(i * 7919 % 20000);
    }
    ck_assert_ok(panda_input_init_audio(&input, size, floats, COUNT, 1, 16000,
                                        PANDA_ELEMENT_F32));
    compare_unaligned(input);
    ck_assert_ok(panda_input_init_audio(&input, size, integers, COUNT, 1, 16000,
                                        PANDA_ELEMENT_I16));
    compare_unaligned(input);
    ck_assert_ok(panda_input_init_imu(&input, size, floats, 2000, 200));
    compare_unaligned(input);
    ck_assert_ok(panda_input_init_depth(&input, size, floats, 100, 120,
                                        PANDA_ELEMENT_F32, 0));
    compare_unaligned(input);
    ck_assert_ok(panda_input_init_depth(&input, size, integers, 100, 120,
                                        PANDA_ELEMENT_U16, 0));
    compare_unaligned(input);
}
END_TEST

START_TEST(wrong_files_are_refused_by_name)
{
    panda_input input;
    const char *empty = test_write_temp(".png", "", 0);
    const char *text = test_write_temp(".png", "just words", 10);
    panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMAGE,
                          "/no/such/file.png");
    refuse(&input, PANDA_E_IO, "/no/such/file.png");
    panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMAGE, "/tmp");
    refuse(&input, PANDA_E_IO, "directory");
    panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMAGE, empty);
    refuse(&input, PANDA_E_FORMAT, "empty");
    panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMAGE, text);
    refuse(&input, PANDA_E_FORMAT, text);
    panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMAGE, "");
    refuse(&input, PANDA_E_ARGUMENT, "path");
    panda_input_init_text(&input, sizeof input, "words", 5);
    refuse(&input, PANDA_E_UNSUPPORTED, "text encoder");
}
END_TEST

START_TEST(outputs_relate_as_documented)
{
    float raw[512], unit[512], scaled[512];
    float samples[6 * 2000];
    panda_input input;
    for (size_t i = 0; i < 6 * 2000; i++)
        samples[i] = sinf((float)i * 0.01f);
    ck_assert_ok(
        panda_input_init_imu(&input, sizeof input, samples, 2000, 400));
    panda_embedding *a = encode(&input, PANDA_OUTPUT_RAW);
    panda_embedding *b = encode(&input, PANDA_OUTPUT_UNIT);
    panda_embedding *c = encode(&input, PANDA_OUTPUT_DEFAULT);
    uint32_t dim = panda_embedding_get_dim(a);
    ck_assert_ok(panda_embedding_read_f32(a, raw, dim));
    ck_assert_ok(panda_embedding_read_f32(b, unit, dim));
    ck_assert_ok(panda_embedding_read_f32(c, scaled, dim));
    panda_tower_info tower = {.struct_size = sizeof tower};
    ck_assert_ok(panda_model_get_tower_info(model, PANDA_MODALITY_IMU, &tower));
    double norm = 0, raw_norm = 0;
    for (uint32_t i = 0; i < dim; i++) {
        norm += (double)unit[i] * (double)unit[i];
        raw_norm += (double)raw[i] * (double)raw[i];
    }
    ck_assert_double_eq_tol(norm, 1, 1e-5);
    for (uint32_t i = 0; i < dim; i++) {
        ck_assert_double_eq_tol(unit[i], raw[i] / sqrt(raw_norm), 1e-5);
        ck_assert_double_eq_tol(scaled[i], unit[i] * tower.scale, 1e-4);
    }
    ck_assert_int_eq(panda_embedding_get_output(c), PANDA_OUTPUT_SCALED);
    ck_assert_int_eq(panda_embedding_get_modality(c), PANDA_MODALITY_IMU);
    panda_embedding_unref(a);
    panda_embedding_unref(b);
    panda_embedding_unref(c);
}
END_TEST

START_TEST(batch_equals_single_inputs_and_fails_as_one)
{
    panda_input picture = api_picture(5), wrong = picture;
    const panda_input *inputs[] = {&picture, &picture, &wrong};
    panda_embedding *out[3];
    ck_assert_ok(panda_encoder_encode_batch(out, encoder, inputs, 2, NULL));
    float similarity;
    ck_assert_ok(panda_embedding_get_similarity(out[0], out[1], &similarity));
    ck_assert_float_eq_tol(similarity, 1, 1e-6f);
    panda_embedding_unref(out[0]);
    panda_embedding_unref(out[1]);
    wrong.channels = 7;
    ck_assert_fails(panda_encoder_encode_batch(out, encoder, inputs, 3, NULL),
                    PANDA_E_ARGUMENT, "input 2");
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(out[i]);
}
END_TEST

/* Towers in turn, more pictures than a batch, some of them equal. */
START_TEST(mixed_batch_equals_single_inputs)
{
    enum { COUNT = 24 };
    panda_input values[COUNT];
    const panda_input *inputs[COUNT];
    panda_embedding *out[COUNT], *alone;
    static float samples[6 * 2000];
    for (size_t i = 0; i < 6 * 2000; i++)
        samples[i] = sinf((float)i * 0.01f);
    for (int i = 0; i < COUNT; i++) {
        values[i] = api_picture((uint32_t)i % 11);
        if (i % 12 == 5)
            ck_assert_ok(panda_input_init_imu(&values[i], sizeof values[i],
                                              samples, 2000, 400));
        inputs[i] = &values[i];
    }
    ck_assert_ok(panda_encoder_encode_batch(out, encoder, inputs, COUNT, NULL));
    for (int i = 0; i < COUNT; i++) {
        float similarity;
        ck_assert_ok(panda_encoder_encode(&alone, encoder, inputs[i], NULL));
        ck_assert_ok(
            panda_embedding_get_similarity(out[i], alone, &similarity));
        ck_assert_float_eq_tol(similarity, 1, 1e-6f);
        ck_assert_int_eq(panda_embedding_get_modality(out[i]),
                         values[i].modality);
        panda_embedding_unref(alone);
    }
    for (int i = 0; i < COUNT; i++)
        panda_embedding_unref(out[i]);
}
END_TEST

static void count_stage(const char *stage, const float *values,
                        const int64_t *shape, uint32_t rank, void *user)
{
    (void)values;
    int *seen = user;
    if (strcmp(stage, "preprocessed") == 0)
        seen[0] += rank == 5 && shape[1] == 3 && shape[2] == 1;
    else if (strcmp(stage, "patches") == 0)
        seen[1] += rank == 3;
    else if (strcmp(stage, "block.0") == 0)
        seen[2] += rank == 3;
    else if (strcmp(stage, "head") == 0 || strcmp(stage, "unit") == 0 ||
             strcmp(stage, "scaled") == 0)
        seen[3] += rank == 2;
}

START_TEST(trace_tells_every_stage_once)
{
    int seen[4] = {0};
    panda_input picture = api_picture(5);
    panda_embedding *embedding;
    panda_encode_options options = {.struct_size = sizeof options,
                                    .trace = count_stage,
                                    .trace_user = seen};
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, &options));
    ck_assert_int_eq(seen[0], 1);
    ck_assert_int_eq(seen[1], 1);
    ck_assert_int_eq(seen[2], 1);
    ck_assert_int_eq(seen[3], 3);
    panda_embedding_unref(embedding);
}
END_TEST

struct watch {
    int calls;
    int stop_at;
    double last;
};

static int32_t watch_progress(double fraction, void *user)
{
    struct watch *w = user;
    ck_assert(fraction >= w->last - 1e-9 && fraction <= 1 + 1e-9);
    w->last = fraction;
    w->calls++;
    if (w->stop_at < 0)
        panda_encoder_cancel(encoder);
    return w->calls == w->stop_at;
}

START_TEST(progress_and_cancel_reach_the_encoder)
{
    struct watch watch = {0};
    panda_input picture = api_picture(5);
    panda_embedding *embedding;
    panda_encode_options options = {.struct_size = sizeof options,
                                    .progress = watch_progress,
                                    .progress_user = &watch};
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, &options));
    ck_assert_int_ge(watch.calls, 2);
    panda_embedding_unref(embedding);
    watch = (struct watch){.stop_at = 2};
    ck_assert_fails(
        panda_encoder_encode(&embedding, encoder, &picture, &options),
        PANDA_E_CALLBACK, "progress");
    watch = (struct watch){.stop_at = -1};
    ck_assert_fails(
        panda_encoder_encode(&embedding, encoder, &picture, &options),
        PANDA_E_CANCELLED, "cancelled");
    embedding = encode(&picture, PANDA_OUTPUT_UNIT);
    panda_embedding_unref(embedding);
}
END_TEST

START_TEST(embeddings_are_values)
{
    static const float a[] = {3, 4, 0}, b[] = {0, 0, 2}, zero[3] = {0};
    float values[3], similarity;
    panda_embedding *x, *y, *z, *sum;
    ck_assert_ok(
        panda_embedding_create(&x, runtime, a, 3, 0, PANDA_OUTPUT_CUSTOM));
    ck_assert_ok(
        panda_embedding_create(&y, runtime, b, 3, 0, PANDA_OUTPUT_CUSTOM));
    ck_assert_ok(
        panda_embedding_create(&z, runtime, zero, 3, 0, PANDA_OUTPUT_CUSTOM));
    ck_assert_ok(panda_embedding_get_similarity(x, x, &similarity));
    ck_assert_float_eq(similarity, 1);
    ck_assert_ok(panda_embedding_get_similarity(x, y, &similarity));
    ck_assert_float_eq(similarity, 0);
    ck_assert_ok(panda_embedding_get_similarity(x, z, &similarity));
    ck_assert_float_eq(similarity, 0);
    ck_assert_ok(panda_embedding_combine(
        &sum, (const panda_embedding *const[]){x, y}, (float[]){2, -1}, 2));
    ck_assert_ok(panda_embedding_read_f32(sum, values, 3));
    ck_assert_float_eq(values[0], 6);
    ck_assert_float_eq(values[2], -2);
    ck_assert_fails(panda_embedding_read_f32(sum, values, 2), PANDA_E_SHAPE,
                    "3 numbers");
    ck_assert_ptr_eq(panda_embedding_ref(x), x);
    panda_embedding_unref(x);
    panda_embedding_unref(x);
    panda_embedding_unref(y);
    panda_embedding_unref(z);
    panda_embedding_unref(sum);
    panda_embedding_unref(NULL);
    values[1] = NAN;
    ck_assert_fails(
        panda_embedding_create(&x, runtime, values, 3, 0, PANDA_OUTPUT_CUSTOM),
        PANDA_E_ARGUMENT, "value 1");
}
END_TEST

/* Sessions keep what they need, in whatever order the host lets go. */
START_TEST(objects_may_go_in_any_order)
{
    panda_input picture = api_picture(2);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    panda_embedding *embedding = encode(&picture, PANDA_OUTPUT_UNIT);
    panda_encoder_destroy(encoder);
    ck_assert_uint_gt(panda_embedding_get_dim(embedding), 0);
    panda_embedding_unref(embedding);
    encoder = NULL;
    model = NULL;
    runtime = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoder_api");
    TCase *tc = tcase_create("encoder_api");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_test(tc, raw_inputs_must_fit_their_description);
    tcase_add_test(tc, raw_inputs_may_lie_anywhere);
    tcase_add_test(tc, wrong_files_are_refused_by_name);
    tcase_add_test(tc, outputs_relate_as_documented);
    tcase_add_test(tc, mixed_batch_equals_single_inputs);
    tcase_add_test(tc, batch_equals_single_inputs_and_fails_as_one);
    tcase_add_test(tc, trace_tells_every_stage_once);
    tcase_add_test(tc, progress_and_cancel_reach_the_encoder);
    tcase_add_test(tc, embeddings_are_values);
    tcase_add_test(tc, objects_may_go_in_any_order);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
