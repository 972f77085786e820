/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/chat_template.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "format/json.h"
#include "format/utf8.h"
#include "text/vocabulary.h"

#define KEY "tokenizer.chat_template"
#define NAMES_KEY "tokenizer.chat_templates"
#define TEMPLATE_MAX (1u << 20) /* bytes; the longest in use have some 10,000 */
#define NAME_MAX_BYTES 64

struct reader {
    struct pnd_gguf_writer *w;
    const char *path; /* of the file in hand */
    bool has_default;
};

static panda_status put_template(const struct reader *r, const char *key,
                                 const char *text, size_t length)
{
    const struct pnd_gguf_string spelled = {key, strlen(key)};
    if (length > TEMPLATE_MAX || !pnd_text_is_utf8(text, length))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the chat template of %zu bytes is not UTF-8 of at "
                        "most %u bytes", r->path, length, TEMPLATE_MAX);
    if (pnd_gguf_writer_has(r->w, pnd_gguf_writer_get_count(r->w), &spelled))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: there are two chat templates for %s", r->path,
                        key);
    return pnd_gguf_put_string(r->w, key, text, length);
}

/* A name made fit for a key; false when it cannot be one. */
static bool get_name(char out[NAME_MAX_BYTES + 1],
                     const struct pnd_json_value *item)
{
    const struct pnd_json_value *name = pnd_json_find(item, "name");
    if (!name || name->type != PND_JSON_STRING || name->length == 0 ||
        name->length > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name->length; i++) {
        char c = name->string[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9');
        out[i] = fits ? c : '_';
    }
    out[name->length] = '\0';
    return true;
}

static const struct pnd_json_value *get_template(
    const struct pnd_json_value *item)
{
    const struct pnd_json_value *text = pnd_json_find(item, "template");
    return text && text->type == PND_JSON_STRING ? text : NULL;
}

static panda_status fail_item(const struct reader *r,
                              const struct pnd_json_value *item)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: offset %zu: an item of \"chat_template\" is no object "
                    "with a \"name\" of at most %d bytes and a \"template\"",
                    r->path, item->offset, NAME_MAX_BYTES);
}

/* The list of names comes first, so that hostile lists are refused before
 * anything long is written. */
static panda_status put_names(struct reader *r,
                              const struct pnd_json_value *list, size_t named)
{
    const struct pnd_json_value *item;
    char name[NAME_MAX_BYTES + 1];
    panda_status status = pnd_gguf_put_strings(r->w, NAMES_KEY, named);
    for (item = list->child; item && status >= 0; item = item->next) {
        if (get_name(name, item) && strcmp(name, "default") != 0)
            status = pnd_gguf_put_item(r->w, name, strlen(name));
    }
    return status;
}

static panda_status put_list(struct reader *r,
                             const struct pnd_json_value *list)
{
    const struct pnd_json_value *item;
    char name[NAME_MAX_BYTES + 1], key[sizeof KEY + sizeof name];
    panda_status status = PANDA_OK;
    size_t named = 0;
    for (item = list->child; item; item = item->next) {
        if (!get_name(name, item) || !get_template(item))
            return fail_item(r, item);
        named += strcmp(name, "default") != 0;
    }
    if (named > 0)
        PND_TRY(put_names(r, list, named));
    for (item = list->child; item; item = item->next) {
        const struct pnd_json_value *text = get_template(item);
        (void)get_name(name, item);
        bool is_default = strcmp(name, "default") == 0;
        if (is_default && r->has_default)
            continue;
        snprintf(key, sizeof key, is_default ? KEY : KEY ".%s", name);
        PND_TRY(put_template(r, key, text->string, text->length));
    }
out:
    return status;
}

static panda_status put_configured(struct reader *r,
                                   const struct pnd_json_value *value)
{
    if (!value || value->type == PND_JSON_NULL)
        return PANDA_OK;
    if (value->type == PND_JSON_ARRAY)
        return put_list(r, value);
    if (value->type != PND_JSON_STRING)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: offset %zu: \"chat_template\" is neither a string "
                        "nor a list", r->path, value->offset);
    return r->has_default
               ? PANDA_OK
               : put_template(r, KEY, value->string, value->length);
}

static panda_status put_config(struct reader *r, const struct pnd_context *ctx,
                               const char *tokenizer_path)
{
    struct pnd_json *json = NULL;
    panda_status status = PANDA_OK;
    char *path = pnd_path_sibling(&ctx->alloc, tokenizer_path,
                                  "tokenizer_config.json");
    if (!path)
        return pnd_fail_memory();
    r->path = path;
    if (pnd_path_get_kind(ctx, path) != PND_PATH_MISSING)
        status = pnd_json_open(&json, ctx, path);
    if (status >= 0 && json)
        status = put_configured(
            r, pnd_json_find(pnd_json_get_root(json), "chat_template"));
    pnd_json_free(json);
    pnd_free(&ctx->alloc, path);
    return status;
}

static panda_status put_jinja(struct reader *r, const struct pnd_context *ctx,
                              const char *tokenizer_path)
{
    struct pnd_map map = {0};
    panda_status status = PANDA_OK;
    char *path = pnd_path_sibling(&ctx->alloc, tokenizer_path,
                                  "chat_template.jinja");
    if (!path)
        return pnd_fail_memory();
    r->path = path;
    if (pnd_path_get_kind(ctx, path) == PND_PATH_MISSING)
        goto out;
    PND_TRY(pnd_map_open(&map, ctx, path));
    PND_TRY(pnd_map_need(&map, 0, map.size < TEMPLATE_MAX + 1 ? map.size
                                                              : 0));
    PND_TRY(put_template(r, KEY, (const char *)map.data, map.size));
    r->has_default = true;
out:
    pnd_map_close(&map);
    pnd_free(&ctx->alloc, path);
    return status;
}

panda_status pnd_chat_template_put(struct pnd_gguf_writer *w,
                                   const struct pnd_context *ctx,
                                   const char *tokenizer_path)
{
    struct reader r = {.w = w};
    panda_status status = put_jinja(&r, ctx, tokenizer_path);
    return status < 0 ? status : put_config(&r, ctx, tokenizer_path);
}
