/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pandagpt/pandagpt.h>

#include "encoder/tower_parts.h"
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

/* Make channel 5 of a norm large, in the file: an outlier. */
static void enlarge(const char *path, const char *norm)
{
    struct pnd_weights *w;
    size_t size;
    const float large = 40;
    ck_assert_ok(pnd_weights_open(&w, test_context(), path));
    const struct pnd_tensor *t = pnd_weights_find(w, norm);
    ck_assert_ptr_nonnull(t);
    const long at = (long)((const char *)t->data -
                           (const char *)pnd_weights_get_file_data(w, 0,
                                                                   &size));
    pnd_weights_close(w);
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, at + 5 * (long)sizeof large, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(&large, sizeof large, 1, f), 1);
    ck_assert_int_eq(fclose(f), 0);
}

static struct pnd_tower *load_imu(struct pnd_weights **w, const char *path,
                                  const struct pnd_imagebind_config *config,
                                  panda_precision precision)
{
    struct pnd_tower *tower;
    ck_assert_ok(pnd_weights_open(w, test_context(), path));
    ck_assert_ok(pnd_tower_load(&tower, test_context(), *w, config,
                                PND_TOWER_IMU, precision));
    return tower;
}

static void check_equal(const struct pnd_linear *a, const struct pnd_linear *b)
{
    const uint32_t outliers = a->outliers.count;
    ck_assert_int_eq(a->dtype, PND_I8);
    ck_assert_int_eq(b->dtype, PND_I8);
    ck_assert_mem_eq(a->weight, b->weight, (size_t)a->in * a->out);
    ck_assert_mem_eq(a->row_scale, b->row_scale, a->out * sizeof(float));
    ck_assert_uint_eq(outliers, b->outliers.count);
    if (outliers == 0)
        return;
    ck_assert_mem_eq(a->outliers.columns, b->outliers.columns,
                     outliers * sizeof(int32_t));
    ck_assert_mem_eq(a->outliers.weight, b->outliers.weight,
                     (size_t)outliers * a->out * sizeof(float));
}

/* The file holds to the bit what rounding at load gives, outliers included. */
START_TEST(encoders_become_integers)
{
    struct tiny_imagebind imagebind;
    struct pnd_weights *from, *to, *again;
    tiny_imagebind_init(&imagebind);
    imagebind.towers = 1u << PND_TOWER_IMU;
    imagebind.tower[PND_TOWER_IMU] = (struct tiny_tower){320, 8, 2};
    const char *path = tiny_imagebind_write(&imagebind);
    enlarge(path, "modality_trunks.imu.blocks.1.norm_1.weight");
    enlarge(path, "modality_trunks.imu.blocks.0.norm_2.weight");
    const struct pnd_imagebind_config config =
        tiny_imagebind_get_config(&imagebind);
    panda_model_options m = {
        .struct_size = sizeof m, .imagebind = path,
        .imagebind_config = tiny_imagebind_write_config(&imagebind)};
    panda_convert_options o = {.struct_size = sizeof o, .model = &m,
                               .output = output,
                               .encoder_format = PANDA_FORMAT_INT8};
    ck_assert_ok(panda_convert(runtime, &o));
    struct pnd_tower *a =
        load_imu(&from, path, &config, PANDA_PRECISION_SMALL);
    struct pnd_tower *b = load_imu(&to, output, &config, PANDA_PRECISION_AUTO);
    for (uint32_t i = 0; i < 2; i++) {
        check_equal(&a->blocks[i].qkv, &b->blocks[i].qkv);
        check_equal(&a->blocks[i].out, &b->blocks[i].out);
        check_equal(&a->blocks[i].fc1, &b->blocks[i].fc1);
        check_equal(&a->blocks[i].fc2, &b->blocks[i].fc2);
    }
    ck_assert_uint_eq(b->blocks[1].qkv.outliers.count, 1);
    ck_assert_int_eq(b->blocks[1].qkv.outliers.columns[0], 5);
    ck_assert_uint_eq(b->blocks[0].fc1.outliers.count, 1);
    for (size_t i = 0; i < pnd_weights_get_count(to); i++) {
        const struct pnd_tensor *t = pnd_weights_at(to, i);
        if (strstr(t->name, "norm") || strstr(t->name, "bias") ||
            strstr(t->name, "pos_embed"))
            ck_assert_int_eq(t->dtype, PND_F32);
        else if (!strstr(t->name, "trunks"))
            ck_assert_int_ne(t->dtype, PND_I8);
    }
    pnd_tower_free(a);
    pnd_tower_free(b);

    /* Written once more they are the same, and never floats again. */
    char first[256];
    snprintf(first, sizeof first, "%s", test_write_temp(".gguf", "x", 1));
    ck_assert_int_eq(rename(output, first), 0);
    m = (panda_model_options){.struct_size = sizeof m, .bundle = first};
    ck_assert_ok(panda_convert(runtime, &o));
    ck_assert_ok(pnd_weights_open(&again, test_context(), output));
    for (size_t i = 0; i < pnd_weights_get_count(to); i++) {
        const struct pnd_tensor *t = pnd_weights_at(to, i);
        const struct pnd_tensor *u = pnd_weights_find(again, t->name);
        ck_assert_msg(u != NULL, "%s is missing", t->name);
        ck_assert_int_eq(t->dtype, u->dtype);
        ck_assert_mem_eq(t->data, u->data, t->bytes);
    }
    pnd_weights_close(again);
    o.encoder_format = PANDA_FORMAT_F16;
    ck_assert_fails(panda_convert(runtime, &o), PANDA_E_UNSUPPORTED,
                    "is int8 already");
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
