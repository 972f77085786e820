/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_parts.h"

#include <string.h>

#include "format/utf8.h"
#include "text/byte_level.h"
#include "text/normalize.h"

void pnd_stream_init(struct pnd_stream *s, const struct pnd_tokenizer *t)
{
    *s = (struct pnd_stream){.tokenizer = t};
}

static panda_status give(struct pnd_stream *s, const void *text, size_t size,
                         struct pnd_buffer *out)
{
    s->has_text = s->has_text || size > 0;
    return pnd_buffer_append(out, text, size);
}

/* Bytes at the front that one U+FFFD stands for: SentencePiece replaces each,
 * HF's byte-level decoder as many as begin a character. */
static size_t measure_broken(const struct pnd_stream *s)
{
    return s->tokenizer->kind == PND_TOKENIZER_BPE
        ? pnd_utf8_measure_broken((const char *)s->pending, s->pending_size)
        : 1;
}

/* Give the characters that are whole. What cannot belong to one becomes U+FFFD,
 * at the end all that is left. */
static panda_status give_pending(struct pnd_stream *s, bool at_end,
                                 struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    while (s->pending_size > 0 && status >= 0) {
        size_t length = pnd_utf8_measure((const char *)s->pending,
                                         s->pending_size);
        if (length > 0) {
            status = give(s, s->pending, length, out);
        } else {
            if (!at_end && pnd_utf8_is_open((const char *)s->pending,
                                            s->pending_size))
                break;
            status = give(s, PND_REPLACEMENT, PND_REPLACEMENT_SIZE, out);
            length = measure_broken(s);
        }
        s->pending_size -= (uint32_t)length;
        memmove(s->pending, s->pending + length, s->pending_size);
    }
    return status;
}

/* A piece's spelling, with its symbols as spaces again. */
static panda_status give_spelling(struct pnd_stream *s, const uint8_t *text,
                                  size_t size, struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    size_t start = 0;
    for (size_t i = 0; i + PND_SPACE_SIZE <= size && status >= 0; i++) {
        if (memcmp(text + i, PND_SPACE_SYMBOL, PND_SPACE_SIZE) != 0)
            continue;
        status = give(s, text + start, i - start, out);
        if (status >= 0)
            status = give(s, " ", 1, out);
        start = i + PND_SPACE_SIZE;
        i = start - 1;
    }
    return status < 0 ? status : give(s, text + start, size - start, out);
}

static panda_status push_piece(struct pnd_stream *s,
                               const struct pnd_piece *piece,
                               struct pnd_buffer *out)
{
    const struct pnd_sentencepiece *model = &s->tokenizer->model;
    panda_status status = give_pending(s, true, out);
    if (status < 0)
        return status;
    if (s->was_space || s->has_text)
        s->at_start = false;
    s->was_space = false;
    if (piece->kind == PND_PIECE_CONTROL)
        return PANDA_OK;
    if (piece->kind == PND_PIECE_UNKNOWN)
        return give(s, model->unk_surface.data, model->unk_surface.size, out);
    const uint8_t *text = piece->text;
    size_t size = piece->length;
    bool drops = model->add_dummy_prefix || model->remove_extra_whitespaces;
    if (s->at_start && drops && size >= PND_SPACE_SIZE &&
        memcmp(text, PND_SPACE_SYMBOL, PND_SPACE_SIZE) == 0) {
        text += PND_SPACE_SIZE;
        size -= PND_SPACE_SIZE;
        /* Where spaces are removed anyway, all in front go. */
        s->was_space = !model->remove_extra_whitespaces;
    }
    return give_spelling(s, text, size, out);
}

static void begin_text(struct pnd_stream *s)
{
    s->at_start = true;
    s->was_space = s->has_text = false;
}

/* A space, where a part came before. */
static panda_status begin_part(struct pnd_stream *s, struct pnd_buffer *out)
{
    panda_status status =
        s->has_part ? pnd_buffer_append(out, " ", 1) : PANDA_OK;
    s->has_part = true;
    begin_text(s);
    return status;
}

static panda_status push_added(struct pnd_stream *s,
                               const struct pnd_piece *piece,
                               struct pnd_buffer *out)
{
    panda_status status = give_pending(s, true, out);
    if (status >= 0)
        status = begin_part(s, out);
    if (status >= 0)
        status = give(s, piece->text, piece->length, out);
    s->in_part = false;
    return status;
}

static panda_status push_bytes(struct pnd_stream *s, const uint8_t *bytes,
                               size_t count, struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        s->pending[s->pending_size++] = bytes[i];
        status = give_pending(s, false, out);
    }
    return status;
}

/* A piece that spells text. The space in front of the first is not part of the
 * text. */
static panda_status push_text(struct pnd_stream *s,
                              const struct pnd_piece *piece,
                              struct pnd_buffer *out)
{
    const uint8_t *text = piece->text;
    size_t size = piece->length;
    bool drops = !s->has_part &&
                 s->tokenizer->bpe.prefix != PND_BPE_PREFIX_NEVER;
    panda_status status = give_pending(s, true, out);
    s->has_part = true;
    if (status < 0)
        return status;
    if (piece->kind == PND_PIECE_ADDED)
        return give(s, text, size, out);
    if (drops && size >= PND_SPACE_SIZE &&
        memcmp(text, PND_SPACE_SYMBOL, PND_SPACE_SIZE) == 0) {
        text += PND_SPACE_SIZE;
        size -= PND_SPACE_SIZE;
    }
    return give_spelling(s, text, size, out);
}

static panda_status push_bpe(struct pnd_stream *s,
                             const struct pnd_piece *piece,
                             struct pnd_buffer *out)
{
    uint8_t bytes[PND_PIECE_MAX];
    if (s->tokenizer->bpe.byte_level) {
        if (piece->kind == PND_PIECE_ADDED)
            return push_bytes(s, piece->text, piece->length, out);
        size_t count = pnd_byte_level_spell(piece->text, piece->length, bytes);
        return push_bytes(s, bytes, count, out);
    }
    if (piece->kind != PND_PIECE_BYTE)
        return push_text(s, piece, out);
    s->has_part = true;
    bytes[0] =
        (uint8_t)pnd_sentencepiece_get_byte(piece->text, piece->length);
    return push_bytes(s, bytes, 1, out);
}

/* Any piece, special ones included. */
static panda_status push_any(struct pnd_stream *s,
                             const struct pnd_piece *piece,
                             struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    if (s->tokenizer->kind == PND_TOKENIZER_BPE)
        return push_bpe(s, piece, out);
    if (piece->kind == PND_PIECE_ADDED)
        return push_added(s, piece, out);
    if (!s->in_part) {
        status = begin_part(s, out);
        s->in_part = true;
    }
    if (status < 0)
        return status;
    if (piece->kind != PND_PIECE_BYTE)
        return push_piece(s, piece, out);
    s->pending[s->pending_size++] =
        (uint8_t)pnd_sentencepiece_get_byte(piece->text, piece->length);
    return give_pending(s, false, out);
}

/* NULL for an id out of range. */
static const struct pnd_piece *find_piece(const struct pnd_tokenizer *t,
                                          int32_t id)
{
    const struct pnd_vocabulary *v = t->vocabulary;
    bool known = id >= 0 && (uint32_t)id < v->count;
    return known ? pnd_vocabulary_get(v, (uint32_t)id) : NULL;
}

static panda_status fail_range(const struct pnd_tokenizer *t, int32_t id)
{
    return pnd_fail(PANDA_E_ARGUMENT, "token %d, expected 0..%u", (int)id,
                    t->vocabulary->count - 1);
}

static panda_status push_id(struct pnd_stream *s, int32_t id,
                            bool keep_special, struct pnd_buffer *text)
{
    const struct pnd_piece *piece = find_piece(s->tokenizer, id);
    if (!piece)
        return fail_range(s->tokenizer, id);
    if (piece->flags & PND_PIECE_SPECIAL && !keep_special)
        return PANDA_OK;
    return push_any(s, piece, text);
}

panda_status pnd_stream_push(struct pnd_stream *s, int32_t id,
                             struct pnd_buffer *text)
{
    return push_id(s, id, false, text);
}

panda_status pnd_stream_flush(struct pnd_stream *s, struct pnd_buffer *text)
{
    return give_pending(s, true, text);
}

static bool is_special(const struct pnd_piece *piece)
{
    return piece->kind != PND_PIECE_ADDED && piece->flags & PND_PIECE_SPECIAL;
}

/* Whether the part's text from ids[at] on ends with a special token. The
 * reference puts a space in front of such text, not in front of the token. */
static bool precedes_special(const struct pnd_tokenizer *t,
                             const int32_t *ids, size_t count, size_t at)
{
    for (; at < count; at++) {
        const struct pnd_piece *piece = find_piece(t, ids[at]);
        if (!piece || piece->kind == PND_PIECE_ADDED)
            return false;
        if (is_special(piece))
            return true;
    }
    return false;
}

static panda_status decode_special(struct pnd_stream *s,
                                   const struct pnd_piece *piece,
                                   struct pnd_buffer *out)
{
    panda_status status = give_pending(s, true, out);
    if (status >= 0 && !s->in_part)
        status = begin_part(s, out);
    s->in_part = true;
    if (status >= 0)
        status = give(s, piece->text, piece->length, out);
    begin_text(s);
    return status;
}

static panda_status decode_all(const struct pnd_tokenizer *t,
                               const int32_t *ids, size_t count,
                               struct pnd_buffer *out)
{
    struct pnd_stream s;
    pnd_stream_init(&s, t);
    panda_status status = PANDA_OK;
    bool new_text = true; /* the next piece begins one */
    for (size_t i = 0; i < count && status >= 0; i++) {
        const struct pnd_piece *piece = find_piece(t, ids[i]);
        if (!piece)
            return fail_range(t, ids[i]);
        bool special = is_special(piece);
        bool plain = !special && piece->kind != PND_PIECE_ADDED;
        if (plain && new_text && precedes_special(t, ids, count, i)) {
            if (!s.in_part)
                status = begin_part(&s, out);
            s.in_part = true;
            if (status >= 0)
                status = pnd_buffer_append(out, " ", 1);
        }
        new_text = !plain;
        if (status >= 0)
            status = special ? decode_special(&s, piece, out)
                             : push_any(&s, piece, out);
    }
    return status < 0 ? status : pnd_stream_flush(&s, out);
}

panda_status pnd_tokenizer_decode(const struct pnd_tokenizer *t,
                                  const int32_t *ids, size_t count,
                                  bool keep_special, struct pnd_buffer *text)
{
    size_t size = text->size;
    panda_status status = PANDA_OK;
    if (keep_special && t->kind == PND_TOKENIZER_SENTENCEPIECE) {
        status = decode_all(t, ids, count, text);
    } else {
        struct pnd_stream s;
        pnd_stream_init(&s, t);
        for (size_t i = 0; i < count && status >= 0; i++)
            status = push_id(&s, ids[i], keep_special, text);
        if (status >= 0)
            status = pnd_stream_flush(&s, text);
    }
    if (status < 0)
        text->size = size;
    return status;
}
