/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/llama.h"
#include "support/tiny_llama.h"
#include "unit/format/builder.h"

/* Random decoders written as GGUF files have the logits of the same decoders
 * in HF's names and order of rows, which test_llama.c proves. */

enum { COUNT = 9, RANK = 3, F32 = 0 };

static const int32_t tokens[COUNT] = {1, 7, 44, 7, 20, 31, 0, 60, 2};

static const char *const names[][2] = {
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"input_layernorm", "attn_norm"},
    {"post_attention_layernorm", "ffn_norm"},
};

static struct tiny_llama tiny;
static struct tiny_file base, delta;
static struct pnd_weights *adapter;

static void set_up(void)
{
    tiny_llama_init(&tiny);
    tiny.config.kv_heads = 2;
    tiny_llama_fill(&base, &tiny);
    tiny_lora_fill(&delta, &tiny, RANK);
    ck_assert_ok(
        pnd_weights_open(&adapter, test_context(), tiny_file_write(&delta)));
}

static void tear_down(void)
{
    pnd_weights_close(adapter);
    tiny_file_free(&base);
    tiny_file_free(&delta);
}

/* The name in a GGUF file. */
static void translate(const char *name, char *out, size_t size)
{
    const char *rest;
    int layer = 0, used = 0;
    if (sscanf(name, "model.layers.%d.%n", &layer, &used) == 1) {
        rest = name + used;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            size_t length = strlen(names[i][0]);
            if (strncmp(rest, names[i][0], length) == 0)
                snprintf(out, size, "blk.%d.%s%s", layer, names[i][1],
                         rest + length);
        }
    } else if (strstr(name, "embed_tokens")) {
        snprintf(out, size, "token_embd.weight");
    } else {
        snprintf(out, size, strstr(name, "lm_head") ? "output.weight"
                                                    : "output_norm.weight");
    }
}

/* Halves of a head become pairs. */
static void add_tensor(struct gguf_builder *g, const struct tiny_tensor *t)
{
    const bool permuted =
        strstr(t->name, "q_proj") || strstr(t->name, "k_proj");
    const size_t rows = t->rank == 2 ? (size_t)t->shape[0] : 1;
    const size_t columns = (size_t)t->shape[t->rank - 1];
    const size_t dim = tiny.config.head_dim;
    float *values = malloc(rows * columns * sizeof *values);
    char name[128];
    for (size_t r = 0; r < rows; r++) {
        size_t at = r % dim, to = r;
        if (permuted)
            to = r - at + at % (dim / 2) * 2 + at / (dim / 2);
        memcpy(values + to * columns, t->values + r * columns,
               columns * sizeof *values);
    }
    translate(t->name, name, sizeof name);
    gguf_tensor(g, name, F32, t->rank == 2 ? rows : 0, columns, values,
                rows * columns * sizeof *values);
    free(values);
}

static struct gguf_builder begin_gguf(void)
{
    const struct pnd_llama_config *c = &tiny.config;
    struct gguf_builder g = gguf_begin();
    gguf_string(&g, "general.architecture", "llama");
    gguf_u32(&g, "llama.block_count", c->layers);
    gguf_u32(&g, "llama.embedding_length", c->hidden);
    gguf_u32(&g, "llama.feed_forward_length", c->intermediate);
    gguf_u32(&g, "llama.attention.head_count", c->heads);
    gguf_u32(&g, "llama.attention.head_count_kv", c->kv_heads);
    gguf_u32(&g, "llama.rope.dimension_count", c->head_dim);
    gguf_u32(&g, "llama.vocab_size", c->vocab_size);
    gguf_f32(&g, "llama.attention.layer_norm_rms_epsilon", c->rms_eps);
    gguf_f32(&g, "llama.rope.freq_base", c->rope_base);
    for (size_t i = 0; i < base.count; i++)
        add_tensor(&g, &base.tensors[i]);
    return g;
}

/* Logits after `tokens`; the file is freed. */
static panda_status run_gguf(struct gguf_builder *g, panda_lora_mode mode,
                             float *logits)
{
    const struct pnd_context *ctx = test_context();
    struct pnd_buffer file = gguf_end(g);
    struct pnd_lora_options lora = {adapter, mode, 0};
    struct pnd_llama_config config;
    struct pnd_weights *w;
    struct pnd_llama *llama;
    struct pnd_session *s = NULL;
    ck_assert_ok(
        pnd_weights_open_memory(&w, ctx, file.data, file.size, "tiny.gguf"));
    ck_assert_ok(pnd_llama_config_read(&config, pnd_weights_get_gguf(w)));
    panda_status status = pnd_llama_load(&llama, ctx, w, &config, &lora);
    if (status == PANDA_OK) {
        ck_assert_ok(pnd_session_create(&s, ctx, llama, 64, PND_F32));
        ck_assert_ok(pnd_session_push_tokens(s, tokens, COUNT, NULL));
        memcpy(logits, pnd_session_get_logits(s),
               config.vocab_size * sizeof *logits);
    }
    pnd_session_destroy(s);
    pnd_llama_free(llama);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
    return status;
}

static void run_hf(panda_lora_mode mode, float *logits)
{
    const struct pnd_context *ctx = test_context();
    struct pnd_lora_options lora = {adapter, mode, 0};
    struct pnd_weights *w;
    struct pnd_llama *llama;
    struct pnd_session *s;
    ck_assert_ok(pnd_weights_open(&w, ctx, tiny_file_write(&base)));
    ck_assert_ok(pnd_llama_load(&llama, ctx, w, &tiny.config, &lora));
    ck_assert_ok(pnd_session_create(&s, ctx, llama, 64, PND_F32));
    ck_assert_ok(pnd_session_push_tokens(s, tokens, COUNT, NULL));
    memcpy(logits, pnd_session_get_logits(s),
           tiny.config.vocab_size * sizeof *logits);
    pnd_session_destroy(s);
    pnd_llama_free(llama);
    pnd_weights_close(w);
}

static void compare(struct gguf_builder *g, panda_lora_mode mode)
{
    float found[64], expected[64];
    ck_assert_uint_le(tiny.config.vocab_size, 64);
    run_hf(mode, expected);
    ck_assert_ok(run_gguf(g, mode, found));
    test_assert_close("logits", found, expected, tiny.config.vocab_size, 1e-5);
}

START_TEST(same_logits)
{
    static const panda_lora_mode modes[] = {PANDA_LORA_OFF, PANDA_LORA_SIDE,
                                            PANDA_LORA_MERGE};
    struct gguf_builder g = begin_gguf();
    compare(&g, modes[_i]);
}
END_TEST

START_TEST(without_output_matrix)
{
    tiny_file_remove(&base, "lm_head.weight");
    tiny.config.tied = true;
    struct gguf_builder g = begin_gguf();
    compare(&g, PANDA_LORA_OFF);
}
END_TEST

START_TEST(linear_scaling)
{
    tiny.config.rope_scaling =
        (struct pnd_rope_scaling){.kind = PND_ROPE_LINEAR, .factor = 4};
    struct gguf_builder g = begin_gguf();
    gguf_string(&g, "llama.rope.scaling.type", "linear");
    gguf_f32(&g, "llama.rope.scaling.factor", 4);
    compare(&g, PANDA_LORA_OFF);
}
END_TEST

/* Wavelengths 6, 63, 628 and 6283: a high frequency, one between, two low. */
START_TEST(llama3_scaling)
{
    float smooth = (128 / 62.8318531f - 1) / 3;
    const float divisors[] = {1, 1 / ((1 - smooth) / 8 + smooth), 8, 8};
    tiny.config.rope_scaling = (struct pnd_rope_scaling){
        .kind = PND_ROPE_LLAMA3, .factor = 8, .low_factor = 1,
        .high_factor = 4, .original_context = 128};
    ck_assert_uint_eq(tiny.config.head_dim, 8);
    struct gguf_builder g = begin_gguf();
    gguf_tensor(&g, "rope_freqs.weight", F32, 0, 4, divisors, sizeof divisors);
    compare(&g, PANDA_LORA_OFF);
}
END_TEST

START_TEST(wrong_decoders_are_refused)
{
    static const float zero[32];
    float logits[64];
    struct gguf_builder g = begin_gguf();
    gguf_tensor(&g, "blk.0.attn_q.bias", F32, 0, 32, zero, sizeof zero);
    ck_assert_fails(run_gguf(&g, PANDA_LORA_OFF, logits), PANDA_E_FORMAT,
                    "tensor blk.0.attn_q.bias is not part of a LLaMA");
    g = begin_gguf();
    gguf_tensor(&g, "rope_freqs.weight", F32, 0, 4, zero, 16);
    ck_assert_fails(run_gguf(&g, PANDA_LORA_OFF, logits), PANDA_E_FORMAT,
                    "rope_freqs.weight has 0 at 0, expected more than 0");
    g = begin_gguf();
    gguf_tensor(&g, "rope_freqs.weight", F32, 0, 5, zero, 20);
    ck_assert_fails(run_gguf(&g, PANDA_LORA_OFF, logits), PANDA_E_FORMAT,
                    "rope_freqs.weight has shape [5], expected [4]");
    tiny_file_remove(&base, "model.layers.1.mlp.up_proj.weight");
    g = begin_gguf();
    ck_assert_fails(run_gguf(&g, PANDA_LORA_OFF, logits), PANDA_E_FORMAT,
                    "tensor blk.1.ffn_up.weight is missing");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("llama_gguf");
    TCase *tc = tcase_create("llama_gguf");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, same_logits, 0, 3);
    tcase_add_test(tc, without_output_matrix);
    tcase_add_test(tc, linear_scaling);
    tcase_add_test(tc, llama3_scaling);
    tcase_add_test(tc, wrong_decoders_are_refused);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
