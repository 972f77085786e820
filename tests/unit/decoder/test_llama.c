/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "support/support.h"

enum { COUNT = 11 };

static const int32_t tokens[COUNT] = {1, 5, 60, 33, 5, 0, 17, 42, 2, 58, 9};

static struct tiny_llama tiny;
static struct tiny_file file;
static struct pnd_weights *weights;
static struct pnd_llama *llama;

static void set_up(void)
{
    tiny_llama_init(&tiny);
    file = (struct tiny_file){0};
    weights = NULL;
    llama = NULL;
}

static void tear_down(void)
{
    pnd_llama_free(llama);
    pnd_weights_close(weights);
    tiny_file_free(&file);
}

/* Write what is in `file`, and load it with the sizes of `tiny`. */
static panda_status load_file(void)
{
    const char *path = tiny_file_write(&file);
    ck_assert_ok(pnd_weights_open(&weights, test_context(), path));
    return pnd_llama_load(&llama, test_context(), weights, &tiny.config, NULL);
}

struct traced {
    uint32_t hidden, count;
    float *stages; /* (layers + 1, count, hidden) */
};

static void keep_stage(uint32_t layer, uint32_t rows, const float *hidden,
                       void *user)
{
    struct traced *t = user;
    ck_assert_uint_eq(rows, t->count);
    memcpy(t->stages + (size_t)layer * t->count * t->hidden, hidden,
           (size_t)rows * t->hidden * sizeof *hidden);
}

/* Hidden states of all layers and the logits of all positions. */
static void compare_with_reference(double tolerance)
{
    const struct pnd_llama_config *c = &tiny.config;
    const size_t values = (c->layers + 1) * (size_t)COUNT * c->hidden;
    struct reference r = {.tiny = &tiny, .weights = &file};
    struct reference_result expected = reference_run(&r, tokens, NULL, COUNT);
    struct traced traced = {c->hidden, COUNT, malloc(values * sizeof(float))};
    struct pnd_session *s;
    ck_assert_ok(pnd_session_create(&s, test_context(), llama, 64, PND_F32));
    pnd_session_set_trace(s, keep_stage, &traced);
    ck_assert_ok(pnd_session_push_tokens(s, tokens, COUNT, NULL));
    test_assert_close("hidden", traced.stages, expected.hidden, values,
                      tolerance);
    for (uint32_t n = COUNT; n > 0; n--) {
        pnd_session_truncate(s, n);
        test_assert_close("logits", pnd_session_get_logits(s),
                          expected.logits + (size_t)(n - 1) * c->vocab_size,
                          c->vocab_size, tolerance);
    }
    pnd_session_destroy(s);
    free(traced.stages);
    reference_free(&expected);
}

static const struct {
    enum pnd_dtype dtype;
    uint32_t hidden, heads, kv_heads, head_dim, intermediate;
    float rope_base;
    bool tied;
} shapes[] = {
    {PND_F32, 32, 4, 4, 8, 44, 10000, false},
    {PND_F16, 64, 4, 2, 16, 172, 500000, true},
    {PND_BF16, 48, 6, 1, 8, 33, 10000, false},
    {PND_F32, 20, 2, 2, 6, 7, 10000, true}, /* heads narrower than hidden */
    {PND_F16, 24, 1, 1, 64, 130, 10000, false}, /* and wider */
};

START_TEST(forward_equals_the_equations)
{
    tiny.dtype = shapes[_i].dtype;
    tiny.config.hidden = shapes[_i].hidden;
    tiny.config.heads = shapes[_i].heads;
    tiny.config.kv_heads = shapes[_i].kv_heads;
    tiny.config.head_dim = shapes[_i].head_dim;
    tiny.config.intermediate = shapes[_i].intermediate;
    tiny.config.rope_base = shapes[_i].rope_base;
    tiny.config.tied = shapes[_i].tied;
    tiny.config.layers = 3;
    tiny_llama_fill(&file, &tiny);
    ck_assert_ok(load_file());
    compare_with_reference(1e-4);
}
END_TEST

START_TEST(a_folder_is_opened)
{
    struct pnd_llama_config config;
    tiny.config.kv_heads = 2;
    tiny.config.rope_base = 500000;
    tiny_llama_fill(&file, &tiny);
    const char *folder = tiny_llama_write(&tiny, &file);
    ck_assert_ok(pnd_llama_config_open(&config, test_context(), folder));
    ck_assert_ok(pnd_weights_open(&weights, test_context(), folder));
    ck_assert_ok(
        pnd_llama_load(&llama, test_context(), weights, &config, NULL));
    compare_with_reference(1e-4);
}
END_TEST

START_TEST(matrices_may_differ_in_type)
{
    struct tiny_file other;
    tiny_llama_fill(&file, &tiny);
    tiny.dtype = PND_F16;
    tiny_llama_fill(&other, &tiny);
    for (size_t i = 0; i < file.count; i += 2) {
        struct tiny_tensor kept = file.tensors[i];
        file.tensors[i] = other.tensors[i];
        other.tensors[i] = kept;
    }
    tiny_file_free(&other);
    ck_assert_ok(load_file());
    compare_with_reference(1e-4);
}
END_TEST

/* The reference ties them whatever the file holds. */
START_TEST(a_tied_output_in_the_file_is_ignored)
{
    tiny.config.tied = false;
    tiny_llama_fill(&file, &tiny);
    tiny.config.tied = true;
    ck_assert_ok(load_file());
    compare_with_reference(1e-4);
}
END_TEST

START_TEST(rotary_tables_are_ignored)
{
    tiny_llama_fill(&file, &tiny);
    for (int i = 0; i < 2; i++) {
        char name[96];
        snprintf(name, sizeof name,
                 "model.layers.%d.self_attn.rotary_emb.inv_freq", i);
        tiny_file_add(&file, name, PND_F16, 1, (int64_t[]){5}, 0, 1);
    }
    ck_assert_ok(load_file());
    compare_with_reference(1e-4);
}
END_TEST

START_TEST(dims_say_what_is_loaded)
{
    tiny.dtype = PND_F16;
    tiny_llama_fill(&file, &tiny);
    ck_assert_ok(load_file());
    const struct pnd_llama_dims *dims = pnd_llama_get_dims(llama);
    ck_assert_uint_eq(dims->config.hidden, 32);
    ck_assert_uint_eq(dims->config.vocab_size, 61);
    ck_assert_int_eq(dims->dtype, PND_F16);
    ck_assert_uint_eq(dims->lora_rank, 0);
    ck_assert(!dims->lora_merged);
    /* Five norms; matrices stay where they are mapped. */
    ck_assert_uint_eq(dims->heap_bytes, 5 * 32 * sizeof(float));
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(weights), 0);
}
END_TEST

START_TEST(missing_tensors_are_named)
{
    tiny_llama_fill(&file, &tiny);
    char name[128];
    snprintf(name, sizeof name, "%s", file.tensors[_i].name);
    tiny_file_remove(&file, name);
    ck_assert_fails(load_file(), PANDA_E_FORMAT, name);
    ck_assert_ptr_null(llama);
}
END_TEST

START_TEST(wrong_shapes_are_named)
{
    tiny_llama_fill(&file, &tiny);
    struct tiny_tensor *t = &file.tensors[_i];
    if (t->rank == 2) { /* as many numbers in another shape */
        t->shape[0] *= 2;
        t->shape[1] /= 2;
    } else {
        t->shape[0] /= 2;
    }
    char name[128];
    snprintf(name, sizeof name, "%s", t->name);
    ck_assert_fails(load_file(), PANDA_E_FORMAT, name);
    ck_assert_ptr_null(llama);
}
END_TEST

START_TEST(vocabularies_must_agree)
{
    tiny_llama_fill(&file, &tiny);
    tiny.config.vocab_size = 62;
    ck_assert_fails(load_file(), PANDA_E_SHAPE, "embed_tokens.weight has 61");
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), "62"));
}
END_TEST

START_TEST(output_rows_must_agree)
{
    tiny_llama_fill(&file, &tiny);
    tiny_file_find(&file, "lm_head.weight")->shape[0] = 60;
    ck_assert_fails(load_file(), PANDA_E_SHAPE, "lm_head.weight has 60");
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), "61"));
}
END_TEST

START_TEST(more_layers_than_the_config_are_refused)
{
    tiny_llama_fill(&file, &tiny);
    tiny.config.layers = 1;
    ck_assert_fails(load_file(), PANDA_E_FORMAT, "model.layers.1.");
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), "1 layer"));
}
END_TEST

START_TEST(unknown_tensors_are_named)
{
    static const char *const names[] = {
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.mlp.experts.0.weight", "lm_head.bias"};
    tiny_llama_fill(&file, &tiny);
    tiny_file_add(&file, names[_i], PND_F32, 1, (int64_t[]){32}, 0, 1);
    ck_assert_fails(load_file(), PANDA_E_FORMAT, names[_i]);
}
END_TEST

/* Only what belongs to the decoder is its business. */
START_TEST(foreign_tensors_are_left_alone)
{
    tiny_llama_fill(&file, &tiny);
    tiny_file_add(&file, "llama_proj.weight", PND_F32, 1, (int64_t[]){3}, 0, 1);
    ck_assert_ok(load_file());
}
END_TEST

START_TEST(impossible_configs_are_refused)
{
    tiny_llama_fill(&file, &tiny);
    struct pnd_llama_config *c = &tiny.config;
    const struct {
        uint32_t *field;
        uint32_t value;
        const char *part;
    } cases[] = {
        {&c->hidden, 0, "hidden 0"},
        {&c->layers, 0, "layers 0"},
        {&c->heads, 0, "heads 0"},
        {&c->intermediate, 0, "intermediate 0"},
        {&c->vocab_size, 0, "vocabulary 0"},
        {&c->vocab_size, 0x80000000u, "vocabulary 2147483648"},
        {&c->kv_heads, 0, "0 key/value heads"},
        {&c->kv_heads, 3, "3 key/value heads"},
        {&c->head_dim, 7, "of 7 channels"},
        {&c->head_dim, 0, "of 0 channels"},
        {&c->head_dim, 0x80000000u, "of 2147483648 channels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t kept = *cases[i].field;
        *cases[i].field = cases[i].value;
        ck_assert_fails(load_file(), PANDA_E_FORMAT, cases[i].part);
        *cases[i].field = kept;
        pnd_weights_close(weights);
        weights = NULL;
    }
}
END_TEST

START_TEST(loading_survives_any_failing_allocation)
{
    tiny_llama_fill(&file, &tiny);
    ck_assert_ok(load_file());
    struct pnd_llama *other = NULL;
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        struct test_alloc counter;
        struct pnd_context ctx = *test_context();
        test_alloc_init(&counter);
        counter.fail_at = n;
        ctx.alloc = counter.alloc;
        status = pnd_llama_load(&other, &ctx, weights, &tiny.config, NULL);
        if (status == PANDA_OK)
            pnd_llama_free(other);
        else
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_int_eq(atomic_load(&counter.live), 0);
        ck_assert_int_lt(n, 100);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("llama");
    TCase *tc = tcase_create("llama");
    const int tensors = 2 * 9 + 3;
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, forward_equals_the_equations, 0,
                        sizeof shapes / sizeof *shapes);
    tcase_add_test(tc, a_folder_is_opened);
    tcase_add_test(tc, matrices_may_differ_in_type);
    tcase_add_test(tc, a_tied_output_in_the_file_is_ignored);
    tcase_add_test(tc, rotary_tables_are_ignored);
    tcase_add_test(tc, dims_say_what_is_loaded);
    tcase_add_loop_test(tc, missing_tensors_are_named, 0, tensors);
    tcase_add_loop_test(tc, wrong_shapes_are_named, 0, tensors);
    tcase_add_test(tc, vocabularies_must_agree);
    tcase_add_test(tc, output_rows_must_agree);
    tcase_add_test(tc, more_layers_than_the_config_are_refused);
    tcase_add_loop_test(tc, unknown_tensors_are_named, 0, 3);
    tcase_add_test(tc, foreign_tensors_are_left_alone);
    tcase_add_test(tc, impossible_configs_are_refused);
    tcase_add_test(tc, loading_survives_any_failing_allocation);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
