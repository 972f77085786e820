/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/special_tokens.h"

#include <string.h>

#include "base/map.h"
#include "format/json.h"

enum { ROLE_BOS, ROLE_EOS, ROLE_UNK, ROLE_SEP, ROLE_PAD, ROLE_CLS, ROLE_MASK,
       ROLES };

static const char *const role_names[ROLES] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
    "cls_token", "mask_token"};

/* A token as the files spell it. */
struct token {
    const char *content; /* NULL: not named */
    size_t length;
    /* Given with rules for the white space around it; a bare string takes all
     * of it. */
    bool has_rules;
    bool strip_left, strip_right;
};

struct source {
    const char *name;
    struct pnd_json *json; /* NULL: no such file */
    char *path;
};

enum { CONFIG, MAP, ADDED, SOURCES };

static bool get_flag(const struct pnd_json_value *object, const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    return value && value->type == PND_JSON_BOOL && value->boolean;
}

/* A string, or an object with "content". Empty ones and null name nothing. */
static panda_status read_token(struct token *out,
                               const struct pnd_json_value *value,
                               const char *name, const char *path)
{
    const struct pnd_json_value *content = value;
    if (!value || value->type == PND_JSON_NULL)
        return PANDA_OK;
    if (value->type == PND_JSON_OBJECT)
        content = pnd_json_find(value, "content");
    if (!content || content->type != PND_JSON_STRING)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: offset %zu: %s is neither a string nor an object "
                        "with \"content\"", path, value->offset, name);
    if (content->length == 0)
        return PANDA_OK;
    *out = (struct token){
        .content = content->string, .length = content->length,
        .has_rules = value->type == PND_JSON_OBJECT,
        .strip_left = get_flag(value, "lstrip"),
        .strip_right = get_flag(value, "rstrip")};
    return PANDA_OK;
}

static panda_status open_source(struct source *s,
                                const struct pnd_context *ctx,
                                const char *path, const char *folder)
{
    const struct pnd_allocator *alloc = &ctx->alloc;
    s->path = folder ? pnd_path_join(alloc, folder, s->name)
                     : pnd_path_sibling(alloc, path, s->name);
    if (!s->path)
        return pnd_fail_memory();
    if (pnd_path_get_kind(ctx, s->path) == PND_PATH_MISSING)
        return PANDA_OK;
    panda_status status = pnd_json_open(&s->json, ctx, s->path);
    if (status >= 0 && pnd_json_get_root(s->json)->type != PND_JSON_OBJECT)
        status = pnd_fail(PANDA_E_FORMAT, "%s: is not a JSON object", s->path);
    return status;
}

/* One entry of added_tokens.json: a spelling the vocabulary has under the same
 * id, or a new one whose id follows; put at its place in `added`. */
static panda_status place_added(const struct pnd_json_value **added,
                                size_t count,
                                const struct pnd_vocabulary *v,
                                const struct pnd_json_value *value,
                                const char *path)
{
    if (value->type != PND_JSON_NUMBER || !value->is_integer ||
        value->integer < 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: the id of \"%s\" is not an id",
                        path, value->key);
    int32_t known = pnd_vocabulary_find(v, value->key, strlen(value->key));
    if (known >= 0 && value->integer == known)
        return PANDA_OK;
    if (known >= 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: \"%s\" has id %lld, in the "
                        "vocabulary it has %d", path, value->key,
                        (long long)value->integer, (int)known);
    int64_t place = value->integer - (int64_t)v->count;
    if (place < 0 || place >= (int64_t)count || added[place])
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: \"%s\" has id %lld, expected the ids from %u on "
                        "without a gap", path, value->key,
                        (long long)value->integer, v->count);
    added[place] = value;
    return PANDA_OK;
}

static panda_status add_tokens(struct pnd_vocabulary *v, const struct source *s)
{
    panda_status status = PANDA_OK;
    const struct pnd_json_value *root =
        s->json ? pnd_json_get_root(s->json) : NULL;
    size_t count = root ? root->length : 0;
    if (count == 0)
        return PANDA_OK;
    const struct pnd_json_value **added =
        pnd_alloc_array(v->alloc, count, sizeof *added);
    if (!added)
        return pnd_fail_memory();
    memset(added, 0, count * sizeof *added);
    const struct pnd_json_value *value;
    for (value = root->child; value; value = value->next)
        PND_TRY(place_added(added, count, v, value, s->path));
    size_t end = 0;
    while (end < count && added[end])
        end++;
    for (size_t i = end; i < count; i++) {
        if (added[i])
            PND_TRY(pnd_fail(PANDA_E_FORMAT, "%s: no token has id %zu",
                             s->path, v->count + end));
    }
    for (size_t i = 0; i < end; i++) {
        status = pnd_vocabulary_add(v, added[i]->key, strlen(added[i]->key), 0,
                                    PND_PIECE_ADDED);
        if (status == PANDA_E_FORMAT)
            pnd_error_prefix(s->path);
        PND_TRY(status);
    }
    PND_TRY(pnd_vocabulary_index(v));
    for (value = root->child; value; value = value->next) {
        int32_t id = pnd_vocabulary_find(v, value->key, strlen(value->key));
        if (id >= 0)
            pnd_vocabulary_get(v, (uint32_t)id)->flags |=
                PND_PIECE_WHOLE | PND_PIECE_STRIP_LEFT | PND_PIECE_STRIP_RIGHT;
    }
out:
    pnd_free(v->alloc, added);
    return status;
}

/* Set flags of a token; the last one that has rules decides. */
static int32_t mark_token(struct pnd_vocabulary *v, const struct token *token,
                          bool special)
{
    int32_t id = pnd_vocabulary_find(v, token->content, token->length);
    if (id < 0)
        return -1;
    uint8_t *flags = &pnd_vocabulary_get(v, (uint32_t)id)->flags;
    const uint8_t strip = PND_PIECE_STRIP_LEFT | PND_PIECE_STRIP_RIGHT;
    if (!(*flags & PND_PIECE_WHOLE))
        *flags |= strip;
    *flags |= PND_PIECE_WHOLE;
    if (special)
        *flags |= PND_PIECE_SPECIAL;
    if (special && token->has_rules) {
        *flags &= (uint8_t)~strip;
        if (token->strip_left)
            *flags |= PND_PIECE_STRIP_LEFT;
        if (token->strip_right)
            *flags |= PND_PIECE_STRIP_RIGHT;
    }
    return id;
}

static void warn_unknown(const struct pnd_context *ctx, const char *name,
                         const struct token *token)
{
    pnd_log(ctx, PANDA_LOG_WARN,
            "%s \"%s\" is not in the vocabulary and stays text", name,
            token->content);
}

static panda_status mark_roles(struct pnd_vocabulary *v,
                               const struct pnd_context *ctx,
                               const struct token roles[ROLES])
{
    for (int i = 0; i < ROLES; i++) {
        if (!roles[i].content)
            continue;
        int32_t id = mark_token(v, &roles[i], i != ROLE_PAD);
        if (id < 0)
            warn_unknown(ctx, role_names[i], &roles[i]);
        else if (i == ROLE_BOS)
            v->bos = id;
        else if (i == ROLE_EOS)
            v->eos = id;
    }
    return PANDA_OK;
}

static panda_status mark_additional(struct pnd_vocabulary *v,
                                    const struct pnd_context *ctx,
                                    const struct pnd_json_value *list,
                                    const char *path)
{
    static const char name[] = "additional_special_tokens";
    if (!list || list->type == PND_JSON_NULL)
        return PANDA_OK;
    if (list->type != PND_JSON_ARRAY)
        return pnd_fail(PANDA_E_FORMAT, "%s: offset %zu: %s is not a list",
                        path, list->offset, name);
    const struct pnd_json_value *value;
    for (value = list->child; value; value = value->next) {
        struct token token = {0};
        panda_status status = read_token(&token, value, name, path);
        if (status < 0)
            return status;
        if (token.content &&
            mark_token(v, &token, true) < 0)
            warn_unknown(ctx, name, &token);
    }
    return PANDA_OK;
}

static struct token spell_token(const struct pnd_vocabulary *v, int32_t id)
{
    if (id < 0)
        return (struct token){0};
    const struct pnd_piece *piece = pnd_vocabulary_get(v, (uint32_t)id);
    return (struct token){.content = (const char *)piece->text,
                          .length = piece->length, .has_rules = true};
}

static panda_status apply_sources(struct pnd_vocabulary *v,
                                  const struct pnd_context *ctx,
                                  const struct source sources[SOURCES])
{
    panda_status status = PANDA_OK;
    const struct pnd_json_value *list = NULL;
    const char *list_path = NULL;
    /* Before the defaults below: this may move the spellings. */
    PND_TRY(add_tokens(v, &sources[ADDED]));
    struct token roles[ROLES] = {
        [ROLE_BOS] = spell_token(v, v->bos),
        [ROLE_EOS] = spell_token(v, v->eos),
        [ROLE_UNK] = spell_token(v, v->unk)};
    for (int i = CONFIG; i <= MAP; i++) {
        const struct source *s = &sources[i];
        const struct pnd_json_value *root =
            s->json ? pnd_json_get_root(s->json) : NULL;
        for (int role = 0; role < ROLES; role++) {
            PND_TRY(read_token(&roles[role],
                               pnd_json_find(root, role_names[role]),
                               role_names[role], s->path));
            /* The class makes rules of what its own options name. */
            if (i == CONFIG && role <= ROLE_UNK)
                roles[role].has_rules = true;
        }
        if (pnd_json_find(root, "additional_special_tokens")) {
            list = pnd_json_find(root, "additional_special_tokens");
            list_path = s->path;
        }
        if (get_flag(root, "clean_up_tokenization_spaces"))
            pnd_log(ctx, PANDA_LOG_WARN,
                    "%s: clean_up_tokenization_spaces is not done", s->path);
    }
    PND_TRY(mark_roles(v, ctx, roles));
    PND_TRY(mark_additional(v, ctx, list, list_path));
out:
    return status;
}

static panda_status open_sources(struct source *sources, int count,
                                 const struct pnd_context *ctx,
                                 const char *path, const char *folder)
{
    panda_status status = PANDA_OK;
    for (int i = 0; i < count && status >= 0; i++)
        status = open_source(&sources[i], ctx, path, folder);
    return status;
}

static void close_sources(struct source *sources, int count,
                          const struct pnd_allocator *alloc)
{
    for (int i = 0; i < count; i++) {
        pnd_json_free(sources[i].json);
        pnd_free(alloc, sources[i].path);
    }
}

static const struct pnd_json_value *get_root(const struct source *s)
{
    return s->json ? pnd_json_get_root(s->json) : NULL;
}

static void read_flag(bool *out, const struct pnd_json_value *object,
                      const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    if (value && value->type == PND_JSON_BOOL)
        *out = value->boolean;
}

/* Whether the class of tokenizers is LLaMA's, which has its own default. */
static bool is_llama(const struct pnd_json_value *config)
{
    const struct pnd_json_value *name =
        pnd_json_find(config, "tokenizer_class");
    return name && name->type == PND_JSON_STRING &&
           strstr(name->string, "LlamaTokenizer");
}

/* What tokenizer_config.json says about the ends of texts. */
static void read_ends(struct pnd_vocabulary *v,
                      const struct pnd_json_value *config, bool is_llamas)
{
    if (is_llamas) {
        v->adds_bos = true;
        v->adds_eos = false;
    }
    read_flag(&v->adds_bos, config, "add_bos_token");
    read_flag(&v->adds_eos, config, "add_eos_token");
}

panda_status pnd_special_tokens_read(struct pnd_vocabulary *v,
                                     const struct pnd_context *ctx,
                                     const char *path, const char *folder)
{
    struct source sources[SOURCES] = {[CONFIG] = {"tokenizer_config.json"},
                                      [MAP] = {"special_tokens_map.json"},
                                      [ADDED] = {"added_tokens.json"}};
    panda_status status = open_sources(sources, SOURCES, ctx, path, folder);
    if (status >= 0)
        status = apply_sources(v, ctx, sources);
    if (status >= 0)
        read_ends(v, get_root(&sources[CONFIG]), true);
    close_sources(sources, SOURCES, &ctx->alloc);
    return status;
}

/* A token that has a role is special, and what the vocabulary's own file says
 * about the white space around it counts. */
static panda_status name_role(struct pnd_vocabulary *v,
                              const struct pnd_context *ctx, int role,
                              const struct token *token)
{
    if (!token->content)
        return PANDA_OK;
    int32_t id = pnd_vocabulary_find(v, token->content, token->length);
    if (id < 0) {
        warn_unknown(ctx, role_names[role], token);
        return PANDA_OK;
    }
    uint8_t *flags = &pnd_vocabulary_get(v, (uint32_t)id)->flags;
    if (!(*flags & (PND_PIECE_WHOLE | PND_PIECE_LATE)))
        *flags |= PND_PIECE_WHOLE;
    *flags |= PND_PIECE_SPECIAL;
    /* A template that has another one knows nothing of this. */
    if (role == ROLE_BOS) {
        v->adds_bos = v->adds_bos && v->bos == id;
        v->bos = id;
    } else if (role == ROLE_EOS) {
        v->adds_eos = v->adds_eos && v->eos == id;
        v->eos = id;
    }
    return PANDA_OK;
}

/* An id, or the first of a list of them; out of range it names nothing. */
static void read_id(int32_t *out, const struct pnd_json_value *value,
                    const struct pnd_vocabulary *v)
{
    if (value && value->type == PND_JSON_ARRAY)
        value = value->child;
    if (*out < 0 && value && value->type == PND_JSON_NUMBER &&
        value->is_integer && value->integer >= 0 &&
        value->integer < (int64_t)v->count)
        *out = (int32_t)value->integer;
}

panda_status pnd_special_tokens_read_names(struct pnd_vocabulary *v,
                                           const struct pnd_context *ctx,
                                           const char *path,
                                           const char *folder)
{
    enum { GENERATION = MAP + 1, MODEL, FILES };
    struct source sources[FILES] = {
        [CONFIG] = {"tokenizer_config.json"},
        [MAP] = {"special_tokens_map.json"},
        [GENERATION] = {"generation_config.json"},
        [MODEL] = {"config.json"}};
    panda_status status;
    PND_TRY(open_sources(sources, FILES, ctx, path, folder));
    for (int role = 0; role < ROLES; role++) {
        struct token token = {0};
        for (int i = CONFIG; i <= MAP; i++)
            PND_TRY(read_token(&token,
                               pnd_json_find(get_root(&sources[i]),
                                             role_names[role]),
                               role_names[role], sources[i].path));
        PND_TRY(name_role(v, ctx, role, &token));
    }
    const struct pnd_json_value *config = get_root(&sources[CONFIG]);
    read_ends(v, config, is_llama(config));
    bool named = sources[CONFIG].json || sources[MAP].json;
    for (int i = GENERATION; i < FILES && !named; i++) {
        read_id(&v->bos, pnd_json_find(get_root(&sources[i]), "bos_token_id"),
                v);
        read_id(&v->eos, pnd_json_find(get_root(&sources[i]), "eos_token_id"),
                v);
    }
out:
    close_sources(sources, FILES, &ctx->alloc);
    return status;
}
