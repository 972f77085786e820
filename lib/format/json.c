/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/json.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "format/arena.h"
#include "format/number.h"
#include "format/sort.h"
#include "format/utf8.h"

#define MAX_DEPTH 64

struct pnd_json {
    const struct pnd_allocator *alloc;
    struct pnd_arena values;
    char *strings; /* all of them, one after the other */
    const struct pnd_json_value *root;
};

struct parser {
    struct pnd_json *json;
    const char *path;
    const char *text; /* size bytes */
    size_t size;
    size_t at;
    size_t strings_used;
    size_t values;
    int depth;
};

static panda_status parse_value(struct parser *p, struct pnd_json_value *v);

static panda_status fail_expected(const struct parser *p, const char *what)
{
    if (p->at >= p->size)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the JSON text ends at byte %zu, expected %s",
                        p->path, p->size, what);
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: is not JSON, byte %zu is '%s', expected %s", p->path,
                    p->at, pnd_show(p->text + p->at, 1).text, what);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->size && strchr(" \t\r\n", p->text[p->at]) &&
           p->text[p->at])
        p->at++;
}

/* Skips white space; whether `c` comes next. Takes it. */
static bool take(struct parser *p, char c)
{
    skip_space(p);
    if (p->at >= p->size || p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    size_t length = strlen(word);
    if (p->size - p->at < length || memcmp(p->text + p->at, word, length) != 0)
        return false;
    p->at += length;
    return true;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t take_hex4(struct parser *p)
{
    int32_t value = 0;
    if (p->size - p->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p->text[p->at + (size_t)i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    p->at += 4;
    return value;
}

static void put_utf8(struct parser *p, uint32_t c)
{
    char *out = p->json->strings + p->strings_used;
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xc0 | c >> 6);
        out[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        out[n++] = (char)(0xe0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 63));
        out[n++] = (char)(0x80 | (c & 63));
    } else {
        out[n++] = (char)(0xf0 | c >> 18);
        out[n++] = (char)(0x80 | (c >> 12 & 63));
        out[n++] = (char)(0x80 | (c >> 6 & 63));
        out[n++] = (char)(0x80 | (c & 63));
    }
    p->strings_used += n;
}

/* After "\u". A character above FFFF is written as two surrogates. */
static panda_status parse_unicode(struct parser *p)
{
    int32_t c = take_hex4(p);
    if (c < 0)
        return fail_expected(p, "four hexadecimal digits");
    if (c >= 0xd800 && c <= 0xdbff) {
        int32_t low = take_word(p, "\\u") ? take_hex4(p) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail_expected(p, "the second half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return fail_expected(p, "no lone surrogate before it");
    }
    put_utf8(p, (uint32_t)c);
    return PANDA_OK;
}

static panda_status parse_escape(struct parser *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p->at >= p->size)
        return fail_expected(p, "an escape sequence");
    char c = p->text[p->at];
    if (c == 'u') {
        p->at++;
        return parse_unicode(p);
    }
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return fail_expected(p, "an escape sequence");
    p->at++;
    p->json->strings[p->strings_used++] = to[found - from];
    return PANDA_OK;
}

/* After the quote. No string grows by unescaping, and its two quotes leave room
 * for the zero: `strings` of the text's size always suffices. */
static panda_status parse_string(struct parser *p, const char **out,
                                 size_t *length)
{
    size_t begin = p->strings_used;
    for (;;) {
        if (p->at >= p->size)
            return fail_expected(p, "'\"'");
        char c = p->text[p->at];
        if (c == '"')
            break;
        if (c == '\\') {
            p->at++;
            panda_status status = parse_escape(p);
            if (status < 0)
                return status;
            continue;
        }
        size_t n = pnd_utf8_measure(p->text + p->at, p->size - p->at);
        if (n == 0 || (n == 1 && (unsigned char)c < 0x20))
            return fail_expected(p, "a character of UTF-8 text");
        memcpy(p->json->strings + p->strings_used, p->text + p->at, n);
        p->strings_used += n;
        p->at += n;
    }
    p->at++;
    *out = p->json->strings + begin;
    *length = p->strings_used - begin;
    p->json->strings[p->strings_used++] = '\0';
    return PANDA_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pnd_json_value *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static panda_status fail_duplicate(const struct parser *p,
                                   const struct pnd_json_value *v)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: key \"%s\" is twice in one object, once near byte %zu",
                    p->path, pnd_show(v->key, strlen(v->key)).text, v->offset);
}

static panda_status check_duplicates(const struct parser *p,
                                     const struct pnd_json_value *object)
{
    if (object->length < 2)
        return PANDA_OK;
    const struct pnd_json_value *v = object->child;
    const void *few[16], **items = few;
    if (object->length > sizeof few / sizeof *few)
        items = pnd_alloc_array(p->json->alloc, object->length, sizeof *items);
    if (!items)
        return pnd_fail_memory();
    for (size_t i = 0; v; v = v->next)
        items[i++] = v;
    pnd_sort(items, object->length, compare_keys);
    v = pnd_sort_find_equal(items, object->length, compare_keys);
    if (items != few)
        pnd_free(p->json->alloc, items);
    return v ? fail_duplicate(p, v) : PANDA_OK;
}

static panda_status parse_key(struct parser *p, const char **key)
{
    size_t length;
    skip_space(p);
    size_t offset = p->at;
    if (!take(p, '"'))
        return fail_expected(p, "'\"' before a key");
    panda_status status = parse_string(p, key, &length);
    if (status < 0)
        return status;
    if (strlen(*key) != length)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the key at byte %zu has a zero character in it",
                        p->path, offset);
    if (!take(p, ':'))
        return fail_expected(p, "':'");
    return PANDA_OK;
}

static panda_status parse_children(struct parser *p, struct pnd_json_value *v)
{
    const bool object = v->type == PND_JSON_OBJECT;
    const char end = object ? '}' : ']';
    const struct pnd_json_value **link = &v->child;
    if (take(p, end))
        return PANDA_OK;
    for (;;) {
        if (++p->values > PND_JSON_MAX_VALUES)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: more than %d JSON values, at byte %zu",
                            p->path, PND_JSON_MAX_VALUES, p->at);
        struct pnd_json_value *child =
            pnd_arena_alloc(&p->json->values, sizeof *child);
        if (!child)
            return pnd_fail_memory();
        *child = (struct pnd_json_value){0};
        panda_status status = object ? parse_key(p, &child->key) : PANDA_OK;
        if (status == PANDA_OK)
            status = parse_value(p, child);
        if (status < 0)
            return status;
        *link = child;
        link = &child->next;
        v->length++;
        if (take(p, end))
            return object ? check_duplicates(p, v) : PANDA_OK;
        if (!take(p, ','))
            return fail_expected(p, object ? "',' or '}'" : "',' or ']'");
    }
}

static panda_status parse_nested(struct parser *p, struct pnd_json_value *v)
{
    if (p->depth >= MAX_DEPTH)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: JSON nested deeper than %d, at byte %zu", p->path,
                        MAX_DEPTH, p->at);
    p->depth++;
    p->at++;
    panda_status status = parse_children(p, v);
    p->depth--;
    return status;
}

static panda_status parse_number(struct parser *p, struct pnd_json_value *v)
{
    struct pnd_number n = pnd_number_parse(p->text + p->at, p->size - p->at);
    if (n.length == 0)
        return fail_expected(p, "a value");
    if (!isfinite(n.value))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the number at byte %zu is too large", p->path,
                        p->at);
    p->at += n.length;
    v->type = PND_JSON_NUMBER;
    v->number = n.value;
    v->is_integer = n.is_integer;
    v->integer = n.integer;
    return PANDA_OK;
}

static panda_status parse_value(struct parser *p, struct pnd_json_value *v)
{
    skip_space(p);
    v->offset = p->at;
    switch (p->at < p->size ? p->text[p->at] : '\0') {
    case '{':
        v->type = PND_JSON_OBJECT;
        return parse_nested(p, v);
    case '[':
        v->type = PND_JSON_ARRAY;
        return parse_nested(p, v);
    case '"':
        p->at++;
        v->type = PND_JSON_STRING;
        return parse_string(p, &v->string, &v->length);
    default:
        break;
    }
    v->type = PND_JSON_BOOL;
    v->boolean = take_word(p, "true");
    if (v->boolean || take_word(p, "false"))
        return PANDA_OK;
    v->type = PND_JSON_NULL;
    return take_word(p, "null") ? PANDA_OK : parse_number(p, v);
}

panda_status pnd_json_parse(struct pnd_json **out,
                            const struct pnd_allocator *alloc, const char *text,
                            size_t size, const char *path)
{
    *out = NULL;
    struct pnd_json *json = pnd_alloc_zero(alloc, sizeof *json);
    if (!json)
        return pnd_fail_memory();
    panda_status status = PANDA_OK;
    struct parser p = {.json = json, .path = path, .text = text, .size = size};
    json->alloc = alloc;
    pnd_arena_init(&json->values, alloc);
    struct pnd_json_value *root = pnd_arena_alloc(&json->values, sizeof *root);
    json->strings = pnd_alloc(alloc, size + 1);
    if (!root || !json->strings) {
        status = pnd_fail_memory();
        goto out;
    }
    *root = (struct pnd_json_value){0};
    json->root = root;
    PND_TRY(parse_value(&p, root));
    skip_space(&p);
    if (p.at < size)
        status = fail_expected(&p, "the end of the JSON text");
out:
    if (status < 0)
        pnd_json_free(json);
    else
        *out = json;
    return status;
}

panda_status pnd_json_open(struct pnd_json **out,
                           const struct pnd_context *ctx, const char *path)
{
    *out = NULL;
    struct pnd_map map;
    panda_status status = pnd_map_open(&map, ctx, path);
    if (status < 0)
        return status;
    status = pnd_map_need_all(&map);
    if (status == PANDA_OK)
        status = pnd_json_parse(out, &ctx->alloc, (const char *)map.data,
                                map.size, path);
    pnd_map_close(&map);
    return status;
}

void pnd_json_free(struct pnd_json *json)
{
    if (!json)
        return;
    pnd_free(json->alloc, json->strings);
    pnd_arena_free(&json->values);
    pnd_free(json->alloc, json);
}

const struct pnd_json_value *pnd_json_get_root(const struct pnd_json *json)
{
    return json->root;
}

const struct pnd_json_value *pnd_json_find(const struct pnd_json_value *object,
                                           const char *key)
{
    if (!object || object->type != PND_JSON_OBJECT)
        return NULL;
    for (const struct pnd_json_value *v = object->child; v; v = v->next) {
        if (strcmp(v->key, key) == 0)
            return v;
    }
    return NULL;
}

static const char *describe(const struct pnd_json_value *v)
{
    static const char *const names[] = {"null",     "a boolean", "a number",
                                        "a string", "an array",  "an object"};
    return names[v->type];
}

panda_status pnd_json_get_integer(int64_t *out,
                                  const struct pnd_json_value *object,
                                  const char *key, int64_t lo, int64_t hi,
                                  const char *path)
{
    const struct pnd_json_value *v = pnd_json_find(object, key);
    if (!v || v->type == PND_JSON_NULL)
        return PANDA_OK;
    if (v->type != PND_JSON_NUMBER)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"%s\" is %s, expected an integer in %lld..%lld",
                        path, key, describe(v), (long long)lo, (long long)hi);
    if (!v->is_integer || v->integer < lo || v->integer > hi)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"%s\" is %g, expected an integer in %lld..%lld",
                        path, key, v->number, (long long)lo, (long long)hi);
    *out = v->integer;
    return PANDA_OK;
}

panda_status pnd_json_get_number(double *out,
                                 const struct pnd_json_value *object,
                                 const char *key, const char *path)
{
    const struct pnd_json_value *v = pnd_json_find(object, key);
    if (!v || v->type == PND_JSON_NULL)
        return PANDA_OK;
    if (v->type != PND_JSON_NUMBER)
        return pnd_fail(PANDA_E_FORMAT, "%s: \"%s\" is %s, expected a number",
                        path, key, describe(v));
    *out = v->number;
    return PANDA_OK;
}
