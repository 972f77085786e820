/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api_model.h"

/* Prompts, answers and conversations on a small random decoder. */

static panda_model *model;

static void open_model(void)
{
    model = api_model();
}

static void close_model(void)
{
    panda_model_close(model);
}

static panda_generate_options greedy(uint32_t max_tokens)
{
    panda_generate_options options;
    ck_assert_ok(panda_generate_options_init(&options, sizeof options));
    options.sampling = PANDA_SAMPLING_GREEDY;
    options.max_tokens = max_tokens;
    return options;
}

static panda_chat *create_chat(void)
{
    panda_chat *chat;
    ck_assert_ok(panda_chat_create(&chat, model, NULL));
    return chat;
}

static panda_chat_turn get_turn(const panda_chat *chat)
{
    panda_chat_turn turn = {.struct_size = sizeof turn};
    ck_assert_ok(panda_chat_get_turn(chat, &turn));
    return turn;
}

static int32_t collect(const char *text, size_t length, void *user)
{
    char *to = user;
    strncat(to, text, length);
    return 0;
}

static uint32_t get_vocab_size(void)
{
    panda_model_info info = {.struct_size = sizeof info};
    ck_assert_ok(panda_model_get_info(model, &info));
    return info.vocab_size;
}

/* The tokens of each session alone, then of both together. */
START_TEST(sessions_generate_together)
{
    enum { STEPS = 5 };
    const panda_token prompts[2][3] = {{1, 40, 41}, {1, 7, 9}};
    panda_generate_options o = greedy(STEPS);
    panda_token alone[2][STEPS], token;
    panda_decoder *decoders[2];
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ok(panda_decoder_create(&decoders[i], model, NULL));
        ck_assert_ok(panda_decoder_push_tokens(decoders[i], prompts[i], 3));
        for (size_t j = 0; j < STEPS; j++)
            ck_assert_int_ge(
                panda_decoder_next_token(decoders[i], &alone[i][j], &o), 0);
        ck_assert_ok(panda_decoder_reset(decoders[i], 0));
        ck_assert_ok(panda_decoder_push_tokens(decoders[i], prompts[i], 3));
    }
    ck_assert_fails(panda_decoder_push_batch(decoders, NULL, 2),
                    PANDA_E_ARGUMENT, "session 0 has no token");
    for (size_t j = 0; j < STEPS; j++) {
        for (size_t i = 0; i < 2; i++) {
            ck_assert_int_ge(panda_decoder_next_token(decoders[i], &token, &o),
                             0);
            ck_assert_int_eq(token, alone[i][j]);
        }
        ck_assert_ok(panda_decoder_push_batch(decoders, NULL, 2));
        ck_assert_uint_eq(panda_decoder_get_positions(decoders[1]), 4 + j);
    }
    ck_assert_ok(panda_decoder_push_batch(decoders, prompts[0], 2));
    ck_assert_uint_eq(panda_decoder_get_positions(decoders[0]), 4 + STEPS);
    ck_assert_fails(
        panda_decoder_push_batch(decoders, (panda_token[]){1, 1 << 20}, 2),
        PANDA_E_ARGUMENT, "token 1");
    panda_decoder *twice[] = {decoders[0], decoders[0]};
    ck_assert_fails(panda_decoder_push_batch(twice, prompts[0], 2),
                    PANDA_E_ARGUMENT, "session 1 is also session 0");
    ck_assert_fails(panda_decoder_push_batch(decoders, NULL, 65),
                    PANDA_E_ARGUMENT, "65 sessions");
    ck_assert_ok(panda_decoder_push_batch(decoders, NULL, 0));
    panda_decoder_destroy(decoders[0]);
    panda_decoder_destroy(decoders[1]);
}
END_TEST

/* Forks of a session draw the same random tokens, the last one included. */
START_TEST(forks_go_on_alike)
{
    const panda_token prompt[] = {1, 40, 41};
    panda_generate_options o = greedy(8);
    o.sampling = PANDA_SAMPLING_RANDOM;
    o.top_p = 1;
    o.seed = 5;
    panda_decoder *first, *second;
    ck_assert_ok(panda_decoder_create(&first, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(first, prompt, 3));
    panda_token token, other;
    ck_assert_int_ge(panda_decoder_next_token(first, &token, &o), 0);
    ck_assert_ok(panda_decoder_fork(&second, first));
    ck_assert_uint_eq(panda_decoder_get_positions(second), 4);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_ge(panda_decoder_next_token(first, &token, &o), 0);
        ck_assert_int_ge(panda_decoder_next_token(second, &other, &o), 0);
        ck_assert_int_eq(token, other);
    }
    panda_decoder_stats stats = {.struct_size = sizeof stats};
    ck_assert_ok(panda_decoder_get_stats(second, &stats));
    ck_assert_uint_eq(stats.prompt_positions, 0);
    panda_decoder_destroy(first);
    ck_assert_int_ge(panda_decoder_next_token(second, &other, &o), 0);
    panda_decoder_destroy(second);
}
END_TEST

START_TEST(decoder_states_and_limits)
{
    panda_decoder *decoder;
    panda_decoder_options small = {.struct_size = sizeof small,
                                   .context_length = 8};
    panda_generate_options o = greedy(4);
    panda_token tokens[] = {5, 6, 7, 8, 9, 10, 11, 12, 13}, token;
    small.kv_format = PANDA_KV_F16 + 1;
    ck_assert_fails(panda_decoder_create(&decoder, model, &small),
                    PANDA_E_ARGUMENT, "kv_format is 3");
    small.kv_format = PANDA_KV_F16;
    ck_assert_ok(panda_decoder_create(&decoder, model, &small));
    ck_assert_fails(panda_decoder_generate(decoder, &o, NULL, NULL),
                    PANDA_E_STATE, "pushed");
    ck_assert_fails(panda_decoder_next_token(decoder, &token, &o),
                    PANDA_E_STATE, "pushed");
    ck_assert_fails(panda_decoder_push_tokens(decoder, tokens, 9),
                    PANDA_E_CONTEXT_FULL, "8");
    ck_assert_uint_eq(panda_decoder_get_positions(decoder), 0);
    tokens[1] = 1 << 20;
    ck_assert_fails(panda_decoder_push_tokens(decoder, tokens, 3),
                    PANDA_E_ARGUMENT, "1048576");
    tokens[1] = -1;
    ck_assert_fails(panda_decoder_push_tokens(decoder, tokens, 3),
                    PANDA_E_ARGUMENT, "-1");
    tokens[1] = 6;
    ck_assert_ok(panda_decoder_push_tokens(decoder, tokens, 3));
    float logits[1];
    ck_assert_fails(panda_decoder_read_logits_at(decoder, 2, 2, logits, 1),
                    PANDA_E_ARGUMENT, "2 positions from 2 on, there are 3");
    ck_assert_fails(panda_decoder_read_logits_at(decoder, 4, 0, logits, 0),
                    PANDA_E_ARGUMENT, "from 4 on");
    ck_assert_fails(panda_decoder_read_logits_at(decoder, 0, 3, logits, 1),
                    PANDA_E_SHAPE, "asked for 1");
    ck_assert_ok(panda_decoder_read_logits_at(decoder, 3, 0, NULL, 0));
    ck_assert_fails(panda_decoder_reset(decoder, 4), PANDA_E_ARGUMENT, "4");
    ck_assert_ok(panda_decoder_reset(decoder, 2));
    ck_assert_uint_eq(panda_decoder_get_positions(decoder), 2);
    panda_decoder_stats stats = {.struct_size = sizeof stats};
    ck_assert_ok(panda_decoder_get_stats(decoder, &stats));
    ck_assert_uint_eq(stats.context_length, 8);
    ck_assert_uint_eq(stats.prompt_positions, 3);
    ck_assert_uint_gt(stats.cache_bytes, 0);
    panda_decoder_destroy(decoder);
    panda_decoder_destroy(NULL);
    panda_decoder_cancel(NULL);
}
END_TEST

/* Of an answer that fills the context, the last token needs no position. */
START_TEST(the_last_token_needs_no_room)
{
    panda_decoder *roomy, *tight;
    panda_decoder_options small = {.struct_size = sizeof small,
                                   .context_length = 8};
    panda_generate_options o = greedy(5);
    panda_token prompt[] = {1, 40, 41, 42}, token;
    char expected[256] = "", text[256] = "", again[256] = "";
    uint32_t vocab = get_vocab_size();
    float *logits = malloc(vocab * sizeof *logits);
    float *others = malloc(vocab * sizeof *others);
    ck_assert_ok(panda_decoder_create(&roomy, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(roomy, prompt, 4));
    ck_assert_ok(panda_decoder_generate(roomy, &o, collect, expected));
    ck_assert_ok(panda_decoder_create(&tight, model, &small));
    ck_assert_ok(panda_decoder_push_tokens(tight, prompt, 4));
    ck_assert_ok(panda_decoder_generate(tight, &o, collect, text));
    ck_assert_str_eq(text, expected);
    /* It counts all the same, and nothing can follow it. */
    ck_assert_uint_eq(panda_decoder_get_positions(tight), 9);
    ck_assert_fails(panda_decoder_read_logits(tight, logits, vocab),
                    PANDA_E_CONTEXT_FULL, "8 of 8");
    ck_assert_fails(panda_decoder_next_token(tight, &token, &o),
                    PANDA_E_CONTEXT_FULL, "8 of 8");
    ck_assert_int_eq(token, -1);
    ck_assert_fails(panda_decoder_generate(tight, &o, NULL, NULL),
                    PANDA_E_CONTEXT_FULL, "8 of 8");
    ck_assert_fails(panda_decoder_push_tokens(tight, prompt, 1),
                    PANDA_E_CONTEXT_FULL, "8 of 8");
    ck_assert_uint_eq(panda_decoder_get_positions(tight), 9);
    ck_assert_ok(panda_decoder_reset(tight, 9));
    ck_assert_uint_eq(panda_decoder_get_positions(tight), 9);
    /* Without it, the choice is open again. */
    ck_assert_ok(panda_decoder_reset(tight, 8));
    ck_assert_ok(panda_decoder_read_logits(tight, logits, vocab));
    ck_assert_ok(panda_decoder_reset(roomy, 8));
    ck_assert_ok(panda_decoder_read_logits(roomy, others, vocab));
    ck_assert_mem_eq(logits, others, vocab * sizeof *logits);
    o.max_tokens = 1;
    ck_assert_ok(panda_decoder_generate(tight, &o, collect, again));
    size_t tail = strlen(text) - strlen(again);
    ck_assert_str_eq(text + tail, again);
    free(logits);
    free(others);
    panda_decoder_destroy(roomy);
    panda_decoder_destroy(tight);
}
END_TEST

/* What follows an answer follows its last token, too. */
START_TEST(the_last_token_is_taken_in_when_something_follows)
{
    panda_decoder *decoder;
    panda_generate_options o = greedy(3);
    panda_token prompt[] = {1, 40, 41, 42}, more[] = {50, 51};
    uint32_t vocab = get_vocab_size();
    float *logits = malloc(vocab * sizeof *logits);
    float *others = malloc(vocab * sizeof *others);
    char whole[256] = "", parts[256] = "";
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, parts));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, parts));
    ck_assert_uint_eq(panda_decoder_get_positions(decoder), 10);
    ck_assert_ok(panda_decoder_push_tokens(decoder, more, 2));
    ck_assert_uint_eq(panda_decoder_get_positions(decoder), 12);
    ck_assert_ok(panda_decoder_read_logits(decoder, logits, vocab));
    ck_assert_ok(panda_decoder_reset(decoder, 0));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    o.max_tokens = 6;
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, whole));
    ck_assert_str_eq(parts, whole);
    ck_assert_ok(panda_decoder_read_logits(decoder, others, vocab));
    ck_assert_ok(panda_decoder_push_tokens(decoder, more, 2));
    ck_assert_ok(panda_decoder_read_logits(decoder, others, vocab));
    ck_assert_mem_eq(logits, others, vocab * sizeof *logits);
    free(logits);
    free(others);
    panda_decoder_destroy(decoder);
}
END_TEST

START_TEST(wrong_generate_options_are_refused)
{
    panda_decoder *decoder;
    panda_token token = 5;
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, &token, 1));
    panda_generate_options o = greedy(4);
    o.temperature = -1;
    ck_assert_fails(panda_decoder_generate(decoder, &o, NULL, NULL),
                    PANDA_E_ARGUMENT, "temperature");
    o = greedy(4);
    o.top_p = 1.5f;
    ck_assert_fails(panda_decoder_generate(decoder, &o, NULL, NULL),
                    PANDA_E_ARGUMENT, "top_p");
    o = greedy(4);
    o.sampling = 7;
    ck_assert_fails(panda_decoder_generate(decoder, &o, NULL, NULL),
                    PANDA_E_ARGUMENT, "sampling");
    o = greedy(4);
    o.stop = (const char *const[]){"", NULL};
    ck_assert_fails(panda_decoder_generate(decoder, &o, NULL, NULL),
                    PANDA_E_ARGUMENT, "stop");
    panda_decoder_destroy(decoder);
}
END_TEST

/* Generation step by step, in one call, and up to a stop string agree. */
START_TEST(generate_equals_next_token_and_stops_at_a_string)
{
    panda_decoder *decoder;
    panda_generate_options o = greedy(12);
    panda_token prompt[] = {1, 40, 41, 42}, tokens[12];
    char whole[4096] = "", cut[4096] = "", text[4096];
    size_t length;
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, whole));
    ck_assert_ok(panda_decoder_reset(decoder, 0));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    int count = 0;
    while (count < 12 &&
           panda_decoder_next_token(decoder, &tokens[count], &o) == PANDA_OK)
        count++;
    ck_assert_ok(panda_model_detokenize(model, text, sizeof text, &length,
                                        tokens, (size_t)count));
    text[length] = '\0';
    ck_assert_str_eq(whole, text);
    ck_assert_uint_ge(length, 8);

    char stop[3] = {whole[4], whole[5], '\0'};
    o.stop = (const char *const[]){stop, NULL};
    ck_assert_ok(panda_decoder_reset(decoder, 4));
    ck_assert_ok(panda_decoder_reset(decoder, 0));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, cut));
    *strstr(whole, stop) = '\0';
    ck_assert_str_eq(cut, whole);
    panda_decoder_destroy(decoder);
}
END_TEST

/* A line break may be a stop string: it ends the first line, not the answer
 * before it began. */
START_TEST(a_line_break_stops_behind_the_first_line)
{
    panda_decoder *decoder;
    panda_generate_options o = greedy(12);
    panda_token prompt[] = {1, 40, 41, 42};
    char whole[4096] = "", cut[4096] = "";
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, whole));
    ck_assert_ptr_null(strchr(whole, '\n'));
    o.stop = (const char *const[]){"\n", "\n###", NULL};
    ck_assert_ok(panda_decoder_reset(decoder, 0));
    ck_assert_ok(panda_decoder_push_tokens(decoder, prompt, 4));
    ck_assert_ok(panda_decoder_generate(decoder, &o, collect, cut));
    ck_assert_str_eq(cut, whole);
    panda_decoder_destroy(decoder);
}
END_TEST

START_TEST(equal_seeds_give_equal_answers)
{
    char answers[3][4096] = {"", "", ""};
    for (int i = 0; i < 3; i++) {
        panda_chat *chat = create_chat();
        panda_generate_options o;
        panda_generate_options_init(&o, sizeof o);
        o.max_tokens = 16;
        o.top_p = 1;
        o.temperature = 1.5f;
        o.seed = i == 2 ? 77 : 3;
        ck_assert_ok(panda_chat_ask(chat, "hello", &o, collect, answers[i]));
        ck_assert_str_eq(answers[i], panda_chat_get_answer(chat));
        panda_chat_destroy(chat);
    }
    ck_assert_str_eq(answers[0], answers[1]);
    ck_assert_str_ne(answers[0], answers[2]);
}
END_TEST

/* A reused cache gives what a new conversation would compute. */
START_TEST(later_turns_reuse_without_changing_the_answer)
{
    panda_generate_options o = greedy(10);
    panda_chat *chat = create_chat();
    panda_input picture = api_picture(9);
    ck_assert_ok(panda_chat_attach(chat, &picture));
    ck_assert_ok(panda_chat_ask(chat, "one", &o, NULL, NULL));
    ck_assert_uint_eq(get_turn(chat).reused_positions, 0);
    ck_assert_ok(panda_chat_ask(chat, "two", &o, NULL, NULL));
    panda_chat_turn second = get_turn(chat);
    ck_assert_uint_gt(second.reused_positions, 8);
    panda_token ids[16];
    uint32_t count = second.token_count;
    memcpy(ids, second.tokens, count * sizeof *ids);

    /* The same conversation with the cache thrown away before each turn by
     * other media in between. */
    ck_assert_ok(panda_chat_reset(chat));
    ck_assert_str_eq(panda_chat_get_answer(chat), "");
    ck_assert_ok(panda_chat_attach(chat, &picture));
    ck_assert_ok(panda_chat_ask(chat, "one", &o, NULL, NULL));
    ck_assert_uint_eq(get_turn(chat).reused_positions, 0);
    ck_assert_ok(panda_chat_ask(chat, "two", &o, NULL, NULL));
    ck_assert_uint_eq(get_turn(chat).token_count, count);
    ck_assert_mem_eq(get_turn(chat).tokens, ids, count * sizeof *ids);
    panda_chat_destroy(chat);
}
END_TEST

START_TEST(new_media_change_the_prompt_from_the_prefix_on)
{
    panda_generate_options o = greedy(4);
    panda_chat *chat = create_chat();
    panda_input picture = api_picture(9);
    ck_assert_ok(panda_chat_attach(chat, &picture));
    ck_assert_ok(panda_chat_ask(chat, "one", &o, NULL, NULL));
    uint32_t prompt = get_turn(chat).prompt_tokens;
    picture = api_picture(10);
    ck_assert_ok(panda_chat_attach(chat, &picture));
    ck_assert_ok(panda_chat_ask(chat, "two", &o, NULL, NULL));
    /* Only what stands before the soft token may be reused. */
    ck_assert_uint_lt(get_turn(chat).reused_positions, prompt);
    ck_assert_uint_gt(get_turn(chat).reused_positions, 1);
    panda_chat_destroy(chat);
}
END_TEST

START_TEST(a_full_context_leaves_the_conversation_as_it_was)
{
    panda_chat *chat;
    panda_decoder_options small = {.struct_size = sizeof small,
                                   .context_length = 90};
    panda_chat_options options = {.struct_size = sizeof options,
                                  .decoder = &small};
    panda_generate_options o = greedy(4);
    char long_question[2048];
    memset(long_question, 'x', sizeof long_question);
    for (size_t i = 1; i < sizeof long_question; i += 2)
        long_question[i] = ' ';
    long_question[sizeof long_question - 1] = '\0';
    ck_assert_ok(panda_chat_create(&chat, model, &options));
    ck_assert_fails(panda_chat_ask(chat, long_question, &o, NULL, NULL),
                    PANDA_E_CONTEXT_FULL, "90");
    ck_assert_ok(panda_chat_ask(chat, "hi", &o, NULL, NULL));
    uint32_t prompt = get_turn(chat).prompt_tokens;
    ck_assert_fails(panda_chat_ask(chat, long_question, &o, NULL, NULL),
                    PANDA_E_CONTEXT_FULL, "90");
    /* Nothing of an earlier answer may pass for one to this question. */
    ck_assert_str_eq(panda_chat_get_answer(chat), "");
    panda_chat_turn none = {.struct_size = sizeof none};
    ck_assert_fails(panda_chat_get_turn(chat, &none), PANDA_E_STATE,
                    "answered");
    ck_assert_ok(panda_chat_ask(chat, "hi", &o, NULL, NULL));
    ck_assert_uint_lt(get_turn(chat).prompt_tokens, 2 * prompt + 16);
    panda_chat_destroy(chat);
}
END_TEST

struct stopper {
    panda_chat *chat;
    int tokens;
    bool cancel;
};

static int32_t stop_after_three(panda_token token, void *user)
{
    struct stopper *s = user;
    (void)token;
    if (++s->tokens < 3)
        return 0;
    if (!s->cancel)
        return 1;
    panda_chat_cancel(s->chat);
    return 0;
}

START_TEST(a_stopped_answer_is_kept_as_far_as_it_came)
{
    for (int cancel = 0; cancel < 2; cancel++) {
        panda_chat *chat = create_chat();
        struct stopper stopper = {.chat = chat, .cancel = cancel};
        panda_generate_options o = greedy(50);
        o.on_token = stop_after_three;
        o.token_user = &stopper;
        ck_assert_fails(panda_chat_ask(chat, "hello", &o, NULL, NULL),
                        cancel ? PANDA_E_CANCELLED : PANDA_E_CALLBACK, "");
        ck_assert_str_ne(panda_error_get_message(), "");
        ck_assert_uint_eq(get_turn(chat).token_count, 3);
        o.on_token = NULL;
        ck_assert_ok(panda_chat_ask(chat, "go on", &o, NULL, NULL));
        ck_assert_uint_gt(get_turn(chat).reused_positions, 1);
        panda_chat_destroy(chat);
    }
}
END_TEST

/* A first or second question, asked twice: the first time the n-th allocation
 * fails, and all after it. False when none failed: n is beyond the last. */
static bool ask_with_little_memory(panda_model *of, panda_compat compat,
                                   bool is_second, struct test_alloc *alloc,
                                   long n, char *answer)
{
    panda_chat_options options = {.struct_size = sizeof options,
                                  .compat = compat};
    panda_generate_options o = greedy(4);
    panda_input picture = api_picture(9);
    panda_chat *chat;
    ck_assert_ok(panda_chat_create(&chat, of, &options));
    ck_assert_ok(panda_chat_attach(chat, &picture));
    if (is_second)
        ck_assert_ok(panda_chat_ask(chat, "hi", &o, NULL, NULL));
    o.max_tokens = 40;
    alloc->fail_at = atomic_load(&alloc->count) + n;
    panda_status status = panda_chat_ask(chat, "hello", &o, NULL, NULL);
    alloc->fail_at = 0;
    if (status != PANDA_OK) {
        ck_assert_fails(status, PANDA_E_MEMORY, "memory");
        ck_assert_str_eq(panda_chat_get_answer(chat), "");
        ck_assert_ok(panda_chat_ask(chat, "hello", &o, NULL, NULL));
    }
    strcpy(answer, panda_chat_get_answer(chat));
    panda_chat_destroy(chat);
    return status != PANDA_OK;
}

START_TEST(lack_of_memory_leaves_the_conversation_as_it_was)
{
    panda_compat compat =
        _i % 2 == 0 ? PANDA_COMPAT_DEFAULT : PANDA_COMPAT_REFERENCE;
    bool is_second = _i >= 2;
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    struct test_alloc alloc;
    panda_model *small;
    char expected[4096], answer[4096];
    test_alloc_init(&alloc);
    panda_runtime *runtime = api_runtime(&alloc, 1);
    ck_assert_ok(panda_model_open(&small, runtime, &options));
    panda_runtime_destroy(runtime);
    ck_assert(!ask_with_little_memory(small, compat, is_second, &alloc, 1 << 20,
                                      expected));
    long n = 1;
    while (
        ask_with_little_memory(small, compat, is_second, &alloc, n++, answer))
        ck_assert_str_eq(answer, expected);
    ck_assert_int_gt(n, 8);
    panda_model_close(small);
    ck_assert_int_eq(atomic_load(&alloc.live), 0);
}
END_TEST

START_TEST(parts_that_are_missing_are_named)
{
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    panda_runtime *runtime = api_runtime(NULL, 1);
    panda_model *part;
    panda_chat *chat;
    panda_decoder *decoder;
    panda_projector *projector;
    panda_input picture = api_picture(1);
    options.imagebind = options.adapter = NULL;
    ck_assert_ok(panda_model_open(&part, runtime, &options));
    ck_assert_ok(panda_chat_create(&chat, part, NULL));
    ck_assert_fails(panda_chat_attach(chat, &picture), PANDA_E_UNSUPPORTED,
                    "encoders");
    ck_assert_fails(panda_projector_create(&projector, part),
                    PANDA_E_UNSUPPORTED, "projection");
    panda_chat_destroy(chat);
    panda_model_close(part);

    options = api_options(&files);
    options.decoder = options.tokenizer = NULL;
    ck_assert_ok(panda_model_open(&part, runtime, &options));
    ck_assert_fails(panda_chat_create(&chat, part, NULL), PANDA_E_UNSUPPORTED,
                    "decoder");
    ck_assert_fails(panda_decoder_create(&decoder, part, NULL),
                    PANDA_E_UNSUPPORTED, "decoder");
    panda_model_close(part);
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(prefixes_of_any_length_are_taken)
{
    panda_model_info info = {.struct_size = sizeof info};
    panda_decoder *decoder;
    panda_prefix *prefix;
    float values[3 * 32] = {0};
    panda_runtime *runtime = api_runtime(NULL, 1);
    ck_assert_ok(panda_model_get_info(model, &info));
    ck_assert_uint_eq(info.hidden_dim, 32);
    ck_assert_ok(panda_decoder_create(&decoder, model, NULL));
    ck_assert_ok(panda_prefix_create(&prefix, runtime, values, 3, 32));
    ck_assert_uint_eq(panda_prefix_get_length(prefix), 3);
    ck_assert_ok(panda_decoder_push_prefix(decoder, prefix));
    ck_assert_uint_eq(panda_decoder_get_positions(decoder), 3);
    panda_prefix_unref(prefix);
    ck_assert_ok(panda_prefix_create(&prefix, runtime, values, 6, 16));
    ck_assert_fails(panda_decoder_push_prefix(decoder, prefix), PANDA_E_SHAPE,
                    "16 wide");
    panda_prefix_unref(prefix);
    panda_decoder_destroy(decoder);
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(projection_wants_the_right_output)
{
    panda_encoder *encoder;
    panda_projector *projector;
    panda_prefix *prefix;
    panda_embedding *embedding;
    panda_input picture = api_picture(3);
    panda_encode_options options = {.struct_size = sizeof options,
                                    .output = PANDA_OUTPUT_RAW};
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
    ck_assert_ok(panda_projector_create(&projector, model));
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, &options));
    ck_assert_fails(
        panda_projector_project(&prefix, projector,
                                (const panda_embedding *const *)&embedding, 1),
        PANDA_E_ARGUMENT, "raw");
    panda_embedding_unref(embedding);
    options.output = PANDA_OUTPUT_PANDAGPT;
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, &picture, &options));
    ck_assert_ok(panda_projector_project(
        &prefix, projector, (const panda_embedding *const *)&embedding, 1));
    ck_assert_uint_eq(panda_prefix_get_dim(prefix), 32);
    panda_prefix_unref(prefix);
    panda_embedding_unref(embedding);
    panda_projector_destroy(projector);
    panda_encoder_destroy(encoder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chat_api");
    TCase *tc = tcase_create("chat_api");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_test(tc, sessions_generate_together);
    tcase_add_test(tc, forks_go_on_alike);
    tcase_add_test(tc, decoder_states_and_limits);
    tcase_add_test(tc, the_last_token_needs_no_room);
    tcase_add_test(tc, the_last_token_is_taken_in_when_something_follows);
    tcase_add_test(tc, wrong_generate_options_are_refused);
    tcase_add_test(tc, generate_equals_next_token_and_stops_at_a_string);
    tcase_add_test(tc, a_line_break_stops_behind_the_first_line);
    tcase_add_test(tc, equal_seeds_give_equal_answers);
    tcase_add_test(tc, later_turns_reuse_without_changing_the_answer);
    tcase_add_test(tc, new_media_change_the_prompt_from_the_prefix_on);
    tcase_add_test(tc, a_full_context_leaves_the_conversation_as_it_was);
    tcase_add_test(tc, a_stopped_answer_is_kept_as_far_as_it_came);
    tcase_add_loop_test(tc, lack_of_memory_leaves_the_conversation_as_it_was, 0,
                        4);
    tcase_add_test(tc, parts_that_are_missing_are_named);
    tcase_add_test(tc, prefixes_of_any_length_are_taken);
    tcase_add_test(tc, projection_wants_the_right_output);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
