/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static panda_status parse(struct pnd_json **json, const char *text)
{
    return pnd_json_parse(json, &pnd_allocator_heap, text, strlen(text),
                          "a.json");
}

static struct pnd_json *must_parse(const char *text)
{
    struct pnd_json *json;
    ck_assert_ok(parse(&json, text));
    return json;
}

START_TEST(values_of_every_type)
{
    struct pnd_json *json = must_parse(
        " {\"a\": [1, -2.5, true, false, null, \"s\"], \"b\":{} , \"c\":[]}\n");
    const struct pnd_json_value *root = pnd_json_get_root(json);
    ck_assert_int_eq(root->type, PND_JSON_OBJECT);
    ck_assert_uint_eq(root->length, 3);
    const struct pnd_json_value *v = pnd_json_find(root, "a");
    ck_assert_uint_eq(v->length, 6);
    ck_assert_str_eq(v->key, "a");
    ck_assert_uint_eq(v->offset, 7);
    v = v->child;
    ck_assert(v->is_integer && v->integer == 1 && v->number == 1);
    v = v->next;
    ck_assert(!v->is_integer && v->number == -2.5);
    v = v->next;
    ck_assert(v->type == PND_JSON_BOOL && v->boolean);
    v = v->next;
    ck_assert(v->type == PND_JSON_BOOL && !v->boolean);
    v = v->next;
    ck_assert_int_eq(v->type, PND_JSON_NULL);
    v = v->next;
    ck_assert_str_eq(v->string, "s");
    ck_assert_ptr_null(v->key);
    ck_assert_ptr_null(v->next);
    ck_assert_ptr_null(pnd_json_find(root, "b")->child);
    ck_assert_int_eq(pnd_json_find(root, "c")->type, PND_JSON_ARRAY);
    ck_assert_ptr_null(pnd_json_find(root, "d"));
    ck_assert_ptr_null(pnd_json_find(NULL, "d"));
    ck_assert_ptr_null(pnd_json_find(v, "d"));
    pnd_json_free(json);
}
END_TEST

START_TEST(strings_are_unescaped)
{
    struct pnd_json *json = must_parse(
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e9\\u20ac\\ud83d\\udc3c"
        "\", \"\xc3\xa9\xf0\x9f\x90\xbc\", \"a\\u0000b\"]");
    const struct pnd_json_value *v = pnd_json_get_root(json)->child;
    ck_assert_str_eq(v->string, "\"\\/\b\f\n\r\t");
    v = v->next;
    ck_assert_str_eq(v->string, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xbc");
    v = v->next;
    ck_assert_str_eq(v->string, "\xc3\xa9\xf0\x9f\x90\xbc");
    v = v->next;
    ck_assert_uint_eq(v->length, 3);
    ck_assert_mem_eq(v->string, "a\0b", 4);
    pnd_json_free(json);
}
END_TEST

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "ends at byte 0, expected a value"},
    {" \n", "ends at byte 2, expected a value"},
    {"nul", "byte 0 is 'n', expected a value"},
    {"[1,]", "byte 3 is ']', expected a value"},
    {"[1 2]", "byte 3 is '2', expected ',' or ']'"},
    {"{\"a\":1,}", "byte 7 is '}', expected '\"' before a key"},
    {"{\"a\" 1}", "byte 5 is '1', expected ':'"},
    {"{\"a\":1]", "expected ',' or '}'"},
    {"{a:1}", "byte 1 is 'a', expected '\"' before a key"},
    {"[1] x", "byte 4 is 'x', expected the end"},
    {"\"a", "ends at byte 2, expected '\"'"},
    {"\"\\x\"", "byte 2 is 'x', expected an escape sequence"},
    {"\"\\u12g4\"", "byte 3 is '1', expected four hexadecimal digits"},
    {"\"\\ud83d\"", "surrogate"},
    {"\"\\ud83d\\u0041\"", "surrogate"},
    {"\"\\udc3c\"", "surrogate"},
    {"\"a\nb\"", "byte 2 is '?', expected a character"},
    {"\"\xff\"", "byte 1 is '?', expected a character"},
    {"\"\xed\xa0\x80\"", "byte 1 is '?', expected a character"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "key \"a\" is twice"},
    {"{\"\\u0061\":1,\"a\":3}", "key \"a\" is twice"},
    {"{\"a\\u0000\":1}", "zero character"},
    {"01", "expected a value"},
    {"1.", "expected a value"},
    {"-", "expected a value"},
    {".5", "expected a value"},
    {"1e", "expected a value"},
    {"+1", "expected a value"},
    {"0x10", "byte 1 is 'x'"},
    {"NaN", "expected a value"},
    {"Infinity", "expected a value"},
    {"1e999", "number at byte 0 is too large"},
    {"[1,-1e400]", "number at byte 3 is too large"},
};

START_TEST(wrong_text_is_refused)
{
    struct pnd_json *json;
    ck_assert_fails(parse(&json, wrong[_i].text), PANDA_E_FORMAT,
                    wrong[_i].message);
    ck_assert_ptr_null(json);
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), "a.json: "));
}
END_TEST

/* More keys than are compared without a table of their own. */
START_TEST(duplicates_among_many_keys)
{
    char text[4096] = "{";
    struct pnd_json *json;
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), 32, "\"k%d\":%d,", i * 7 % 100, i);
    size_t length = strlen(text);
    strcpy(text + length, "\"x\":{}}");
    json = must_parse(text);
    ck_assert_uint_eq(pnd_json_get_root(json)->length, 101);
    pnd_json_free(json);
    strcpy(text + length, "\"k42\":0}");
    ck_assert_fails(parse(&json, text), PANDA_E_FORMAT, "\"k42\" is twice");
}
END_TEST

START_TEST(nesting_is_limited)
{
    char text[512];
    struct pnd_json *json;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    json = must_parse(text);
    pnd_json_free(json);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    ck_assert_fails(parse(&json, text), PANDA_E_FORMAT,
                    "nested deeper than 64, at byte 64");
    memset(text, '[', 500);
    text[500] = '\0';
    ck_assert_fails(parse(&json, text), PANDA_E_FORMAT, "nested deeper");
}
END_TEST

START_TEST(count_of_values_is_limited)
{
    const size_t count = PND_JSON_MAX_VALUES + 2;
    char *text = malloc(count * 2 + 2);
    struct pnd_json *json;
    ck_assert_ptr_nonnull(text);
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + 2 * i, "0,", 2);
    text[count * 2] = ']';
    ck_assert_fails(pnd_json_parse(&json, &pnd_allocator_heap, text,
                                   count * 2 + 1, "a.json"),
                    PANDA_E_FORMAT, "more than 4194304 JSON values");
    free(text);
}
END_TEST

static const char document[] =
    "{\"model\":\"ll\\u00e4ma\",\"n\":[1,2,3.5e-2,{\"x\":null}],\"t\":true,"
    "\"q\":{\"a\":1,\"b\":2,\"c\":\"\\ud83d\\udc3c\"}}";

/* Wherever it is cut or changed: an answer, never a read past the end. */
START_TEST(damaged_text_gives_a_message)
{
    const size_t size = sizeof document - 1;
    for (size_t i = 0; i < size; i++) {
        char *copy = malloc(size);
        struct pnd_json *json;
        memcpy(copy, document, size);
        char *shorter = malloc(i ? i : 1);
        memcpy(shorter, document, i);
        ck_assert_fails(
            pnd_json_parse(&json, &pnd_allocator_heap, shorter, i, "a.json"),
            PANDA_E_FORMAT, "a.json");
        free(shorter);
        for (int c = 0; c < 256; c++) {
            copy[i] = (char)c;
            panda_status status = pnd_json_parse(&json, &pnd_allocator_heap,
                                                 copy, size, "a.json");
            ck_assert(status == PANDA_OK || status == PANDA_E_FORMAT);
            pnd_json_free(json);
        }
        free(copy);
    }
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    char text[2048] = "{";
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), 32, "\"k%d\":[%d],", i, i);
    strcpy(text + strlen(text), "\"x\":\"y\"}");
    panda_status status = PANDA_E_MEMORY;
    long n = 0;
    while (status < 0) {
        struct test_alloc t;
        struct pnd_json *json;
        test_alloc_init(&t);
        t.fail_at = ++n;
        status = pnd_json_parse(&json, &t.alloc, text, strlen(text), "a.json");
        if (status < 0)
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        pnd_json_free(json);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_ge(n, 5);
}
END_TEST

START_TEST(members_are_checked)
{
    struct pnd_json *json = must_parse(
        "{\"i\":5,\"f\":2.5,\"s\":\"x\",\"n\":null,\"big\":9223372036854775808,"
        "\"o\":{},\"b\":true,\"a\":[]}");
    const struct pnd_json_value *root = pnd_json_get_root(json);
    int64_t i = -7;
    double d = -7;
    ck_assert_ok(pnd_json_get_integer(&i, root, "none", 0, 9, "p"));
    ck_assert_ok(pnd_json_get_integer(&i, root, "n", 0, 9, "p"));
    ck_assert_ok(pnd_json_get_number(&d, root, "none", "p"));
    ck_assert_ok(pnd_json_get_number(&d, root, "n", "p"));
    ck_assert(i == -7 && d == -7);
    ck_assert_ok(pnd_json_get_integer(&i, root, "i", 5, 5, "p"));
    ck_assert_ok(pnd_json_get_number(&d, root, "f", "p"));
    ck_assert(i == 5 && d == 2.5);
    ck_assert_ok(pnd_json_get_number(&d, root, "big", "p"));
    ck_assert(d == 0x1p63);
    ck_assert_fails(pnd_json_get_integer(&i, root, "i", 6, 9, "p"),
                    PANDA_E_FORMAT,
                    "p: \"i\" is 5, expected an integer in 6..9");
    ck_assert_fails(pnd_json_get_integer(&i, root, "f", 0, 9, "p"),
                    PANDA_E_FORMAT, "\"f\" is 2.5");
    ck_assert_fails(pnd_json_get_integer(&i, root, "big", 0, INT64_MAX, "p"),
                    PANDA_E_FORMAT, "\"big\" is 9.22337e+18");
    ck_assert_fails(pnd_json_get_integer(&i, root, "s", 0, 9, "p"),
                    PANDA_E_FORMAT, "\"s\" is a string");
    ck_assert_fails(pnd_json_get_number(&d, root, "o", "p"), PANDA_E_FORMAT,
                    "\"o\" is an object, expected a number");
    ck_assert_fails(pnd_json_get_number(&d, root, "b", "p"), PANDA_E_FORMAT,
                    "\"b\" is a boolean");
    ck_assert_fails(pnd_json_get_number(&d, root, "a", "p"), PANDA_E_FORMAT,
                    "\"a\" is an array");
    ck_assert(i == 5);
    pnd_json_free(json);
}
END_TEST

START_TEST(files_are_opened)
{
    struct pnd_json *json;
    const char *path = test_write_temp(".json", "[1]", 3);
    ck_assert_ok(pnd_json_open(&json, test_context(), path));
    ck_assert_uint_eq(pnd_json_get_root(json)->length, 1);
    pnd_json_free(json);
    path = test_write_temp(".json", "", 0);
    ck_assert_fails(pnd_json_open(&json, test_context(), path),
                    PANDA_E_FORMAT, "the file is empty");
    ck_assert_ptr_null(json);
    ck_assert_fails(pnd_json_open(&json, test_context(), "/no/such"),
                    PANDA_E_IO, "/no/such");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_test(tc, values_of_every_type);
    tcase_add_test(tc, strings_are_unescaped);
    tcase_add_loop_test(tc, wrong_text_is_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, duplicates_among_many_keys);
    tcase_add_test(tc, nesting_is_limited);
    tcase_add_test(tc, count_of_values_is_limited);
    tcase_add_test(tc, damaged_text_gives_a_message);
    tcase_add_test(tc, memory_failures_are_reported);
    tcase_add_test(tc, members_are_checked);
    tcase_add_test(tc, files_are_opened);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
