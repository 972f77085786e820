/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_write.h"

#include <stdio.h>
#include <string.h>

#include "text/tokenizer_parts.h"

#define KEY(name) "tokenizer.ggml." name
#define OWN(name) "pandagpt.tokenizer." name

/* What llama.cpp's converter gives to tokens that no text is merged into. */
#define ADDED_SCORE (-1000.0f)

/* Of all tokens; those from `count` on are made up. */
struct lists {
    float *scores;
    int32_t *types;
    uint8_t *kinds, *flags;
};

static int32_t find_padding(const struct pnd_vocabulary *v)
{
    return pnd_vocabulary_find(v, "[PAD]", 5);
}

static int32_t get_type(const struct pnd_vocabulary *v, uint32_t id)
{
    const struct pnd_piece *piece = pnd_vocabulary_get(v, id);
    if (v->unk == (int32_t)id)
        return PND_PIECE_UNKNOWN;
    if (piece->kind != PND_PIECE_ADDED)
        return piece->kind;
    const bool control = piece->flags & PND_PIECE_SPECIAL ||
                         find_padding(v) == (int32_t)id;
    return control ? PND_PIECE_CONTROL : PND_PIECE_USER_DEFINED;
}

static void fill_lists(struct lists *l, const struct pnd_tokenizer *t,
                       uint32_t rows)
{
    const struct pnd_vocabulary *v = t->vocabulary;
    const bool by_list = t->kind == PND_TOKENIZER_BPE;
    for (uint32_t id = 0; id < rows; id++) {
        if (id >= v->count) {
            l->types[id] = PND_PIECE_UNUSED;
            l->scores[id] = ADDED_SCORE;
            continue;
        }
        const struct pnd_piece *piece = pnd_vocabulary_get(v, id);
        const bool added = piece->kind == PND_PIECE_ADDED;
        l->types[id] = get_type(v, id);
        l->scores[id] = added ? ADDED_SCORE : piece->score;
        l->kinds[id] = piece->kind;
        if (by_list && piece->kind == PND_PIECE_BYTE)
            l->kinds[id] = PND_PIECE_NORMAL; /* found by its spelling */
        l->flags[id] = piece->flags;
    }
    if (by_list && !t->bpe.byte_level)
        pnd_merges_read_scores(&t->bpe.merges, l->scores);
}

static panda_status put_tokens(struct pnd_gguf_writer *w,
                               const struct pnd_vocabulary *v, uint32_t rows)
{
    panda_status status = pnd_gguf_put_strings(w, KEY("tokens"), rows);
    for (uint32_t id = 0; id < rows && status == PANDA_OK; id++) {
        char made_up[32];
        if (id < v->count) {
            const struct pnd_piece *piece = pnd_vocabulary_get(v, id);
            status = pnd_gguf_put_item(w, (const char *)piece->text,
                                       piece->length);
        } else {
            int n = snprintf(made_up, sizeof made_up, "[PAD%u]", id);
            status = pnd_gguf_put_item(w, made_up, (size_t)n);
        }
    }
    return status;
}

static panda_status put_lists(struct pnd_gguf_writer *w,
                              const struct pnd_tokenizer *t, uint32_t rows,
                              bool own)
{
    const struct pnd_vocabulary *v = t->vocabulary;
    struct lists l = {
        pnd_alloc_array(t->alloc, rows, sizeof *l.scores),
        pnd_alloc_array(t->alloc, rows, sizeof *l.types),
        pnd_alloc(t->alloc, v->count), pnd_alloc(t->alloc, v->count)};
    panda_status status = PANDA_OK;
    if (!l.scores || !l.types || !l.kinds || !l.flags)
        PND_TRY(pnd_fail_memory());
    fill_lists(&l, t, rows);
    PND_TRY(put_tokens(w, v, rows));
    if (t->kind == PND_TOKENIZER_SENTENCEPIECE || !t->bpe.byte_level)
        PND_TRY(pnd_gguf_put_list(w, KEY("scores"), PND_GGUF_F32, l.scores,
                                  rows));
    PND_TRY(pnd_gguf_put_list(w, KEY("token_type"), PND_GGUF_I32, l.types,
                              rows));
    if (own) {
        PND_TRY(pnd_gguf_put_list(w, OWN("kinds"), PND_GGUF_U8, l.kinds,
                                  v->count));
        PND_TRY(pnd_gguf_put_list(w, OWN("flags"), PND_GGUF_U8, l.flags,
                                  v->count));
    }
out:
    pnd_free(t->alloc, l.scores);
    pnd_free(t->alloc, l.types);
    pnd_free(t->alloc, l.kinds);
    pnd_free(t->alloc, l.flags);
    return status;
}

static panda_status put_id(struct pnd_gguf_writer *w, const char *key,
                           int32_t id)
{
    return id < 0 ? PANDA_OK : pnd_gguf_put_u32(w, key, (uint32_t)id);
}

static panda_status put_ids(struct pnd_gguf_writer *w,
                            const struct pnd_vocabulary *v)
{
    panda_status status;
    PND_TRY(put_id(w, KEY("bos_token_id"), v->bos));
    PND_TRY(put_id(w, KEY("eos_token_id"), v->eos));
    PND_TRY(put_id(w, KEY("unknown_token_id"), v->unk));
    PND_TRY(put_id(w, KEY("padding_token_id"), find_padding(v)));
    PND_TRY(pnd_gguf_put_bool(w, KEY("add_bos_token"),
                              v->bos >= 0 && v->adds_bos));
    PND_TRY(pnd_gguf_put_bool(w, KEY("add_eos_token"),
                              v->eos >= 0 && v->adds_eos));
out:
    return status;
}

static panda_status put_sentencepiece(struct pnd_gguf_writer *w,
                                      const struct pnd_sentencepiece *model,
                                      bool own)
{
    static const char usual[] = " \xe2\x81\x87 ";
    const struct pnd_buffer *unk = &model->unk_surface;
    panda_status status;
    PND_TRY(pnd_gguf_put_bool(w, KEY("add_space_prefix"),
                              model->add_dummy_prefix));
    if (model->remove_extra_whitespaces)
        PND_TRY(pnd_gguf_put_bool(w, KEY("remove_extra_whitespaces"), true));
    if (own && !model->escape_whitespaces)
        PND_TRY(pnd_gguf_put_bool(w, OWN("escape_whitespaces"), false));
    if (own && (unk->size != sizeof usual - 1 ||
                memcmp(unk->data, usual, unk->size) != 0))
        PND_TRY(pnd_gguf_put_string(w, OWN("unk_surface"),
                                    (const char *)unk->data, unk->size));
out:
    return status;
}

static panda_status put_form(struct pnd_gguf_writer *w,
                             const struct pnd_bpe *b)
{
    const char *name = pnd_normal_get_name(b->form);
    return name ? pnd_gguf_put_text(w, OWN("normal_form"), name) : PANDA_OK;
}

static panda_status put_byte_level(struct pnd_gguf_writer *w,
                                   const struct pnd_bpe *b, bool own)
{
    panda_status status;
    if (own)
        PND_TRY(put_form(w, b));
    if (b->add_prefix_space)
        PND_TRY(pnd_gguf_put_bool(w, KEY("add_space_prefix"), true));
    PND_TRY(pnd_merges_write(&b->merges, &b->vocabulary, w, KEY("merges")));
out:
    return status;
}

static panda_status put_metaspace(struct pnd_gguf_writer *w,
                                  const struct pnd_bpe *b, bool own)
{
    panda_status status;
    PND_TRY(pnd_gguf_put_bool(w, KEY("add_space_prefix"),
                              b->prefix != PND_BPE_PREFIX_NEVER));
    if (!own)
        goto out;
    PND_TRY(put_form(w, b));
    PND_TRY(pnd_gguf_put_u32(w, OWN("prefix"), (uint32_t)b->prefix));
    PND_TRY(pnd_gguf_put_bool(w, OWN("byte_fallback"), b->byte_fallback));
    PND_TRY(pnd_gguf_put_bool(w, OWN("fuse_unk"), b->fuse_unk));
    PND_TRY(pnd_gguf_put_bool(w, OWN("ignore_merges"), b->ignore_merges));
    PND_TRY(pnd_merges_write(&b->merges, &b->vocabulary, w, OWN("merges")));
out:
    return status;
}

panda_status pnd_tokenizer_write(const struct pnd_tokenizer *t,
                                 struct pnd_gguf_writer *w, uint32_t rows,
                                 bool own)
{
    const bool is_bpe = t->kind == PND_TOKENIZER_BPE;
    const bool byte_level = is_bpe && t->bpe.byte_level;
    const char *pre = "default";
    size_t length = strlen(pre);
    panda_status status;
    if (byte_level)
        pre = pnd_split_get_name(&t->bpe.splitter, t->bpe.ignore_merges,
                                 &length);
    if (!pre)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the vocabulary splits text in a way that GGUF files "
                        "have no name for (tokenizer.ggml.pre)");
    if (rows < t->vocabulary->count)
        rows = t->vocabulary->count;
    PND_TRY(pnd_gguf_put_text(w, KEY("model"), byte_level ? "gpt2" : "llama"));
    PND_TRY(pnd_gguf_put_string(w, KEY("pre"), pre, length));
    PND_TRY(put_lists(w, t, rows, own));
    PND_TRY(put_ids(w, t->vocabulary));
    if (!is_bpe)
        PND_TRY(put_sentencepiece(w, &t->model, own));
    else if (byte_level)
        PND_TRY(put_byte_level(w, &t->bpe, own));
    else
        PND_TRY(put_metaspace(w, &t->bpe, own));
out:
    return status;
}
