/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "format/config.h"
#include "format/gzip.h"
#include "format/weights.h"
#include "support/support.h"

static struct pnd_weights *open_fixture(const char *name)
{
    struct pnd_weights *w;
    ck_assert_ok(pnd_weights_open(&w, test_context(), test_fixture(name)));
    return w;
}

/* The same values, whatever the containers. */
static void check_equal(const struct pnd_tensor *a, const struct pnd_tensor *b)
{
    ck_assert_int_eq(a->dtype, b->dtype);
    ck_assert_msg(pnd_tensor_has_shape(a, b->rank, b->shape), "%s", a->name);
    ck_assert_uint_eq(a->bytes, b->bytes);
    ck_assert_msg(memcmp(a->data, b->data, a->bytes) == 0, "%s differs",
                  a->name);
}

/* Every tensor can be read, and none holds nonsense (a mask has -inf). */
static void check_numbers(const struct pnd_weights *w)
{
    for (size_t i = 0; i < pnd_weights_get_count(w); i++) {
        const struct pnd_tensor *t = pnd_weights_at(w, i);
        size_t count = (size_t)pnd_tensor_get_count(t), wrong = 0;
        ck_assert_uint_gt(count, 0);
        ck_assert_uint_eq(t->bytes, count * pnd_dtype_get_size(t->dtype));
        for (size_t k = 0; k < count; k++)
            wrong += !(pnd_tensor_get_f32(t, k) < 1e4f);
        ck_assert_msg(wrong == 0, "%s has %zu wrong values", t->name, wrong);
    }
}

START_TEST(imagebind)
{
    struct pnd_weights *w = open_fixture("weights/imagebind_tiny.pth");
    ck_assert_uint_eq(pnd_weights_get_count(w), 223);
    check_numbers(w);
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
    const struct pnd_tensor *t;
    ck_assert_ok(pnd_weights_require(
        &t, w, 5, (int64_t[]){64, 3, 2, 14, 14},
        "modality_preprocessors.vision.rgbt_stem.proj.1.weight"));
    ck_assert_int_eq(t->dtype, PND_F32);
    /* The scale of the text encoder, as the JSON beside the file has it. */
    ck_assert_ok(pnd_weights_require(
        &t, w, 0, NULL, "modality_postprocessors.text.1.log_logit_scale"));
    ck_assert_float_eq(pnd_tensor_get_f32(t, 0), 4.7f);
    pnd_weights_close(w);
}
END_TEST

/* Parameters that are views of one storage, against separate tensors. */
START_TEST(deltas_are_equal)
{
    struct pnd_weights *flat = open_fixture("weights/pandagpt_tiny_delta.pt");
    struct pnd_weights *plain =
        open_fixture("weights/pandagpt_tiny_delta_plain.pt");
    ck_assert_uint_eq(pnd_weights_get_count(flat), 26);
    ck_assert_uint_eq(pnd_weights_get_count(plain), 26);
    for (size_t i = 0; i < 26; i++) {
        const struct pnd_tensor *a = pnd_weights_at(flat, i);
        const struct pnd_tensor *b = pnd_weights_find(plain, a->name);
        ck_assert_msg(b != NULL, "%s", a->name);
        check_equal(a, b);
    }
    ck_assert_ptr_null(pnd_weights_find_unused(plain, ""));
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(flat), 0);
    check_numbers(flat);
    pnd_weights_close(flat);
    pnd_weights_close(plain);
}
END_TEST

/* A check against values that the reference computed, not only stored. */
START_TEST(values_are_those_of_the_reference)
{
    struct pnd_weights *w = open_fixture("weights/vicuna_tiny");
    const struct pnd_tensor *table =
        pnd_weights_find(w, "model.embed_tokens.weight");
    struct test_tensor hidden =
        test_tensor_read("decoder.safetensors", "plain/hidden_base/0");
    ck_assert_uint_eq(hidden.rank, 2);
    ck_assert_int_eq(hidden.shape[1], 32);
    /* Hidden state 0 is the embedding of the tokens: each row is in the
     * table. */
    for (int64_t r = 0; r < hidden.shape[0]; r++) {
        bool found = false;
        for (size_t id = 0; id < 32001 && !found; id++) {
            size_t k = 0;
            while (k < 32 && pnd_tensor_get_f32(table, id * 32 + k) ==
                                 hidden.values[r * 32 + (int64_t)k])
                k++;
            found = k == 32;
        }
        ck_assert_msg(found, "row %lld", (long long)r);
    }
    test_tensor_free(&hidden);
    pnd_weights_close(w);
}
END_TEST

START_TEST(shards_equal_safetensors)
{
    struct pnd_weights *shards = open_fixture("weights/vicuna_tiny");
    struct pnd_weights *index =
        open_fixture("weights/vicuna_tiny/pytorch_model.bin.index.json");
    struct pnd_weights *single = open_fixture("weights/vicuna_tiny_st");
    struct pnd_weights *file =
        open_fixture("weights/vicuna_tiny_st/model.safetensors");
    ck_assert_uint_eq(pnd_weights_get_count(shards), 33);
    ck_assert_uint_eq(pnd_weights_get_count(index), 33);
    ck_assert_uint_eq(pnd_weights_get_count(single), 30);
    ck_assert_uint_eq(pnd_weights_get_count(file), 30);
    for (size_t i = 0; i < 30; i++) {
        const struct pnd_tensor *a = pnd_weights_at(single, i);
        const struct pnd_tensor *b = pnd_weights_find(shards, a->name);
        ck_assert_msg(b != NULL, "%s", a->name);
        check_equal(a, b);
    }
    /* Only the buffers that nobody uses are more. */
    const struct pnd_tensor *more;
    for (int i = 0; i < 3; i++) {
        more = pnd_weights_find_unused(shards, "");
        ck_assert_ptr_nonnull(strstr(more->name, "rotary_emb.inv_freq"));
        pnd_weights_find(shards, more->name);
    }
    ck_assert_ptr_null(pnd_weights_find_unused(shards, ""));
    check_numbers(shards);
    pnd_weights_close(shards);
    pnd_weights_close(index);
    pnd_weights_close(single);
    pnd_weights_close(file);
}
END_TEST

START_TEST(gqa)
{
    struct pnd_weights *w = open_fixture("weights/gqa_tiny");
    const struct pnd_tensor *t;
    ck_assert_uint_eq(pnd_weights_get_count(w), 20);
    check_numbers(w);
    ck_assert_ok(pnd_weights_require_named(
        &t, w, 2, (int64_t[]){32, 64},
        "model.layers.%d.self_attn.%s_proj.weight", 1, "k"));
    ck_assert_int_eq(t->dtype, PND_BF16);
    ck_assert_fails(
        pnd_weights_require(&t, w, 2, (int64_t[]){384, 64}, "lm_head.weight"),
        PANDA_E_FORMAT, "gqa_tiny: tensor lm_head.weight is missing");
    pnd_weights_close(w);
}
END_TEST

START_TEST(configs)
{
    struct pnd_llama_config c;
    const struct pnd_context *ctx = test_context();
    ck_assert_ok(
        pnd_llama_config_open(&c, ctx, test_fixture("weights/vicuna_tiny")));
    ck_assert(c.hidden == 32 && c.layers == 3 && c.heads == 4);
    ck_assert(c.kv_heads == 4 && c.head_dim == 8 && c.intermediate == 96);
    ck_assert(c.vocab_size == 32001 && c.context_length == 2048 && !c.tied);
    ck_assert(c.rms_eps == 1e-6f && c.rope_base == 10000);
    /* config.json says 0 and 1. */
    ck_assert(c.bos == 1 && c.eos_count == 1 && c.eos[0] == 2);
    ck_assert_ok(
        pnd_llama_config_open(&c, ctx, test_fixture("weights/gqa_tiny")));
    ck_assert(c.kv_heads == 2 && c.head_dim == 16 && c.rope_base == 500000);
    ck_assert(c.tied && c.context_length == 4096 && c.vocab_size == 384);
    struct pnd_imagebind_config i;
    ck_assert_ok(pnd_imagebind_config_open(
        &i, ctx, test_fixture("weights/imagebind_tiny.json")));
    ck_assert(i.heads[PND_TOWER_VISION] == 4 && i.heads[PND_TOWER_TEXT] == 2);
    ck_assert(i.heads[PND_TOWER_DEPTH] == 2 && i.audio_stride == 10);
    struct pnd_adapter_config a;
    ck_assert_ok(pnd_adapter_config_open(
        &a, ctx, test_fixture("weights/pandagpt_tiny_delta.json")));
    ck_assert(a.rank == 4 && a.alpha == 4);
}
END_TEST

START_TEST(integers_of_the_fixtures)
{
    struct test_tensor t =
        test_tensor_read("preprocess_text.safetensors", "tokens_imagebind");
    ck_assert(t.rank == 2 && t.shape[0] == 13 && t.shape[1] == 77);
    for (int64_t row = 0; row < 13; row++) {
        float most = 0;
        ck_assert_float_eq(t.values[row * 77], 49406);
        for (int64_t k = 0; k < 77; k++)
            most =
                t.values[row * 77 + k] > most ? t.values[row * 77 + k] : most;
        ck_assert_float_eq(most, 49407);
    }
    test_tensor_free(&t);
}
END_TEST

START_TEST(clip_vocabulary)
{
    char *text;
    size_t size;
    panda_status status = pnd_gzip_read_file(
        &text, &size, test_context(),
        test_fixture("weights/bpe_simple_vocab_16e6.txt.gz"), 64u << 20);
    if (status == PANDA_E_UNSUPPORTED)
        return; /* a build without zlib */
    ck_assert_ok(status);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_ptr_nonnull(strstr(text, "#version: 0.2"));
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    ck_assert_uint_gt(lines, 48894);
    pnd_free(&pnd_allocator_heap, text);
}
END_TEST

/* The file of another writer, whole and cut off at every 1 %. */
START_TEST(gguf_cut_off)
{
    static const char *const names[] = {"weights/vicuna_tiny.f16.gguf",
                                        "weights/vicuna_tiny.q8_0.gguf"};
    struct pnd_weights *w = open_fixture(names[_i]);
    ck_assert_uint_eq(pnd_weights_get_count(w), 30);
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
    const struct pnd_gguf_value *tokens = pnd_gguf_find(
        pnd_weights_get_gguf(w), "tokenizer.ggml.tokens");
    struct pnd_gguf_string word;
    ck_assert(tokens && tokens->count == 32001);
    ck_assert(pnd_gguf_get_string(tokens, 2, &word) && word.length == 4);
    ck_assert_mem_eq(word.bytes, "</s>", 4);
    pnd_weights_close(w);
    struct pnd_map map;
    ck_assert_ok(pnd_map_open(&map, NULL, test_fixture(names[_i])));
    for (size_t percent = 1; percent < 100; percent++) {
        ck_assert_fails(
            pnd_weights_open_memory(&w, test_context(), map.data,
                                    map.size * percent / 100, "cut.gguf"),
            PANDA_E_FORMAT, "cut.gguf: ");
        ck_assert_ptr_null(w);
    }
    pnd_map_close(&map);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("weights of the fixtures");
    TCase *tc = tcase_create("weights");
    tcase_add_test(tc, imagebind);
    tcase_add_test(tc, deltas_are_equal);
    tcase_add_test(tc, values_are_those_of_the_reference);
    tcase_add_test(tc, shards_equal_safetensors);
    tcase_add_test(tc, gqa);
    tcase_add_loop_test(tc, gguf_cut_off, 0, 2);
    tcase_add_test(tc, configs);
    tcase_add_test(tc, integers_of_the_fixtures);
    tcase_add_test(tc, clip_vocabulary);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
