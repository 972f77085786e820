/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "format/json.h"
#include "parity/model.h"

/* From files to words through the public API, with what every clone has: the
 * conversations of tests/golden/expected.json, in the reference's own mode and
 * in the default one. */

#define MAX_VALUES 1024

static panda_runtime *runtime;
static panda_model *model;
static struct pnd_json *golden;

static void open_model(void)
{
    runtime = parity_runtime();
    model = parity_golden_model(runtime, PANDA_LORA_DEFAULT);
}

static void close_model(void)
{
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}

static const struct pnd_json_value *get(const char *key)
{
    return pnd_json_find(pnd_json_get_root(golden), key);
}

static panda_modality find_modality(const char *name)
{
    panda_modality modality;
    ck_assert_ok(panda_modality_find(&modality, name));
    return modality;
}

static bool can_read_all(const struct pnd_json_value *media)
{
    bool can = true;
    for (const struct pnd_json_value *m = media->child; m; m = m->next)
        can = parity_can_read(model, find_modality(m->child->string),
                              m->child->next->string) &&
              can;
    return can;
}

static void attach_media(panda_chat *chat, const struct pnd_json_value *media)
{
    for (const struct pnd_json_value *m = media->child; m; m = m->next) {
        char path[64];
        snprintf(path, sizeof path, "inputs/%s", m->child->next->string);
        ck_assert_ok(panda_chat_attach_path(
            chat, find_modality(m->child->string), test_golden(path)));
    }
}

static int32_t collect(const char *text, size_t length, void *user)
{
    return pnd_buffer_append(user, text, length) == PANDA_OK ? 0 : 1;
}

static void check_turn(panda_chat *chat, const struct pnd_json_value *expected)
{
    struct pnd_buffer streamed;
    pnd_buffer_init(&streamed, &pnd_allocator_heap);
    panda_generate_options options = {
        .struct_size = sizeof options,
        .max_tokens = (uint32_t)get("max_tokens")->integer,
        .sampling = PANDA_SAMPLING_GREEDY};
    ck_assert_ok(panda_chat_ask(chat,
                                pnd_json_find(expected, "question")->string,
                                &options, collect, &streamed));
    ck_assert_ok(pnd_buffer_terminate(&streamed));
    panda_chat_turn turn = {.struct_size = sizeof turn};
    ck_assert_ok(panda_chat_get_turn(chat, &turn));
    ck_assert_int_eq(turn.prompt_tokens,
                     pnd_json_find(expected, "prompt_tokens")->integer);
    const struct pnd_json_value *tokens = pnd_json_find(expected, "tokens");
    ck_assert_uint_eq(turn.token_count, tokens->length);
    const struct pnd_json_value *token = tokens->child;
    for (uint32_t i = 0; i < turn.token_count; i++, token = token->next)
        ck_assert_int_eq(turn.tokens[i], token->integer);
    const char *text = pnd_json_find(expected, "text")->string;
    ck_assert_str_eq(panda_chat_get_answer(chat), text);
    ck_assert_str_eq((const char *)streamed.data, text);
    pnd_buffer_free(&streamed);
}

START_TEST(conversation_is_the_references)
{
    const struct pnd_json_value *c = get("cases")->child;
    for (int i = 0; i < _i; i++)
        c = c->next;
    const struct pnd_json_value *media = pnd_json_find(c, "media");
    if (!can_read_all(media))
        return;
    panda_chat *chat;
    const char *compat = pnd_json_find(c, "compat")->string;
    panda_chat_options options = {
        .struct_size = sizeof options,
        .compat = strcmp(compat, "reference") == 0 ? PANDA_COMPAT_REFERENCE
                                                   : PANDA_COMPAT_DEFAULT};
    ck_assert_ok(panda_chat_create(&chat, model, &options));
    attach_media(chat, media);
    const struct pnd_json_value *turn = pnd_json_find(c, "turns")->child;
    for (; turn; turn = turn->next)
        check_turn(chat, turn);
    panda_chat_destroy(chat);
}
END_TEST

static size_t read_floats(float values[MAX_VALUES],
                          const struct pnd_json_value *list)
{
    size_t count = 0;
    ck_assert_uint_le(list->length, MAX_VALUES);
    for (const struct pnd_json_value *v = list->child; v; v = v->next)
        values[count++] = (float)v->number;
    return count;
}

/* The stored embedding of `file` as if the encoder had just made it. */
static panda_embedding *make_embedding(const char *file)
{
    float values[MAX_VALUES];
    panda_embedding *embedding;
    const struct pnd_json_value *row = get("embeddings")->child;
    while (strcmp(pnd_json_find(row, "file")->string, file) != 0)
        row = row->next;
    size_t dim = read_floats(values, pnd_json_find(row, "pandagpt"));
    ck_assert_ok(panda_embedding_create(
        &embedding, runtime, values, (uint32_t)dim,
        find_modality(pnd_json_find(row, "modality")->string),
        PANDA_OUTPUT_PANDAGPT));
    return embedding;
}

static panda_prefix *check_projection(panda_model *with,
                                      const struct pnd_json_value *expected)
{
    float want[MAX_VALUES], values[MAX_VALUES];
    panda_projector *projector;
    panda_prefix *prefix;
    panda_embedding *embedding =
        make_embedding(pnd_json_find(expected, "file")->string);
    ck_assert_ok(panda_projector_create(&projector, with));
    ck_assert_ok(panda_projector_project(
        &prefix, projector, (const panda_embedding *const *)&embedding, 1));
    size_t count = read_floats(want, pnd_json_find(expected, "prefix"));
    ck_assert_ok(panda_prefix_read_f32(prefix, values, count));
    test_assert_close("prefix", values, want, count, 2e-5);
    panda_projector_destroy(projector);
    panda_embedding_unref(embedding);
    return prefix;
}

static void push_ids(panda_decoder *decoder, const struct pnd_json_value *list)
{
    panda_token ids[MAX_VALUES];
    size_t count = 0;
    ck_assert_uint_le(list->length, MAX_VALUES);
    for (const struct pnd_json_value *v = list->child; v; v = v->next)
        ids[count++] = (panda_token)v->integer;
    ck_assert_ok(panda_decoder_push_tokens(decoder, ids, count));
}

static const panda_lora_mode lora_modes[] = {
    PANDA_LORA_DEFAULT, PANDA_LORA_MERGE, PANDA_LORA_SIDE};

/* Projector and decoder alone, by ids and by text. */
START_TEST(logits_are_the_references)
{
    static const char before[] = "### Human: <Img>";
    static const char after[] = "</Img> What moves?\n### Assistant:";
    float want[MAX_VALUES], values[MAX_VALUES], again[MAX_VALUES];
    const struct pnd_json_value *expected = get("logits");
    panda_model *with = parity_golden_model(runtime, lora_modes[_i]);
    panda_prefix *prefix = check_projection(with, expected);
    panda_decoder *decoder;
    ck_assert_ok(panda_decoder_create(&decoder, with, NULL));
    push_ids(decoder, pnd_json_find(expected, "before"));
    ck_assert_ok(panda_decoder_push_prefix(decoder, prefix));
    push_ids(decoder, pnd_json_find(expected, "after"));
    size_t count = read_floats(want, pnd_json_find(expected, "logits"));
    ck_assert_ok(panda_decoder_read_logits(decoder, values, count));
    test_assert_close("logits", values, want, count, 1e-3);

    ck_assert_ok(panda_decoder_reset(decoder, 0));
    ck_assert_ok(panda_decoder_push_text(decoder, before, strlen(before),
                                         PANDA_TOKENIZE_BOS));
    ck_assert_ok(panda_decoder_push_prefix(decoder, prefix));
    ck_assert_ok(panda_decoder_push_text(decoder, after, strlen(after), 0));
    ck_assert_ok(panda_decoder_read_logits(decoder, again, count));
    ck_assert_mem_eq(again, values, count * sizeof *values);
    panda_decoder_destroy(decoder);
    panda_prefix_unref(prefix);
    panda_model_close(with);
}
END_TEST

int main(void)
{
    const struct pnd_context heap = {.alloc = pnd_allocator_heap};
    if (pnd_json_open(&golden, &heap,
                      test_golden("expected.json")) < 0) {
        printf("%s\n", pnd_error_get());
        return 1;
    }
    Suite *suite = suite_create("golden chat");
    TCase *tc = tcase_create("golden chat");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_loop_test(tc, conversation_is_the_references, 0,
                        (int)get("cases")->length);
    tcase_add_loop_test(tc, logits_are_the_references, 0,
                        sizeof lora_modes / sizeof *lora_modes);
    suite_add_tcase(suite, tc);
    int result = test_run(suite);
    pnd_json_free(golden);
    return result;
}
