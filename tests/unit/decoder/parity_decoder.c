/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/llama.h"
#include "support/support.h"

/* The decoder alone against the reference: token ids and vectors come from the
 * fixtures, not from our tokenizer and encoders.
 *
 * With PANDA_TEST_VERBOSE set, prints the largest difference of each tensor. */

#define LOGITS_TOLERANCE 1e-3
#define HIDDEN_TOLERANCE 2e-4
#define E2E_TOLERANCE 3e-3
#define EVERY 8 /* entries of the vocabulary in *.every8 */

static struct pnd_llama_config config;
static struct pnd_weights *weights, *delta;
static struct pnd_llama *llama;
static struct pnd_session *session;

static const struct {
    const char *folder;
    panda_lora_mode mode;
} bases[] = {
    {"weights/vicuna_tiny", PANDA_LORA_SIDE},
    {"weights/vicuna_tiny", PANDA_LORA_MERGE},
    {"weights/vicuna_tiny_st", PANDA_LORA_SIDE},
    {"weights/vicuna_tiny_st", PANDA_LORA_MERGE},
    {"weights/vicuna_tiny.f16.gguf", PANDA_LORA_SIDE},
    {"weights/vicuna_tiny.f16.gguf", PANDA_LORA_MERGE},
};
enum { BASES = sizeof bases / sizeof *bases };

static void open_folder(const char *folder, panda_lora_mode mode)
{
    const struct pnd_context *ctx = test_context();
    struct pnd_lora_options lora = {NULL, mode, 0};
    ck_assert_ok(pnd_weights_open(&weights, ctx, test_fixture(folder)));
    if (pnd_weights_get_gguf(weights))
        ck_assert_ok(
            pnd_llama_config_read(&config, pnd_weights_get_gguf(weights)));
    else
        ck_assert_ok(
            pnd_llama_config_open(&config, ctx, test_fixture(folder)));
    if (mode != PANDA_LORA_OFF) {
        ck_assert_ok(pnd_weights_open(
            &delta, ctx, test_fixture("weights/pandagpt_tiny_delta.pt")));
        lora.weights = delta;
    }
    ck_assert_ok(pnd_llama_load(&llama, ctx, weights, &config, &lora));
    ck_assert_ok(pnd_session_create(&session, ctx, llama, 256, PND_F32));
}

static void tear_down(void)
{
    pnd_session_destroy(session);
    pnd_llama_free(llama);
    pnd_weights_close(delta);
    pnd_weights_close(weights);
    delta = NULL;
}

static void compare(const char *what, const float *found, const float *expected,
                    size_t count, double tolerance)
{
    if (getenv("PANDA_TEST_VERBOSE"))
        printf("%-36s %.2e of %g\n", what,
               test_max_difference(found, expected, count), tolerance);
    test_assert_close(what, found, expected, count, tolerance);
}

/* "prefix.suffix" of a fixture file */
static struct test_tensor read_tensor(const char *file, const char *prefix,
                                      const char *suffix)
{
    char key[128];
    snprintf(key, sizeof key, "%s%s", prefix, suffix);
    return test_tensor_read(file, key);
}

/* Row `row` of the thinned logits. Where two of the largest are closer than
 * the tolerance, either order is right: then the values decide. */
static void compare_logits(const char *file, const char *prefix, size_t row,
                           const float *logits, double tolerance)
{
    struct test_tensor every = read_tensor(file, prefix, ".every8");
    struct test_tensor ids = read_tensor(file, prefix, ".top_ids");
    struct test_tensor values = read_tensor(file, prefix, ".top_values");
    const size_t thinned = (size_t)every.shape[1];
    const size_t top = (size_t)ids.shape[1];
    ck_assert_uint_eq(thinned, (config.vocab_size + EVERY - 1) / EVERY);
    float *found = malloc((thinned + top) * sizeof *found);
    for (size_t i = 0; i < thinned; i++)
        found[i] = logits[i * EVERY];
    compare(prefix, found, every.values + row * thinned, thinned, tolerance);
    const float *id = ids.values + row * top;
    const float *value = values.values + row * top;
    for (size_t i = 0; i < top; i++)
        found[i] = logits[(size_t)id[i]];
    compare(prefix, found, value, top, tolerance);
    for (size_t i = 0; i + 1 < top; i++) {
        if ((double)(value[i] - value[i + 1]) > 2 * tolerance)
            ck_assert_float_gt(found[i], found[i + 1]);
    }
    /* Nothing else is larger than the last of them. */
    size_t larger = 0;
    for (size_t i = 0; i < config.vocab_size; i++)
        larger += (double)logits[i] > (double)value[top - 1] + 2 * tolerance;
    ck_assert_uint_lt(larger, top);
    free(found);
    test_tensor_free(&every);
    test_tensor_free(&ids);
    test_tensor_free(&values);
}

static void compare_last(const char *file, const char *prefix,
                         const float *logits, double tolerance)
{
    struct test_tensor full = read_tensor(file, prefix, ".last_full");
    ck_assert_uint_eq(full.count, config.vocab_size);
    compare(prefix, logits, full.values, full.count, tolerance);
    test_tensor_free(&full);
}

static size_t read_tokens(const char *key, int32_t *tokens, size_t capacity)
{
    struct test_tensor t = test_tensor_read("decoder.safetensors", key);
    ck_assert_uint_le(t.count, capacity);
    for (size_t i = 0; i < t.count; i++)
        tokens[i] = (int32_t)t.values[i];
    size_t count = t.count;
    test_tensor_free(&t);
    return count;
}

struct hidden_check {
    const char *prefix; /* "plain/hidden_lora/" */
    uint32_t seen;      /* stages */
};

static void check_hidden(uint32_t layer, uint32_t rows, const float *hidden,
                         void *user)
{
    struct hidden_check *check = user;
    char number[16];
    snprintf(number, sizeof number, "%u", layer);
    struct test_tensor expected =
        read_tensor("decoder.safetensors", check->prefix, number);
    ck_assert_uint_eq(expected.count, rows * config.hidden);
    compare(check->prefix, hidden, expected.values, expected.count,
            HIDDEN_TOLERANCE);
    check->seen++;
    test_tensor_free(&expected);
}

/* Greedy steps from what was pushed, as far as the reference went. */
static void compare_greedy(const char *key)
{
    int32_t expected[64];
    size_t count = read_tokens(key, expected, 64);
    for (size_t i = 0; i < count; i++) {
        const float *logits = pnd_session_get_logits(session);
        int32_t best = 0;
        for (int32_t j = 1; j < (int32_t)config.vocab_size; j++)
            best = logits[j] > logits[best] ? j : best;
        ck_assert_msg(best == expected[i], "%s: step %zu gives %d, expected %d",
                      key, i, (int)best, (int)expected[i]);
        ck_assert_ok(pnd_session_push_tokens(session, &best, 1, NULL));
    }
}

static void compare_plain(const char *hidden, const char *logits,
                          const char *greedy)
{
    const char *file = "decoder.safetensors";
    int32_t tokens[64];
    size_t count = read_tokens("plain/input_ids", tokens, 64);
    struct hidden_check check = {hidden, 0};
    pnd_session_set_trace(session, check_hidden, &check);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    ck_assert_uint_eq(check.seen, config.layers + 1);
    pnd_session_set_trace(session, NULL, NULL);
    compare_last(file, logits, pnd_session_get_logits(session),
                 LOGITS_TOLERANCE);
    for (size_t row = count; row-- > 0;) {
        pnd_session_truncate(session, (uint32_t)row + 1);
        compare_logits(file, logits, row, pnd_session_get_logits(session),
                       LOGITS_TOLERANCE);
    }
    pnd_session_truncate(session, 0);
    for (size_t row = 0; row < count; row++) {
        ck_assert_ok(pnd_session_push_tokens(session, tokens + row, 1, NULL));
        compare_logits(file, logits, row, pnd_session_get_logits(session),
                       LOGITS_TOLERANCE);
    }
    compare_greedy(greedy);
}

START_TEST(with_lora)
{
    open_folder(bases[_i].folder, bases[_i].mode);
    ck_assert_uint_eq(pnd_llama_get_dims(llama)->lora_rank, 4);
    compare_plain("plain/hidden_lora/", "plain/logits_lora",
                  "plain/greedy_lora");
}
END_TEST

START_TEST(without_lora)
{
    open_folder(bases[_i].folder, PANDA_LORA_OFF);
    compare_plain("plain/hidden_base/", "plain/logits_base",
                  "plain/greedy_base");
}
END_TEST

/* Blocks of 8 bits, floats otherwise: the reference had the blocks' values as
 * weights. */
START_TEST(quantised)
{
    const char *file = "decoder.safetensors";
    const char *logits = "plain/logits_base_q8_0";
    int32_t tokens[64];
    open_folder("weights/vicuna_tiny.q8_0.gguf", PANDA_LORA_OFF);
    ck_assert_int_eq(pnd_llama_get_dims(llama)->dtype, PND_Q8_0);
    size_t count = read_tokens("plain/input_ids", tokens, 64);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    compare_last(file, logits, pnd_session_get_logits(session),
                 LOGITS_TOLERANCE);
    for (size_t row = count; row-- > 0;) {
        pnd_session_truncate(session, (uint32_t)row + 1);
        compare_logits(file, logits, row, pnd_session_get_logits(session),
                       LOGITS_TOLERANCE);
    }
    pnd_session_truncate(session, 0);
    for (size_t row = 0; row < count; row++) {
        ck_assert_ok(pnd_session_push_tokens(session, tokens + row, 1, NULL));
        compare_logits(file, logits, row, pnd_session_get_logits(session),
                       LOGITS_TOLERANCE);
    }
}
END_TEST

/* -log of the probability of each next token, on average. */
static double measure_loss(const int32_t *tokens, size_t count)
{
    double loss = 0;
    pnd_session_truncate(session, 0);
    for (size_t i = 0; i + 1 < count; i++) {
        ck_assert_ok(pnd_session_push_tokens(session, tokens + i, 1, NULL));
        const float *logits = pnd_session_get_logits(session);
        double sum = 0;
        for (size_t j = 0; j < config.vocab_size; j++)
            sum += exp((double)logits[j] - (double)logits[tokens[i + 1]]);
        loss += log(sum) / (double)(count - 1);
    }
    return loss;
}

/* Activations of 8 bits are another model, but hardly: the direction of the
 * logits against the reference's, and the perplexity. The fixture's weights are
 * random and its rows have 32 elements, so that few rounding errors cancel:
 * each token's loss moves by up to 0.1 either way. */
START_TEST(quantised_with_rounding)
{
    const char *file = "decoder.safetensors";
    const char *logits = "plain/logits_base_q8_0";
    int32_t tokens[64];
    open_folder("weights/vicuna_tiny.q8_0.gguf", PANDA_LORA_OFF);
    size_t count = read_tokens("plain/input_ids", tokens, 64);
    const double exact_loss = measure_loss(tokens, count);
    pnd_session_destroy(session);
    ck_assert(!pnd_llama_is_rounding(llama));
    pnd_llama_set_rounding(llama, true);
    ck_assert(pnd_llama_is_rounding(llama));
    ck_assert_ok(pnd_session_create(&session, test_context(), llama, 256,
                                    PND_F32));
    ck_assert_double_eq_tol(measure_loss(tokens, count), exact_loss, 0.05);

    struct test_tensor full = read_tensor(file, logits, ".last_full");
    pnd_session_truncate(session, 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    const float *found = pnd_session_get_logits(session);
    double product = 0, found_size = 0, size = 0;
    for (size_t i = 0; i < full.count; i++) {
        product += (double)found[i] * (double)full.values[i];
        found_size += (double)found[i] * (double)found[i];
        size += (double)full.values[i] * (double)full.values[i];
    }
    const double cosine = product / sqrt(found_size * size);
    if (getenv("PANDA_TEST_VERBOSE"))
        printf("rounded activations: cosine %.7f, loss %g more\n", cosine,
               measure_loss(tokens, count) - exact_loss);
    ck_assert_double_gt(cosine, 0.9995);
    test_tensor_free(&full);
}
END_TEST

/* LoRA beside and in blocks is the same function. */
START_TEST(quantised_with_lora)
{
    enum { LOGITS = 32001 };
    int32_t tokens[64];
    size_t count = read_tokens("plain/input_ids", tokens, 64);
    float *side = malloc(LOGITS * sizeof *side);
    open_folder("weights/vicuna_tiny.q8_0.gguf", PANDA_LORA_SIDE);
    ck_assert(!pnd_llama_get_dims(llama)->lora_merged);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    memcpy(side, pnd_session_get_logits(session), LOGITS * sizeof *side);
    tear_down();
    open_folder("weights/vicuna_tiny.q8_0.gguf", PANDA_LORA_MERGE);
    ck_assert(pnd_llama_get_dims(llama)->lora_merged);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    compare("merged", pnd_session_get_logits(session), side, LOGITS, 1e-4);
    free(side);
}
END_TEST

START_TEST(grouped_queries)
{
    int32_t tokens[64];
    open_folder("weights/gqa_tiny", PANDA_LORA_OFF);
    size_t count = read_tokens("gqa/input_ids", tokens, 64);
    struct test_tensor expected =
        test_tensor_read("decoder.safetensors", "gqa/logits");
    ck_assert_uint_eq(expected.count, count * config.vocab_size);
    for (size_t row = 0; row < count; row++) {
        ck_assert_ok(pnd_session_push_tokens(session, tokens + row, 1, NULL));
        compare("gqa/logits", pnd_session_get_logits(session),
                expected.values + row * config.vocab_size, config.vocab_size,
                LOGITS_TOLERANCE);
    }
    pnd_session_truncate(session, 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, count, NULL));
    compare("gqa/logits", pnd_session_get_logits(session),
            expected.values + (count - 1) * config.vocab_size,
            config.vocab_size, LOGITS_TOLERANCE);
    test_tensor_free(&expected);
    compare_greedy("gqa/greedy");
}
END_TEST

/* Whole prompts with media in them, as vectors. */
START_TEST(end_to_end_vectors)
{
    static const char *const cases[] = {
        "image", "image_turn2", "image_turn3", "audio", "video", "thermal",
        "image_audio", "video_audio", "two_images", "all_four",
        "empty_prompt", "zero_vector"};
    const char *file = "e2e.safetensors";
    open_folder(bases[_i].folder, bases[_i].mode);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_tensor vectors =
            read_tensor(file, cases[i], "/inputs_embeds");
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s/last_logits", cases[i]);
        ck_assert_int_eq(vectors.shape[1], config.hidden);
        pnd_session_truncate(session, 0);
        ck_assert_ok(pnd_session_push_vectors(session, vectors.values,
                                              (size_t)vectors.shape[0], NULL));
        compare_logits(file, prefix, 0, pnd_session_get_logits(session),
                       E2E_TOLERANCE);
        if (i == 0)
            compare_last(file, prefix, pnd_session_get_logits(session),
                         E2E_TOLERANCE);
        test_tensor_free(&vectors);
    }
}
END_TEST

/* "### Human: Hello there, how are you?\n### Assistant:" as e2e.json has it. */
START_TEST(end_to_end_text_only)
{
    static const int32_t tokens[] = {1,     835,   12968, 29901, 15043, 727,
                                     29892, 920,   526,   366,   29973, 13,
                                     2277,  29937, 4007,  22137, 29901};
    open_folder(bases[_i].folder, bases[_i].mode);
    ck_assert_ok(pnd_session_push_tokens(
        session, tokens, sizeof tokens / sizeof *tokens, NULL));
    const float *logits = pnd_session_get_logits(session);
    compare_logits("e2e.safetensors", "text_only/last_logits", 0, logits,
                   E2E_TOLERANCE);
    compare_last("e2e.safetensors", "text_only/last_logits", logits,
                 E2E_TOLERANCE);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("parity_decoder");
    TCase *tc = tcase_create("parity_decoder");
    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_add_loop_test(tc, with_lora, 0, BASES);
    tcase_add_loop_test(tc, without_lora, 0, BASES);
    tcase_add_test(tc, quantised);
    tcase_add_test(tc, quantised_with_rounding);
    tcase_add_test(tc, quantised_with_lora);
    tcase_add_test(tc, grouped_queries);
    tcase_add_loop_test(tc, end_to_end_vectors, 0, BASES);
    tcase_add_loop_test(tc, end_to_end_text_only, 0, BASES);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
