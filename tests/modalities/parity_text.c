/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "format/gzip.h"
#include "format/json.h"
#include "modalities/fake_host.h"
#include "support/support.h"

/* The token ids of the reference's captions, both ways to cut. */

extern const panda_frontend_ops pnd_frontend_text;

#define CONTEXT 77

static const struct {
    const char *key;
    panda_text_cut cut;
} references[] = {
    {"tokens_imagebind", PANDA_TEXT_CUT_KEEP_END},
    {"tokens_pandagpt", PANDA_TEXT_CUT_REFERENCE},
};

static const struct pnd_json_value *find_captions(const struct pnd_json *json)
{
    const struct pnd_json_value *info =
        pnd_json_find(pnd_json_get_root(json), "info");
    ck_assert_ptr_nonnull(info);
    const struct pnd_json_value *captions = pnd_json_find(info, "captions");
    ck_assert_ptr_nonnull(captions);
    return captions;
}

static void check_caption(const void *state, struct fake_host *f,
                          const struct pnd_json_value *caption,
                          panda_text_cut cut, const float *expected)
{
    panda_text_options options = {.struct_size = sizeof options, .cut = cut};
    panda_input input = {.struct_size = sizeof input,
                         .modality = PANDA_MODALITY_TEXT,
                         .source = PANDA_SOURCE_BYTES,
                         .data = caption->string,
                         .size = caption->length,
                         .text_options = &options};
    panda_frontend_tensor tensor = {.struct_size = sizeof tensor,
                                    .element = PANDA_ELEMENT_I32,
                                    .items = 1,
                                    .rank = 1,
                                    .shape = {CONTEXT}};
    int32_t ids[CONTEXT];
    ck_assert_msg(pnd_frontend_text.preprocess(state, &f->host, &input, &tensor,
                                               ids) == PANDA_OK,
                  "%s", f->message);
    for (int i = 0; i < CONTEXT; i++)
        ck_assert_msg(ids[i] == (int32_t)expected[i],
                      "\"%s\": id %d is %d, expected %d", caption->string, i,
                      (int)ids[i], (int)expected[i]);
}

START_TEST(ids_are_the_references)
{
    struct fake_host f;
    char *merges = NULL;
    size_t size = 0;
    struct pnd_json *json = NULL;
    fake_host_init(&f, 1);
    ck_assert_ok(pnd_gzip_read_file(
        &merges, &size, test_context(),
        test_fixture("weights/bpe_simple_vocab_16e6.txt.gz"), 1 << 24));
    fake_host_set_resource(&f, "clip.merges", merges, size);
    ck_assert_ok(pnd_json_open(&json, test_context(),
                               test_fixture("expected/manifest.json")));
    void *state = calloc(1, pnd_frontend_text.state_size);
    ck_assert_msg(pnd_frontend_text.init(state, &f.host) == PANDA_OK, "%s",
                  f.message);
    struct test_tensor expected =
        test_tensor_read("preprocess_text.safetensors", references[_i].key);
    const struct pnd_json_value *caption = find_captions(json)->child;
    size_t count = 0;
    for (; caption; caption = caption->next, count++) {
        ck_assert_uint_ge(expected.count, (count + 1) * CONTEXT);
        check_caption(state, &f, caption, references[_i].cut,
                      expected.values + count * CONTEXT);
    }
    ck_assert_uint_eq(count * CONTEXT, expected.count);
    test_tensor_free(&expected);
    pnd_frontend_text.fini(state, &f.host);
    free(state);
    pnd_json_free(json);
    pnd_free(&pnd_allocator_heap, merges);
    ck_assert_int_eq(fake_host_check(&f), 0);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("parity_text");
    TCase *tc = tcase_create("parity_text");
    tcase_add_loop_test(tc, ids_are_the_references, 0, 2);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
