/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "convert/delta.h"
#include "convert/rows.h"
#include "format/gguf_write.h"
#include "support/tiny_llama.h"

/* A model that differs from others in its random numbers. */
struct model {
    struct tiny_llama tiny;
    struct tiny_file file;
    struct pnd_weights *weights;
};

static struct model base, delta;

static void model_open(struct model *m, uint64_t seed, uint32_t vocabulary,
                       enum pnd_dtype dtype)
{
    tiny_llama_init(&m->tiny);
    m->tiny.seed = seed;
    m->tiny.dtype = dtype;
    m->tiny.config.vocab_size = vocabulary;
    m->file = (struct tiny_file){0};
    tiny_llama_fill(&m->file, &m->tiny);
    ck_assert_ok(pnd_weights_open(&m->weights, test_context(),
                                  tiny_file_write(&m->file)));
}

static void model_close(struct model *m)
{
    pnd_weights_close(m->weights);
    tiny_file_free(&m->file);
}

static void set_up(void)
{
    model_open(&base, 11, 61, PND_F16);
    model_open(&delta, 12, 62, PND_F16);
}

static void tear_down(void)
{
    model_close(&base);
    model_close(&delta);
}

static panda_status check(const struct pnd_llama_config *b,
                          const struct pnd_llama_config *d)
{
    return pnd_delta_check(base.weights, b, delta.weights, d);
}

START_TEST(deltas_have_one_row_more_or_as_many)
{
    struct pnd_llama_config b = base.tiny.config, d = delta.tiny.config;
    ck_assert_ok(check(&b, &d));
    d.vocab_size = 61;
    ck_assert_ok(check(&b, &d));
    d.vocab_size = 63;
    ck_assert_fails(check(&b, &d), PANDA_E_SHAPE, "the delta has 63 tokens");
    d.vocab_size = 60;
    ck_assert_fails(check(&b, &d), PANDA_E_SHAPE, "expected as many or");
    b.vocab_size = 32000;
    d.vocab_size = 32001;
    ck_assert_ok(check(&b, &d));
    d.vocab_size = 32000;
    ck_assert_fails(check(&b, &d), PANDA_E_SHAPE, "v1.1 or later");
}
END_TEST

START_TEST(other_sizes_are_refused)
{
    const struct {
        size_t offset;
        const char *says;
    } fields[] = {
        {offsetof(struct pnd_llama_config, hidden), "the delta's width is"},
        {offsetof(struct pnd_llama_config, layers), "number of layers"},
        {offsetof(struct pnd_llama_config, heads), "number of heads"},
        {offsetof(struct pnd_llama_config, kv_heads), "key/value heads"},
        {offsetof(struct pnd_llama_config, head_dim), "size of a head"},
        {offsetof(struct pnd_llama_config, intermediate), "of the MLP"},
    };
    struct pnd_llama_config d = delta.tiny.config;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint32_t *field = (uint32_t *)(void *)((char *)&d + fields[i].offset);
        ++*field;
        ck_assert_fails(check(&base.tiny.config, &d), PANDA_E_SHAPE,
                        fields[i].says);
        --*field;
    }
    d.tied = !d.tied;
    ck_assert_fails(check(&base.tiny.config, &d), PANDA_E_SHAPE,
                    "output matrix of its own");
}
END_TEST

/* Their rows of q and k may be in another order. */
START_TEST(gguf_files_are_refused)
{
    struct pnd_gguf_writer w;
    struct pnd_buffer head;
    struct pnd_weights *gguf;
    const float number[16] = {1};
    pnd_buffer_init(&head, &pnd_allocator_heap);
    ck_assert_ok(pnd_gguf_writer_init(&w, &pnd_allocator_heap, "llama"));
    ck_assert_ok(pnd_gguf_put_tensor(&w, "a", PND_F32, 1, (int64_t[]){1}));
    ck_assert_ok(pnd_gguf_writer_finish(&w, &head));
    ck_assert_ok(pnd_buffer_append(&head, number, sizeof number));
    ck_assert_ok(pnd_weights_open(
        &gguf, test_context(),
        test_write_temp(".gguf", head.data, head.size)));
    ck_assert_fails(pnd_delta_check(gguf, &base.tiny.config, delta.weights,
                                    &delta.tiny.config),
                    PANDA_E_UNSUPPORTED, "is a GGUF file");
    ck_assert_fails(pnd_delta_check(base.weights, &base.tiny.config, gguf,
                                    &delta.tiny.config),
                    PANDA_E_UNSUPPORTED, "is a GGUF file");
    pnd_weights_close(gguf);
    pnd_gguf_writer_free(&w);
    pnd_buffer_free(&head);
}
END_TEST

static float round_to(enum pnd_dtype dtype, float x)
{
    return dtype == PND_F16    ? pnd_f16_to_f32(pnd_f32_to_f16(x))
           : dtype == PND_BF16 ? pnd_bf16_to_f32(pnd_f32_to_bf16(x))
                               : x;
}

/* Every sum is rounded to the delta's type; a row that the base lacks is the
 * delta's. */
static void demand_sums(const char *name)
{
    const struct tiny_tensor *b = tiny_file_find(&base.file, name);
    const struct tiny_tensor *d = tiny_file_find(&delta.file, name);
    const int64_t rows = d->rank > 1 ? d->shape[0] : 1;
    const int64_t columns = d->shape[d->rank - 1];
    const int64_t base_rows = b->rank > 1 ? b->shape[0] : 1;
    struct pnd_plan_tensor t = {
        .dtype = PND_F32, .rank = d->rank, .shape = {d->shape[0], columns},
        .weights = delta.weights, .base_weights = base.weights,
        .tensor = pnd_weights_find(delta.weights, name),
        .base = pnd_weights_find(base.weights, name)};
    struct pnd_rows made = {0};
    float *out = calloc((size_t)(rows * columns), sizeof *out);
    ck_assert_ptr_nonnull(out);
    ck_assert(!pnd_rows_are_copied(&t));
    ck_assert_ok(pnd_rows_begin(&made, test_context(), &t));
    ck_assert_ok(pnd_rows_make(&made, 0, (size_t)rows, out));
    pnd_rows_end(&made);
    size_t wrong = 0;
    for (int64_t i = 0; i < rows * columns; i++) {
        const bool has_base = i / columns < base_rows;
        const float sum = d->values[i] + (has_base ? b->values[i] : 0);
        wrong += out[i] != round_to(d->dtype, sum);
    }
    ck_assert_msg(wrong == 0, "%s: %zu wrong sums", name, wrong);
    free(out);
}

START_TEST(sums_have_the_deltas_type)
{
    static const enum pnd_dtype types[][2] = {
        {PND_F16, PND_F16}, {PND_F16, PND_BF16}, {PND_BF16, PND_F32},
        {PND_F32, PND_F16}};
    static const char *const names[] = {
        "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
        "model.layers.1.mlp.down_proj.weight"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        tear_down();
        model_open(&base, 11, 61, types[i][0]);
        model_open(&delta, 12, 62, types[i][1]);
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            demand_sums(names[n]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delta");
    TCase *tests = tcase_create("delta");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, deltas_have_one_row_more_or_as_many);
    tcase_add_test(tests, other_sizes_are_refused);
    tcase_add_test(tests, gguf_files_are_refused);
    tcase_add_test(tests, sums_have_the_deltas_type);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
