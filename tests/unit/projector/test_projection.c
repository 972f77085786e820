/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "projector/projection.h"
#include "support/support.h"

#define IN 5
#define OUT 3

/* weight[o][i] = o - i / 2, bias[o] = o + 1 / 4: exact in every type. */
static float get_weight(int o, int i)
{
    return (float)o - (float)i / 2;
}

static float get_bias(int o)
{
    return (float)o + 0.25f;
}

static size_t put(uint8_t *to, enum pnd_dtype dtype, float value)
{
    union { float f; uint32_t u; } bits = {value};
    uint16_t half = dtype == PND_F16 ? pnd_f32_to_f16(value)
                                     : (uint16_t)(bits.u >> 16);
    if (dtype == PND_F32)
        memcpy(to, &value, sizeof value);
    else
        memcpy(to, &half, sizeof half);
    return pnd_dtype_get_size(dtype);
}

/* A safetensors file; `weight` and `bias` are what the tensors are called,
 * `rows` the length of the bias. */
static const char *write_file(enum pnd_dtype dtype, const char *weight,
                              const char *bias, int rows)
{
    static const char *const types[] = {
        [PND_F32] = "F32", [PND_F16] = "F16", [PND_BF16] = "BF16"};
    uint8_t file[1024] = {0};
    const size_t size = pnd_dtype_get_size(dtype), middle = OUT * IN * size;
    int length = snprintf(
        (char *)file + 8, sizeof file - 8,
        "{\"%s\":{\"dtype\":\"%s\",\"shape\":[%d,%d],"
        "\"data_offsets\":[0,%zu]},\"%s\":{\"dtype\":\"%s\",\"shape\":[%d],"
        "\"data_offsets\":[%zu,%zu]}}",
        weight, types[dtype], OUT, IN, middle, bias, types[dtype], rows, middle,
        middle + (size_t)rows * size);
    while (length % 8 != 0)
        file[8 + length++] = ' ';
    file[0] = (uint8_t)length;
    file[1] = (uint8_t)(length >> 8);
    size_t at = 8 + (size_t)length;
    for (int o = 0; o < OUT; o++) {
        for (int i = 0; i < IN; i++)
            at += put(file + at, dtype, get_weight(o, i));
    }
    for (int o = 0; o < rows; o++)
        at += put(file + at, dtype, get_bias(o));
    return test_write_temp(".safetensors", file, at);
}

static panda_status load(struct pnd_projection **p,
                         struct pnd_weights **weights, const char *path)
{
    ck_assert_ok(pnd_weights_open(weights, test_context(), path));
    return pnd_projection_load(p, test_context(), *weights);
}

START_TEST(test_add)
{
    static const enum pnd_dtype dtypes[] = {PND_F32, PND_F16, PND_BF16};
    const float x[IN] = {1, -2, 0.5f, 3, 0};
    struct pnd_projection *p;
    struct pnd_weights *weights;
    ck_assert_ok(load(&p, &weights, write_file(dtypes[_i], "llama_proj.weight",
                                               "llama_proj.bias", OUT)));
    ck_assert_uint_eq(pnd_projection_get_in(p), IN);
    ck_assert_uint_eq(pnd_projection_get_out(p), OUT);
    ck_assert_uint_eq(pnd_projection_get_heap_bytes(p),
                      _i == 0 ? 0 : OUT * sizeof(float));
    float y[OUT] = {10, 20, 30};
    ck_assert_ok(pnd_projection_add(p, x, y));
    ck_assert_ok(pnd_projection_add(p, x, y)); /* the bias counts twice */
    for (int o = 0; o < OUT; o++) {
        float expected = get_bias(o);
        for (int i = 0; i < IN; i++)
            expected += get_weight(o, i) * x[i];
        ck_assert_float_eq_tol(y[o], 10.0f * (float)(o + 1) + 2 * expected,
                               1e-5f);
    }
    pnd_projection_free(p);
    pnd_weights_close(weights);
}
END_TEST

START_TEST(test_faults)
{
    struct pnd_projection *p;
    struct pnd_weights *weights;
    ck_assert_fails(load(&p, &weights, write_file(PND_F32, "proj.weight",
                                                  "llama_proj.bias", OUT)),
                    PANDA_E_FORMAT, "llama_proj.weight");
    ck_assert_ptr_null(p);
    pnd_weights_close(weights);
    ck_assert_fails(load(&p, &weights, write_file(PND_F32, "llama_proj.weight",
                                                  "proj.bias", OUT)),
                    PANDA_E_FORMAT, "llama_proj.bias");
    pnd_weights_close(weights);
    ck_assert_fails(load(&p, &weights, write_file(PND_F32, "llama_proj.weight",
                                                  "llama_proj.bias", OUT + 1)),
                    PANDA_E_FORMAT, "llama_proj.bias");
    pnd_weights_close(weights);
    pnd_projection_free(NULL);
}
END_TEST

START_TEST(test_memory)
{
    struct pnd_context ctx = *test_context();
    struct pnd_weights *weights;
    struct test_alloc alloc;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  write_file(PND_F16, "llama_proj.weight",
                                             "llama_proj.bias", OUT)));
    for (long n = 1;; n++) {
        struct pnd_projection *p;
        float x[IN] = {1}, y[OUT] = {1, 2, 3};
        test_alloc_init(&alloc);
        alloc.fail_at = n;
        ctx.alloc = alloc.alloc;
        panda_status status = pnd_projection_load(&p, &ctx, weights);
        if (status == PANDA_OK) {
            status = pnd_projection_add(p, x, y);
            if (status < 0)
                ck_assert_float_eq(y[0], 1); /* as it was */
            pnd_projection_free(p);
        }
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        if (status == PANDA_OK) {
            ck_assert_int_eq(n, 4);
            break;
        }
        ck_assert_int_eq(status, PANDA_E_MEMORY);
    }
    pnd_weights_close(weights);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("projection");
    TCase *tc = tcase_create("projection");
    tcase_add_loop_test(tc, test_add, 0, 3);
    tcase_add_test(tc, test_faults);
    tcase_add_test(tc, test_memory);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return test_run(make_suite());
}
