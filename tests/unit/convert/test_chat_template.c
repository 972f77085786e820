/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/chat_template.h"

#include "unit/text/golden_text.h"

#include "format/gguf.h"

#define CONFIG "tokenizer_config.json"
#define JINJA "chat_template.jinja"
#define ITEM(name, text) "{\"name\":\"" name "\",\"template\":\"" text "\"}"
#define LIST(items) "{\"chat_template\":[" items "]}"

static struct folder folder;
static struct pnd_buffer file;

/* Files beside a vocabulary that need not be there; NULL: none. */
static const char *set_up(const char *config, const char *jinja)
{
    static char path[512];
    folder = folder_make();
    if (config)
        folder_write(&folder, CONFIG, config);
    if (jinja)
        folder_write(&folder, JINJA, jinja);
    snprintf(path, sizeof path, "%s/tokenizer.model", folder.path);
    return path;
}

static void tear_down(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/" JINJA, folder.path);
    unlink(path);
    folder_remove(&folder);
}

/* What is put, read again; closed with pnd_gguf_close and the buffer. */
static struct pnd_gguf *put(const char *config, const char *jinja)
{
    struct pnd_gguf_writer w;
    struct pnd_gguf *gguf;
    const char *path = set_up(config, jinja);
    ck_assert_ok(pnd_gguf_writer_init(&w, &pnd_allocator_heap, "llama"));
    ck_assert_ok(pnd_chat_template_put(&w, test_context(), path));
    pnd_buffer_init(&file, &pnd_allocator_heap);
    ck_assert_ok(pnd_gguf_writer_finish(&w, &file));
    pnd_gguf_writer_free(&w);
    const struct pnd_map map = {.data = file.data, .size = file.size};
    ck_assert_ok(pnd_gguf_open(&gguf, &pnd_allocator_heap, &map, "w.gguf"));
    tear_down();
    return gguf;
}

static void demand(const char *config, const char *jinja, const char *key,
                   const char *expected)
{
    struct pnd_gguf *gguf = put(config, jinja);
    const struct pnd_gguf_value *value = pnd_gguf_find(gguf, key);
    ck_assert_msg(!value == !expected, "%s: %s is %sthere", config ? config
                  : "", key, value ? "" : "not ");
    if (expected)
        ck_assert_msg(pnd_gguf_is_string(gguf, key, expected),
                      "%s is not \"%s\"", key, expected);
    pnd_gguf_close(gguf);
    pnd_buffer_free(&file);
}

START_TEST(a_string_or_a_file)
{
    static const char key[] = "tokenizer.chat_template";
    static const char text[] = "{% for m in messages %}\xc3\xa9\n{% endfor %}";
    demand(NULL, NULL, key, NULL);
    demand("{}", NULL, key, NULL);
    demand("{\"chat_template\":null}", NULL, key, NULL);
    demand("{\"chat_template\":\"a \\\"b\\\"\\n\"}", NULL, key, "a \"b\"\n");
    demand(NULL, text, key, text);
    demand("{\"chat_template\":\"other\"}", text, key, text);
}
END_TEST

START_TEST(named_ones)
{
    static const char list[] =
        LIST(ITEM("default", "d") "," ITEM("tool use", "t") ","
             ITEM("rag", ""));
    demand(list, NULL, "tokenizer.chat_template", "d");
    demand(list, "j", "tokenizer.chat_template", "j");
    demand(list, NULL, "tokenizer.chat_template.tool_use", "t");
    demand(list, NULL, "tokenizer.chat_template.rag", "");
    demand(list, NULL, "tokenizer.chat_template.default", NULL);
    demand(LIST(""), NULL, "tokenizer.chat_templates", NULL);
    demand(LIST(ITEM("default", "d")), NULL, "tokenizer.chat_templates", NULL);
    struct pnd_gguf *gguf = put(list, NULL);
    const struct pnd_gguf_value *names =
        pnd_gguf_find(gguf, "tokenizer.chat_templates");
    struct pnd_gguf_string name;
    ck_assert_ptr_nonnull(names);
    ck_assert_uint_eq(names->count, 2);
    ck_assert(pnd_gguf_get_string(names, 0, &name));
    ck_assert_uint_eq(name.length, 8);
    ck_assert_mem_eq(name.bytes, "tool_use", 8);
    pnd_gguf_close(gguf);
    pnd_buffer_free(&file);
}
END_TEST

static void refuse(const char *config, const char *jinja, const char *says)
{
    struct pnd_gguf_writer w;
    const char *path = set_up(config, jinja);
    ck_assert_ok(pnd_gguf_writer_init(&w, &pnd_allocator_heap, "llama"));
    ck_assert_fails(pnd_chat_template_put(&w, test_context(), path),
                    PANDA_E_FORMAT, says);
    ck_assert_ptr_nonnull(
        strstr(pnd_error_get(), config ? CONFIG : JINJA));
    pnd_gguf_writer_free(&w);
    tear_down();
}

START_TEST(what_cannot_be_one)
{
    enum { LARGE = (1 << 20) + 1 };
    char *large = calloc(1, LARGE + 1);
    ck_assert_ptr_nonnull(large);
    memset(large, 'x', LARGE);
    refuse(NULL, large, "1048577 bytes");
    free(large);
    refuse(NULL, "\xff", "not UTF-8");
    refuse("{\"chat_template\":1}", NULL, "neither a string nor a list");
    refuse("{\"chat_template\":{\"a\":\"b\"}}", NULL, "neither");
    refuse(LIST("1"), NULL, "an item");
    refuse(LIST("{\"name\":\"a\"}"), NULL, "an item");
    refuse(LIST("{\"name\":1,\"template\":\"a\"}"), NULL, "an item");
    refuse(LIST(ITEM("", "a")), NULL, "an item");
    refuse(LIST(ITEM("0123456789012345678901234567890123456789012345678901234"
                     "567890123456789", "a")), NULL, "at most 64 bytes");
    refuse(LIST(ITEM("a b", "a") "," ITEM("a_b", "a")), NULL,
           "two chat templates for tokenizer.chat_template.a_b");
    refuse(LIST(ITEM("default", "a") "," ITEM("default", "b")), NULL, "two");
}
END_TEST

START_TEST(lack_of_memory)
{
    const char *path = set_up(
        LIST(ITEM("default", "d") "," ITEM("tool_use", "t")), NULL);
    struct test_alloc heap;
    struct pnd_context ctx = *test_context();
    panda_status status = PANDA_E_MEMORY;
    test_alloc_init(&heap);
    ctx.alloc = heap.alloc;
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        struct pnd_gguf_writer w;
        ck_assert_ok(pnd_gguf_writer_init(&w, &ctx.alloc, "llama"));
        heap.fail_at = atomic_load(&heap.count) + n;
        status = pnd_chat_template_put(&w, &ctx, path);
        heap.fail_at = 0;
        pnd_gguf_writer_free(&w);
        ck_assert_int_eq(atomic_load(&heap.live), 0);
        ck_assert_int_lt(n, 1000);
    }
    ck_assert_ok(status);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chat_template");
    TCase *tests = tcase_create("chat_template");
    tcase_add_test(tests, a_string_or_a_file);
    tcase_add_test(tests, named_ones);
    tcase_add_test(tests, what_cannot_be_one);
    tcase_add_test(tests, lack_of_memory);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
