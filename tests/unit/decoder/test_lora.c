/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "decoder/llama.h"
#include "reference.h"
#include "support/support.h"

enum { COUNT = 9, RANK = 3 };

static const int32_t tokens[COUNT] = {1, 7, 44, 7, 20, 31, 0, 60, 2};

static struct tiny_llama tiny;
static struct tiny_file base, delta;
static struct pnd_weights *base_weights, *delta_weights;
static struct pnd_llama *llama;

static void set_up(void)
{
    tiny_llama_init(&tiny);
    tiny.config.kv_heads = 2;
    tiny_llama_fill(&base, &tiny);
    tiny_lora_fill(&delta, &tiny, RANK);
}

static void tear_down(void)
{
    pnd_llama_free(llama);
    pnd_weights_close(base_weights);
    pnd_weights_close(delta_weights);
    tiny_file_free(&base);
    tiny_file_free(&delta);
    llama = NULL;
    base_weights = delta_weights = NULL;
}

/* All tensors anew, in another type. */
static void refill(enum pnd_dtype dtype)
{
    tiny_file_free(&base);
    tiny_file_free(&delta);
    tiny.dtype = dtype;
    tiny_llama_fill(&base, &tiny);
    tiny_lora_fill(&delta, &tiny, RANK);
}

static panda_status load_with(const struct pnd_context *ctx,
                              panda_lora_mode mode, float alpha)
{
    if (!base_weights) {
        ck_assert_ok(pnd_weights_open(&base_weights, test_context(),
                                      tiny_file_write(&base)));
        ck_assert_ok(pnd_weights_open(&delta_weights, test_context(),
                                      tiny_file_write(&delta)));
    }
    struct pnd_lora_options options = {delta_weights, mode, alpha};
    return pnd_llama_load(&llama, ctx, base_weights, &tiny.config, &options);
}

static panda_status load_files(panda_lora_mode mode, float alpha)
{
    return load_with(test_context(), mode, alpha);
}

/* Logits of the last position; `scale` 0 without the adapter. */
static void compare_with_reference(double scale)
{
    const uint32_t vocab_size = tiny.config.vocab_size;
    struct reference r = {&tiny, &base, scale > 0 ? &delta : NULL, scale};
    struct reference_result expected = reference_run(&r, tokens, NULL, COUNT);
    struct pnd_session *s;
    ck_assert_ok(pnd_session_create(&s, test_context(), llama, 64, PND_F32));
    ck_assert_ok(pnd_session_push_tokens(s, tokens, COUNT, NULL));
    test_assert_close("logits", pnd_session_get_logits(s),
                      expected.logits + (size_t)(COUNT - 1) * vocab_size,
                      vocab_size, 1e-4);
    pnd_session_destroy(s);
    reference_free(&expected);
}

/* In layer `layer`: "...self_attn.q_proj.lora_A.default.weight" */
static const char *lora_name(int layer, const char *rest)
{
    static char name[160];
    snprintf(name, sizeof name,
             "llama_model.base_model.model.model.layers.%d.self_attn.%s", layer,
             rest);
    return name;
}

static const struct {
    enum pnd_dtype dtype;
    panda_lora_mode mode;
    bool merged;
} modes[] = {
    {PND_F32, PANDA_LORA_DEFAULT, true}, {PND_F32, PANDA_LORA_MERGE, true},
    {PND_F32, PANDA_LORA_SIDE, false},   {PND_F16, PANDA_LORA_DEFAULT, false},
    {PND_F16, PANDA_LORA_MERGE, true},   {PND_F16, PANDA_LORA_SIDE, false},
    {PND_BF16, PANDA_LORA_DEFAULT, false}, {PND_BF16, PANDA_LORA_MERGE, true},
};

START_TEST(every_mode_computes_the_same)
{
    refill(modes[_i].dtype);
    ck_assert_ok(load_files(modes[_i].mode, 6));
    const struct pnd_llama_dims *dims = pnd_llama_get_dims(llama);
    ck_assert_uint_eq(dims->lora_rank, RANK);
    ck_assert(dims->lora_merged == modes[_i].merged);
    ck_assert_float_eq(dims->lora_alpha, 6);
    ck_assert_int_eq(dims->dtype, modes[_i].dtype);
    /* 32 x 32 for q and o, 16 x 32 for k and v, in two layers. */
    const uint64_t norms = 5 * 32;
    const uint64_t matrices = 2 * 2 * (32 * 32 + 16 * 32);
    const uint64_t factors = 2 * 2 * RANK * (32 + 32 + 32 + 16);
    ck_assert_uint_eq(dims->heap_bytes,
                      4 * (norms + (modes[_i].merged ? matrices : factors)));
    compare_with_reference(2);
}
END_TEST

START_TEST(mixed_bases_merge_where_they_are_single_precision)
{
    struct tiny_tensor *t =
        tiny_file_find(&base, "model.layers.1.self_attn.v_proj.weight");
    for (size_t i = 0; i < 16 * 32; i++)
        t->values[i] = pnd_f16_to_f32(pnd_f32_to_f16(t->values[i]));
    t->dtype = PND_F16;
    ck_assert_ok(load_files(PANDA_LORA_DEFAULT, 6));
    ck_assert(!pnd_llama_get_dims(llama)->lora_merged);
    compare_with_reference(2);
}
END_TEST

/* Wider than the pieces that merging works with. */
START_TEST(merging_covers_wide_matrices)
{
    tiny.config.hidden = 600;
    tiny.config.heads = tiny.config.kv_heads = 3;
    tiny.config.head_dim = 10;
    tiny.config.layers = 1;
    refill(PND_F16);
    ck_assert_ok(load_files(PANDA_LORA_MERGE, 0));
    compare_with_reference(1);
}
END_TEST

START_TEST(alpha_defaults_to_the_rank)
{
    ck_assert_ok(load_files(_i == 0 ? PANDA_LORA_SIDE : PANDA_LORA_MERGE, 0));
    ck_assert_float_eq(pnd_llama_get_dims(llama)->lora_alpha, RANK);
    compare_with_reference(1);
}
END_TEST

START_TEST(off_ignores_the_adapter)
{
    tiny_file_remove(&delta, lora_name(0, "q_proj.lora_A.default.weight"));
    ck_assert_ok(load_files(PANDA_LORA_OFF, 6));
    const struct pnd_llama_dims *dims = pnd_llama_get_dims(llama);
    ck_assert_uint_eq(dims->lora_rank, 0);
    ck_assert_float_eq(dims->lora_alpha, 0);
    ck_assert(!dims->lora_merged);
    compare_with_reference(0);
}
END_TEST

static void remove_target(const char *target)
{
    for (int i = 0; i < 2; i++) {
        char rest[64];
        snprintf(rest, sizeof rest, "%s.lora_A.default.weight", target);
        tiny_file_remove(&delta, lora_name(i, rest));
        snprintf(rest, sizeof rest, "%s.lora_B.default.weight", target);
        tiny_file_remove(&delta, lora_name(i, rest));
    }
}

START_TEST(an_adapter_may_leave_projections_out)
{
    remove_target("k_proj");
    remove_target("o_proj");
    ck_assert_ok(load_files(PANDA_LORA_DEFAULT, 6));
    ck_assert_uint_eq(pnd_llama_get_dims(llama)->lora_rank, RANK);
    /* What is left out is as if B were 0. */
    tiny_file_free(&delta);
    tiny_lora_fill(&delta, &tiny, RANK);
    for (size_t i = 0; i < delta.count; i++) {
        struct tiny_tensor *t = &delta.tensors[i];
        bool left_out = strstr(t->name, "k_proj.lora_B") ||
                        strstr(t->name, "o_proj.lora_B");
        if (left_out)
            memset(t->values, 0, (size_t)t->shape[0] * RANK * sizeof(float));
    }
    compare_with_reference(2);
}
END_TEST

START_TEST(a_projection_alone_is_no_lora)
{
    static const char *const targets[] = {"q_proj", "k_proj", "v_proj",
                                          "o_proj"};
    for (int i = 0; i < 4; i++)
        remove_target(targets[i]);
    tiny_file_add(&delta, "llama_proj.weight", PND_F32, 1, (int64_t[]){4}, 0,
                  1);
    ck_assert_ok(load_files(PANDA_LORA_MERGE, 6));
    ck_assert_uint_eq(pnd_llama_get_dims(llama)->lora_rank, 0);
    ck_assert(!pnd_llama_get_dims(llama)->lora_merged);
    compare_with_reference(0);
}
END_TEST

START_TEST(names_without_the_adapter_are_understood)
{
    struct tiny_file plain = delta;
    tiny_lora_fill(&delta, &tiny, RANK);
    for (size_t i = 0; i < delta.count; i++) {
        char *at = strstr(delta.tensors[i].name, ".default");
        memmove(at, at + 8, strlen(at + 8) + 1);
    }
    ck_assert_ok(load_files(PANDA_LORA_SIDE, 6));
    tiny_file_free(&delta);
    delta = plain;
    compare_with_reference(2);
}
END_TEST

/* The most common mix-up: the adapter of a larger model. */
START_TEST(another_width_is_refused_with_both)
{
    struct tiny_llama large = tiny;
    large.config.hidden = 5120;
    tiny_file_free(&delta);
    tiny_lora_fill(&delta, &large, RANK);
    ck_assert_fails(load_files(_i, 0), PANDA_E_SHAPE,
                    "width 5120 (LLaMA-13B), this decoder's is 32");
    ck_assert_ptr_null(llama);
}
END_TEST

START_TEST(missing_layers_are_refused_with_both_counts)
{
    struct tiny_llama deep = tiny;
    deep.config.layers = 3;
    tiny_file_free(&base);
    tiny_llama_fill(&base, &deep);
    tiny.config.layers = 3;
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), PANDA_E_SHAPE,
                    "2 layers, this decoder has 3 layers");
}
END_TEST

START_TEST(more_layers_are_refused_by_name)
{
    struct tiny_llama deep = tiny;
    deep.config.layers = 3;
    tiny_file_free(&delta);
    tiny_lora_fill(&delta, &deep, RANK);
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), PANDA_E_SHAPE,
                    lora_name(2, ""));
}
END_TEST

START_TEST(unknown_targets_are_refused_by_name)
{
    const char *name = "llama_model.base_model.model.model.layers.0.mlp."
                       "up_proj.lora_A.default.weight";
    tiny_file_add(&delta, name, PND_F32, 2, (int64_t[]){RANK, 32}, 0, 1);
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), PANDA_E_SHAPE, name);
}
END_TEST

START_TEST(half_a_pair_is_refused)
{
    const char *gone = lora_name(1, _i == 0 ? "v_proj.lora_A.default.weight"
                                            : "v_proj.lora_B.default.weight");
    tiny_file_remove(&delta, gone);
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), PANDA_E_FORMAT,
                    _i == 0 ? "v_proj.lora_B.default.weight has no lora_A"
                            : "v_proj.lora_A.default.weight has no lora_B");
}
END_TEST

static void replace(const char *name, enum pnd_dtype dtype, uint32_t rank,
                    int64_t rows, int64_t columns)
{
    char kept[160];
    snprintf(kept, sizeof kept, "%s", name);
    tiny_file_remove(&delta, kept);
    tiny_file_add(&delta, kept, dtype, rank, (int64_t[]){rows, columns}, 0, 1);
}

START_TEST(wrong_shapes_are_refused)
{
    static const struct {
        const char *name;
        uint32_t rank;
        int64_t rows, columns;
        panda_status status;
        const char *part;
    } cases[] = {
        {"q_proj.lora_A.default.weight", 2, 4, 32, PANDA_E_FORMAT,
         "is [4, 32] and its B is [32, 3]"},
        {"q_proj.lora_A.default.weight", 1, 96, 0, PANDA_E_FORMAT,
         "is [96] and its B is [32, 3]"},
        {"q_proj.lora_B.default.weight", 1, 96, 0, PANDA_E_FORMAT,
         "is [3, 32] and its B is [96]"},
        {"k_proj.lora_B.default.weight", 2, 32, 3, PANDA_E_SHAPE,
         "has 32 rows, the decoder's projection 16"},
        {"v_proj.lora_A.default.weight", 2, 3, 31, PANDA_E_SHAPE,
         "width 31, this decoder's is 32"},
    };
    replace(lora_name(0, cases[_i].name), PND_F32, cases[_i].rank,
            cases[_i].rows, cases[_i].columns);
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), cases[_i].status,
                    cases[_i].part);
}
END_TEST

START_TEST(ranks_must_agree)
{
    replace(lora_name(1, "q_proj.lora_A.default.weight"), PND_F32, 2, 4, 32);
    replace(lora_name(1, "q_proj.lora_B.default.weight"), PND_F32, 2, 32, 4);
    ck_assert_fails(load_files(PANDA_LORA_DEFAULT, 0), PANDA_E_FORMAT,
                    "has rank 4, others have 3");
}
END_TEST

START_TEST(loading_survives_any_failing_allocation)
{
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        struct test_alloc counter;
        struct pnd_context ctx = *test_context();
        test_alloc_init(&counter);
        counter.fail_at = n;
        ctx.alloc = counter.alloc;
        status = load_with(&ctx, _i, 0);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
        pnd_llama_free(llama);
        llama = NULL;
        ck_assert_int_eq(atomic_load(&counter.live), 0);
        ck_assert_int_lt(n, 100);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lora");
    TCase *tc = tcase_create("lora");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, every_mode_computes_the_same, 0,
                        sizeof modes / sizeof *modes);
    tcase_add_test(tc, mixed_bases_merge_where_they_are_single_precision);
    tcase_add_test(tc, merging_covers_wide_matrices);
    tcase_add_loop_test(tc, alpha_defaults_to_the_rank, 0, 2);
    tcase_add_test(tc, off_ignores_the_adapter);
    tcase_add_test(tc, an_adapter_may_leave_projections_out);
    tcase_add_test(tc, a_projection_alone_is_no_lora);
    tcase_add_test(tc, names_without_the_adapter_are_understood);
    tcase_add_loop_test(tc, another_width_is_refused_with_both,
                        PANDA_LORA_DEFAULT, PANDA_LORA_SIDE + 1);
    tcase_add_test(tc, missing_layers_are_refused_with_both_counts);
    tcase_add_test(tc, more_layers_are_refused_by_name);
    tcase_add_test(tc, unknown_targets_are_refused_by_name);
    tcase_add_loop_test(tc, half_a_pair_is_refused, 0, 2);
    tcase_add_loop_test(tc, wrong_shapes_are_refused, 0, 5);
    tcase_add_test(tc, ranks_must_agree);
    tcase_add_loop_test(tc, loading_survives_any_failing_allocation,
                        PANDA_LORA_DEFAULT, PANDA_LORA_SIDE + 1);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
