/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_MODEL_BYTES_H
#define PANDA_TESTS_MODEL_BYTES_H

#include "support/support.h"

#include <string.h>

#include "text/sentencepiece_model.h"

/* Writes the bytes of a SentencePiece model. */

static inline void put(struct pnd_buffer *b, const void *data, size_t size)
{
    ck_assert_ok(pnd_buffer_append(b, data, size));
}

static inline void put_varint(struct pnd_buffer *b, uint64_t value)
{
    uint8_t byte;
    for (; value > 127; value >>= 7) {
        byte = (uint8_t)(value | 128);
        put(b, &byte, 1);
    }
    byte = (uint8_t)value;
    put(b, &byte, 1);
}

static inline void put_number(struct pnd_buffer *b, uint32_t field,
                              uint64_t value)
{
    put_varint(b, field << 3);
    put_varint(b, value);
}

static inline void put_bytes(struct pnd_buffer *b, uint32_t field,
                             const void *data, size_t size)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, size);
    put(b, data, size);
}

static inline void put_piece_bytes(struct pnd_buffer *b, const void *text,
                                   size_t length, float score, uint64_t kind)
{
    struct pnd_buffer piece;
    pnd_buffer_init(&piece, &pnd_allocator_heap);
    put_bytes(&piece, 1, text, length);
    put_varint(&piece, 2 << 3 | 5);
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    const uint8_t le[] = {(uint8_t)bits, (uint8_t)(bits >> 8),
                          (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
    put(&piece, le, sizeof le);
    put_number(&piece, 3, kind);
    put_bytes(b, 1, piece.data, piece.size);
    pnd_buffer_free(&piece);
}

static inline void put_piece(struct pnd_buffer *b, const char *text,
                             float score, uint64_t kind)
{
    put_piece_bytes(b, text, strlen(text), score, kind);
}

/* The three pieces that every model begins with. */
static inline void put_head(struct pnd_buffer *b)
{
    put_piece(b, "<unk>", 0, PND_PIECE_UNKNOWN);
    put_piece(b, "<s>", 0, PND_PIECE_CONTROL);
    put_piece(b, "</s>", 0, PND_PIECE_CONTROL);
}

/* A message (trainer_spec 2, normalizer_spec 3) of one number. */
static inline void put_setting(struct pnd_buffer *b, uint32_t message,
                               uint32_t field, uint64_t value)
{
    struct pnd_buffer inner;
    pnd_buffer_init(&inner, &pnd_allocator_heap);
    put_number(&inner, field, value);
    put_bytes(b, message, inner.data, inner.size);
    pnd_buffer_free(&inner);
}

static inline void put_bpe(struct pnd_buffer *b)
{
    put_setting(b, 2, 3, 2);
}

#endif
