/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/config.h"

#include <string.h>

#include "builder.h"

static struct gguf_builder begin_sizes(void)
{
    struct gguf_builder g = gguf_begin();
    gguf_string(&g, "general.architecture", "llama");
    gguf_u32(&g, "llama.block_count", 2);
    gguf_u32(&g, "llama.embedding_length", 64);
    gguf_u32(&g, "llama.feed_forward_length", 172);
    gguf_u32(&g, "llama.attention.head_count", 4);
    return g;
}

static void add_words(struct gguf_builder *g, unsigned count)
{
    struct pnd_buffer *b = gguf_key(g, "tokenizer.ggml.tokens", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, count, 8);
    for (unsigned i = 0; i < count; i++)
        put_gguf_string(b, "x");
}

static panda_status read_config(struct pnd_llama_config *c,
                                struct gguf_builder *g)
{
    struct pnd_buffer file = gguf_end(g);
    const struct pnd_map map = {.data = file.data, .size = file.size};
    struct pnd_gguf *gguf;
    ck_assert_ok(pnd_gguf_open(&gguf, &pnd_allocator_heap, &map, "m.gguf"));
    panda_status status = pnd_llama_config_read(c, gguf);
    pnd_gguf_close(gguf);
    pnd_buffer_free(&file);
    return status;
}

START_TEST(defaults)
{
    struct gguf_builder g = begin_sizes();
    struct pnd_llama_config c;
    add_words(&g, 11);
    ck_assert_ok(read_config(&c, &g));
    ck_assert(c.hidden == 64 && c.layers == 2 && c.heads == 4);
    ck_assert(c.kv_heads == 4 && c.head_dim == 16 && c.intermediate == 172);
    ck_assert(c.vocab_size == 11 && c.context_length == 2048);
    ck_assert(c.rms_eps == 1e-5f && c.rope_base == 10000);
    ck_assert(c.rope_scaling.kind == PND_ROPE_PLAIN);
    ck_assert(c.bos == -1 && c.eos_count == 0);
}
END_TEST

START_TEST(everything_given)
{
    struct gguf_builder g = begin_sizes();
    struct pnd_llama_config c;
    add_words(&g, 11);
    gguf_u32(&g, "llama.vocab_size", 12); /* the list wins */
    gguf_u32(&g, "llama.attention.head_count_kv", 2);
    gguf_u32(&g, "llama.attention.key_length", 32);
    gguf_u32(&g, "llama.attention.value_length", 32);
    gguf_u32(&g, "llama.rope.dimension_count", 32);
    gguf_u32(&g, "llama.context_length", 4096);
    gguf_f32(&g, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    gguf_f32(&g, "llama.rope.freq_base", 5e5f);
    gguf_string(&g, "llama.rope.scaling.type", "linear");
    gguf_f32(&g, "llama.rope.scaling.factor", 2);
    gguf_u32(&g, "tokenizer.ggml.bos_token_id", 1);
    gguf_u32(&g, "tokenizer.ggml.eos_token_id", 2);
    gguf_u32(&g, "tokenizer.ggml.eot_token_id", 9);
    ck_assert_ok(read_config(&c, &g));
    ck_assert(c.kv_heads == 2 && c.head_dim == 32 && c.vocab_size == 11);
    ck_assert(c.context_length == 4096 && c.rms_eps == 1e-6f);
    ck_assert(c.rope_base == 5e5f && c.rope_scaling.kind == PND_ROPE_LINEAR);
    ck_assert(c.rope_scaling.factor == 2);
    ck_assert(c.bos == 1 && c.eos_count == 2 && c.eos[0] == 2 && c.eos[1] == 9);
}
END_TEST

START_TEST(older_keys)
{
    struct gguf_builder g = begin_sizes();
    struct pnd_llama_config c;
    gguf_u32(&g, "llama.vocab_size", 12);
    gguf_f32(&g, "llama.rope.scale_linear", 4);
    gguf_u32(&g, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    ck_assert_ok(read_config(&c, &g));
    ck_assert(c.vocab_size == 12 && c.bos == -1);
    ck_assert(c.rope_scaling.kind == PND_ROPE_LINEAR);
    ck_assert(c.rope_scaling.factor == 4);
}
END_TEST

/* What is added to the sizes and eleven words; `text` or a number. */
static const struct {
    const char *key, *text;
    uint32_t number;
    panda_status status;
    const char *message;
} wrong[] = {
    {"llama.attention.head_count_kv", NULL, 0, PANDA_E_FORMAT,
     "is 0, expected 1..4096"},
    {"llama.attention.key_length", "x", 0, PANDA_E_FORMAT,
     "key_length is not an integer"},
    {"llama.attention.value_length", NULL, 8, PANDA_E_UNSUPPORTED,
     "value_length is 8, only 16"},
    {"llama.rope.dimension_count", NULL, 8, PANDA_E_UNSUPPORTED,
     "dimension_count is 8, only 16"},
    {"llama.expert_count", NULL, 8, PANDA_E_UNSUPPORTED,
     "expert_count is 8, only 0"},
    {"llama.rope.freq_base", NULL, 0, PANDA_E_FORMAT,
     "freq_base is 0, expected more than 0"},
    {"llama.rope.scaling.type", "yarn", 0, PANDA_E_UNSUPPORTED,
     "type is \"yarn\", only"},
    {"llama.rope.scaling.type", NULL, 1, PANDA_E_FORMAT, "is not a string"},
    {"llama.rope.scale_linear", NULL, 0, PANDA_E_FORMAT,
     "scale_linear is 0, expected more than 0"},
    {"tokenizer.ggml.eos_token_id", NULL, 11, PANDA_E_FORMAT,
     "eos_token_id is 11, but there are 11 tokens"},
};

START_TEST(wrong_values_are_named)
{
    struct gguf_builder g = begin_sizes();
    struct pnd_llama_config c;
    add_words(&g, 11);
    if (wrong[_i].text)
        gguf_string(&g, wrong[_i].key, wrong[_i].text);
    else
        gguf_u32(&g, wrong[_i].key, wrong[_i].number);
    ck_assert_fails(read_config(&c, &g), wrong[_i].status, wrong[_i].message);
    ck_assert_uint_eq(c.hidden, 0);
}
END_TEST

START_TEST(other_architectures_are_named)
{
    struct gguf_builder g = gguf_begin();
    struct pnd_llama_config c;
    gguf_string(&g, "general.architecture", "qwen2");
    ck_assert_fails(read_config(&c, &g), PANDA_E_UNSUPPORTED,
                    "general.architecture is \"qwen2\", only \"llama\"");
    g = gguf_begin();
    ck_assert_fails(read_config(&c, &g), PANDA_E_FORMAT,
                    "m.gguf: has no general.architecture");
    g = gguf_begin();
    gguf_string(&g, "general.architecture", "llama");
    ck_assert_fails(read_config(&c, &g), PANDA_E_FORMAT,
                    "llama.embedding_length is missing");
    g = begin_sizes();
    ck_assert_fails(read_config(&c, &g), PANDA_E_FORMAT,
                    "llama.vocab_size is missing");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf_config");
    TCase *tc = tcase_create("gguf_config");
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, everything_given);
    tcase_add_test(tc, older_keys);
    tcase_add_loop_test(tc, wrong_values_are_named, 0,
                        (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tc, other_architectures_are_named);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
