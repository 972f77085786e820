/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pandagpt/pandagpt.h>

#include "encoder/tower.h"
#include "format/weights.h"
#include "support/tiny_imagebind.h"
#include "support/tiny_llama.h"

/* A small decoder through panda_convert into every format, and run from there:
 * the logits stay near to those of the floats, nearer with more bits. */

enum { POSITIONS = 24, VOCABULARY = 96 };

static struct tiny_llama tiny;
static struct tiny_file file;
static panda_runtime *runtime;
static const char *folder;
static char output[256];
static float expected[POSITIONS * VOCABULARY], found[POSITIONS * VOCABULARY];

static void set_up(void)
{
    panda_runtime_options o = {.struct_size = sizeof o, .threads = 2};
    tiny_llama_init(&tiny);
    tiny.config.hidden = 256;
    tiny.config.heads = 4;
    tiny.config.kv_heads = 4;
    tiny.config.head_dim = 64;
    tiny.config.intermediate = 512;
    tiny.config.vocab_size = VOCABULARY;
    tiny_llama_fill(&file, &tiny);
    folder = tiny_llama_write(&tiny, &file);
    snprintf(output, sizeof output, "%s", test_write_temp(".gguf", "x", 1));
    ck_assert_int_eq(panda_runtime_create(&runtime, &o), PANDA_OK);
}

static void tear_down(void)
{
    panda_runtime_destroy(runtime);
    tiny_file_free(&file);
    unlink(output);
}

static void read_logits(const char *path, float *logits)
{
    panda_model_options m = {.struct_size = sizeof m, .decoder = path,
                             .precision = PANDA_PRECISION_EXACT};
    panda_model *model;
    panda_decoder *decoder;
    panda_token tokens[POSITIONS];
    for (int i = 0; i < POSITIONS; i++)
        tokens[i] = (i * i * 5 + 3) % VOCABULARY;
    ck_assert_ok(panda_model_open(&model, runtime, &m));
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, tokens, POSITIONS));
    ck_assert_ok(panda_decoder_read_logits_at(decoder, 0, POSITIONS, logits,
                                              POSITIONS * VOCABULARY));
    panda_decoder_destroy(decoder);
    panda_model_close(model);
}

static panda_status convert(const char *from, panda_format format,
                            const char *importance)
{
    panda_model_options m = {.struct_size = sizeof m, .decoder = from};
    panda_convert_options o = {.struct_size = sizeof o, .model = &m,
                               .output = output, .decoder_format = format,
                               .importance = importance};
    return panda_convert(runtime, &o);
}

/* Cross entropy of the floats' distribution under the other's, less its own:
 * the logarithm of how much the perplexity grows. */
static double get_divergence(void)
{
    double sum = 0;
    for (int p = 0; p < POSITIONS; p++) {
        const float *a = expected + p * VOCABULARY, *b = found + p * VOCABULARY;
        double za = 0, zb = 0;
        for (int i = 0; i < VOCABULARY; i++) {
            za += exp((double)a[i]);
            zb += exp((double)b[i]);
        }
        for (int i = 0; i < VOCABULARY; i++) {
            double la = (double)a[i] - log(za), lb = (double)b[i] - log(zb);
            sum += exp(la) * (la - lb);
        }
    }
    return sum / POSITIONS;
}

static double measure(panda_format format, const char *importance)
{
    ck_assert_ok(convert(folder, format, importance));
    read_logits(output, found);
    return get_divergence();
}

static const struct {
    panda_format format;
    enum pnd_dtype gate, down, output;
    double most;
} formats[] = {
    {PANDA_FORMAT_F32, PND_F32, PND_F32, PND_F32, 1e-9},
    {PANDA_FORMAT_F16, PND_F16, PND_F16, PND_F16, 1e-6},
    {PANDA_FORMAT_BF16, PND_BF16, PND_BF16, PND_BF16, 3e-5},
    {PANDA_FORMAT_Q8_0, PND_Q8_0, PND_Q8_0, PND_Q8_0, 3e-4},
    {PANDA_FORMAT_Q6_K, PND_Q6_K, PND_Q6_K, PND_Q6_K, 3e-3},
    {PANDA_FORMAT_Q5_K_M, PND_Q5_K, PND_Q6_K, PND_Q6_K, 0.01},
    {PANDA_FORMAT_Q5_K_S, PND_Q5_K, PND_Q5_K, PND_Q6_K, 0.012},
    {PANDA_FORMAT_Q5_1, PND_Q5_1, PND_Q5_1, PND_Q6_K, 0.012},
    {PANDA_FORMAT_Q5_0, PND_Q5_0, PND_Q5_0, PND_Q6_K, 0.015},
    {PANDA_FORMAT_Q4_K_M, PND_Q4_K, PND_Q6_K, PND_Q6_K, 0.05},
    {PANDA_FORMAT_Q4_K_S, PND_Q4_K, PND_Q4_K, PND_Q6_K, 0.05},
    {PANDA_FORMAT_IQ4_NL, PND_IQ4_NL, PND_IQ4_NL, PND_Q6_K, 0.05},
    {PANDA_FORMAT_IQ4_XS, PND_IQ4_XS, PND_IQ4_XS, PND_Q6_K, 0.05},
    {PANDA_FORMAT_Q4_1, PND_Q4_1, PND_Q4_1, PND_Q6_K, 0.06},
    {PANDA_FORMAT_Q4_0, PND_Q4_0, PND_Q4_0, PND_Q6_K, 0.08},
    {PANDA_FORMAT_Q3_K_M, PND_Q3_K, PND_Q4_K, PND_Q6_K, 0.2},
    {PANDA_FORMAT_Q2_K, PND_Q2_K, PND_Q3_K, PND_Q6_K, 0.8},
};

#define FORMATS (sizeof formats / sizeof *formats)

static enum pnd_dtype get_type(struct pnd_weights *w, const char *name)
{
    const struct pnd_tensor *t = pnd_weights_find(w, name);
    ck_assert_msg(t != NULL, "%s is missing", name);
    return t->dtype;
}

START_TEST(formats_are_written_and_run)
{
    struct pnd_weights *w;
    read_logits(folder, expected);
    for (size_t i = 0; i < FORMATS; i++) {
        double divergence = measure(formats[i].format, NULL);
        ck_assert_msg(divergence <= formats[i].most, "format %d: %g",
                      formats[i].format, divergence);
        ck_assert_ok(pnd_weights_open(&w, test_context(), output));
        ck_assert_int_eq(get_type(w, "blk.0.ffn_gate.weight"), formats[i].gate);
        ck_assert_int_eq(get_type(w, "blk.1.ffn_down.weight"), formats[i].down);
        ck_assert_int_eq(get_type(w, "output.weight"), formats[i].output);
        ck_assert_int_eq(get_type(w, "blk.0.attn_norm.weight"), PND_F32);
        pnd_weights_close(w);
    }
}
END_TEST

/* Blocks of one format into another: as from the floats that they stand for. */
START_TEST(quantised_models_are_quantised_again)
{
    char first[256];
    ck_assert_ok(convert(folder, PANDA_FORMAT_Q8_0, NULL));
    snprintf(first, sizeof first, "%s", test_write_temp(".gguf", "x", 1));
    ck_assert_int_eq(rename(output, first), 0);
    read_logits(first, expected);
    ck_assert_ok(convert(first, PANDA_FORMAT_Q4_K_M, NULL));
    read_logits(output, found);
    ck_assert_double_le(get_divergence(), 0.04);
    ck_assert_ok(convert(first, PANDA_FORMAT_KEEP, NULL));
    read_logits(output, found);
    ck_assert_mem_eq(found, expected, sizeof found);
}
END_TEST

START_TEST(unstorable_numbers_are_refused_by_name)
{
    struct tiny_tensor *t =
        tiny_file_find(&file, "model.layers.1.mlp.up_proj.weight");
    t->values[3 * 256 + 7] = NAN;
    folder = tiny_llama_write(&tiny, &file);
    unlink(output);
    ck_assert_fails(convert(folder, PANDA_FORMAT_Q4_0, NULL), PANDA_E_FORMAT,
                    "model.layers.1.mlp.up_proj.weight has a number in row 3");
    ck_assert_int_ne(access(output, F_OK), 0);
    t->values[3 * 256 + 7] = 1e6f;
    folder = tiny_llama_write(&tiny, &file);
    ck_assert_fails(convert(folder, PANDA_FORMAT_F16, NULL), PANDA_E_FORMAT,
                    "up_proj.weight has a number in row 3");
    ck_assert_ok(convert(folder, PANDA_FORMAT_BF16, NULL));
}
END_TEST

/* One matrix: codes times the row's scale are the source's floats within half a
 * code, and the largest of a row is a whole 127. */
static void check_int8(struct pnd_weights *from, struct pnd_weights *to,
                       const char *name)
{
    char scale_name[160];
    snprintf(scale_name, sizeof scale_name, "%s.scale", name);
    const struct pnd_tensor *floats = pnd_weights_find(from, name);
    const struct pnd_tensor *codes = pnd_weights_find(to, name);
    const struct pnd_tensor *scales = pnd_weights_find(to, scale_name);
    ck_assert(floats && codes && scales);
    ck_assert_int_eq(codes->dtype, PND_I8);
    ck_assert_int_eq(scales->dtype, PND_F32);
    ck_assert_uint_eq(scales->rank, 1);
    ck_assert_int_eq(scales->shape[0], floats->shape[0]);
    ck_assert_int_eq(pnd_tensor_get_count(codes), pnd_tensor_get_count(floats));
    const size_t rows = (size_t)floats->shape[0];
    const size_t columns = (size_t)floats->shape[1];
    for (size_t r = 0; r < rows; r++) {
        const float scale = pnd_tensor_get_f32(scales, r);
        int most = 0;
        for (size_t i = r * columns; i < (r + 1) * columns; i++) {
            int code = ((const int8_t *)codes->data)[i];
            float value = pnd_tensor_get_f32(floats, i);
            ck_assert_float_le(fabsf(value - (float)code * scale),
                               0.5001f * scale);
            most = abs(code) > most ? abs(code) : most;
        }
        ck_assert_int_eq(most, 127);
    }
}

/* The products of the blocks become integers, all else f16 or what it was. */
START_TEST(encoders_become_integers)
{
    static const char *const matrices[] = {"attn.in_proj_weight",
                                           "attn.out_proj.weight",
                                           "mlp.fc1.weight", "mlp.fc2.weight"};
    struct tiny_imagebind imagebind;
    struct pnd_weights *from, *to;
    tiny_imagebind_init(&imagebind);
    imagebind.towers = 1u << PND_TOWER_IMU;
    const char *path = tiny_imagebind_write(&imagebind);
    panda_model_options m = {
        .struct_size = sizeof m, .imagebind = path,
        .imagebind_config = tiny_imagebind_write_config(&imagebind)};
    panda_convert_options o = {.struct_size = sizeof o, .model = &m,
                               .output = output,
                               .encoder_format = PANDA_FORMAT_INT8};
    ck_assert_ok(panda_convert(runtime, &o));
    ck_assert_ok(pnd_weights_open(&from, test_context(), path));
    ck_assert_ok(pnd_weights_open(&to, test_context(), output));
    for (uint32_t b = 0; b < imagebind.tower[PND_TOWER_IMU].blocks; b++) {
        for (int i = 0; i < 4; i++) {
            char name[128];
            snprintf(name, sizeof name, "modality_trunks.imu.blocks.%u.%s", b,
                     matrices[i]);
            check_int8(from, to, name);
        }
    }
    for (size_t i = 0; i < pnd_weights_get_count(from); i++) {
        const struct pnd_tensor *t = pnd_weights_at(from, i);
        const struct pnd_tensor *now = pnd_weights_find(to, t->name);
        ck_assert_msg(now != NULL, "%s is missing", t->name);
        if (strstr(t->name, "norm") || strstr(t->name, "bias") ||
            strstr(t->name, "pos_embed"))
            ck_assert_int_eq(now->dtype, PND_F32);
        else if (!strstr(t->name, "trunks"))
            ck_assert_int_ne(now->dtype, PND_I8);
    }
    pnd_weights_close(from);
    pnd_weights_close(to);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("quantized");
    TCase *c = tcase_create("quantized");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, formats_are_written_and_run);
    tcase_add_test(c, quantised_models_are_quantised_again);
    tcase_add_test(c, unstorable_numbers_are_refused_by_name);
    tcase_add_test(c, encoders_become_integers);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
