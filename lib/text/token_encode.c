/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_parts.h"

#include <pandagpt/model.h>

#include "format/utf8.h"
#include "text/added_tokens.h"
#include "text/byte_level.h"
#include "text/metaspace.h"
#include "text/normalize.h"
#include "text/piece_merge.h"

/* Normalising makes three bytes of one; the result has to be countable. */
#define TEXT_MAX (PND_MERGE_MAX / 4)

/* White space as Python's str.strip takes it; the length of the character, 0
 * for any other. */
static size_t measure_space(const uint8_t *s, size_t size)
{
    size_t length = pnd_utf8_measure((const char *)s, size);
    uint32_t c = s[0];
    if (length == 2)
        c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    else if (length == 3)
        c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    bool space = (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) ||
                 c == 0x85 || c == 0xa0 || c == 0x1680 ||
                 (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
                 c == 0x202f || c == 0x205f || c == 0x3000;
    return space && length <= 3 ? length : 0;
}

static size_t skip_left(const uint8_t *text, size_t start, size_t end)
{
    while (start < end) {
        size_t length = measure_space(text + start, end - start);
        if (length == 0)
            break;
        start += length;
    }
    return start;
}

static size_t skip_right(const uint8_t *text, size_t start, size_t end)
{
    size_t last = start; /* behind the last that is no white space */
    for (size_t at = start; at < end;) {
        size_t space = measure_space(text + at, end - at);
        size_t length = pnd_utf8_measure((const char *)text + at, end - at);
        at += length ? length : 1;
        if (space == 0)
            last = at;
    }
    return last;
}

static panda_status encode_plain(const struct pnd_tokenizer *t,
                                 const uint8_t *text, size_t size,
                                 struct pnd_buffer *ids)
{
    panda_status status;
    struct pnd_buffer ready;
    pnd_buffer_init(&ready, ids->alloc);
    PND_TRY(pnd_sentencepiece_normalize(&t->model, &t->user_defined, text,
                                        size, &ready));
    PND_TRY(pnd_merge_encode(&t->model, &t->user_defined, ready.data,
                             ready.size, ids, NULL));
out:
    pnd_buffer_free(&ready);
    return status;
}

/* Text around whole tokens; each stretch between them is encoded on its own,
 * with its own space in front. */
static panda_status encode_parsed(const struct pnd_tokenizer *t,
                                  const uint8_t *text, size_t size,
                                  struct pnd_buffer *ids)
{
    panda_status status = PANDA_OK;
    const struct pnd_piece *before = NULL, *token = NULL;
    size_t start = 0;
    for (size_t at = 0; at <= size; at++) {
        token = pnd_prefixes_match(&t->whole, text + at, size - at);
        if (!token && at < size)
            continue;
        size_t left = start, right = at;
        if (before && before->flags & PND_PIECE_STRIP_RIGHT)
            left = skip_left(text, left, right);
        if (token && token->flags & PND_PIECE_STRIP_LEFT)
            right = skip_right(text, left, right);
        PND_TRY(encode_plain(t, text + left, right - left, ids));
        if (!token)
            break;
        int32_t id = pnd_vocabulary_get_id(t->vocabulary, token);
        PND_TRY(pnd_buffer_append(ids, &id, sizeof id));
        before = token;
        start = at + token->length;
        at = start - 1;
    }
out:
    return status;
}

struct bpe_encoder {
    const struct pnd_tokenizer *t;
    bool parse_special;
    struct pnd_buffer *ids;
};

static panda_status take_late_stretch(void *user, const uint8_t *text,
                                      size_t size, bool first,
                                      const struct pnd_piece *token)
{
    const struct bpe_encoder *e = user;
    const struct pnd_bpe *b = &e->t->bpe;
    if (token) {
        int32_t id = pnd_vocabulary_get_id(e->t->vocabulary, token);
        return pnd_buffer_append(e->ids, &id, sizeof id);
    }
    return b->byte_level
        ? pnd_byte_level_encode(b, text, size, e->ids)
        : pnd_metaspace_encode(b, text, size, first, e->ids);
}

static panda_status take_stretch(void *user, const uint8_t *text, size_t size,
                                 bool first, const struct pnd_piece *token)
{
    const struct bpe_encoder *e = user;
    const enum pnd_normal_form form = e->t->bpe.form;
    struct pnd_buffer formed;
    panda_status status = PANDA_OK;
    if (token)
        return take_late_stretch(user, text, size, first, token);
    pnd_buffer_init(&formed, e->ids->alloc);
    if (!pnd_normal_is_plain(form, text, size)) {
        PND_TRY(pnd_normal_append(form, text, size, &formed));
        text = formed.data;
        size = formed.size;
    }
    PND_TRY(pnd_added_split(&e->t->late, e->parse_special, text, size, first,
                            take_late_stretch, user));
out:
    pnd_buffer_free(&formed);
    return status;
}

/* The text with U+FFFD for what is not UTF-8, as the decoders do it whose
 * strings HF's tokenizers get. (SentencePiece replaces each byte.) */
static panda_status append_repaired(struct pnd_buffer *out,
                                    const uint8_t *text, size_t size)
{
    panda_status status = PANDA_OK;
    for (size_t at = 0; at < size && status >= 0;) {
        size_t length = pnd_utf8_measure((const char *)text + at, size - at);
        if (length > 0)
            status = pnd_buffer_append(out, text + at, length);
        else
            status = pnd_buffer_append(out, PND_REPLACEMENT,
                                       PND_REPLACEMENT_SIZE);
        at += length ? length
                     : pnd_utf8_measure_broken((const char *)text + at,
                                               size - at);
    }
    return status;
}

static panda_status encode_bpe(const struct pnd_tokenizer *t,
                               const uint8_t *text, size_t size,
                               bool parse_special, struct pnd_buffer *ids)
{
    panda_status status = PANDA_OK;
    struct bpe_encoder e = {t, parse_special, ids};
    struct pnd_buffer repaired;
    pnd_buffer_init(&repaired, ids->alloc);
    if (!pnd_text_is_utf8(text, size)) {
        PND_TRY(append_repaired(&repaired, text, size));
        text = repaired.data;
        size = repaired.size;
    }
    PND_TRY(pnd_added_split(&t->whole, parse_special, text, size, true,
                            take_stretch, &e));
out:
    pnd_buffer_free(&repaired);
    return status;
}

static panda_status append_end(int32_t id, const char *verb,
                               struct pnd_buffer *ids)
{
    if (id < 0)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the vocabulary has no token to %s a text", verb);
    return pnd_buffer_append(ids, &id, sizeof id);
}

panda_status pnd_tokenizer_encode(const struct pnd_tokenizer *t,
                                  const char *text, size_t length,
                                  uint32_t flags, struct pnd_buffer *ids)
{
    panda_status status = PANDA_OK;
    size_t size = ids->size;
    const uint8_t *bytes = (const uint8_t *)text;
    bool parse_special = flags & PANDA_TOKENIZE_PARSE_SPECIAL;
    if (length > TEXT_MAX)
        return pnd_fail(PANDA_E_ARGUMENT,
                        "a text of %zu bytes, at most %zu can be encoded",
                        length, TEXT_MAX);
    if (flags & PANDA_TOKENIZE_BOS)
        PND_TRY(append_end(t->vocabulary->bos, "begin", ids));
    if (t->kind == PND_TOKENIZER_BPE)
        PND_TRY(encode_bpe(t, bytes, length, parse_special, ids));
    else if (parse_special)
        PND_TRY(encode_parsed(t, bytes, length, ids));
    else
        PND_TRY(encode_plain(t, bytes, length, ids));
    if (flags & PANDA_TOKENIZE_EOS)
        PND_TRY(append_end(t->vocabulary->eos, "end", ids));
    return PANDA_OK;
out:
    ids->size = size;
    return status;
}
