/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_json.h"

#include <string.h>

#include "format/json.h"
#include "format/utf8.h"
#include "text/normalize.h"
#include "text/tokenizer_steps.h"

/* The entries of the vocabulary by id, whatever their order in the file. */
struct table {
    const struct pnd_json_value **slots;
    size_t count; /* of entries, the size of `slots` */
};

static panda_status fail_at(const char *path,
                            const struct pnd_json_value *value,
                            const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: offset %zu: %s", path, value->offset,
                    what);
}

static bool get_flag(const struct pnd_json_value *object, const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    return value && value->type == PND_JSON_BOOL && value->boolean;
}

/* A list or an object that may be missing or null. */
static panda_status find_container(const struct pnd_json_value **out,
                                   const struct pnd_json_value *object,
                                   const char *key, enum pnd_json_type type,
                                   const char *path)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    *out = NULL;
    if (!value || value->type == PND_JSON_NULL)
        return PANDA_OK;
    if (value->type != type)
        return pnd_fail(PANDA_E_FORMAT, "%s: offset %zu: \"%s\" is not %s",
                        path, value->offset, key,
                        type == PND_JSON_ARRAY ? "a list" : "an object");
    *out = value;
    return PANDA_OK;
}

static panda_status place(struct table *t, const struct pnd_json_value *id,
                          const struct pnd_json_value *entry, const char *path)
{
    if (!id || id->type != PND_JSON_NUMBER || !id->is_integer ||
        id->integer < 0)
        return fail_at(path, entry, "the token's id is not an id");
    if ((uint64_t)id->integer >= t->count)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: offset %zu: id %lld, but there are %zu tokens; "
                        "expected ids without a gap",
                        path, entry->offset, (long long)id->integer, t->count);
    const struct pnd_json_value *there = t->slots[id->integer];
    const struct pnd_json_value *content = pnd_json_find(entry, "content");
    if (there && content && there->key && !pnd_json_find(there, "content") &&
        strcmp(there->key, content->string) == 0)
        return PANDA_OK; /* an added token that the vocabulary has too */
    if (there)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: offset %zu: id %lld was given before", path,
                        entry->offset, (long long)id->integer);
    t->slots[id->integer] = entry;
    return PANDA_OK;
}

static panda_status check_added(const struct pnd_json_value *token,
                                const char *path)
{
    const struct pnd_json_value *content = pnd_json_find(token, "content");
    if (!content || content->type != PND_JSON_STRING || content->length == 0)
        return fail_at(path, token, "an added token without \"content\"");
    return PANDA_OK;
}

static panda_status fill_table(struct table *t,
                               const struct pnd_json_value *vocab,
                               const struct pnd_json_value *added,
                               const char *path)
{
    panda_status status = PANDA_OK;
    const struct pnd_json_value *entry;
    for (entry = vocab->child; entry && status >= 0; entry = entry->next)
        status = place(t, entry, entry, path);
    for (entry = added ? added->child : NULL; entry && status >= 0;
         entry = entry->next) {
        status = check_added(entry, path);
        if (status >= 0)
            status = place(t, pnd_json_find(entry, "id"), entry, path);
    }
    return status;
}

static panda_status add_pieces(struct pnd_vocabulary *v, const struct table *t,
                               const char *path)
{
    size_t count = t->count;
    while (count > 0 && !t->slots[count - 1])
        count--;
    if (count == 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: the vocabulary has no pieces",
                        path);
    for (size_t id = 0; id < count; id++) {
        const struct pnd_json_value *entry = t->slots[id];
        if (!entry)
            return pnd_fail(PANDA_E_FORMAT, "%s: no token has id %zu", path,
                            id);
        const struct pnd_json_value *added = pnd_json_find(entry, "content");
        panda_status status = added
            ? pnd_vocabulary_add(v, added->string, added->length, 0,
                                 PND_PIECE_ADDED)
            : pnd_vocabulary_add(v, entry->key, strlen(entry->key), 0,
                                 PND_PIECE_NORMAL);
        if (status == PANDA_E_FORMAT)
            pnd_error_prefix(path);
        if (status < 0)
            return status;
    }
    panda_status status = pnd_vocabulary_index(v);
    if (status == PANDA_E_FORMAT)
        pnd_error_prefix(path);
    return status;
}

static void mark_added(struct pnd_vocabulary *v,
                       const struct pnd_json_value *token)
{
    const struct pnd_json_value *content = pnd_json_find(token, "content");
    int32_t id = pnd_vocabulary_find(v, content->string, content->length);
    if (id < 0)
        return;
    uint8_t *flags = &pnd_vocabulary_get(v, (uint32_t)id)->flags;
    *flags |= get_flag(token, "normalized") ? PND_PIECE_LATE : PND_PIECE_WHOLE;
    if (get_flag(token, "special"))
        *flags |= PND_PIECE_SPECIAL;
    if (get_flag(token, "lstrip"))
        *flags |= PND_PIECE_STRIP_LEFT;
    if (get_flag(token, "rstrip"))
        *flags |= PND_PIECE_STRIP_RIGHT;
    if (get_flag(token, "single_word"))
        *flags |= PND_PIECE_SINGLE_WORD;
}

static panda_status read_pieces(struct pnd_vocabulary *v,
                                const struct pnd_json_value *root,
                                const struct pnd_json_value *model,
                                const char *path)
{
    const struct pnd_json_value *vocab, *added, *token;
    panda_status status;
    struct table t = {0};
    PND_TRY(find_container(&vocab, model, "vocab", PND_JSON_OBJECT, path));
    PND_TRY(find_container(&added, root, "added_tokens", PND_JSON_ARRAY,
                           path));
    if (!vocab || vocab->length == 0)
        PND_TRY(pnd_fail(PANDA_E_FORMAT, "%s: the model has no \"vocab\"",
                         path));
    t.count = vocab->length + (added ? added->length : 0);
    t.slots = pnd_alloc_zero(v->alloc, t.count * sizeof *t.slots);
    if (!t.slots)
        PND_TRY(pnd_fail_memory());
    PND_TRY(fill_table(&t, vocab, added, path));
    PND_TRY(add_pieces(v, &t, path));
    for (token = added ? added->child : NULL; token; token = token->next)
        mark_added(v, token);
out:
    pnd_free(v->alloc, t.slots);
    return status;
}

static panda_status read_merges(struct pnd_bpe *out,
                                const struct pnd_json_value *model,
                                const char *path)
{
    const struct pnd_json_value *merges, *merge;
    panda_status status =
        find_container(&merges, model, "merges", PND_JSON_ARRAY, path);
    if (status < 0 || !merges)
        return status;
    for (merge = merges->child; merge && status >= 0; merge = merge->next) {
        const struct pnd_json_value *left = merge->child;
        const struct pnd_json_value *right = left ? left->next : NULL;
        if (merge->type == PND_JSON_STRING)
            status = pnd_merges_add_line(&out->merges, &out->vocabulary,
                                         merge->string, merge->length);
        else if (merge->type == PND_JSON_ARRAY && merge->length == 2 &&
                 right && left->type == PND_JSON_STRING &&
                 right->type == PND_JSON_STRING)
            status = pnd_merges_add(&out->merges, &out->vocabulary,
                                    left->string, left->length,
                                    right->string, right->length);
        else
            return fail_at(path, merge,
                           "a merge is neither \"left right\" nor a pair");
    }
    if (status == PANDA_E_FORMAT)
        pnd_error_prefix(path);
    return status;
}

static bool is_set(const struct pnd_json_value *model, const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(model, key);
    if (!value || value->type == PND_JSON_NULL)
        return false;
    return value->type == PND_JSON_STRING ? value->length > 0
        : value->type == PND_JSON_NUMBER  ? value->number != 0
                                          : true;
}

static panda_status check_model(const struct pnd_json_value *root,
                                const struct pnd_json_value *model,
                                const char *path)
{
    static const char *const unknown[] = {"dropout",
                                          "continuing_subword_prefix",
                                          "end_of_word_suffix"};
    const struct pnd_json_value *type = pnd_json_find(model, "type");
    if (root->type != PND_JSON_OBJECT || !model ||
        model->type != PND_JSON_OBJECT)
        return pnd_fail(PANDA_E_FORMAT, "%s: there is no object \"model\"",
                        path);
    /* Old files do not say the type. */
    if (type && type->type == PND_JSON_STRING &&
        strcmp(type->string, "BPE") != 0)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: the vocabulary is of type %s, expected BPE", path,
                        pnd_show(type->string, type->length).text);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        if (is_set(model, unknown[i]))
            return pnd_fail(PANDA_E_UNSUPPORTED,
                            "%s: the model has \"%s\", expected none", path,
                            unknown[i]);
    }
    return PANDA_OK;
}

static panda_status read_unk(struct pnd_vocabulary *v,
                             const struct pnd_json_value *model,
                             const char *path)
{
    const struct pnd_json_value *unk = pnd_json_find(model, "unk_token");
    if (!unk || unk->type == PND_JSON_NULL)
        return PANDA_OK;
    if (unk->type == PND_JSON_STRING)
        v->unk = pnd_vocabulary_find(v, unk->string, unk->length);
    return v->unk >= 0
        ? PANDA_OK
        : fail_at(path, unk, "\"unk_token\" is not in the vocabulary");
}

static bool is_string(const struct pnd_json_value *value, const char *text)
{
    return value && value->type == PND_JSON_STRING &&
           strcmp(value->string, text) == 0;
}

/* Id of the special token that an item of a template is, or -1. */
static int32_t get_item(const struct pnd_vocabulary *v,
                        const struct pnd_json_value *item)
{
    const struct pnd_json_value *name =
        pnd_json_find(pnd_json_find(item, "SpecialToken"), "id");
    return name && name->type == PND_JSON_STRING
        ? pnd_vocabulary_find(v, name->string, name->length)
        : -1;
}

/* The tokens at the ends of every text: what stands first and last in the
 * template of a "TemplateProcessing", alone or in a "Sequence". */
static void read_template(struct pnd_vocabulary *v,
                          const struct pnd_json_value *step)
{
    if (is_string(pnd_json_find(step, "type"), "Sequence")) {
        const struct pnd_json_value *steps = pnd_json_find(step, "processors");
        for (step = steps ? steps->child : NULL; step; step = step->next) {
            if (is_string(pnd_json_find(step, "type"), "TemplateProcessing"))
                break;
        }
    }
    if (!is_string(pnd_json_find(step, "type"), "TemplateProcessing"))
        return;
    const struct pnd_json_value *item = pnd_json_find(step, "single");
    item = item && item->type == PND_JSON_ARRAY ? item->child : NULL;
    if (!item)
        return;
    v->bos = get_item(v, item);
    v->adds_bos = v->bos >= 0;
    while (item->next)
        item = item->next;
    v->eos = get_item(v, item);
    v->adds_eos = v->eos >= 0;
}

/* Tokens that are looked for in text of a normal form are spelled in it. */
static panda_status check_late(const struct pnd_bpe *b, const char *path)
{
    const struct pnd_vocabulary *v = &b->vocabulary;
    struct pnd_buffer formed;
    panda_status status = PANDA_OK;
    pnd_buffer_init(&formed, v->alloc);
    for (uint32_t id = 0; id < v->count; id++) {
        const struct pnd_piece *piece = pnd_vocabulary_get(v, id);
        if (!(piece->flags & PND_PIECE_LATE) ||
            pnd_normal_is_plain(b->form, piece->text, piece->length))
            continue;
        formed.size = 0;
        PND_TRY(pnd_normal_append(b->form, piece->text, piece->length,
                                  &formed));
        if (formed.size != piece->length ||
            memcmp(formed.data, piece->text, formed.size) != 0)
            PND_TRY(pnd_fail(PANDA_E_UNSUPPORTED,
                             "%s: the added token %u is to be found in text "
                             "that is %s, expected a spelling that is", path,
                             id, pnd_normal_get_name(b->form)));
    }
out:
    pnd_buffer_free(&formed);
    return status;
}

static panda_status read_all(struct pnd_bpe *out,
                             const struct pnd_json_value *root,
                             const char *path)
{
    panda_status status;
    const struct pnd_json_value *model = pnd_json_find(root, "model");
    PND_TRY(check_model(root, model, path));
    out->ignore_merges = get_flag(model, "ignore_merges");
    out->byte_fallback = get_flag(model, "byte_fallback");
    out->fuse_unk = get_flag(model, "fuse_unk");
    PND_TRY(pnd_tokenizer_steps_read(out, root, path));
    PND_TRY(read_pieces(&out->vocabulary, root, model, path));
    PND_TRY(check_late(out, path));
    PND_TRY(read_unk(&out->vocabulary, model, path));
    PND_TRY(read_merges(out, model, path));
    read_template(&out->vocabulary, pnd_json_find(root, "post_processor"));
out:
    return status;
}

panda_status pnd_tokenizer_json_parse(struct pnd_bpe *out,
                                      const struct pnd_context *ctx,
                                      const char *text, size_t size,
                                      const char *path)
{
    struct pnd_json *json;
    pnd_bpe_init(out, &ctx->alloc);
    panda_status status = pnd_json_parse(&json, &ctx->alloc, text, size, path);
    if (status < 0)
        return status;
    status = read_all(out, pnd_json_get_root(json), path);
    pnd_json_free(json);
    if (status < 0)
        pnd_bpe_free(out);
    return status;
}

bool pnd_tokenizer_json_probe(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size && (data[at] == ' ' || data[at] == '\t' ||
                         data[at] == '\r' || data[at] == '\n'))
        at++;
    return at < size && data[at] == '{';
}
