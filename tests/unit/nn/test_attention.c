/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"

#include <math.h>

#include "unit/nn/nn_test.h"

struct attention_data {
    struct pnd_attention_shape shape;
    float *q, *k, *v, *out;
    uint16_t *half_k, *half_v; /* of the same values, for PND_F16 */
    size_t out_count;
};

/* Rows and sequences lie further apart than needed. */
static struct attention_data make_data(uint32_t batch, uint32_t queries,
                                       uint32_t keys, uint32_t heads,
                                       uint32_t kv_heads, uint32_t head_dim,
                                       bool causal)
{
    struct attention_data d = {
        .shape = {.batch = batch, .queries = queries, .keys = keys,
                  .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim,
                  .causal = causal,
                  .q_stride = (size_t)heads * head_dim + 3,
                  .kv_stride = (size_t)kv_heads * head_dim + 5,
                  .out_stride = (size_t)heads * head_dim + 1}};
    struct pnd_attention_shape *s = &d.shape;
    s->q_batch_stride = queries * s->q_stride + 7;
    s->kv_batch_stride = keys * s->kv_stride + 2;
    s->out_batch_stride = queries * s->out_stride + 4;
    d.out_count = batch * s->out_batch_stride;
    d.q = nn_floats(batch * s->q_batch_stride, 1);
    d.k = nn_floats(batch * s->kv_batch_stride, 2);
    d.v = nn_floats(batch * s->kv_batch_stride, 3);
    d.out = nn_floats(d.out_count, 4);
    return d;
}

static uint16_t *make_halves(float *values, size_t count)
{
    uint16_t *halves = malloc((count + 1) * sizeof *halves);
    ck_assert_ptr_nonnull(halves);
    for (size_t i = 0; i < count; i++) {
        halves[i] = pnd_f32_to_f16(values[i]);
        values[i] = pnd_f16_to_f32(halves[i]);
    }
    return halves;
}

static void store_as_halves(struct attention_data *d)
{
    const size_t count = d->shape.batch * d->shape.kv_batch_stride;
    d->shape.kv_dtype = PND_F16;
    d->half_k = make_halves(d->k, count);
    d->half_v = make_halves(d->v, count);
}

static void free_data(struct attention_data *d)
{
    free(d->half_k);
    free(d->half_v);
    free(d->q);
    free(d->k);
    free(d->v);
    free(d->out);
}

static void run(const struct pnd_context *ctx, void *user)
{
    struct attention_data *d = user;
    size_t count = pnd_attention_get_scratch(ctx, &d->shape);
    float *scratch = nn_floats(count, 9);
    memset(scratch, 0xff, count * sizeof *scratch);
    float *end = scratch + count; /* nn_floats leaves one more */
    *end = 42;
    if (d->shape.kv_dtype == PND_F16)
        pnd_attention_run(ctx, &d->shape, d->q, d->half_k, d->half_v, d->out,
                          scratch);
    else
        pnd_attention_run(ctx, &d->shape, d->q, d->k, d->v, d->out, scratch);
    ck_assert(*end == 42);
    free(scratch);
}

/* One row of one head in double precision into out[head_dim]. */
static void expected_row(const struct attention_data *d, size_t item,
                         size_t query, size_t head, double *out)
{
    const struct pnd_attention_shape *s = &d->shape;
    size_t kv = item * s->kv_batch_stride +
                head / (s->heads / s->kv_heads) * s->head_dim;
    const float *q = d->q + item * s->q_batch_stride + query * s->q_stride +
                     head * s->head_dim;
    size_t keys = s->causal ? s->keys - s->queries + query + 1 : s->keys;
    double sum = 0;
    for (size_t i = 0; i < s->head_dim; i++)
        out[i] = 0;
    for (size_t j = 0; j < keys; j++) {
        double score = 0;
        for (size_t i = 0; i < s->head_dim; i++)
            score += (double)q[i] * (double)d->k[kv + j * s->kv_stride + i];
        double weight = exp(score / sqrt((double)s->head_dim));
        sum += weight;
        for (size_t i = 0; i < s->head_dim; i++)
            out[i] += weight * (double)d->v[kv + j * s->kv_stride + i];
    }
    for (size_t i = 0; i < s->head_dim; i++)
        out[i] /= sum;
}

static void check_values(const struct attention_data *d)
{
    const struct pnd_attention_shape *s = &d->shape;
    double row[128];
    ck_assert_uint_le(s->head_dim, 128);
    for (size_t at = 0; at < (size_t)s->batch * s->queries * s->heads; at++) {
        size_t head = at % s->heads, query = at / s->heads % s->queries;
        size_t item = at / s->heads / s->queries;
        const float *out = d->out + item * s->out_batch_stride +
                           query * s->out_stride + head * s->head_dim;
        expected_row(d, item, query, head, row);
        for (size_t i = 0; i < s->head_dim; i++)
            ck_assert_msg(fabs((double)out[i] - row[i]) <= 2e-6,
                          "item %zu, query %zu, head %zu: %.9g, not %.9g",
                          item, query, head, (double)out[i], row[i]);
    }
}

static const struct {
    uint32_t batch, queries, keys, heads, kv_heads, head_dim;
    bool causal;
} cases[] = {
    {1, 1, 1, 1, 1, 1, false},    {1, 1, 300, 4, 4, 64, true},
    {1, 1, 77, 6, 2, 80, true},   {2, 77, 77, 4, 4, 16, true},
    {3, 10, 11, 2, 2, 8, false},  {2, 65, 66, 3, 3, 48, false},
    {1, 130, 200, 8, 2, 16, true}, {1, 257, 257, 2, 2, 80, false},
    {1, 9, 33000, 1, 1, 4, true}, {1, 20, 5000, 2, 1, 8, false},
    {1, 64, 64, 1, 1, 5, true},
};

START_TEST(equals_the_formula)
{
    struct attention_data d = make_data(
        cases[_i].batch, cases[_i].queries, cases[_i].keys, cases[_i].heads,
        cases[_i].kv_heads, cases[_i].head_dim, cases[_i].causal);
    nn_check_threads(run, &d, d.out, d.out_count);
    check_values(&d);
    store_as_halves(&d);
    nn_check_threads(run, &d, d.out, d.out_count);
    check_values(&d);
    free_data(&d);
}
END_TEST

START_TEST(gaps_between_rows_are_kept)
{
    struct attention_data d = make_data(2, 5, 9, 2, 1, 6, true);
    const struct pnd_attention_shape *s = &d.shape;
    for (size_t i = 0; i < d.out_count; i++)
        d.out[i] = 42;
    run(test_context(), &d);
    for (size_t i = 0; i < d.out_count; i++) {
        size_t in_item = i % s->out_batch_stride;
        bool inside = in_item < s->queries * s->out_stride &&
                      in_item % s->out_stride < s->heads * s->head_dim;
        ck_assert_msg((d.out[i] != 42) == inside, "value %zu", i);
    }
    free_data(&d);
}
END_TEST

START_TEST(large_scores_stay_finite)
{
    struct attention_data d = make_data(1, 3, 4, 1, 1, 4, false);
    for (size_t i = 0; i < 4 * d.shape.kv_stride; i++)
        d.k[i] *= 1e18f;
    run(test_context(), &d);
    for (size_t i = 0; i < 4; i++)
        ck_assert(isfinite(d.out[i]));
    free_data(&d);
}
END_TEST

/* A session reserves for its largest run. */
START_TEST(scratch_grows_with_the_shape)
{
    struct attention_data d = make_data(1, 1, 1, 1, 1, 1, false);
    size_t last = 0;
    d.shape.kv_dtype = _i ? PND_F16 : PND_F32;
    for (d.shape.keys = 1; d.shape.keys < 200000; d.shape.keys += 997) {
        size_t count = pnd_attention_get_scratch(test_context(), &d.shape);
        ck_assert_uint_ge(count, last);
        last = count;
    }
    for (d.shape.queries = 1; d.shape.queries < 200; d.shape.queries++) {
        size_t count = pnd_attention_get_scratch(test_context(), &d.shape);
        ck_assert_uint_ge(count, last);
        last = count;
    }
    free_data(&d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *tc = tcase_create("attention");
    tcase_add_loop_test(tc, equals_the_formula, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, gaps_between_rows_are_kept);
    tcase_add_test(tc, large_scores_stay_finite);
    tcase_add_loop_test(tc, scratch_grows_with_the_shape, 0, 2);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
