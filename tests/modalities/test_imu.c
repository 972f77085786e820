/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/conformance.h"
#include "modalities/fake_host.h"
#include "support/support.h"

extern const panda_frontend_ops pnd_frontend_imu;

#define SAMPLES 4 /* what the model of these tests wants */

static struct fake_host f;
static float out[6 * SAMPLES]; /* (6, SAMPLES) */

static void setup(void)
{
    fake_host_init(&f, 2);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static panda_frontend_tensor get_tensor(void)
{
    return (panda_frontend_tensor){.struct_size = sizeof(panda_frontend_tensor),
                                   .element = PANDA_ELEMENT_F32,
                                   .items = 1,
                                   .rank = 2,
                                   .shape = {6, SAMPLES}};
}

static panda_input from_bytes(const void *data, size_t size)
{
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_IMU,
                         .source = PANDA_SOURCE_BYTES,
                         .data = data,
                         .size = size};
}

static panda_input from_text(const char *text)
{
    return from_bytes(text, strlen(text));
}

static panda_input from_raw(const float *values, uint64_t samples)
{
    panda_input input = from_bytes(values, samples * 6 * sizeof *values);
    input.source = PANDA_SOURCE_RAW;
    input.element = PANDA_ELEMENT_F32;
    input.channels = 6;
    input.count = samples;
    return input;
}

static panda_status run(const panda_input *input)
{
    panda_frontend_tensor tensor = get_tensor();
    panda_status status =
        pnd_frontend_imu.describe(NULL, &f.host, input, &tensor);
    if (status < 0)
        return status;
    ck_assert_uint_eq(tensor.items, 1);
    for (int i = 0; i < 6 * SAMPLES; i++)
        out[i] = NAN;
    return pnd_frontend_imu.preprocess(NULL, &f.host, input, &tensor, out);
}

static void expect_ok(const panda_input *input)
{
    fake_host_clear(&f);
    panda_status status = run(input);
    ck_assert_msg(status == PANDA_OK, "%d: %s", (int)status, f.message);
}

static void expect_failure(panda_input input, panda_status expected,
                           const char *part)
{
    fake_host_clear(&f);
    panda_status status = run(&input);
    ck_assert_msg(status == expected && strstr(f.message, part),
                  "%d: \"%s\" instead of %d: \"%s\"", (int)status, f.message,
                  (int)expected, part);
}

/* Value of channel c, sample i in all recordings below: 10 * c + i. */
static void expect_ramp(void)
{
    for (int c = 0; c < 6; c++)
        for (int i = 0; i < SAMPLES; i++)
            ck_assert_float_eq(out[c * SAMPLES + i], (float)(10 * c + i));
}

#define ROWS(s, end)                                          \
    "0" s "10" s "20" s "30" s "40" s "50" end                \
    "1" s "11" s "21" s "31" s "41" s "51" end                \
    "2" s "12" s "22" s "32" s "42" s "52" end                \
    "3" s "13" s "23" s "33" s "43" s "53"

START_TEST(tables_of_many_kinds)
{
    static const char *const tables[] = {
        ROWS(",", "\n") "\n",
        ROWS(",", "\r\n") "\r\n\r\n",
        ROWS(" , ", "\n"),
        "ax,ay,az,gx,gy,gz\n" ROWS(",", "\n"),
        "\xef\xbb\xbf" "AX;AY;AZ;GX;GY;GZ\r\n" ROWS(";", "\r\n"),
        "\"ax\"\t\"ay\"\t\"az\"\t\"gx\"\t\"gy\"\t\"gz\"\n" ROWS("\t", "\n"),
        "gz,t,gy,gx,note,az,ay,ax\n"
        "50,0.1,40,30,a,20,10,0\n51,0.2,41,31,b,21,11,1\n"
        "\n"
        "52,0.3,42,32,,22,12,2\n53,0.4,43,33,d,23,13,3\n",
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        panda_input input = from_text(tables[i]);
        expect_ok(&input);
        expect_ramp();
        input.source = PANDA_SOURCE_PATH;
        input.path = test_write_temp(".csv", tables[i], strlen(tables[i]));
        expect_ok(&input);
        expect_ramp();
    }
}
END_TEST

START_TEST(broken_tables)
{
    expect_failure(from_text("ax,ay,az,gx,gy\n"), PANDA_E_FORMAT,
                   "column gz is missing");
    expect_failure(from_text("ax,ay,az,gx,gy,gz,ay\n"), PANDA_E_FORMAT,
                   "column ay appears twice");
    expect_failure(from_text("1,2,3,4,5\n"), PANDA_E_FORMAT,
                   "5 columns without names found, expected 6");
    expect_failure(from_text("ax,ay,az,gx,gy,gz\n"), PANDA_E_FORMAT,
                   "no samples found, expected 4");
    expect_failure(from_text("ax,ay,az,gx,gy,gz\n1,2,3,4,5,6\n"),
                   PANDA_E_FORMAT, "1 samples found, expected 4");
    expect_failure(from_text(ROWS(",", "\n") "\n1,2,3,4,5,6"), PANDA_E_FORMAT,
                   "5 samples found, expected 4");
    expect_failure(from_text("0,0,0,0,0,0\n1,2,3\n\n\n0,0,0,0,0,0\n1,1,1,1,1,1"
                             ),
                   PANDA_E_FORMAT, "line 2 has 3 columns, expected 6");
    expect_failure(from_text("ax,ay,az,gx,gy,gz\n" ROWS(",", "\n") ",7"),
                   PANDA_E_FORMAT, "line 5 has 7 columns, expected 6");
    expect_failure(from_text("ax,ay,az,gx,gy,gz\n1,1,1,1,1,1\n1,1,x\x01\xff,1,"
                             "1,1\n1,1,1,1,1,1\n1,1,1,1,1,1\n"),
                   PANDA_E_FORMAT, "line 3, column az: \"x??\" found");
    expect_failure(from_text("hello world"), PANDA_E_FORMAT,
                   "holds text without columns ax");
    expect_failure(from_bytes("\x89PNG\r\n\x1a\n1234", 12), PANDA_E_FORMAT,
                   "holds a PNG image");
    expect_failure(from_bytes("\xef\xbb\xbf", 3), PANDA_E_FORMAT, "expected");
    expect_failure(from_bytes("", 0), PANDA_E_FORMAT, "empty");
}
END_TEST

START_TEST(values_must_be_finite)
{
    expect_failure(from_text("0,0,0,0,0,0\n0,0,0,0,0,0\n0,0,0,0,nan,0\n"
                             "0,0,0,0,0,0\n"),
                   PANDA_E_FORMAT, "sample 2 of gy is not a finite number");
    expect_failure(from_text("0,0,0,0,0,0\n0,-1e40,0,0,0,0\n0,0,0,0,0,0\n"
                             "0,0,0,0,0,0\n"),
                   PANDA_E_FORMAT, "sample 1 of ay is not a finite number");
    float values[6 * SAMPLES] = {0};
    values[6 * 3 + 5] = INFINITY;
    expect_failure(from_raw(values, SAMPLES), PANDA_E_FORMAT,
                   "sample 3 of gz is not a finite number");
    panda_imu_options options = {.struct_size = sizeof options,
                                 .scale_gyro = 1e30};
    values[6 * 3 + 5] = 1e30f;
    panda_input input = from_raw(values, SAMPLES);
    input.imu_options = &options;
    expect_failure(input, PANDA_E_FORMAT, "value 3 of gz is too large");
}
END_TEST

/* An .npy file of f32 or f64 with the ramp, by channel or by sample. */
static size_t make_npy(uint8_t *file, bool wide, const char *shape,
                       bool by_channel, int count)
{
    memset(file, ' ', 128);
    memcpy(file, "\x93NUMPY\1\0\x76\0", 10);
    char header[118];
    int length = snprintf(header, sizeof header,
                          "{'descr': '%s', 'fortran_order': False, "
                          "'shape': (%s), }",
                          wide ? "<f8" : "<f4", shape);
    memcpy(file + 10, header, (size_t)length);
    file[127] = '\n';
    size_t at = 128;
    for (int i = 0; i < 6 * count; i++) {
        int c = by_channel ? i / count : i % 6;
        int s = by_channel ? i % count : i / 6;
        float single = (float)(10 * c + s);
        double number = 10 * c + s;
        memcpy(file + at, wide ? (void *)&number : (void *)&single,
               wide ? 8 : 4);
        at += wide ? 8 : 4;
    }
    return at;
}

START_TEST(numpy_arrays)
{
    static uint8_t file[1024];
    for (int wide = 0; wide < 2; wide++) {
        for (int by_channel = 0; by_channel < 2; by_channel++) {
            size_t size = make_npy(file, wide, by_channel ? "6, 4" : "4, 6",
                                   by_channel, SAMPLES);
            panda_input input = from_bytes(file, size);
            expect_ok(&input);
            expect_ramp();
            expect_failure(from_bytes(file, size - 1), PANDA_E_FORMAT,
                           "fewer than its shape needs");
        }
    }
    size_t size = make_npy(file, false, "24,", true, SAMPLES);
    expect_failure(from_bytes(file, size), PANDA_E_FORMAT,
                   "has 1 dimensions");
    size = make_npy(file, false, "3, 8", true, SAMPLES);
    expect_failure(from_bytes(file, size), PANDA_E_FORMAT, "the first two 3");
    size = make_npy(file, false, "6, 5", true, 5);
    expect_failure(from_bytes(file, size), PANDA_E_FORMAT,
                   "5 samples found, expected 4");
    memcpy(file + 10, "{'descr': '<i4'", 15);
    expect_failure(from_bytes(file, size), PANDA_E_FORMAT, "holds integers");
}
END_TEST

/* Six by six: channels first, as the model's own layout. */
START_TEST(square_arrays_are_by_channel)
{
    static uint8_t file[1024];
    panda_imu_options options = {.struct_size = sizeof options,
                                 .resample = PANDA_SWITCH_ON};
    panda_input input = from_bytes(file, make_npy(file, false, "6, 6", true,
                                                  6));
    input.imu_options = &options;
    expect_ok(&input);
    ck_assert_float_eq(out[0], 0);
    ck_assert_float_eq(out[SAMPLES - 1], 5);
    ck_assert_float_eq(out[5 * SAMPLES], 50);
}
END_TEST

static void fill_ramp(float *values, int samples)
{
    for (int i = 0; i < 6 * samples; i++)
        values[i] = (float)(10 * (i % 6) + i / 6);
}

START_TEST(raw_samples)
{
    float values[6 * SAMPLES];
    fill_ramp(values, SAMPLES);
    panda_input input = from_raw(values, SAMPLES);
    expect_ok(&input);
    expect_ramp();
    input.size--;
    expect_failure(input, PANDA_E_SHAPE, "95 bytes hold fewer");
    input = from_raw(values, SAMPLES);
    input.element = PANDA_ELEMENT_I16;
    expect_failure(input, PANDA_E_ARGUMENT, "element type 3");
    input = from_raw(values, SAMPLES);
    input.channels = 3;
    expect_failure(input, PANDA_E_ARGUMENT, "3 channels");
    expect_failure(from_raw(values, 0), PANDA_E_FORMAT, "no samples");
}
END_TEST

START_TEST(order_and_scale)
{
    float values[6 * SAMPLES];
    fill_ramp(values, SAMPLES);
    panda_imu_options options = {.struct_size = sizeof options,
                                 .order = PANDA_IMU_GYRO_ACCEL,
                                 .scale_accel = 2,
                                 .scale_gyro = 0.5};
    panda_input input = from_raw(values, SAMPLES);
    input.imu_options = &options;
    expect_ok(&input);
    ck_assert_float_eq(out[0], 60);
    ck_assert_float_eq(out[1], 62);
    ck_assert_float_eq(out[3 * SAMPLES + 3], 1.5f);
    ck_assert_float_eq(out[5 * SAMPLES + 1], 10.5f);
    /* Where columns have names, these say what they are. */
    input = from_text("gx,gy,gz,ax,ay,az\n" ROWS(",", "\n"));
    options.scale_accel = options.scale_gyro = 0;
    input.imu_options = &options;
    expect_ok(&input);
    ck_assert_float_eq(out[0], 30);
    ck_assert_float_eq(out[3 * SAMPLES], 0);
}
END_TEST

START_TEST(resampling)
{
    static float values[6 * 7];
    panda_imu_options options = {.struct_size = sizeof options,
                                 .resample = PANDA_SWITCH_ON};
    static const float expected[][SAMPLES] = {
        {0, 0, 0, 0}, {0, 1.0f / 3, 2.0f / 3, 1}, {0, 2.0f / 3, 4.0f / 3, 2},
        {0, 1, 2, 3}, {0, 4.0f / 3, 8.0f / 3, 4}, {0, 5.0f / 3, 10.0f / 3, 5},
        {0, 2, 4, 6},
    };
    for (int samples = 1; samples <= 7; samples++) {
        fill_ramp(values, samples);
        panda_input input = from_raw(values, (uint64_t)samples);
        input.imu_options = &options;
        expect_ok(&input);
        for (int i = 0; i < 6 * SAMPLES; i++) {
            float wanted = expected[samples - 1][i % SAMPLES];
            ck_assert_float_eq_tol(out[i] - (float)(10 * (i / SAMPLES)), wanted,
                                   1e-5f);
        }
    }
}
END_TEST

START_TEST(wrong_options_and_shapes)
{
    float values[6 * SAMPLES] = {0};
    panda_input input = from_raw(values, SAMPLES);
    panda_imu_options options = {.struct_size = sizeof options, .order = 2};
    input.imu_options = &options;
    expect_failure(input, PANDA_E_ARGUMENT, "order 2");
    options = (panda_imu_options){.struct_size = sizeof options,
                                  .scale_accel = NAN};
    expect_failure(input, PANDA_E_ARGUMENT, "scales nan");
    options = (panda_imu_options){.struct_size = sizeof options,
                                  .resample = 3};
    expect_failure(input, PANDA_E_ARGUMENT, "resample switch 3");
    /* What lies beyond the caller's struct is not looked at. */
    options = (panda_imu_options){.struct_size = 8, .scale_accel = NAN};
    expect_ok(&input);
    panda_frontend_tensor tensor = get_tensor();
    tensor.shape[0] = 3;
    ck_assert_int_eq(pnd_frontend_imu.describe(NULL, &f.host, &input, &tensor),
                     PANDA_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(f.message, "2 dimensions of 3 x 4"));
}
END_TEST

START_TEST(memory_runs_out_and_calls_are_cancelled)
{
    panda_input input = from_text(ROWS(",", "\n"));
    input.source = PANDA_SOURCE_PATH;
    input.path = test_write_temp(".csv", input.data, (size_t)input.size);
    for (long n = 1;; n++) {
        fake_host_clear(&f);
        f.fail_at = n;
        panda_status status = run(&input);
        ck_assert_int_eq(fake_host_check(&f), 0);
        if (status == PANDA_OK) {
            ck_assert_int_ge(n, 3);
            break;
        }
        ck_assert_int_eq(status, PANDA_E_MEMORY);
    }
    fake_host_clear(&f);
    f.cancel_at = 3;
    ck_assert_int_eq(run(&input), PANDA_E_CANCELLED);
}
END_TEST

static void make_sample(struct conformance_sample *sample)
{
    static const char table[] = "ax,ay,az,gx,gy,gz\n" ROWS(",", "\n") "\n";
    static float values[6 * SAMPLES];
    fill_ramp(values, SAMPLES);
    *sample = (struct conformance_sample){
        .bytes = table,
        .size = sizeof table - 1,
        .suffix = ".csv",
        .has_raw = true,
        .raw_is_same = true,
        .raw = from_raw(values, SAMPLES),
    };
}

static const struct conformance conformance_imu = {
    .ops = &pnd_frontend_imu,
    .tensor = {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 2,
               {6, SAMPLES}},
    .flags = CONFORMANCE_CUT_IS_VALID | CONFORMANCE_BRIEF,
    .make_sample = make_sample,
};

int main(void)
{
    Suite *suite = suite_create("imu");
    TCase *tc = tcase_create("imu");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, tables_of_many_kinds);
    tcase_add_test(tc, broken_tables);
    tcase_add_test(tc, values_must_be_finite);
    tcase_add_test(tc, numpy_arrays);
    tcase_add_test(tc, square_arrays_are_by_channel);
    tcase_add_test(tc, raw_samples);
    tcase_add_test(tc, order_and_scale);
    tcase_add_test(tc, resampling);
    tcase_add_test(tc, wrong_options_and_shapes);
    tcase_add_test(tc, memory_runs_out_and_calls_are_cancelled);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, PANDA_FRONTEND_TESTS(imu));
    return test_run(suite);
}
