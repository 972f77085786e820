/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "format/json.h"
#include "parity/model.h"

/* From files to words through the public API: the cases of e2e.json, in the
 * reference's own mode. */

static panda_runtime *runtime;
static panda_model *model;
static struct pnd_json *cases;

static void open_model(void)
{
    runtime = parity_runtime();
    model = parity_model(runtime);
    ck_assert_ok(pnd_json_open(&cases, test_context(),
                               test_fixture("expected/e2e.json")));
}

static void close_model(void)
{
    pnd_json_free(cases);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}

static const struct pnd_json_value *find_case(const char *name)
{
    const struct pnd_json_value *list =
        pnd_json_find(pnd_json_get_root(cases), "cases");
    for (const struct pnd_json_value *c = list->child; c; c = c->next) {
        if (strcmp(pnd_json_find(c, "name")->string, name) == 0)
            return c;
    }
    ck_abort_msg("no case %s", name);
    return NULL;
}

static panda_chat *create_chat(panda_compat compat)
{
    panda_chat *chat;
    panda_chat_options options = {.struct_size = sizeof options,
                                  .compat = compat};
    ck_assert_ok(panda_chat_create(&chat, model, &options));
    return chat;
}

/* Whether this build reads every file of the media. */
static bool can_read_all(const struct pnd_json_value *media)
{
    bool can = true;
    for (const struct pnd_json_value *m = media->child; m; m = m->next) {
        panda_modality modality;
        ck_assert_ok(panda_modality_find(&modality, m->key));
        for (const struct pnd_json_value *f = m->child; f; f = f->next)
            can = parity_can_read(model, modality, f->string) && can;
    }
    return can;
}

static void attach_media(panda_chat *chat, const struct pnd_json_value *media)
{
    for (const struct pnd_json_value *m = media->child; m; m = m->next) {
        panda_modality modality;
        ck_assert_ok(panda_modality_find(&modality, m->key));
        for (const struct pnd_json_value *f = m->child; f; f = f->next) {
            char name[128];
            snprintf(name, sizeof name, "inputs/%s", f->string);
            ck_assert_ok(
                panda_chat_attach_path(chat, modality, test_fixture(name)));
        }
    }
}

static int32_t collect(const char *text, size_t length, void *user)
{
    return pnd_buffer_append(user, text, length) == PANDA_OK ? 0 : 1;
}

/* Ask and compare ids, counts, text, and the streamed text. */
static void ask(panda_chat *chat, const struct pnd_json_value *c,
                const char *question, panda_sampling sampling)
{
    struct pnd_buffer streamed;
    pnd_buffer_init(&streamed, &pnd_allocator_heap);
    panda_generate_options options = {
        .struct_size = sizeof options, .max_tokens = 32, .sampling = sampling};
    ck_assert_ok(panda_chat_ask(chat, question, &options, collect, &streamed));
    ck_assert_ok(pnd_buffer_terminate(&streamed));
    panda_chat_turn turn = {.struct_size = sizeof turn};
    ck_assert_ok(panda_chat_get_turn(chat, &turn));

    const struct pnd_json_value *ids = pnd_json_find(c, "outputs");
    size_t prompt = pnd_json_find(c, "ids_before")->length +
                    pnd_json_find(c, "ids_after")->length + 2;
    ck_assert_uint_eq(turn.prompt_tokens, prompt);
    /* The first stored id is a BOS that was never generated. */
    ck_assert_uint_eq(turn.token_count, ids->length - 1);
    const struct pnd_json_value *id = ids->child->next;
    for (uint32_t i = 0; i < turn.token_count; i++, id = id->next)
        ck_assert_int_eq(turn.tokens[i], id->integer);
    const char *text = pnd_json_find(c, "text")->string;
    ck_assert_str_eq(panda_chat_get_answer(chat), text);
    ck_assert_str_eq((const char *)streamed.data, text);
    pnd_buffer_free(&streamed);
}

static const char *const first_turns[] = {
    "image",       "audio",      "video",    "thermal",      "image_audio",
    "video_audio", "two_images", "all_four", "empty_prompt",
};

START_TEST(first_turn_is_the_references)
{
    const struct pnd_json_value *c = find_case(first_turns[_i]);
    if (!can_read_all(pnd_json_find(c, "media")))
        return;
    panda_chat *chat = create_chat(PANDA_COMPAT_REFERENCE);
    attach_media(chat, pnd_json_find(c, "media"));
    ask(chat, c, pnd_json_find(c, "prompt")->string, PANDA_SAMPLING_GREEDY);
    panda_chat_destroy(chat);
}
END_TEST

/* top_p 0.01 leaves one token, so sampling gives the same. */
START_TEST(sampling_as_the_demo_gives_the_same)
{
    const struct pnd_json_value *c = find_case("image");
    if (!can_read_all(pnd_json_find(c, "media")))
        return;
    panda_chat *chat = create_chat(PANDA_COMPAT_REFERENCE);
    attach_media(chat, pnd_json_find(c, "media"));
    ask(chat, c, pnd_json_find(c, "prompt")->string, PANDA_SAMPLING_RANDOM);
    panda_chat_destroy(chat);
}
END_TEST

START_TEST(later_turns_are_the_references)
{
    static const char *const names[] = {"image", "image_turn2", "image_turn3"};
    if (!can_read_all(pnd_json_find(find_case("image"), "media")))
        return;
    panda_chat *chat = create_chat(PANDA_COMPAT_REFERENCE);
    attach_media(chat, pnd_json_find(find_case("image"), "media"));
    for (int i = 0; i < 3; i++) {
        const struct pnd_json_value *c = find_case(names[i]);
        ask(chat, c, pnd_json_find(c, i == 0 ? "prompt" : "question")->string,
            PANDA_SAMPLING_GREEDY);
        panda_chat_turn turn = {.struct_size = sizeof turn};
        ck_assert_ok(panda_chat_get_turn(chat, &turn));
        if (i > 0)
            ck_assert_uint_gt(turn.reused_positions, 8);
    }
    panda_chat_destroy(chat);
}
END_TEST

START_TEST(no_media_is_the_references_error)
{
    panda_chat *chat = create_chat(PANDA_COMPAT_REFERENCE);
    ck_assert_fails(panda_chat_ask(chat, "Hello", NULL, NULL, NULL),
                    PANDA_E_STATE, "media");
    panda_chat_destroy(chat);
}
END_TEST

/* Our own mode without media: ids until the end token. */
START_TEST(text_only_continues_as_the_reference_model)
{
    const struct pnd_json_value *c =
        pnd_json_find(pnd_json_get_root(cases), "text_only");
    panda_chat *chat = create_chat(PANDA_COMPAT_DEFAULT);
    panda_generate_options options = {.struct_size = sizeof options,
                                      .max_tokens = 32,
                                      .sampling = PANDA_SAMPLING_GREEDY};
    ck_assert_ok(panda_chat_ask(chat, "Hello there, how are you?", &options,
                                NULL, NULL));
    panda_chat_turn turn = {.struct_size = sizeof turn};
    ck_assert_ok(panda_chat_get_turn(chat, &turn));
    ck_assert_uint_eq(turn.prompt_tokens, pnd_json_find(c, "ids")->length);
    const struct pnd_json_value *ids = pnd_json_find(c, "greedy");
    ck_assert_uint_eq(turn.token_count, ids->length);
    const struct pnd_json_value *id = ids->child;
    for (uint32_t i = 0; i < turn.token_count; i++, id = id->next)
        ck_assert_int_eq(turn.tokens[i], id->integer);
    panda_chat_destroy(chat);
}
END_TEST

int main(void)
{
    if (!test_have_fixtures())
        return TEST_SKIP;
    Suite *suite = suite_create("chat");
    TCase *tc = tcase_create("chat");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_loop_test(tc, first_turn_is_the_references, 0,
                        sizeof first_turns / sizeof *first_turns);
    tcase_add_test(tc, sampling_as_the_demo_gives_the_same);
    tcase_add_test(tc, later_turns_are_the_references);
    tcase_add_test(tc, no_media_is_the_references_error);
    tcase_add_test(tc, text_only_continues_as_the_reference_model);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
