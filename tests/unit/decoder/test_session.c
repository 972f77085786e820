/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "decoder/llama.h"
#include "reference.h"
#include "support/support.h"

/* More positions than are computed at once, in a context they do not fill. */
enum { COUNT = 300, CONTEXT = 320 };

static struct tiny_llama tiny;
static struct tiny_file file;
static struct pnd_weights *weights;
static struct pnd_llama *llama;
static struct pnd_session *session;
static int32_t tokens[COUNT];
static float logits[512], other_logits[512]; /* (vocab_size) */

/* A session with a decoder of the sizes in `tiny`. */
static void open_tiny(void)
{
    tiny_llama_fill(&file, &tiny);
    ck_assert_ok(
        pnd_weights_open(&weights, test_context(), tiny_file_write(&file)));
    ck_assert_ok(pnd_llama_load(&llama, test_context(), weights, &tiny.config,
                                NULL));
    ck_assert_ok(pnd_session_create(&session, test_context(), llama, CONTEXT,
                                    PND_F32));
}

static void set_up(void)
{
    tiny_llama_init(&tiny);
    tiny.config.kv_heads = 2;
    open_tiny();
    for (int32_t i = 0; i < COUNT; i++)
        tokens[i] = (i * i + 7 * i + 3) % 61;
}

static void tear_down(void)
{
    pnd_session_destroy(session);
    pnd_llama_free(llama);
    pnd_weights_close(weights);
    tiny_file_free(&file);
}

static void keep_logits(float *to)
{
    const float *from = pnd_session_get_logits(session);
    ck_assert_ptr_nonnull(from);
    memcpy(to, from, tiny.config.vocab_size * sizeof *to);
}

/* What `session` has after tokens[0..count) must be `expected`, to the bit. */
static void assert_logits_equal(const float *expected)
{
    const float *found = pnd_session_get_logits(session);
    ck_assert_ptr_nonnull(found);
    ck_assert_mem_eq(found, expected,
                     tiny.config.vocab_size * sizeof *expected);
}

START_TEST(an_empty_session_has_no_logits)
{
    ck_assert_uint_eq(pnd_session_get_positions(session), 0);
    ck_assert_uint_eq(pnd_session_get_context(session), CONTEXT);
    ck_assert_ptr_null(pnd_session_get_logits(session));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 0, NULL));
    ck_assert_ptr_null(pnd_session_get_logits(session));
    ck_assert_uint_eq(pnd_session_get_cache_bytes(session), 0);
    ck_assert_uint_gt(pnd_session_get_scratch_bytes(session), 0);
}
END_TEST

struct inputs {
    uint32_t calls[PND_INPUT_OUTPUT + 1]; /* positions seen */
    float last[32]; /* (hidden) of PND_INPUT_OUTPUT, last position */
};

static void take_input(enum pnd_llama_input input, uint32_t layer,
                       uint32_t rows, uint32_t width, const float *x,
                       void *user)
{
    struct inputs *seen = user;
    const struct pnd_llama_config *c = &tiny.config;
    const uint32_t widths[] = {c->hidden, c->heads * c->head_dim, c->hidden,
                               c->intermediate, c->hidden};
    ck_assert_uint_eq(width, widths[input]);
    ck_assert_uint_lt(layer, c->layers);
    for (size_t i = 0; i < (size_t)rows * width; i++)
        ck_assert_float_finite(x[i]);
    seen->calls[input] += rows;
    if (input == PND_INPUT_OUTPUT)
        memcpy(seen->last, x + (size_t)(rows - 1) * width,
               width * sizeof *x);
}

/* Every position of every layer, and what is seen gives the logits. */
START_TEST(inputs_of_matrices_are_shown)
{
    struct inputs seen = {{0}};
    const struct pnd_llama_config *c = &tiny.config;
    ck_assert_uint_eq(c->hidden, 32);
    pnd_session_set_inputs(session, take_input, &seen);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    for (int i = 0; i < PND_INPUT_OUTPUT; i++)
        ck_assert_uint_eq(seen.calls[i], COUNT * c->layers);
    ck_assert_uint_eq(seen.calls[PND_INPUT_OUTPUT], COUNT);
    keep_logits(logits);
    const float *w = tiny_file_find(&file, "lm_head.weight")->values;
    for (uint32_t v = 0; v < c->vocab_size; v++) {
        double sum = 0;
        for (uint32_t i = 0; i < c->hidden; i++)
            sum += (double)w[v * c->hidden + i] * (double)seen.last[i];
        ck_assert_double_eq_tol(sum, (double)logits[v], 1e-4);
    }
    pnd_session_set_inputs(session, NULL, NULL);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 1, NULL));
    ck_assert_uint_eq(seen.calls[PND_INPUT_OUTPUT], COUNT);
}
END_TEST

START_TEST(long_prompts_equal_the_reference)
{
    struct reference r = {.tiny = &tiny, .weights = &file};
    struct reference_result expected = reference_run(&r, tokens, NULL, COUNT);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    for (uint32_t n = COUNT; n > 0; n -= 50) {
        pnd_session_truncate(session, n);
        test_assert_close("logits", pnd_session_get_logits(session),
                          expected.logits +
                              (size_t)(n - 1) * tiny.config.vocab_size,
                          tiny.config.vocab_size, 1e-4);
    }
    reference_free(&expected);
}
END_TEST

START_TEST(all_positions_have_logits)
{
    const size_t vocab = tiny.config.vocab_size;
    struct reference r = {.tiny = &tiny, .weights = &file};
    struct reference_result expected = reference_run(&r, tokens, NULL, COUNT);
    float *found = malloc(COUNT * vocab * sizeof *found);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    ck_assert_ok(pnd_session_read_logits(session, 0, COUNT, found, NULL));
    test_assert_close("all logits", found, expected.logits, COUNT * vocab,
                      1e-4);
    keep_logits(logits);
    ck_assert_ok(pnd_session_read_logits(session, 200, 2, found, NULL));
    test_assert_close("two of them", found, expected.logits + 200 * vocab,
                      2 * vocab, 1e-4);
    assert_logits_equal(logits); /* the last ones stay */
    atomic_int cancelled = 1;
    struct pnd_watch watch = {.cancelled = &cancelled};
    ck_assert_fails(pnd_session_read_logits(session, 0, COUNT, found, &watch),
                    PANDA_E_CANCELLED, "cancelled");
    free(found);
    reference_free(&expected);
}
END_TEST

START_TEST(one_by_one_equals_all_at_once)
{
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    ck_assert_uint_eq(pnd_session_get_positions(session), COUNT);
    keep_logits(logits);
    pnd_session_truncate(session, 0);
    ck_assert_ptr_null(pnd_session_get_logits(session));
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_ok(pnd_session_push_tokens(session, tokens + i, 1, NULL));
    keep_logits(other_logits);
    test_assert_close("logits", other_logits, logits, tiny.config.vocab_size,
                      1e-4);
}
END_TEST

START_TEST(vectors_equal_the_tokens_they_belong_to)
{
    const uint32_t hidden = tiny.config.hidden;
    const float *table =
        tiny_file_find(&file, "model.embed_tokens.weight")->values;
    float *vectors = malloc(COUNT * hidden * sizeof *vectors);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(vectors + i * hidden, table + (size_t)tokens[i] * hidden,
               hidden * sizeof *vectors);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    keep_logits(logits);
    pnd_session_truncate(session, 0);
    ck_assert_ok(pnd_session_push_vectors(session, vectors, COUNT, NULL));
    assert_logits_equal(logits);
    free(vectors);
}
END_TEST

START_TEST(truncation_goes_back_in_time)
{
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 40, NULL));
    keep_logits(logits);
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 100, 9, NULL));
    keep_logits(other_logits);
    pnd_session_truncate(session, 40);
    assert_logits_equal(logits);
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 150, 9, NULL));
    ck_assert_mem_ne(pnd_session_get_logits(session), other_logits,
                     tiny.config.vocab_size * sizeof *logits);
    pnd_session_truncate(session, 40);
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 100, 9, NULL));
    assert_logits_equal(other_logits);
    pnd_session_truncate(session, 1000);
    ck_assert_uint_eq(pnd_session_get_positions(session), 49);
    assert_logits_equal(other_logits);
}
END_TEST

START_TEST(a_full_context_is_told_with_both_numbers)
{
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, NULL));
    keep_logits(logits);
    ck_assert_fails(pnd_session_push_tokens(session, tokens, 21, NULL),
                    PANDA_E_CONTEXT_FULL,
                    "21 more positions do not fit: 300 of 320");
    ck_assert_fails(pnd_session_push_vectors(session, logits, SIZE_MAX, NULL),
                    PANDA_E_CONTEXT_FULL, "300 of 320");
    ck_assert_uint_eq(pnd_session_get_positions(session), COUNT);
    assert_logits_equal(logits);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 20, NULL));
    ck_assert_fails(pnd_session_push_tokens(session, tokens, 1, NULL),
                    PANDA_E_CONTEXT_FULL, "320 of 320");
}
END_TEST

START_TEST(tokens_outside_the_vocabulary_are_refused)
{
    const int32_t bad[] = {4, -1}, high[] = {61};
    ck_assert_fails(pnd_session_push_tokens(session, bad, 2, NULL),
                    PANDA_E_ARGUMENT, "token -1 is not");
    ck_assert_fails(pnd_session_push_tokens(session, high, 1, NULL),
                    PANDA_E_ARGUMENT, "vocabulary of 61");
    ck_assert_uint_eq(pnd_session_get_positions(session), 0);
}
END_TEST

START_TEST(an_empty_context_is_refused)
{
    struct pnd_session *other = session;
    ck_assert_fails(pnd_session_create(&other, test_context(), llama, 0,
                                       PND_F32),
                    PANDA_E_ARGUMENT, "0 positions");
    ck_assert_ptr_null(other);
}
END_TEST

struct stop_after {
    int calls_left;
    double last;
};

static int32_t stop_or_go_on(double fraction, void *user)
{
    struct stop_after *s = user;
    ck_assert_double_ge(fraction, s->last);
    ck_assert_double_le(fraction, 1);
    s->last = fraction;
    return s->calls_left-- == 0;
}

START_TEST(progress_reaches_the_end)
{
    struct stop_after never = {1000, 0};
    struct pnd_watch watch = {.progress = stop_or_go_on,
                              .progress_user = &never};
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT, &watch));
    ck_assert_double_eq(never.last, 1);
    /* Two layers of two chunks, and the end. */
    ck_assert_int_eq(never.calls_left, 1000 - 5);
}
END_TEST

/* Stopped anywhere, the session is as before and can go on. */
START_TEST(a_stopped_push_changes_nothing)
{
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 7, NULL));
    keep_logits(logits);
    for (int calls = 0; calls < 5; calls++) {
        struct stop_after some = {calls, 0};
        struct pnd_watch watch = {.progress = stop_or_go_on,
                                  .progress_user = &some};
        ck_assert_fails(pnd_session_push_tokens(session, tokens, COUNT, &watch),
                        PANDA_E_CALLBACK, "callback");
        ck_assert_uint_eq(pnd_session_get_positions(session), 7);
        assert_logits_equal(logits);
    }
    atomic_int cancelled = 1;
    struct pnd_watch watch = {.cancelled = &cancelled};
    ck_assert_fails(pnd_session_push_tokens(session, tokens, 1, &watch),
                    PANDA_E_CANCELLED, "cancelled");
    atomic_store(&cancelled, 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 7, 9, &watch));
    keep_logits(logits);
    pnd_session_truncate(session, 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 7, NULL));
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 7, 9, NULL));
    assert_logits_equal(logits);
}
END_TEST

/* Prefill and steps on `threads` threads; the logits of both, to the bit. */
static void run_on_threads(uint32_t threads, float *prefill, float *steps)
{
    struct pnd_context ctx = *test_context();
    struct pnd_llama *own = NULL;
    ck_assert_ok(pnd_pool_create(&ctx.pool, &ctx.alloc, threads, NULL, NULL));
    ck_assert_ok(pnd_llama_load(&own, &ctx, weights, &tiny.config, NULL));
    pnd_session_destroy(session);
    ck_assert_ok(pnd_session_create(&session, &ctx, own, CONTEXT, PND_F32));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, COUNT - 5, NULL));
    keep_logits(prefill);
    for (size_t i = COUNT - 5; i < COUNT; i++)
        ck_assert_ok(pnd_session_push_tokens(session, tokens + i, 1, NULL));
    keep_logits(steps);
    pnd_session_destroy(session);
    session = NULL;
    pnd_llama_free(own);
    pnd_pool_destroy(ctx.pool);
}

/* Sizes that give every operation several pieces. */
START_TEST(threads_do_not_change_results)
{
    static float prefill[512], steps[512];
    tear_down();
    tiny.config.hidden = 272;
    tiny.config.head_dim = 68;
    tiny.config.intermediate = 700;
    tiny.config.vocab_size = 500;
    tiny.dtype = PND_F16;
    open_tiny();
    run_on_threads(1, logits, other_logits);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        run_on_threads(threads, prefill, steps);
        ck_assert_mem_eq(prefill, logits, 500 * sizeof *logits);
        ck_assert_mem_eq(steps, other_logits, 500 * sizeof *logits);
    }
}
END_TEST

static void use_allocator(struct pnd_context *ctx, struct test_alloc *counter)
{
    test_alloc_init(counter);
    *ctx = *test_context();
    ctx->alloc = counter->alloc;
    pnd_session_destroy(session);
    session = NULL;
}

/* A 4096 context must not cost its memory before it is used, and a step takes
 * none. */
START_TEST(memory_follows_the_positions_in_use)
{
    struct pnd_context ctx;
    struct test_alloc counter;
    use_allocator(&ctx, &counter);
    ck_assert_ok(pnd_session_create(&session, &ctx, llama, 4096, PND_F32));
    ck_assert_uint_eq(pnd_session_get_cache_bytes(session), 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 100, NULL));
    /* 128 rows of keys and values of 16 in 2 layers, and of 32. */
    ck_assert_uint_eq(pnd_session_get_cache_bytes(session),
                      128 * (2 * 2 * 16 + 32) * sizeof(float));
    long before = atomic_load(&counter.count);
    for (size_t i = 0; i < 28; i++) {
        ck_assert_ok(pnd_session_push_tokens(session, tokens + i, 1, NULL));
        pnd_session_get_logits(session);
    }
    ck_assert_int_eq(atomic_load(&counter.count), before);
    pnd_session_destroy(session);
    session = NULL;
    ck_assert_int_eq(atomic_load(&counter.live), 0);
}
END_TEST

START_TEST(creation_survives_any_failing_allocation)
{
    struct pnd_context ctx;
    struct test_alloc counter;
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        use_allocator(&ctx, &counter);
        counter.fail_at = n;
        status = pnd_session_create(&session, &ctx, llama, CONTEXT, PND_F32);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
        pnd_session_destroy(session);
        session = NULL;
        ck_assert_int_eq(atomic_load(&counter.live), 0);
        ck_assert_int_lt(n, 100);
    }
}
END_TEST

START_TEST(a_push_without_memory_leaves_the_session_usable)
{
    struct pnd_context ctx;
    struct test_alloc counter;
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 40, NULL));
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 40, 200, NULL));
    keep_logits(other_logits);
    use_allocator(&ctx, &counter);
    ck_assert_ok(pnd_session_create(&session, &ctx, llama, CONTEXT, PND_F32));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 40, NULL));
    keep_logits(logits);
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        counter.fail_at = atomic_load(&counter.count) + n;
        status = pnd_session_push_tokens(session, tokens + 40, 200, NULL);
        counter.fail_at = 0;
        if (status == PANDA_OK)
            break;
        ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_uint_eq(pnd_session_get_positions(session), 40);
        assert_logits_equal(logits);
        ck_assert_int_lt(n, 100);
    }
    assert_logits_equal(other_logits);
    pnd_session_destroy(session);
    session = NULL;
    ck_assert_int_eq(atomic_load(&counter.live), 0);
}
END_TEST

/* Half the memory, nearly the same numbers; in one push or many. */
START_TEST(keys_and_values_of_16_bits)
{
    struct pnd_session *halves;
    ck_assert_ok(pnd_session_create(&halves, test_context(), llama, CONTEXT,
                                    PND_F16));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 40, NULL));
    ck_assert_ok(pnd_session_push_tokens(halves, tokens, 30, NULL));
    for (size_t i = 30; i < 40; i++)
        ck_assert_ok(pnd_session_push_tokens(halves, tokens + i, 1, NULL));
    keep_logits(logits);
    const float *found = pnd_session_get_logits(halves);
    test_assert_close("logits", found, logits, tiny.config.vocab_size, 5e-3);
    ck_assert(memcmp(found, logits, sizeof *logits) != 0);
    const uint64_t final = 64 * tiny.config.hidden * sizeof(float);
    ck_assert_uint_eq(pnd_session_get_cache_bytes(session) - final,
                      2 * (pnd_session_get_cache_bytes(halves) - final));
    pnd_session_destroy(halves);
}
END_TEST

/* Sessions of different lengths and caches, one token each: as one after the
 * other, but for the order of sums. */
START_TEST(a_batch_equals_single_pushes)
{
    enum { SESSIONS = 3 };
    static const size_t lengths[SESSIONS] = {5, 30, 17};
    struct pnd_session *alone[SESSIONS];
    struct pnd_session_token batch[SESSIONS] = {0};
    for (size_t i = 0; i < SESSIONS; i++) {
        const enum pnd_dtype kv = i == 1 ? PND_F16 : PND_F32;
        struct pnd_session **both[] = {&alone[i], &batch[i].session};
        for (size_t j = 0; j < 2; j++) {
            ck_assert_ok(pnd_session_create(both[j], test_context(), llama,
                                            CONTEXT, kv));
            ck_assert_ok(
                pnd_session_push_tokens(*both[j], tokens, lengths[i], NULL));
        }
    }
    for (size_t step = 0; step < 4; step++) {
        for (size_t i = 0; i < SESSIONS; i++) {
            batch[i].token = tokens[40 + 7 * i + step];
            ck_assert_ok(pnd_session_push_tokens(alone[i], &batch[i].token, 1,
                                                 NULL));
        }
        ck_assert_ok(pnd_session_push_batch(batch, SESSIONS));
        for (size_t i = 0; i < SESSIONS; i++)
            test_assert_close("logits",
                              pnd_session_get_logits(batch[i].session),
                              pnd_session_get_logits(alone[i]),
                              tiny.config.vocab_size, 1e-4);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        ck_assert_uint_eq(pnd_session_get_positions(batch[i].session),
                          lengths[i] + 4);
        pnd_session_destroy(alone[i]);
        pnd_session_destroy(batch[i].session);
    }
}
END_TEST

/* One that is full, or cancelled: none moves. */
START_TEST(a_batch_moves_all_or_none)
{
    struct pnd_session *small;
    atomic_int cancelled = 0;
    ck_assert_ok(pnd_session_create(&small, test_context(), llama, 2,
                                    PND_F32));
    ck_assert_ok(pnd_session_push_tokens(small, tokens, 2, NULL));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 3, NULL));
    struct pnd_session_token batch[] = {{session, 1, {NULL}},
                                        {small, 2, {.cancelled = &cancelled}}};
    ck_assert_fails(pnd_session_push_batch(batch, 2), PANDA_E_CONTEXT_FULL,
                    "2 of 2");
    ck_assert_uint_eq(pnd_session_get_positions(session), 3);
    pnd_session_truncate(small, 1);
    atomic_store(&cancelled, 1);
    ck_assert_int_eq(pnd_session_push_batch(batch, 2), PANDA_E_CANCELLED);
    ck_assert_uint_eq(pnd_session_get_positions(session), 3);
    ck_assert_uint_eq(pnd_session_get_positions(small), 1);
    atomic_store(&cancelled, 0);
    ck_assert_ok(pnd_session_push_batch(batch, 2));
    ck_assert_uint_eq(pnd_session_get_positions(small), 2);
    pnd_session_destroy(small);
}
END_TEST

START_TEST(sessions_share_weights)
{
    struct pnd_session *second;
    ck_assert_ok(pnd_session_create(&second, test_context(), llama, 16,
                                    PND_F32));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 9, NULL));
    ck_assert_ok(pnd_session_push_tokens(second, tokens + 50, 9, NULL));
    keep_logits(logits);
    ck_assert_ok(pnd_session_push_tokens(second, tokens, 1, NULL));
    assert_logits_equal(logits);
    pnd_session_destroy(second);
}
END_TEST

/* A fork goes on as the first does, and neither moves the other. */
START_TEST(a_fork_goes_on_alone)
{
    struct pnd_session *fork, *empty;
    ck_assert_ok(pnd_session_fork(&empty, session));
    ck_assert_uint_eq(pnd_session_get_positions(empty), 0);
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 30, NULL));
    ck_assert_ok(pnd_session_fork(&fork, session));
    ck_assert_uint_eq(pnd_session_get_positions(fork), 30);
    ck_assert_uint_eq(pnd_session_get_context(fork), CONTEXT);
    keep_logits(logits);
    ck_assert_mem_eq(pnd_session_get_logits(fork), logits,
                     tiny.config.vocab_size * sizeof *logits);
    ck_assert_ok(pnd_session_push_tokens(session, tokens + 30, 10, NULL));
    keep_logits(logits);
    ck_assert_ok(pnd_session_push_tokens(fork, tokens + 50, 3, NULL));
    assert_logits_equal(logits);
    pnd_session_truncate(fork, 30);
    ck_assert_ok(pnd_session_push_tokens(fork, tokens + 30, 10, NULL));
    pnd_session_destroy(session);
    session = fork;
    assert_logits_equal(logits);
    pnd_session_destroy(empty);
}
END_TEST

START_TEST(forking_survives_any_failing_allocation)
{
    struct pnd_context ctx;
    struct test_alloc counter;
    struct pnd_session *fork;
    panda_status status = PANDA_E_MEMORY;
    use_allocator(&ctx, &counter);
    ck_assert_ok(pnd_session_create(&session, &ctx, llama, CONTEXT, PND_F32));
    ck_assert_ok(pnd_session_push_tokens(session, tokens, 30, NULL));
    const long live = atomic_load(&counter.live);
    for (long n = 1; status != PANDA_OK; n++) {
        counter.fail_at = atomic_load(&counter.count) + n;
        status = pnd_session_fork(&fork, session);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
        pnd_session_destroy(fork);
        ck_assert_int_eq(atomic_load(&counter.live), live);
        ck_assert_int_lt(n, 100);
    }
    pnd_session_destroy(session);
    session = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_empty_session_has_no_logits);
    tcase_add_test(tc, long_prompts_equal_the_reference);
    tcase_add_test(tc, inputs_of_matrices_are_shown);
    tcase_add_test(tc, all_positions_have_logits);
    tcase_add_test(tc, one_by_one_equals_all_at_once);
    tcase_add_test(tc, vectors_equal_the_tokens_they_belong_to);
    tcase_add_test(tc, truncation_goes_back_in_time);
    tcase_add_test(tc, a_full_context_is_told_with_both_numbers);
    tcase_add_test(tc, tokens_outside_the_vocabulary_are_refused);
    tcase_add_test(tc, an_empty_context_is_refused);
    tcase_add_test(tc, progress_reaches_the_end);
    tcase_add_test(tc, a_stopped_push_changes_nothing);
    tcase_add_test(tc, threads_do_not_change_results);
    tcase_add_test(tc, memory_follows_the_positions_in_use);
    tcase_add_test(tc, creation_survives_any_failing_allocation);
    tcase_add_test(tc, a_push_without_memory_leaves_the_session_usable);
    tcase_add_test(tc, keys_and_values_of_16_bits);
    tcase_add_test(tc, a_batch_equals_single_pushes);
    tcase_add_test(tc, a_batch_moves_all_or_none);
    tcase_add_test(tc, sessions_share_weights);
    tcase_add_test(tc, a_fork_goes_on_alone);
    tcase_add_test(tc, forking_survives_any_failing_allocation);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
