/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/importance.h"
#include "convert/importance_file.h"
#include "support/tiny_llama.h"

enum { COUNT = 70, CONTEXT = 32 };

static struct tiny_llama tiny;
static struct tiny_file file;
static struct pnd_weights *weights;
static struct pnd_llama *llama;
static struct pnd_arena arena;
static int32_t tokens[COUNT];
static char path[256];

static void set_up(void)
{
    tiny_llama_init(&tiny);
    tiny_llama_fill(&file, &tiny);
    ck_assert_ok(
        pnd_weights_open(&weights, test_context(), tiny_file_write(&file)));
    ck_assert_ok(pnd_llama_load(&llama, test_context(), weights, &tiny.config,
                                NULL));
    for (int32_t i = 0; i < COUNT; i++)
        tokens[i] = (i * i + 7 * i + 3) % 61;
    pnd_arena_init(&arena, &test_context()->alloc);
    snprintf(path, sizeof path, "%s", test_write_temp(".gguf", "x", 1));
}

static void tear_down(void)
{
    pnd_arena_free(&arena);
    pnd_llama_free(llama);
    pnd_weights_close(weights);
    tiny_file_free(&file);
    unlink(path);
}

struct seen {
    double squares[32];
    uint32_t rows;
};

static void take_input(enum pnd_llama_input input, uint32_t layer,
                       uint32_t rows, uint32_t width, const float *x,
                       void *user)
{
    struct seen *s = user;
    if (input != PND_INPUT_QKV || layer != 1)
        return;
    ck_assert_uint_eq(width, 32);
    for (uint32_t i = 0; i < rows * width; i++)
        s->squares[i % width] += (double)x[i] * (double)x[i];
    s->rows += rows;
}

/* What is in the file is the mean over all pieces, each with its BOS. */
START_TEST(means_are_those_of_the_inputs)
{
    struct seen seen = {{0}, 0};
    struct pnd_session *session;
    struct pnd_importance *w;
    const int32_t bos = 1;
    const float *q, *k, *output;
    ck_assert_ok(pnd_importance_measure(test_context(), llama, tokens, COUNT,
                                        bos, CONTEXT, path, NULL));
    ck_assert_ok(pnd_session_create(&session, test_context(), llama, CONTEXT,
                                    PND_F32));
    pnd_session_set_inputs(session, take_input, &seen);
    for (size_t i = 0; i < COUNT; i += CONTEXT - 1) {
        size_t left = COUNT - i < CONTEXT - 1 ? COUNT - i : CONTEXT - 1;
        pnd_session_truncate(session, 0);
        ck_assert_ok(pnd_session_push_tokens(session, &bos, 1, NULL));
        ck_assert_ok(pnd_session_push_tokens(session, tokens + i, left, NULL));
    }
    pnd_session_destroy(session);
    ck_assert_uint_eq(seen.rows, COUNT + 3);

    ck_assert_ok(pnd_importance_open(&w, test_context(), path));
    ck_assert_ok(pnd_importance_read(&q, w, &arena, "blk.1.attn_q.weight", 32));
    ck_assert_ok(pnd_importance_read(&k, w, &arena, "blk.1.attn_k.weight", 32));
    ck_assert_ptr_nonnull(q);
    ck_assert_mem_eq(q, k, 32 * sizeof *q);
    for (int i = 0; i < 32; i++)
        ck_assert_double_eq_tol((double)q[i], seen.squares[i] / seen.rows,
                                1e-5 * seen.squares[i]);
    ck_assert_ok(pnd_importance_read(&output, w, &arena, "output.weight", 32));
    ck_assert_ptr_nonnull(output);
    ck_assert_ok(pnd_importance_read(&output, w, &arena, "no.weight", 32));
    ck_assert_ptr_null(output);
    ck_assert_fails(
        pnd_importance_read(&q, w, &arena, "blk.1.attn_q.weight", 64),
        PANDA_E_FORMAT, "attn_q.weight.in_sum2 has 32 numbers of type f32, "
                        "expected 64");
    pnd_importance_close(w);
}
END_TEST

static int32_t stop(double fraction, void *user)
{
    (void)user;
    return fraction > 0.3;
}

START_TEST(nothing_is_left_of_what_was_stopped)
{
    struct pnd_watch watch = {.progress = stop};
    unlink(path);
    ck_assert_int_eq(pnd_importance_measure(test_context(), llama, tokens,
                                            COUNT, 1, CONTEXT, path, &watch),
                     PANDA_E_CALLBACK);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_fails(pnd_importance_measure(test_context(), llama, tokens, 0, 1,
                                           CONTEXT, path, NULL),
                    PANDA_E_ARGUMENT, "0 tokens");
}
END_TEST

/* Every allocation fails once: an error, no file, no leak. */
START_TEST(lack_of_memory)
{
    struct test_alloc alloc;
    struct pnd_context ctx = *test_context();
    test_alloc_init(&alloc);
    ctx.alloc = alloc.alloc;
    unlink(path);
    for (long i = 1;; i++) {
        atomic_store(&alloc.count, 0);
        alloc.fail_at = i;
        panda_status status = pnd_importance_measure(
            &ctx, llama, tokens, 8, -1, CONTEXT, path, NULL);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        if (status == PANDA_OK)
            break;
        ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_int_ne(access(path, F_OK), 0);
        ck_assert_int_lt(i, 500);
    }
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("importance");
    TCase *c = tcase_create("importance");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, means_are_those_of_the_inputs);
    tcase_add_test(c, nothing_is_left_of_what_was_stopped);
    tcase_add_test(c, lack_of_memory);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
