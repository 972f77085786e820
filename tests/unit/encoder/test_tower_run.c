/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/tower.h"
#include "naive_tower.h"
#include "support/support.h"
#include "support/tiny_imagebind.h"

#define VOCABULARY 100

/* f32 against doubles, for outputs of about 1. */
#define TOLERANCE 2e-5

struct fixture {
    struct pnd_weights *weights;
    struct pnd_tower *tower;
    const struct pnd_tower_dims *dims;
    struct pnd_workspace ws;
    enum pnd_tower_id id;
};

static void open_tower(struct fixture *f, enum pnd_tower_id id,
                       enum pnd_dtype dtype)
{
    struct tiny_imagebind m;
    tiny_imagebind_init(&m);
    m.towers = 1u << id;
    m.vocabulary = VOCABULARY;
    m.image_size = id == PND_TOWER_VISION ? 42 : 48;
    m.dtype = dtype;
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    *f = (struct fixture){.id = id, .ws.ctx = test_context()};
    ck_assert_ok(pnd_weights_open(&f->weights, test_context(),
                                  tiny_imagebind_write(&m)));
    ck_assert_ok(pnd_tower_load(&f->tower, test_context(), f->weights, &config,
                                id, PANDA_PRECISION_EXACT));
    f->dims = pnd_tower_get_dims(f->tower);
}

static void close_tower(struct fixture *f)
{
    pnd_workspace_free(&f->ws);
    pnd_tower_free(f->tower);
    pnd_weights_close(f->weights);
}

/* Values of one item. */
static size_t get_size(const struct fixture *f, uint32_t frames)
{
    size_t size = 1;
    for (uint32_t i = 0; i < f->dims->rank; i++)
        size *= f->dims->rank == 4 && i == 1 ? frames : f->dims->shape[i];
    return size;
}

/* Items of noise; texts of 1, 8, 15... words before their end, cut at 77. */
static void *make_input(const struct fixture *f, uint32_t items,
                        uint32_t frames)
{
    const size_t size = get_size(f, frames);
    float *values = malloc(items * size * sizeof *values);
    int32_t *ids = (int32_t *)values;
    uint32_t state = 12345;
    for (size_t i = 0; i < items * size; i++) {
        size_t word = i % size, end = i / size * 7 + 2;
        state = state * 1664525 + 1013904223;
        if (f->dims->token_ids)
            ids[i] = word < end    ? (int32_t)(state >> 8) % (VOCABULARY - 1)
                     : word == end ? VOCABULARY - 1
                                   : 0;
        else
            values[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    return values;
}

static float *run(struct fixture *f, uint32_t items, uint32_t frames,
                  const void *input, const struct pnd_trace *trace)
{
    size_t count = (size_t)items * f->dims->embedding_dim;
    float *raw = malloc(count * sizeof *raw);
    ck_assert_ok(pnd_tower_run(f->tower, &f->ws, items, frames, input, raw,
                               NULL, trace));
    return raw;
}

static void ignore_stage(const char *stage, const float *values,
                         const int64_t *shape, uint32_t rank, void *user)
{
    (void)stage;
    (void)values;
    (void)shape;
    (void)rank;
    (void)user;
}

static void check_against_naive(struct fixture *f, uint32_t frames,
                                const void *input)
{
    const size_t dim = f->dims->embedding_dim;
    float *raw = run(f, 1, frames, input, NULL);
    float *naive = malloc(dim * sizeof *naive);
    double largest = 0;
    naive_tower_run(f->weights, f->dims, f->id, frames, input, naive);
    test_assert_close("raw", raw, naive, dim, TOLERANCE);
    for (size_t i = 0; i < dim; i++)
        largest = fmax(largest, fabs((double)raw[i]));
    ck_assert_double_gt(largest, 0.05); /* not vacuous */
    free(raw);
    free(naive);
}

START_TEST(test_against_naive)
{
    static const enum pnd_dtype dtypes[] = {PND_F32, PND_F16, PND_BF16};
    struct fixture f;
    open_tower(&f, (enum pnd_tower_id)(_i / 3), dtypes[_i % 3]);
    for (uint32_t frames = 1; frames <= (f.dims->rank == 4 ? 2 : 1);
         frames++) {
        float *input = make_input(&f, 1, frames);
        check_against_naive(&f, frames, input);
        /* So quiet that the epsilon of the stem's LayerNorm counts. */
        for (size_t i = 0; !f.dims->token_ids && i < get_size(&f, frames); i++)
            input[i] *= 0x1p-9f;
        check_against_naive(&f, frames, input);
        free(input);
    }
    close_tower(&f);
}
END_TEST

START_TEST(test_batch)
{
    /* More than one group's worth of texts and pictures. */
    const uint32_t items = 30;
    struct fixture f;
    open_tower(&f, (enum pnd_tower_id)_i, PND_F32);
    const size_t dim = f.dims->embedding_dim, size = get_size(&f, 1);
    float *input = make_input(&f, items, 1);
    float *together = run(&f, items, 1, input, NULL);
    for (uint32_t i = 0; i < items; i += 7) {
        float *alone = run(&f, 1, 1, input + i * size, NULL);
        test_assert_close("item", together + i * dim, alone, dim, TOLERANCE);
        free(alone);
    }
    ck_assert_double_gt(test_max_difference(together, together + dim, dim),
                        1e-4);
    free(input);
    free(together);
    close_tower(&f);
}
END_TEST

START_TEST(test_savings)
{
    /* With a trace nothing is left out: all tokens, all of the last block. */
    const struct pnd_trace trace = {ignore_stage, NULL};
    const uint32_t items = 5;
    struct fixture f;
    open_tower(&f, (enum pnd_tower_id)_i, PND_F32);
    void *input = make_input(&f, items, 1);
    float *saved = run(&f, items, 1, input, NULL);
    float *full = run(&f, items, 1, input, &trace);
    test_assert_close("raw", saved, full, items * f.dims->embedding_dim,
                      TOLERANCE);
    free(input);
    free(saved);
    free(full);
    close_tower(&f);
}
END_TEST

START_TEST(test_threads)
{
    struct fixture f;
    open_tower(&f, (enum pnd_tower_id)_i, PND_F16);
    const uint32_t items = 3;
    const size_t count = items * f.dims->embedding_dim;
    void *input = make_input(&f, items, 1);
    float *first = NULL;
    for (uint32_t threads = 1; threads <= 5; threads += 2) {
        struct pnd_context ctx = *test_context();
        ck_assert_ok(pnd_pool_create(&ctx.pool, &ctx.alloc, threads, NULL,
                                     NULL));
        f.ws.ctx = &ctx;
        float *raw = run(&f, items, 1, input, NULL);
        if (first)
            ck_assert_mem_eq(raw, first, count * sizeof *raw);
        if (first)
            free(raw);
        else
            first = raw;
        pnd_workspace_free(&f.ws);
        pnd_pool_destroy(ctx.pool);
    }
    free(first);
    free(input);
    close_tower(&f);
}
END_TEST

START_TEST(test_frames)
{
    struct fixture f;
    open_tower(&f, PND_TOWER_VISION, PND_F32);
    const size_t area = 42 * 42, dim = f.dims->embedding_dim;
    float *still = make_input(&f, 1, 1), *twice = make_input(&f, 1, 2), raw[40];
    for (size_t plane = 0; plane < 6; plane++)
        memcpy(twice + plane * area, still + plane / 2 * area,
               area * sizeof *twice);
    float *a = run(&f, 1, 1, still, NULL), *b = run(&f, 1, 2, twice, NULL);
    test_assert_close("two equal frames", b, a, dim, TOLERANCE);
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, 1, 3, twice, raw, NULL, NULL),
                    PANDA_E_ARGUMENT, "3 frames");
    free(still);
    free(twice);
    free(a);
    free(b);
    close_tower(&f);
}
END_TEST

START_TEST(test_words)
{
    struct fixture f;
    open_tower(&f, PND_TOWER_TEXT, PND_F32);
    int32_t ids[2 * 77] = {0};
    float raw[80], first[80];
    /* The largest id comes twice: its first place counts, what follows it
     * does not. */
    ids[0] = 7;
    ids[1] = ids[2] = 50;
    ids[77] = 7;
    ids[78] = 50;
    ids[79] = 3;
    ck_assert_ok(pnd_tower_run(f.tower, &f.ws, 2, 1, ids, raw, NULL, NULL));
    test_assert_close("texts", raw, raw + 40, 40, TOLERANCE);
    memset(ids, 0, sizeof ids); /* nothing but padding: the first token */
    ck_assert_ok(pnd_tower_run(f.tower, &f.ws, 1, 1, ids, first, NULL, NULL));
    ck_assert_double_gt(test_max_difference(raw, first, 40), 1e-3);
    ids[77 + 5] = VOCABULARY;
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, 2, 1, ids, raw, NULL, NULL),
                    PANDA_E_ARGUMENT, "token 5 of text 1 has id 100");
    ids[77 + 5] = -1;
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, 2, 1, ids, raw, NULL, NULL),
                    PANDA_E_ARGUMENT, "id -1");
    close_tower(&f);
}
END_TEST

struct stages {
    const struct pnd_tower_dims *dims;
    uint32_t items, seen;
    char names[32][24];
};

static void note_stage(const char *stage, const float *values,
                       const int64_t *shape, uint32_t rank, void *user)
{
    struct stages *s = user;
    bool tokens = strcmp(stage, "pooled") != 0 && strcmp(stage, "head") != 0;
    ck_assert_uint_eq(rank, tokens ? 3 : 2);
    ck_assert_int_eq(shape[0], s->items);
    ck_assert_int_eq(shape[1], tokens ? s->dims->tokens :
                               strcmp(stage, "head") == 0
                                   ? s->dims->embedding_dim
                                   : s->dims->width);
    if (tokens)
        ck_assert_int_eq(shape[2], s->dims->width);
    size_t count = (size_t)(shape[0] * shape[1] * (tokens ? shape[2] : 1));
    double sum = 0; /* one bad value spoils it */
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    ck_assert_double_finite(sum);
    ck_assert_uint_lt(s->seen, 32);
    snprintf(s->names[s->seen++], sizeof s->names[0], "%s", stage);
}

START_TEST(test_trace)
{
    static const char *const steps[] = {".norm_1", ".attn", ".norm_2", ".mlp",
                                        ""};
    struct fixture f;
    open_tower(&f, (enum pnd_tower_id)_i, PND_F32);
    /* Told together, though more than a group. */
    struct stages s = {.dims = f.dims, .items = 30};
    const struct pnd_trace trace = {note_stage, &s};
    void *input = make_input(&f, s.items, 1);
    free(run(&f, s.items, 1, input, &trace));
    uint32_t at = 0;
    ck_assert_str_eq(s.names[at++], "patches");
    if (f.id == PND_TOWER_VISION)
        ck_assert_str_eq(s.names[at++], "pre_norm");
    for (uint32_t block = 0; block < f.dims->blocks; block++) {
        for (int i = 0; i < 5; i++) {
            char name[24];
            snprintf(name, sizeof name, "block.%u%s", block, steps[i]);
            ck_assert_str_eq(s.names[at++], name);
        }
    }
    ck_assert_str_eq(s.names[at++], "pooled");
    ck_assert_str_eq(s.names[at++], "head");
    ck_assert_uint_eq(at, s.seen);
    free(input);
    close_tower(&f);
}
END_TEST

struct progress {
    int calls, stop_at;
    double last;
};

static int32_t note_progress(double fraction, void *user)
{
    struct progress *p = user;
    ck_assert_double_gt(fraction, p->last);
    ck_assert_double_le(fraction, 1);
    p->last = fraction;
    return ++p->calls == p->stop_at;
}

START_TEST(test_stopping)
{
    const uint32_t items = 60; /* four groups of two blocks */
    struct fixture f;
    open_tower(&f, PND_TOWER_TEXT, PND_F32);
    void *input = make_input(&f, items, 1);
    float *expected = run(&f, items, 1, input, NULL);
    const size_t count = items * f.dims->embedding_dim;
    float *raw = malloc(count * sizeof *raw);
    atomic_int cancelled = 1;
    struct progress progress = {0};
    struct pnd_watch watch = {.cancelled = &cancelled,
                              .progress = note_progress,
                              .progress_user = &progress};
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, items, 1, input, raw, &watch,
                                  NULL),
                    PANDA_E_CANCELLED, "cancelled");
    ck_assert_int_eq(progress.calls, 0);
    cancelled = 0;
    progress.stop_at = 3;
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, items, 1, input, raw, &watch,
                                  NULL),
                    PANDA_E_CALLBACK, "progress");
    ck_assert_int_eq(progress.calls, 3);
    progress = (struct progress){0};
    ck_assert_ok(pnd_tower_run(f.tower, &f.ws, items, 1, input, raw, &watch,
                               NULL));
    ck_assert_int_eq(progress.calls, 8);
    ck_assert_double_eq_tol(progress.last, 1, 1e-12);
    ck_assert_mem_eq(raw, expected, count * sizeof *raw);
    free(raw);
    free(expected);
    free(input);
    close_tower(&f);
}
END_TEST

START_TEST(test_memory)
{
    struct fixture f;
    struct test_alloc alloc;
    struct pnd_context ctx = *test_context();
    open_tower(&f, PND_TOWER_DEPTH, PND_F32);
    test_alloc_init(&alloc);
    ctx.alloc = alloc.alloc;
    f.ws.ctx = &ctx;
    void *input = make_input(&f, 3, 1);
    float raw[3 * 40];
    alloc.fail_at = 1;
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, 3, 1, input, raw, NULL, NULL),
                    PANDA_E_MEMORY, "memory");
    ck_assert_int_eq(atomic_load(&alloc.live), 0);
    alloc.fail_at = 0;
    free(run(&f, 3, 1, input, NULL));
    long count = atomic_load(&alloc.count);
    for (uint32_t items = 3; items > 0; items--)
        free(run(&f, items, 1, input, NULL));
    ck_assert_int_eq(atomic_load(&alloc.count), count); /* nothing new */
    ck_assert_int_eq(atomic_load(&alloc.live), 1);
    free(run(&f, 0, 1, input, NULL)); /* nothing to do */
    alloc.fail_at = 1; /* to grow fails, and what was there is gone */
    float *more = make_input(&f, 20, 1), *raws = malloc(20 * sizeof raw);
    ck_assert_fails(pnd_tower_run(f.tower, &f.ws, 20, 1, more, raws, NULL,
                                  NULL),
                    PANDA_E_MEMORY, "memory");
    alloc.fail_at = 0;
    free(run(&f, 3, 1, input, NULL));
    pnd_workspace_free(&f.ws);
    ck_assert_int_eq(atomic_load(&alloc.live), 0);
    free(more);
    free(raws);
    free(input);
    close_tower(&f);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("tower_run");
    TCase *tc = tcase_create("run");
    tcase_add_loop_test(tc, test_against_naive, 0, 3 * PND_TOWER_COUNT);
    tcase_add_loop_test(tc, test_batch, 0, PND_TOWER_COUNT);
    tcase_add_loop_test(tc, test_savings, 0, PND_TOWER_COUNT);
    tcase_add_loop_test(tc, test_threads, 0, PND_TOWER_COUNT);
    tcase_add_test(tc, test_frames);
    tcase_add_test(tc, test_words);
    tcase_add_loop_test(tc, test_trace, 0, PND_TOWER_COUNT);
    tcase_add_test(tc, test_stopping);
    tcase_add_test(tc, test_memory);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return test_run(make_suite());
}
