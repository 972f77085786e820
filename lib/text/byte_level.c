/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/byte_level.h"

#include <string.h>

#include "base/error.h"

/* Whether a byte is written as the Latin-1 character of the same number. */
static bool is_printable(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
           byte >= 0xae;
}

/* The others in turn are U+0100 to U+0143. */
static uint32_t get_char(uint32_t byte)
{
    if (is_printable(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100 + byte;
    return byte <= 0xa0 ? 0x121 + (byte - 0x7f) : 0x143;
}

static int get_byte(uint32_t c)
{
    if (c < 0x100)
        return is_printable(c) ? (int)c : -1;
    if (c <= 0x120)
        return (int)(c - 0x100);
    if (c <= 0x142)
        return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

size_t pnd_byte_level_write(uint32_t byte, uint8_t out[2])
{
    uint32_t c = get_char(byte);
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    out[0] = (uint8_t)(0xc0 | c >> 6);
    out[1] = (uint8_t)(0x80 | (c & 0x3f));
    return 2;
}

struct encoder {
    const struct pnd_bpe *model;
    struct pnd_merger merger;
    struct pnd_buffer *ids;
};

static int32_t find_word(const struct pnd_bpe *b, const uint8_t *word,
                         size_t size)
{
    uint8_t spelling[PND_PIECE_MAX];
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (length + 2 > sizeof spelling)
            return -1;
        length += pnd_byte_level_write(word[i], spelling + length);
    }
    return pnd_bpe_find_plain(b, spelling, length);
}

static panda_status encode_word(void *user, const uint8_t *word, size_t size)
{
    struct encoder *e = user;
    const struct pnd_bpe *b = e->model;
    panda_status status = PANDA_OK;
    if (b->ignore_merges) {
        int32_t id = find_word(b, word, size);
        if (id >= 0)
            return pnd_buffer_append(e->ids, &id, sizeof id);
    }
    for (size_t i = 0; i < size && status >= 0; i++) {
        int32_t id = b->bytes[word[i]];
        if (id < 0)
            id = b->vocabulary.unk;
        if (id >= 0)
            status = pnd_merger_add(&e->merger, 1, id, false);
    }
    return status < 0 ? status : pnd_merges_run(&e->merger, e->ids);
}

panda_status pnd_byte_level_encode(const struct pnd_bpe *b,
                                   const uint8_t *text, size_t size,
                                   struct pnd_buffer *ids)
{
    struct encoder e = {.model = b, .ids = ids};
    struct pnd_buffer prefixed;
    panda_status status = PANDA_OK;
    pnd_buffer_init(&prefixed, ids->alloc);
    pnd_merges_start(&e.merger, &b->merges, ids->alloc);
    if (b->add_prefix_space && size > 0 && text[0] != ' ') {
        PND_TRY(pnd_buffer_append(&prefixed, " ", 1));
        PND_TRY(pnd_buffer_append(&prefixed, text, size));
        text = prefixed.data;
        size = prefixed.size;
    }
    PND_TRY(pnd_split_text(&b->splitter, text, size, encode_word, &e));
out:
    pnd_merger_free(&e.merger);
    pnd_buffer_free(&prefixed);
    return status;
}

size_t pnd_byte_level_spell(const uint8_t *spelling, size_t length,
                            uint8_t *out)
{
    size_t count = 0, taken;
    for (size_t at = 0; at < length; at += taken) {
        int byte = get_byte(pnd_char_decode(spelling + at, &taken));
        if (byte < 0) {
            memcpy(out, spelling, length);
            return length;
        }
        out[count++] = (uint8_t)byte;
    }
    return count;
}
