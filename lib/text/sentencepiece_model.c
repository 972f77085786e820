/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/sentencepiece_model.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

enum { MODEL_UNIGRAM = 1, MODEL_BPE = 2 };

/* A part of the file: bytes [at, end). */
struct reader {
    const uint8_t *data;
    size_t at, end;
};

struct field {
    size_t offset;   /* of its key in the file */
    uint64_t number;
    uint32_t wire;
    uint64_t value;  /* WIRE_VARINT, WIRE_32 */
    size_t start;    /* WIRE_BYTES: where they are in the file */
    size_t length;
};

/* What is known only when the whole file was read. */
struct parser {
    struct pnd_sentencepiece *model;
    const uint8_t *data;
    uint64_t model_type;
    bool whitespace_as_suffix;
    struct pnd_buffer bos_piece, eos_piece;
};

typedef panda_status (*field_fn)(struct parser *p, const struct field *f);

static panda_status read_varint(struct reader *r, uint64_t *out)
{
    uint64_t value = 0;
    size_t start = r->at;
    for (uint32_t shift = 0; shift < 70 && r->at < r->end; shift += 7) {
        uint8_t byte = r->data[r->at++];
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return PANDA_OK;
        }
    }
    return pnd_fail(PANDA_E_FORMAT,
                    "offset %zu: a number is cut off or above 64 bits", start);
}

/* The next field; PANDA_END behind the last. */
static panda_status read_field(struct reader *r, struct field *f)
{
    if (r->at >= r->end)
        return PANDA_END;
    *f = (struct field){.offset = r->at};
    uint64_t key, length;
    panda_status status = read_varint(r, &key);
    if (status < 0)
        return status;
    f->number = key >> 3;
    f->wire = (uint32_t)(key & 7);
    if (f->number == 0 || f->number > 0x1fffffff)
        return pnd_fail(PANDA_E_FORMAT, "offset %zu: field number %llu",
                        f->offset, (unsigned long long)f->number);
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(r, &f->value);
    case WIRE_64:
        length = 8;
        break;
    case WIRE_32:
        length = 4;
        break;
    case WIRE_BYTES:
        status = read_varint(r, &length);
        if (status < 0)
            return status;
        break;
    default:
        return pnd_fail(PANDA_E_FORMAT,
                        "offset %zu: wire type %u, expected 0, 1, 2 or 5",
                        f->offset, f->wire);
    }
    if (length > r->end - r->at)
        return pnd_fail(PANDA_E_FORMAT,
                        "offset %zu: a field of %llu bytes, %zu are left",
                        f->offset, (unsigned long long)length,
                        r->end - r->at);
    f->start = r->at;
    f->length = (size_t)length;
    if (f->wire == WIRE_32)
        f->value = pnd_read_le32(r->data + r->at);
    r->at += f->length;
    return PANDA_OK;
}

static panda_status expect_wire(const struct field *f, enum wire wire)
{
    if (f->wire == (uint32_t)wire)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "offset %zu: field %llu has wire type %u, expected %d",
                    f->offset, (unsigned long long)f->number, f->wire,
                    (int)wire);
}

static panda_status take_bool(bool *out, const struct field *f)
{
    panda_status status = expect_wire(f, WIRE_VARINT);
    if (status >= 0)
        *out = f->value != 0;
    return status;
}

/* Replace the buffer's content by the field's. */
static panda_status take_text(struct pnd_buffer *out, struct parser *p,
                              const struct field *f)
{
    panda_status status = expect_wire(f, WIRE_BYTES);
    if (status < 0)
        return status;
    if (f->length > PND_PIECE_MAX ||
        !pnd_text_is_utf8(p->data + f->start, f->length))
        return pnd_fail(PANDA_E_FORMAT,
                        "offset %zu: field %llu is not UTF-8 of at most %d "
                        "bytes", f->offset, (unsigned long long)f->number,
                        PND_PIECE_MAX);
    out->size = 0;
    return pnd_buffer_append(out, p->data + f->start, f->length);
}

/* Call `take` for each field within `f`. */
static panda_status read_message(struct parser *p, const struct field *f,
                                 field_fn take)
{
    panda_status status = expect_wire(f, WIRE_BYTES);
    struct reader r = {p->data, f->start, f->start + f->length};
    struct field inner;
    while (status >= 0 && (status = read_field(&r, &inner)) == PANDA_OK)
        status = take(p, &inner);
    return status < 0 ? status : PANDA_OK;
}

static panda_status take_piece(struct parser *p, const struct field *f)
{
    panda_status status = expect_wire(f, WIRE_BYTES);
    struct reader r = {p->data, f->start, f->start + f->length};
    struct field inner, spelling = {0};
    float score = 0;
    uint64_t kind = PND_PIECE_NORMAL;
    while (status >= 0 && (status = read_field(&r, &inner)) == PANDA_OK) {
        if (inner.number == 1) {
            status = expect_wire(&inner, WIRE_BYTES);
            spelling = inner;
        } else if (inner.number == 2) {
            status = expect_wire(&inner, WIRE_32);
            uint32_t bits = (uint32_t)inner.value;
            memcpy(&score, &bits, sizeof score);
        } else if (inner.number == 3) {
            status = expect_wire(&inner, WIRE_VARINT);
            kind = inner.value;
        }
    }
    if (status < 0)
        return status;
    if (kind < PND_PIECE_NORMAL || kind > PND_PIECE_BYTE)
        return pnd_fail(PANDA_E_FORMAT,
                        "offset %zu: a piece of type %llu, expected 1..6",
                        f->offset, (unsigned long long)kind);
    return pnd_vocabulary_add(&p->model->vocabulary, p->data + spelling.start,
                              spelling.length, score,
                              (enum pnd_piece_kind)kind);
}

static panda_status take_trainer(struct parser *p, const struct field *f)
{
    switch (f->number) {
    case 3:
        p->model_type = f->value;
        return expect_wire(f, WIRE_VARINT);
    case 24:
        return take_bool(&p->whitespace_as_suffix, f);
    case 35:
        return take_bool(&p->model->byte_fallback, f);
    case 44:
        return take_text(&p->model->unk_surface, p, f);
    case 46:
        return take_text(&p->bos_piece, p, f);
    case 47:
        return take_text(&p->eos_piece, p, f);
    default:
        return PANDA_OK;
    }
}

static panda_status take_charsmap(struct parser *p, const struct field *f)
{
    (void)p;
    if (f->number == 2 && f->length > 0)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the vocabulary replaces characters "
                        "(precompiled_charsmap of %zu bytes), expected the "
                        "identity", f->length);
    return PANDA_OK;
}

static panda_status take_normalizer(struct parser *p, const struct field *f)
{
    switch (f->number) {
    case 3:
        return take_bool(&p->model->add_dummy_prefix, f);
    case 4:
        return take_bool(&p->model->remove_extra_whitespaces, f);
    case 5:
        return take_bool(&p->model->escape_whitespaces, f);
    default:
        return take_charsmap(p, f);
    }
}

static panda_status take_model(struct parser *p, const struct field *f)
{
    switch (f->number) {
    case 1:
        return take_piece(p, f);
    case 2:
        return read_message(p, f, take_trainer);
    case 3:
        return read_message(p, f, take_normalizer);
    case 5:
        return read_message(p, f, take_charsmap);
    default:
        return PANDA_OK;
    }
}

static int get_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                                 : -1;
}

int32_t pnd_sentencepiece_get_byte(const uint8_t *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int high = get_digit(text[3]), low = get_digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static panda_status check_pieces(struct pnd_sentencepiece *model)
{
    const struct pnd_vocabulary *v = &model->vocabulary;
    for (uint32_t i = 0; i < v->count; i++) {
        const struct pnd_piece *piece = pnd_vocabulary_get(v, i);
        if (piece->kind == PND_PIECE_UNKNOWN) {
            if (model->vocabulary.unk >= 0)
                return pnd_fail(PANDA_E_FORMAT,
                                "pieces %d and %u are both of type UNKNOWN",
                                (int)model->vocabulary.unk, i);
            model->vocabulary.unk = (int32_t)i;
        } else if (piece->kind == PND_PIECE_BYTE) {
            int32_t byte =
                pnd_sentencepiece_get_byte(piece->text, piece->length);
            if (byte < 0 || !model->byte_fallback)
                return pnd_fail(PANDA_E_FORMAT, "piece %u is of type BYTE, %s",
                                i, byte < 0 ? "but not <0x00> to <0xFF>"
                                            : "without byte_fallback");
            model->bytes[byte] = (int32_t)i;
        }
    }
    if (model->vocabulary.unk < 0)
        return pnd_fail(PANDA_E_FORMAT, "no piece is of type UNKNOWN");
    for (int i = 0; i < 256 && model->byte_fallback; i++) {
        if (model->bytes[i] < 0)
            return pnd_fail(PANDA_E_FORMAT,
                            "byte_fallback is set, but piece <0x%02X> missing",
                            (unsigned)i);
    }
    return PANDA_OK;
}

static panda_status check_trainer(const struct parser *p)
{
    static const char *const names[] = {"0", "UNIGRAM", "BPE", "WORD", "CHAR"};
    if (p->model_type != MODEL_BPE) {
        bool known = p->model_type <= 4;
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the vocabulary is of model_type %s, expected BPE",
                        known ? names[p->model_type] : "unknown");
    }
    if (p->whitespace_as_suffix)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the vocabulary has treat_whitespace_as_suffix");
    return PANDA_OK;
}

static int32_t find_control(const struct pnd_vocabulary *v,
                            const struct pnd_buffer *name)
{
    int32_t id = pnd_vocabulary_find(v, name->data, name->size);
    bool found = id >= 0 && pnd_vocabulary_get(v, (uint32_t)id)->kind ==
                                PND_PIECE_CONTROL;
    return found ? id : -1;
}

static panda_status append_unk_surface(struct pnd_sentencepiece *model)
{
    return pnd_buffer_append_string(&model->unk_surface, " \xe2\x81\x87 ");
}

static panda_status index_pieces(struct pnd_sentencepiece *model)
{
    panda_status status = pnd_vocabulary_index(&model->vocabulary);
    return status < 0 ? status : check_pieces(model);
}

panda_status pnd_sentencepiece_finish(struct pnd_sentencepiece *model)
{
    panda_status status = append_unk_surface(model);
    return status < 0 ? status : index_pieces(model);
}

static panda_status parse(struct parser *p, size_t size)
{
    panda_status status;
    struct pnd_sentencepiece *model = p->model;
    const struct field all = {.wire = WIRE_BYTES, .length = size};
    PND_TRY(append_unk_surface(model));
    PND_TRY(pnd_buffer_append_string(&p->bos_piece, "<s>"));
    PND_TRY(pnd_buffer_append_string(&p->eos_piece, "</s>"));
    PND_TRY(read_message(p, &all, take_model));
    if (model->vocabulary.count == 0)
        PND_TRY(pnd_fail(PANDA_E_FORMAT, "the vocabulary has no pieces"));
    PND_TRY(check_trainer(p));
    PND_TRY(index_pieces(model));
    model->vocabulary.bos = find_control(&model->vocabulary, &p->bos_piece);
    model->vocabulary.eos = find_control(&model->vocabulary, &p->eos_piece);
out:
    return status;
}

void pnd_sentencepiece_init(struct pnd_sentencepiece *out,
                            const struct pnd_allocator *alloc)
{
    *out = (struct pnd_sentencepiece){
        .add_dummy_prefix = true, .remove_extra_whitespaces = true,
        .escape_whitespaces = true};
    memset(out->bytes, 0xff, sizeof out->bytes);
    pnd_vocabulary_init(&out->vocabulary, alloc);
    pnd_buffer_init(&out->unk_surface, alloc);
}

panda_status pnd_sentencepiece_parse(struct pnd_sentencepiece *out,
                                     const struct pnd_allocator *alloc,
                                     const uint8_t *data, size_t size)
{
    pnd_sentencepiece_init(out, alloc);
    struct parser p = {.model = out, .data = data,
                       .model_type = MODEL_UNIGRAM};
    pnd_buffer_init(&p.bos_piece, alloc);
    pnd_buffer_init(&p.eos_piece, alloc);
    panda_status status = parse(&p, size);
    pnd_buffer_free(&p.bos_piece);
    pnd_buffer_free(&p.eos_piece);
    if (status < 0)
        pnd_sentencepiece_free(out);
    return status;
}

void pnd_sentencepiece_free(struct pnd_sentencepiece *model)
{
    pnd_vocabulary_free(&model->vocabulary);
    pnd_buffer_free(&model->unk_surface);
}

bool pnd_sentencepiece_probe(const uint8_t *data, size_t size)
{
    struct reader r = {data, 0, size};
    struct field piece, f;
    uint8_t key = WIRE_BYTES | 1 << 3;
    if (size == 0 || data[0] != key || read_field(&r, &piece) != PANDA_OK)
        return false;
    struct reader inner = {data, piece.start, piece.start + piece.length};
    if (piece.length == 0 || data[piece.start] != key)
        return false;
    return read_field(&inner, &f) == PANDA_OK && f.length > 0 &&
           f.length <= PND_PIECE_MAX &&
           pnd_text_is_utf8(data + f.start, f.length);
}
