/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_model.h"

static panda_runtime *runtime;
static panda_model *model;
static panda_model_options options;
static struct api_files files;
static char data[256], output[256];

static const char text[] = "What do you hear? A small bird sings in the rain.";

static void set_up(void)
{
    runtime = api_runtime(NULL, 2);
    files = api_files_write(32);
    options = api_options(&files);
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    snprintf(data, sizeof data, "%s", test_write_temp(".gguf", "x", 1));
    snprintf(output, sizeof output, "%s", test_write_temp(".gguf", "x", 1));
}

static void tear_down(void)
{
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    unlink(data);
    unlink(output);
}

static size_t read_file(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

static int32_t count_calls(double fraction, void *user)
{
    ck_assert(fraction >= 0 && fraction <= 1);
    return ++*(int *)user > 1000;
}

/* From a text to a file, and from that to other blocks than without. */
START_TEST(what_is_measured_is_used)
{
    static char with[1 << 20], without[1 << 20];
    int calls = 0;
    panda_importance_options o;
    panda_convert_options c;
    ck_assert_ok(panda_importance_options_init(&o, sizeof o));
    o.context = 8;
    o.progress = count_calls;
    o.progress_user = &calls;
    ck_assert_ok(panda_importance_measure(model, text, strlen(text), data, &o));
    ck_assert_int_gt(calls, 2);
    ck_assert_ok(panda_convert_options_init(&c, sizeof c));
    c.model = &options;
    c.parts = PANDA_PART_DECODER;
    c.decoder_format = PANDA_FORMAT_Q4_0;
    c.output = output;
    ck_assert_ok(panda_convert(runtime, &c));
    size_t size = read_file(output, without, sizeof without);
    c.importance = data;
    ck_assert_ok(panda_convert(runtime, &c));
    ck_assert_uint_eq(read_file(output, with, sizeof with), size);
    ck_assert(memcmp(with, without, size) != 0);
}
END_TEST

START_TEST(data_of_another_kind_is_refused)
{
    panda_convert_options c;
    ck_assert_ok(panda_convert_options_init(&c, sizeof c));
    c.model = &options;
    c.parts = PANDA_PART_DECODER;
    c.decoder_format = PANDA_FORMAT_Q4_0;
    c.output = output;
    c.importance = files.adapter;
    ck_assert_fails(panda_convert(runtime, &c), PANDA_E_FORMAT,
                    "no importance data");
    c.importance = "/nowhere.gguf";
    ck_assert_fails(panda_convert(runtime, &c), PANDA_E_IO, "/nowhere.gguf");
}
END_TEST

START_TEST(arguments_are_checked)
{
    panda_importance_options o = {.struct_size = sizeof o, .context = 1};
    panda_model_options only = options;
    panda_model *encoders;
    ck_assert_fails(panda_importance_measure(NULL, text, 4, data, NULL),
                    PANDA_E_ARGUMENT, "model");
    ck_assert_fails(panda_importance_measure(model, text, 4, NULL, NULL),
                    PANDA_E_ARGUMENT, "output");
    ck_assert_fails(panda_importance_measure(model, NULL, 4, data, NULL),
                    PANDA_E_ARGUMENT, "no text");
    ck_assert_fails(panda_importance_measure(model, text, 0, data, NULL),
                    PANDA_E_ARGUMENT, "no text");
    ck_assert_fails(panda_importance_measure(model, text, 4, data, &o),
                    PANDA_E_ARGUMENT, "context is 1");
    ck_assert_fails(panda_importance_measure(model, text, 4, "/nowhere/x",
                                             NULL),
                    PANDA_E_IO, "/nowhere/x");
    only.decoder = only.adapter = only.tokenizer = NULL;
    ck_assert_ok(panda_model_open(&encoders, runtime, &only));
    ck_assert_fails(panda_importance_measure(encoders, text, 4, data, NULL),
                    PANDA_E_UNSUPPORTED, "no decoder");
    panda_model_close(encoders);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("importance_api");
    TCase *c = tcase_create("importance_api");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_is_measured_is_used);
    tcase_add_test(c, data_of_another_kind_is_refused);
    tcase_add_test(c, arguments_are_checked);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
