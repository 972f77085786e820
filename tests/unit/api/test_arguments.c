/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <string.h>

#include "api_model.h"

/* The rules of runtime.h for pointers: NULL where none is allowed is
 * PANDA_E_ARGUMENT, `out` is NULL after a failure. */

static panda_model *model;
static panda_runtime *runtime;
static panda_encoder *encoder;
static panda_decoder *decoder;
static panda_projector *projector;
static panda_chat *chat;

static void open_all(void)
{
    model = api_model();
    runtime = api_runtime(NULL, 1);
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_projector_create(&projector, model));
    ck_assert_ok(panda_chat_create(&chat, model, NULL));
}

static void close_all(void)
{
    panda_chat_destroy(chat);
    panda_projector_destroy(projector);
    panda_decoder_destroy(decoder);
    panda_encoder_destroy(encoder);
    panda_runtime_destroy(runtime);
    panda_model_close(model);
}

#define REFUSES(call) ck_assert_fails(call, PANDA_E_ARGUMENT, "NULL")

/* A call that gives an object: refused, and the object is NULL. */
#define GIVES_NOTHING(type, call)                                              \
  do {                                                                         \
    type *out = (type *)1;                                                     \
    REFUSES(call);                                                             \
    ck_assert_ptr_null(out);                                                   \
  } while (0)

START_TEST(missing_pointers_to_objects_are_refused)
{
    const float values[2] = {1, 2};
    panda_input input = api_picture(1);
    panda_model_options options = {.struct_size = sizeof options,
                                   .decoder = "x"};
    REFUSES(panda_runtime_create(NULL, NULL));
    REFUSES(panda_model_open(NULL, runtime, &options));
    GIVES_NOTHING(panda_model, panda_model_open(&out, NULL, &options));
    GIVES_NOTHING(panda_encoder, panda_encoder_create(&out, NULL, NULL));
    GIVES_NOTHING(panda_decoder, panda_decoder_create(&out, NULL, NULL));
    GIVES_NOTHING(panda_decoder, panda_decoder_fork(&out, NULL));
    REFUSES(panda_decoder_fork(NULL, decoder));
    GIVES_NOTHING(panda_projector, panda_projector_create(&out, NULL));
    GIVES_NOTHING(panda_chat, panda_chat_create(&out, NULL, NULL));
    GIVES_NOTHING(panda_embedding,
                  panda_encoder_encode(&out, NULL, &input, NULL));
    GIVES_NOTHING(panda_embedding,
                  panda_encoder_encode(&out, encoder, NULL, NULL));
    GIVES_NOTHING(panda_embedding,
                  panda_encoder_encode_batch(&out, encoder, NULL, 1, NULL));
    GIVES_NOTHING(
        panda_embedding,
        panda_embedding_create(&out, NULL, values, 2, 0, PANDA_OUTPUT_CUSTOM));
    GIVES_NOTHING(
        panda_embedding,
        panda_embedding_create(&out, runtime, NULL, 2, 0, PANDA_OUTPUT_CUSTOM));
    GIVES_NOTHING(panda_embedding,
                  panda_embedding_combine(&out, NULL, NULL, 1));
    GIVES_NOTHING(panda_prefix, panda_projector_project(&out, NULL, NULL, 1));
    GIVES_NOTHING(panda_prefix,
                  panda_projector_project(&out, projector, NULL, 1));
    GIVES_NOTHING(panda_prefix, panda_prefix_create(&out, NULL, values, 1, 2));
    GIVES_NOTHING(panda_prefix, panda_prefix_create(&out, runtime, NULL, 1, 2));
}
END_TEST

START_TEST(missing_pointers_to_data_are_refused)
{
    panda_part_info part = {.struct_size = sizeof part};
    panda_token token;
    panda_file_kind kind;
    float number;
    size_t count;
    REFUSES(panda_runtime_options_init(NULL, 64));
    REFUSES(panda_runtime_get_cpu_features(runtime, NULL));
    REFUSES(panda_runtime_register_frontend(runtime, NULL));
    REFUSES(panda_model_get_info(model, NULL));
    REFUSES(panda_model_get_part_info(model, 0, NULL));
    REFUSES(panda_model_get_part_info(NULL, 0, &part));
    REFUSES(panda_model_get_tower_info(model, PANDA_MODALITY_IMAGE, NULL));
    REFUSES(panda_model_find_kind(&kind, runtime, NULL, NULL));
    REFUSES(panda_model_tokenize(model, &token, 1, NULL, "x", 1, 0));
    REFUSES(panda_model_tokenize(model, NULL, 1, &count, "x", 1, 0));
    REFUSES(panda_model_tokenize(model, &token, 1, &count, NULL, 1, 0));
    REFUSES(panda_model_detokenize(model, NULL, 1, &count, &token, 1));
    REFUSES(panda_embedding_get_similarity(NULL, NULL, &number));
    REFUSES(panda_embedding_read_f32(NULL, &number, 1));
    REFUSES(panda_prefix_read_f32(NULL, &number, 1));
    REFUSES(panda_decoder_push_text(decoder, NULL, 1, 0));
    REFUSES(panda_decoder_push_tokens(decoder, NULL, 1));
    REFUSES(panda_decoder_push_batch(NULL, NULL, 1));
    REFUSES(panda_decoder_push_prefix(decoder, NULL));
    REFUSES(panda_decoder_next_token(decoder, NULL, NULL));
    REFUSES(panda_decoder_read_logits(decoder, NULL, 1));
    REFUSES(panda_decoder_read_logits_at(decoder, 0, 0, NULL, 1));
    REFUSES(panda_decoder_read_logits_at(NULL, 0, 0, NULL, 0));
    REFUSES(panda_decoder_get_stats(decoder, NULL));
    REFUSES(panda_decoder_generate(NULL, NULL, NULL, NULL));
    REFUSES(panda_decoder_reset(NULL, 0));
    REFUSES(panda_chat_ask(chat, NULL, NULL, NULL, NULL));
    REFUSES(panda_chat_attach(chat, NULL));
    REFUSES(panda_chat_attach_path(chat, PANDA_MODALITY_IMAGE, NULL));
    REFUSES(panda_chat_get_turn(chat, NULL));
    REFUSES(panda_chat_reset(NULL));
    ck_assert_str_eq(panda_chat_get_answer(NULL), "");
}
END_TEST

START_TEST(inputs_need_what_they_describe)
{
    panda_input i;
    const uint32_t size = sizeof i;
    const panda_modality image = PANDA_MODALITY_IMAGE;
    panda_modality modality = PANDA_MODALITY_IMU;
    REFUSES(panda_input_init_path(NULL, size, image, "x"));
    REFUSES(panda_input_init_path(&i, size, image, NULL));
    REFUSES(panda_input_init_bytes(&i, size, image, NULL, 1));
    REFUSES(panda_input_init_image(&i, size, NULL, 1, 1, 3, 0));
    REFUSES(panda_input_init_video(&i, size, NULL, 1, 1, 1, 25, 0));
    REFUSES(
        panda_input_init_audio(&i, size, NULL, 1, 1, 16000, PANDA_ELEMENT_F32));
    REFUSES(panda_input_init_depth(&i, size, NULL, 1, 1, PANDA_ELEMENT_F32, 0));
    REFUSES(panda_input_init_thermal(&i, size, NULL, 1, 1, 1, 0));
    REFUSES(panda_input_init_imu(&i, size, NULL, 1, 200));
    REFUSES(panda_input_init_text(&i, size, NULL, 1));
    ck_assert_ok(panda_input_init_text(&i, size, NULL, 0));
    REFUSES(panda_modality_find(&modality, NULL));
    ck_assert_int_eq(modality, 0);
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
    size_t count;
    ck_assert_fails(panda_model_tokenize(model, NULL, 0, &count, "", 0, 8),
                    PANDA_E_ARGUMENT, "0x8");
    ck_assert_fails(panda_decoder_push_text(decoder, "", 0, 8),
                    PANDA_E_ARGUMENT, "0x8");
}
END_TEST

START_TEST(a_failed_choice_gives_no_token)
{
    panda_token token = 5;
    ck_assert_fails(panda_decoder_next_token(decoder, &token, NULL),
                    PANDA_E_STATE, "pushed");
    ck_assert_int_eq(token, -1);
    /* The one behind a full context, and none behind that. */
    panda_decoder *full;
    panda_decoder_options one = {.struct_size = sizeof one,
                                 .context_length = 1};
    ck_assert_ok(panda_decoder_create(&full, model, &one));
    token = 5;
    ck_assert_ok(panda_decoder_push_tokens(full, &token, 1));
    ck_assert_ok(panda_decoder_next_token(full, &token, NULL));
    ck_assert_int_ge(token, 0);
    ck_assert_fails(panda_decoder_next_token(full, &token, NULL),
                    PANDA_E_CONTEXT_FULL, "1");
    ck_assert_int_eq(token, -1);
    panda_decoder_destroy(full);
}
END_TEST

START_TEST(sums_stay_finite)
{
    const float values[] = {1, FLT_MAX};
    panda_embedding *a, *sum = (panda_embedding *)1;
    ck_assert_ok(
        panda_embedding_create(&a, runtime, values, 2, 0, PANDA_OUTPUT_CUSTOM));
    ck_assert_fails(panda_embedding_combine(
                        &sum, (const panda_embedding *const[]){a, a}, NULL, 2),
                    PANDA_E_ARGUMENT, "number 1");
    ck_assert_ptr_null(sum);
    panda_embedding_unref(a);
}
END_TEST

START_TEST(the_reference_has_its_own_stop_rule)
{
    panda_chat *reference;
    panda_chat_options options = {.struct_size = sizeof options,
                                  .compat = PANDA_COMPAT_REFERENCE};
    panda_generate_options o = {.struct_size = sizeof o};
    panda_input picture = api_picture(1);
    panda_token token = 7;
    ck_assert_ok(panda_chat_create(&reference, model, &options));
    ck_assert_ok(panda_chat_attach(reference, &picture));
    o.stop = (const char *const[]){"x", NULL};
    ck_assert_fails(panda_chat_ask(reference, "q", &o, NULL, NULL),
                    PANDA_E_UNSUPPORTED, "stop");
    o.stop = NULL;
    o.stop_tokens = &token;
    o.stop_token_count = 1;
    ck_assert_fails(panda_chat_ask(reference, "q", &o, NULL, NULL),
                    PANDA_E_UNSUPPORTED, "stop");
    panda_chat_destroy(reference);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tc = tcase_create("arguments");
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, missing_pointers_to_objects_are_refused);
    tcase_add_test(tc, missing_pointers_to_data_are_refused);
    tcase_add_test(tc, inputs_need_what_they_describe);
    tcase_add_test(tc, unknown_flags_are_refused);
    tcase_add_test(tc, a_failed_choice_gives_no_token);
    tcase_add_test(tc, sums_stay_finite);
    tcase_add_test(tc, the_reference_has_its_own_stop_rule);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
