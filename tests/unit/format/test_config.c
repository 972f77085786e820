/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/config.h"

#include <stdio.h>
#include <string.h>

#include "builder.h"

static struct test_folder folder;

static void setup(void)
{
    folder = folder_make();
}

static void teardown(void)
{
    folder_remove(&folder);
}

static const struct pnd_context *get_context(void)
{
    static struct pnd_context context;
    context.alloc = pnd_allocator_heap;
    return &context;
}

#define SIZES                                                                  \
  "\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4,"      \
  "\"intermediate_size\":172,\"vocab_size\":384"

/* `more` follows the sizes and wins nothing: keys must not be repeated. */
static panda_status open_llama(struct pnd_llama_config *c, const char *text)
{
    folder_add_text(&folder, "config.json", text);
    return pnd_llama_config_open(c, get_context(), folder.path);
}

START_TEST(defaults_of_llama)
{
    struct pnd_llama_config c;
    ck_assert_ok(open_llama(&c, "{" SIZES "}"));
    ck_assert(c.hidden == 64 && c.layers == 2 && c.heads == 4);
    ck_assert(c.kv_heads == 4 && c.head_dim == 16 && c.intermediate == 172);
    ck_assert(c.vocab_size == 384 && c.context_length == 2048);
    ck_assert(c.rms_eps == 1e-6f && c.rope_base == 10000 && !c.tied);
    ck_assert(c.bos == -1 && c.eos_count == 0);
}
END_TEST

START_TEST(everything_given)
{
    struct pnd_llama_config c;
    ck_assert_ok(open_llama(
        &c, "{" SIZES ",\"model_type\":\"llama\",\"hidden_act\":\"silu\","
            "\"num_key_value_heads\":2,\"head_dim\":32,"
            "\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-05,"
            "\"rope_theta\":500000.0,\"rope_scaling\":null,"
            "\"tie_word_embeddings\":true,\"attention_bias\":false,"
            "\"mlp_bias\":false,\"bos_token_id\":1,\"eos_token_id\":[2,-1,3],"
            "\"pad_token_id\":-1,\"unknown\":{}}"));
    ck_assert(c.kv_heads == 2 && c.head_dim == 32 && c.context_length == 4096);
    ck_assert(c.rms_eps == 1e-5f && c.rope_base == 500000 && c.tied);
    ck_assert(c.bos == 1 && c.eos_count == 2 && c.eos[0] == 2 && c.eos[1] == 3);
}
END_TEST

START_TEST(generation_config_wins)
{
    struct pnd_llama_config c;
    const char *text = "{" SIZES ",\"bos_token_id\":0,\"eos_token_id\":1}";
    ck_assert_ok(open_llama(&c, text));
    ck_assert(c.bos == 0 && c.eos_count == 1 && c.eos[0] == 1);
    folder_add_text(&folder, "generation_config.json",
                    "{\"bos_token_id\":1,\"eos_token_id\":[2,7]}");
    ck_assert_ok(open_llama(&c, text));
    ck_assert(c.bos == 1 && c.eos_count == 2 && c.eos[1] == 7);
    folder_add_text(&folder, "generation_config.json", "{}");
    ck_assert_ok(open_llama(&c, text));
    ck_assert(c.bos == 0 && c.eos_count == 1 && c.eos[0] == 1);
    folder_add_text(&folder, "generation_config.json", "[]");
    ck_assert_fails(open_llama(&c, text), PANDA_E_FORMAT,
                    "generation_config.json: is not a JSON object");
    folder_add_text(&folder, "generation_config.json",
                    "{\"bos_token_id\":"
                    "384}");
    ck_assert_fails(open_llama(&c, text), PANDA_E_FORMAT,
                    "has id 384, but \"vocab_size\" is 384");
}
END_TEST

START_TEST(files_lead_to_their_folder)
{
    struct pnd_llama_config c;
    folder_add_text(&folder, "config.json", "{" SIZES "}");
    const char *path = folder_add_text(&folder, "model.safetensors", "x");
    ck_assert_ok(pnd_llama_config_open(&c, get_context(), path));
    ck_assert_uint_eq(c.hidden, 64);
    ck_assert_fails(pnd_llama_config_open(&c, get_context(), "/no/such"),
                    PANDA_E_IO, "/no/such/config.json");
}
END_TEST

START_TEST(newer_rotary_parameters)
{
    struct pnd_llama_config c;
    ck_assert_ok(open_llama(&c, "{" SIZES ",\"rope_parameters\":{\"rope_type\":"
                                "\"default\",\"rope_theta\":1e6}}"));
    ck_assert(c.rope_base == 1e6f);
    ck_assert_ok(open_llama(&c, "{" SIZES ",\"rope_theta\":7,\"rope_scaling\":"
                                "{\"type\":\"default\"}}"));
    ck_assert(c.rope_base == 7);
}
END_TEST

static const struct {
    const char *text;
    panda_status status;
    const char *message;
} wrong[] = {
    {"[]", PANDA_E_FORMAT, "config.json: is not a JSON object"},
    {"{}", PANDA_E_FORMAT, "\"hidden_size\" is missing"},
    {"{\"hidden_size\":64}", PANDA_E_FORMAT,
     "\"num_hidden_layers\" is missing"},
    {"{\"hidden_size\":64,\"num_hidden_layers\":2}", PANDA_E_FORMAT,
     "\"num_attention_heads\" is missing"},
    {"{\"hidden_size\":\"64\"}", PANDA_E_FORMAT, "\"hidden_size\" is a string"},
    {"{\"hidden_size\":0}", PANDA_E_FORMAT, "expected an integer in 1..65536"},
    {"{\"hidden_size\":1e9}", PANDA_E_FORMAT, "is 1e+09, expected an integer"},
    {"{\"hidden_size\":64,\"num_hidden_layers\":1025}", PANDA_E_FORMAT,
     "expected an integer in 1..1024"},
    {"{\"hidden_size\":65,\"num_hidden_layers\":2,\"num_attention_heads\":4}",
     PANDA_E_FORMAT, "\"hidden_size\" 65 cannot be divided among 4"},
    {"{\"hidden_size\":60,\"num_hidden_layers\":2,\"num_attention_heads\":4}",
     PANDA_E_FORMAT, "the heads have 15 numbers each, expected an even"},
    {"{\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4096,"
     "\"head_dim\":65536}",
     PANDA_E_FORMAT, "4096 heads of 65536 numbers are too many"},
    {"{" SIZES ",\"num_key_value_heads\":3}", PANDA_E_FORMAT,
     "\"num_attention_heads\" is 4, expected a multiple"},
    {"{" SIZES ",\"num_key_value_heads\":8}", PANDA_E_FORMAT,
     "expected a multiple of \"num_key_value_heads\", 8"},
    {"{" SIZES ",\"rms_norm_eps\":0}", PANDA_E_FORMAT, "\"rms_norm_eps\" is 0"},
    {"{" SIZES ",\"rms_norm_eps\":1e-60}", PANDA_E_FORMAT, "is 1e-60"},
    {"{" SIZES ",\"rope_theta\":-1}", PANDA_E_FORMAT, "\"rope_theta\" is -1"},
    {"{" SIZES ",\"rope_theta\":true}", PANDA_E_FORMAT,
     "\"rope_theta\" is a boolean"},
    {"{" SIZES ",\"tie_word_embeddings\":1}", PANDA_E_FORMAT,
     "\"tie_word_embeddings\" is not true or false"},
    {"{" SIZES ",\"bos_token_id\":384}", PANDA_E_FORMAT,
     "the start or end token has id 384"},
    {"{" SIZES ",\"eos_token_id\":[1,384]}", PANDA_E_FORMAT,
     "the start or end token has id 384"},
    {"{" SIZES ",\"eos_token_id\":\"</s>\"}", PANDA_E_FORMAT,
     "\"eos_token_id\" is not a token id"},
    {"{" SIZES ",\"eos_token_id\":[1,[2]]}", PANDA_E_FORMAT,
     "\"eos_token_id\" is not a token id"},
    {"{" SIZES ",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}", PANDA_E_FORMAT,
     "\"eos_token_id\" has 9 ids, expected at most 8"},
    {"{" SIZES ",\"model_type\":\"gpt2\"}", PANDA_E_UNSUPPORTED,
     "\"model_type\" is \"gpt2\", only \"llama\" can be computed"},
    {"{" SIZES ",\"model_type\":3}", PANDA_E_FORMAT, "is not a string"},
    {"{" SIZES ",\"hidden_act\":\"gelu\"}", PANDA_E_UNSUPPORTED,
     "\"hidden_act\" is \"gelu\""},
    {"{" SIZES ",\"attention_bias\":true}", PANDA_E_UNSUPPORTED,
     "\"attention_bias\" is true"},
    {"{" SIZES ",\"mlp_bias\":true}", PANDA_E_UNSUPPORTED,
     "\"mlp_bias\" is true"},
    {"{" SIZES ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}}",
     PANDA_E_UNSUPPORTED, "\"rope_scaling\" is of type \"dynamic\""},
    {"{" SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\"}}",
     PANDA_E_FORMAT, "\"factor\" is 0, expected more than 0"},
    {"{" SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
     "\"low_freq_factor\":4,\"high_freq_factor\":4,"
     "\"original_max_position_embeddings\":64}}",
     PANDA_E_FORMAT, "above \"low_freq_factor\""},
    {"{" SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
     "\"low_freq_factor\":1,\"high_freq_factor\":4}}",
     PANDA_E_FORMAT, "needs \"original_max_position_embeddings\""},
    {"{" SIZES ",\"rope_scaling\":{\"factor\":2.0}}", PANDA_E_FORMAT,
     "is not null and has no \"rope_type\""},
    {"{" SIZES ",\"rope_scaling\":2}", PANDA_E_FORMAT, "is not null"},
    {"{" SIZES ",\"rope_parameters\":{\"rope_type\":\"yarn\"}}",
     PANDA_E_UNSUPPORTED, "\"rope_parameters\" is of type \"yarn\""},
};

START_TEST(rope_scalings)
{
    struct pnd_llama_config c;
    ck_assert_ok(open_llama(&c, "{" SIZES ",\"rope_scaling\":{\"type\":"
                                "\"linear\",\"factor\":2.5}}"));
    ck_assert(c.rope_scaling.kind == PND_ROPE_LINEAR);
    ck_assert(c.rope_scaling.factor == 2.5f);
    ck_assert_ok(open_llama(
        &c, "{" SIZES ",\"rope_parameters\":{\"rope_type\":\"llama3\","
            "\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,"
            "\"original_max_position_embeddings\":8192,"
            "\"rope_theta\":5e5}}"));
    ck_assert(c.rope_scaling.kind == PND_ROPE_LLAMA3 && c.rope_base == 5e5f);
    ck_assert(c.rope_scaling.low_factor == 1);
    ck_assert(c.rope_scaling.high_factor == 4);
    ck_assert(c.rope_scaling.factor == 8);
    ck_assert(c.rope_scaling.original_context == 8192);
}
END_TEST

START_TEST(wrong_llamas_are_refused)
{
    struct pnd_llama_config c;
    ck_assert_fails(open_llama(&c, wrong[_i].text), wrong[_i].status,
                    wrong[_i].message);
    ck_assert_uint_eq(c.hidden, 0);
}
END_TEST

START_TEST(imagebind_configs)
{
    struct pnd_imagebind_config c;
    const char *path = folder_add_text(
        &folder, "a.json",
        "{\"constructor\":{\"vision_num_heads\":4,\"imu_num_heads\":2},"
        "\"audio_stride\":5}");
    ck_assert_ok(pnd_imagebind_config_open(&c, get_context(), path));
    ck_assert(c.heads[PND_TOWER_VISION] == 4 && c.heads[PND_TOWER_IMU] == 2);
    ck_assert(c.heads[PND_TOWER_AUDIO] == 0 && c.audio_stride == 5);
    path = folder_add_text(&folder, "a.json", "{\"text_num_heads\":16}");
    ck_assert_ok(pnd_imagebind_config_open(&c, get_context(), path));
    ck_assert(c.heads[PND_TOWER_TEXT] == 16 && c.audio_stride == 10);
    path = folder_add_text(&folder, "a.json", "{\"depth_num_heads\":0}");
    ck_assert_fails(pnd_imagebind_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "\"depth_num_heads\" is 0");
    path = folder_add_text(&folder, "a.json", "{\"audio_stride\":0}");
    ck_assert_fails(pnd_imagebind_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "\"audio_stride\" is 0");
    path = folder_add_text(&folder, "a.json", "3");
    ck_assert_fails(pnd_imagebind_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "is not a JSON object");
    ck_assert_str_eq(pnd_tower_get_name(PND_TOWER_THERMAL), "thermal");
}
END_TEST

START_TEST(adapter_configs)
{
    struct pnd_adapter_config c;
    const char *path = folder_add_text(&folder, "a.json",
                                       "{\"lora_r\":32,\"lora_alpha\":16.5}");
    ck_assert_ok(pnd_adapter_config_open(&c, get_context(), path));
    ck_assert(c.rank == 32 && c.alpha == 16.5);
    path = folder_add_text(&folder, "a.json", "{}");
    ck_assert_ok(pnd_adapter_config_open(&c, get_context(), path));
    ck_assert(c.rank == 0 && c.alpha == 0);
    path = folder_add_text(&folder, "a.json", "{\"lora_r\":0}");
    ck_assert_fails(pnd_adapter_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "\"lora_r\" is 0");
    path = folder_add_text(&folder, "a.json", "{\"lora_alpha\":-1}");
    ck_assert_fails(pnd_adapter_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "\"lora_alpha\" is -1");
    path = folder_add_text(&folder, "a.json", "{\"lora_alpha\":\"x\"}");
    ck_assert_fails(pnd_adapter_config_open(&c, get_context(), path),
                    PANDA_E_FORMAT, "\"lora_alpha\" is a string");
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    folder_add_text(&folder, "generation_config.json", "{\"eos_token_id\":2}");
    folder_add_text(&folder, "config.json", "{" SIZES "}");
    panda_status status = PANDA_E_MEMORY;
    long n = 0;
    while (status < 0) {
        struct test_alloc t;
        struct pnd_llama_config c;
        test_alloc_init(&t);
        t.fail_at = ++n;
        struct pnd_context context = {.alloc = t.alloc};
        status = pnd_llama_config_open(&c, &context, folder.path);
        if (status < 0)
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_ge(n, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, defaults_of_llama);
    tcase_add_test(tc, everything_given);
    tcase_add_test(tc, generation_config_wins);
    tcase_add_test(tc, files_lead_to_their_folder);
    tcase_add_test(tc, newer_rotary_parameters);
    tcase_add_test(tc, rope_scalings);
    tcase_add_loop_test(tc, wrong_llamas_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, imagebind_configs);
    tcase_add_test(tc, adapter_configs);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
