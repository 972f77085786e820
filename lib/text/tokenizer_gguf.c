/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_gguf.h"

#include <stdio.h>
#include <string.h>

#include "format/utf8.h"

#define KEY(name) "tokenizer.ggml." name
#define OWN(name) "pandagpt.tokenizer." name /* text/tokenizer_write.h */

/* The lists that go with each other, an item for each token. */
struct lists {
    const struct pnd_gguf *gguf;
    const struct pnd_gguf_value *tokens, *scores, *types;
    const struct pnd_gguf_value *kinds, *flags; /* of a bundle, or NULL */
    uint32_t count;
};

static panda_status fail_key(const struct pnd_gguf *gguf, const char *key,
                             const char *expected)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: %s is not %s",
                    pnd_gguf_get_path(gguf), key, expected);
}

/* What bundles say beyond the types, of so many tokens as there really are. */
static panda_status find_own_lists(struct lists *l)
{
    const struct pnd_gguf_value *kinds =
        pnd_gguf_find(l->gguf, OWN("kinds"));
    const struct pnd_gguf_value *flags =
        pnd_gguf_find(l->gguf, OWN("flags"));
    if (!kinds && !flags)
        return PANDA_OK;
    if (!kinds || !kinds->is_array || kinds->type != PND_GGUF_U8 ||
        kinds->count < 1 || kinds->count > l->count)
        return fail_key(l->gguf, OWN("kinds"),
                        "a list of bytes, at most as long as the tokens");
    if (!flags || !flags->is_array || flags->type != PND_GGUF_U8 ||
        flags->count != kinds->count)
        return fail_key(l->gguf, OWN("flags"),
                        "a list of bytes as long as the kinds");
    for (size_t i = 0; i < kinds->count; i++) {
        if (kinds->data[i] < PND_PIECE_NORMAL ||
            kinds->data[i] > PND_PIECE_ADDED)
            return fail_key(l->gguf, OWN("kinds"), "a list of 1 to 7");
    }
    l->kinds = kinds;
    l->flags = flags;
    l->count = (uint32_t)kinds->count;
    return PANDA_OK;
}

static panda_status find_lists(struct lists *l, const struct pnd_gguf *gguf)
{
    *l = (struct lists){
        .gguf = gguf, .tokens = pnd_gguf_find(gguf, KEY("tokens")),
        .scores = pnd_gguf_find(gguf, KEY("scores")),
        .types = pnd_gguf_find(gguf, KEY("token_type"))};
    if (!l->tokens || !l->tokens->is_array ||
        l->tokens->type != PND_GGUF_STRING)
        return fail_key(gguf, KEY("tokens"), "a list of strings");
    if (l->tokens->count == 0 || l->tokens->count > PND_VOCABULARY_MAX)
        return pnd_fail(PANDA_E_FORMAT, "%s: %zu tokens, expected 1..%u",
                        pnd_gguf_get_path(gguf), l->tokens->count,
                        PND_VOCABULARY_MAX);
    l->count = (uint32_t)l->tokens->count;
    if (l->scores && (!l->scores->is_array || l->scores->count != l->count))
        return fail_key(gguf, KEY("scores"), "a list as long as the tokens");
    if (l->types && (!l->types->is_array || l->types->count != l->count))
        return fail_key(gguf, KEY("token_type"),
                        "a list as long as the tokens");
    return find_own_lists(l);
}

static panda_status get_type(const struct lists *l, uint32_t id, int64_t *type)
{
    *type = PND_PIECE_NORMAL;
    if (!l->types)
        return PANDA_OK;
    if (!pnd_gguf_get_integer(l->types, id, type) || *type < 0 ||
        *type > PND_PIECE_BYTE)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the type of token %u is not one of 0..%d",
                        pnd_gguf_get_path(l->gguf), id, PND_PIECE_BYTE);
    if (*type == 0) /* not said */
        *type = PND_PIECE_NORMAL;
    return PANDA_OK;
}

/* How a byte-level vocabulary takes a type: what plain text does not become is
 * spelled as it is. */
static enum pnd_piece_kind get_bpe_kind(int64_t type)
{
    return type == PND_PIECE_NORMAL || type == PND_PIECE_BYTE
        ? PND_PIECE_NORMAL
        : PND_PIECE_ADDED;
}

static uint8_t get_flags(int64_t type, bool is_bpe)
{
    if (type == PND_PIECE_CONTROL || (is_bpe && type == PND_PIECE_UNKNOWN))
        return PND_PIECE_WHOLE | PND_PIECE_SPECIAL;
    if (type == PND_PIECE_UNKNOWN)
        return PND_PIECE_SPECIAL;
    return is_bpe && type == PND_PIECE_USER_DEFINED ? PND_PIECE_WHOLE : 0;
}

/* Tokens without a spelling are in some files; they get one. */
static panda_status add_token(struct pnd_vocabulary *v, const struct lists *l,
                              uint32_t id, bool is_bpe)
{
    struct pnd_gguf_string token;
    char empty[24];
    double score = 0;
    int64_t type;
    panda_status status = get_type(l, id, &type);
    if (status < 0)
        return status;
    if (!pnd_gguf_get_string(l->tokens, id, &token))
        return fail_key(l->gguf, KEY("tokens"), "a list of strings");
    if (token.length == 0) {
        token.length =
            (size_t)snprintf(empty, sizeof empty, "[EMPTY_%u]", id);
        token.bytes = empty;
    }
    if (l->scores && !is_bpe && !pnd_gguf_get_number(l->scores, id, &score))
        return fail_key(l->gguf, KEY("scores"), "a list of numbers");
    enum pnd_piece_kind kind =
        is_bpe ? get_bpe_kind(type) : (enum pnd_piece_kind)type;
    uint8_t flags = get_flags(type, is_bpe);
    if (l->kinds) {
        kind = (enum pnd_piece_kind)l->kinds->data[id];
        flags = l->flags->data[id];
    }
    status =
        pnd_vocabulary_add(v, token.bytes, token.length, (float)score, kind);
    if (status >= 0)
        pnd_vocabulary_get(v, id)->flags = flags;
    else if (status == PANDA_E_FORMAT)
        pnd_error_prefix(pnd_gguf_get_path(l->gguf));
    return status;
}

static panda_status add_tokens(struct pnd_vocabulary *v, const struct lists *l,
                               bool is_bpe)
{
    panda_status status = PANDA_OK;
    for (uint32_t id = 0; id < l->count && status >= 0; id++)
        status = add_token(v, l, id, is_bpe);
    return status;
}

/* -1 when the file does not say. Ids past the end name nothing. */
static panda_status read_id(int32_t *out, const struct lists *l,
                            const char *key)
{
    int64_t id = -1;
    panda_status status =
        pnd_gguf_read_integer(&id, l->gguf, key, -1, UINT32_MAX);
    if (status >= 0)
        *out = id < (int64_t)l->count ? (int32_t)id : -1;
    return status;
}

static panda_status read_flag(bool *out, const struct lists *l, const char *key)
{
    int64_t value = *out;
    panda_status status = pnd_gguf_read_integer(&value, l->gguf, key, 0, 1);
    if (status >= 0)
        *out = value != 0;
    return status;
}

/* Ids of the tokens that begin and end a text; they are special whatever type
 * the file gives them. */
static panda_status read_ends(struct pnd_vocabulary *v, const struct lists *l)
{
    panda_status status;
    PND_TRY(read_flag(&v->adds_bos, l, KEY("add_bos_token")));
    PND_TRY(read_flag(&v->adds_eos, l, KEY("add_eos_token")));
    PND_TRY(read_id(&v->bos, l, KEY("bos_token_id")));
    PND_TRY(read_id(&v->eos, l, KEY("eos_token_id")));
    const int32_t ends[] = {v->bos, v->eos};
    for (int i = 0; i < 2 && !l->flags; i++) {
        if (ends[i] >= 0)
            pnd_vocabulary_get(v, (uint32_t)ends[i])->flags |=
                PND_PIECE_WHOLE | PND_PIECE_SPECIAL;
    }
out:
    return status;
}

/* What has no piece: of type UNKNOWN, or named by the file. */
static panda_status mark_unknown(struct pnd_vocabulary *v,
                                 const struct lists *l)
{
    int32_t unk = -1;
    panda_status status = read_id(&unk, l, KEY("unknown_token_id"));
    for (uint32_t id = 0; id < v->count; id++) {
        if (pnd_vocabulary_get(v, id)->kind == PND_PIECE_UNKNOWN)
            return status;
    }
    struct pnd_piece *piece =
        pnd_vocabulary_get(v, unk < 0 ? 0 : (uint32_t)unk);
    piece->kind = PND_PIECE_UNKNOWN;
    piece->flags |= PND_PIECE_SPECIAL;
    return status;
}

static bool has_bytes(const struct pnd_vocabulary *v)
{
    for (uint32_t id = 0; id < v->count; id++) {
        if (pnd_vocabulary_get(v, id)->kind == PND_PIECE_BYTE)
            return true;
    }
    return false;
}

/* Text that stands for what has no piece. */
static panda_status read_unk_surface(struct pnd_sentencepiece *model,
                                     const struct lists *l)
{
    const struct pnd_gguf_value *value =
        pnd_gguf_find(l->gguf, OWN("unk_surface"));
    struct pnd_gguf_string text;
    if (!value)
        return PANDA_OK;
    if (value->is_array || !pnd_gguf_get_string(value, 0, &text) ||
        !pnd_text_is_utf8(text.bytes, text.length))
        return fail_key(l->gguf, OWN("unk_surface"), "a string of UTF-8");
    model->unk_surface.size = 0;
    return pnd_buffer_append(&model->unk_surface, text.bytes, text.length);
}

static panda_status read_llama(struct pnd_sentencepiece *model,
                               const struct lists *l)
{
    struct pnd_vocabulary *v = &model->vocabulary;
    panda_status status;
    v->adds_bos = true; /* unless the file says otherwise */
    model->remove_extra_whitespaces = false;
    PND_TRY(add_tokens(v, l, false));
    PND_TRY(mark_unknown(v, l));
    PND_TRY(read_flag(&model->add_dummy_prefix, l, KEY("add_space_prefix")));
    PND_TRY(read_flag(&model->remove_extra_whitespaces, l,
                      KEY("remove_extra_whitespaces")));
    PND_TRY(read_flag(&model->escape_whitespaces, l,
                      OWN("escape_whitespaces")));
    model->byte_fallback = has_bytes(v);
    status = pnd_sentencepiece_finish(model);
    if (status < 0 && status != PANDA_E_MEMORY)
        pnd_error_prefix(pnd_gguf_get_path(l->gguf));
    PND_TRY(status);
    PND_TRY(read_unk_surface(model, l));
    PND_TRY(read_ends(v, l));
out:
    return status;
}

static panda_status read_pre(struct pnd_bpe *b, const struct pnd_context *ctx,
                             const struct lists *l)
{
    const struct pnd_gguf_value *value =
        pnd_gguf_find(l->gguf, KEY("pre"));
    struct pnd_gguf_string name = {"default", 7};
    if (!value)
        pnd_log(ctx, PANDA_LOG_WARN,
                "%s: " KEY("pre") " is missing, \"default\" is taken: ids may "
                "differ from the model's own", pnd_gguf_get_path(l->gguf));
    else if (value->is_array || !pnd_gguf_get_string(value, 0, &name))
        return fail_key(l->gguf, KEY("pre"), "a string");
    if (pnd_split_find_name(&b->splitter, &b->ignore_merges,
                            &b->vocabulary.adds_bos, name.bytes, name.length))
        return PANDA_OK;
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: " KEY("pre") " is \"%s\", a way to split text that is "
                    "not supported", pnd_gguf_get_path(l->gguf),
                    pnd_show(name.bytes, name.length).text);
}

static panda_status read_merges(struct pnd_bpe *b, const struct lists *l,
                                const char *key)
{
    const struct pnd_gguf_value *merges = pnd_gguf_find(l->gguf, key);
    struct pnd_gguf_string line;
    panda_status status = PANDA_OK;
    if (!merges || !merges->is_array || merges->type != PND_GGUF_STRING)
        return fail_key(l->gguf, key, "a list of strings");
    for (size_t i = 0; i < merges->count && status >= 0; i++) {
        if (!pnd_gguf_get_string(merges, i, &line))
            return fail_key(l->gguf, key, "a list of strings");
        status = pnd_merges_add_line(&b->merges, &b->vocabulary, line.bytes,
                                     line.length);
    }
    if (status == PANDA_E_FORMAT)
        pnd_error_prefix(pnd_gguf_get_path(l->gguf));
    return status;
}

static panda_status read_pieces(struct pnd_bpe *b, const struct lists *l,
                                const char *merges)
{
    panda_status status;
    PND_TRY(add_tokens(&b->vocabulary, l, true));
    status = pnd_vocabulary_index(&b->vocabulary);
    if (status == PANDA_E_FORMAT)
        pnd_error_prefix(pnd_gguf_get_path(l->gguf));
    PND_TRY(status);
    PND_TRY(read_merges(b, l, merges));
    PND_TRY(read_ends(&b->vocabulary, l));
    PND_TRY(pnd_bpe_finish(b));
out:
    return status;
}

/* What HF's file does to text before it is split; only bundles say it. */
static panda_status read_form(struct pnd_bpe *b, const struct lists *l)
{
    const struct pnd_gguf_value *value =
        pnd_gguf_find(l->gguf, OWN("normal_form"));
    struct pnd_gguf_string name;
    if (!value)
        return PANDA_OK;
    if (!value->is_array && pnd_gguf_get_string(value, 0, &name))
        b->form = pnd_normal_find_name(name.bytes, name.length);
    return b->form != PND_NORMAL_NONE
        ? PANDA_OK
        : fail_key(l->gguf, OWN("normal_form"), "\"NFC\" or \"NFD\"");
}

static panda_status read_gpt2(struct pnd_bpe *b, const struct pnd_context *ctx,
                              const struct lists *l)
{
    panda_status status;
    b->byte_level = true;
    PND_TRY(read_pre(b, ctx, l));
    PND_TRY(read_form(b, l));
    PND_TRY(read_flag(&b->add_prefix_space, l, KEY("add_space_prefix")));
    PND_TRY(read_pieces(b, l, KEY("merges")));
out:
    return status;
}

/* A vocabulary that merges text, not bytes, by a list: other programs see it
 * as one that merges by score. */
static panda_status read_metaspace(struct pnd_bpe *b, const struct lists *l)
{
    int64_t prefix = PND_BPE_PREFIX_NEVER;
    panda_status status;
    PND_TRY(pnd_gguf_read_integer(&prefix, l->gguf, OWN("prefix"),
                                  PND_BPE_PREFIX_NEVER,
                                  PND_BPE_PREFIX_FIRST));
    b->prefix = (enum pnd_bpe_prefix)prefix;
    b->vocabulary.adds_bos = true;
    PND_TRY(read_form(b, l));
    PND_TRY(read_flag(&b->byte_fallback, l, OWN("byte_fallback")));
    PND_TRY(read_flag(&b->fuse_unk, l, OWN("fuse_unk")));
    PND_TRY(read_flag(&b->ignore_merges, l, OWN("ignore_merges")));
    PND_TRY(read_pieces(b, l, OWN("merges")));
    PND_TRY(read_id(&b->vocabulary.unk, l, KEY("unknown_token_id")));
out:
    return status;
}

static uint64_t count_bytes(const struct pnd_gguf *gguf)
{
    static const char prefix[] = "tokenizer.";
    const size_t length = sizeof prefix - 1;
    uint64_t bytes = 0;
    for (size_t i = 0; i < pnd_gguf_get_count(gguf); i++) {
        const struct pnd_gguf_value *v = pnd_gguf_at(gguf, i);
        if (v->key.length >= length &&
            memcmp(v->key.bytes, prefix, length) == 0)
            bytes += v->key.length + v->bytes;
    }
    return bytes;
}

panda_status pnd_tokenizer_gguf_read(struct pnd_tokenizer *t,
                                     const struct pnd_context *ctx,
                                     const struct pnd_gguf *gguf)
{
    struct lists l;
    struct pnd_gguf_string name = {"nothing", 7};
    const struct pnd_gguf_value *model = pnd_gguf_find(gguf, KEY("model"));
    if (!model)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the file holds no vocabulary (" KEY("model") ")",
                        pnd_gguf_get_path(gguf));
    panda_status status = find_lists(&l, gguf);
    if (status < 0)
        return status;
    t->file_bytes = count_bytes(gguf);
    const bool has_merges = pnd_gguf_find(gguf, OWN("merges")) != NULL;
    if (pnd_gguf_is_string(gguf, KEY("model"), "llama") && !has_merges) {
        pnd_sentencepiece_init(&t->model, t->alloc);
        t->vocabulary = &t->model.vocabulary;
        return read_llama(&t->model, &l);
    }
    if (pnd_gguf_is_string(gguf, KEY("model"), "gpt2") || has_merges) {
        pnd_bpe_init(&t->bpe, t->alloc);
        t->kind = PND_TOKENIZER_BPE;
        t->vocabulary = &t->bpe.vocabulary;
        return has_merges ? read_metaspace(&t->bpe, &l)
                          : read_gpt2(&t->bpe, ctx, &l);
    }
    if (!model->is_array)
        (void)pnd_gguf_get_string(model, 0, &name);
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: the vocabulary is of model \"%s\", expected llama or "
                    "gpt2", pnd_gguf_get_path(gguf),
                    pnd_show(name.bytes, name.length).text);
}
