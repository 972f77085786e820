/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/vocab.h"

#include <stdbool.h>
#include <string.h>

#include "modalities/text/ustring.h"

#define SLOT_BITS 17 /* of both hash tables: 2.7 slots for each entry */
#define SLOTS (1u << SLOT_BITS)
/* Tokens with a spelling. */
#define NAMED (2 * PND_CLIP_BYTES + PND_CLIP_MERGES)
#define END_OF_WORD "</w>"
#define NONE UINT32_MAX

/* The spelling of every token, only needed while the table is read: merges
 * name their parts by spelling. */
struct spellings {
    const panda_frontend_host *host;
    uint8_t *text;     /* all of them, one after the other */
    uint32_t *offsets; /* NAMED + 1, into text */
    uint32_t *slots;   /* hash table of tokens; NONE: empty */
    uint32_t count;
};

static void free_spellings(struct spellings *s)
{
    s->host->free(s->host, s->text);
    s->host->free(s->host, s->offsets);
    s->host->free(s->host, s->slots);
}

static panda_status make_spellings(struct spellings *s,
                                   const panda_frontend_host *host,
                                   size_t table_size)
{
    /* A merge's spelling is shorter than its line, a byte's is two bytes. */
    size_t bytes = 2 * PND_CLIP_BYTES * (2 + sizeof END_OF_WORD);
    if (table_size > UINT32_MAX - bytes)
        return pnd_host_fail_memory(host);
    s->host = host;
    s->text = pnd_host_alloc(host, table_size + bytes, 1);
    s->offsets = pnd_host_alloc(host, NAMED + 1, sizeof *s->offsets);
    s->slots = pnd_host_alloc(host, SLOTS, sizeof *s->slots);
    if (!s->text || !s->offsets || !s->slots)
        return pnd_host_fail_memory(host);
    s->offsets[0] = 0;
    memset(s->slots, 0xff, SLOTS * sizeof *s->slots);
    return PANDA_OK;
}

static uint32_t hash_bytes(const uint8_t *data, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        h = (h ^ data[i]) * UINT64_C(0x100000001b3);
    h = (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> (64 - SLOT_BITS));
}

/* The slot of a spelling, or the empty one where it belongs. */
static uint32_t *find_slot(const struct spellings *s, const uint8_t *data,
                           size_t size)
{
    uint32_t i = hash_bytes(data, size);
    for (;; i = (i + 1) % SLOTS) {
        uint32_t token = s->slots[i];
        if (token == NONE)
            return &s->slots[i];
        uint32_t from = s->offsets[token], to = s->offsets[token + 1];
        if (to - from == size && memcmp(s->text + from, data, size) == 0)
            return &s->slots[i];
    }
}

/* Name the next token by what was written behind the last one's spelling.
 * @return the token that has the spelling already; NONE: it is new */
static uint32_t add_spelling(struct spellings *s, size_t size)
{
    uint32_t from = s->offsets[s->count];
    uint32_t *slot = find_slot(s, s->text + from, size);
    if (*slot != NONE)
        return *slot;
    s->offsets[s->count + 1] = from + (uint32_t)size;
    *slot = s->count++;
    return NONE;
}

static bool is_visible(uint32_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

/* Bytes are written as characters: visible ones of Latin-1 as themselves and
 * first in the vocabulary, the others as those from U+0100 on. */
static void add_bytes(struct spellings *s, struct pnd_clip_vocab *v)
{
    for (int at_end = 0; at_end < 2; at_end++) {
        for (int visible = 1; visible >= 0; visible--) {
            uint32_t hidden = 0;
            for (uint32_t byte = 0; byte < PND_CLIP_BYTES; byte++) {
                if (is_visible(byte) != visible)
                    continue;
                uint8_t *out = s->text + s->offsets[s->count];
                size_t size = pnd_ustring_put_utf8(
                    out, visible ? byte : PND_CLIP_BYTES + hidden++);
                if (at_end) {
                    memcpy(out + size, END_OF_WORD, strlen(END_OF_WORD));
                    size += strlen(END_OF_WORD);
                } else {
                    v->bytes[byte] = (uint16_t)s->count;
                }
                add_spelling(s, size);
            }
        }
    }
}

static struct pnd_clip_pair *find_pair(const struct pnd_clip_vocab *v,
                                       uint32_t parts)
{
    uint32_t i = (parts * UINT32_C(0x9e3779b1)) >> (32 - SLOT_BITS);
    while (v->pairs[i].made && v->pairs[i].parts != parts)
        i = (i + 1) % SLOTS;
    return &v->pairs[i];
}

uint32_t pnd_clip_vocab_find(const struct pnd_clip_vocab *v, uint32_t left,
                             uint32_t right)
{
    return find_pair(v, left << 16 | right)->made;
}

static panda_status fail_line(const struct spellings *s, const char *problem)
{
    /* The first merge is on line 2. */
    return pnd_host_fail(s->host, PANDA_E_FORMAT,
                         "CLIP merges: line %u %s",
                         s->count - 2 * PND_CLIP_BYTES + 2, problem);
}

/* One line, without its end. */
static panda_status add_merge(struct spellings *s, struct pnd_clip_vocab *v,
                              const uint8_t *line, size_t size)
{
    const uint8_t *space = size ? memchr(line, ' ', size) : NULL;
    size_t left = space ? (size_t)(space - line) : 0;
    size_t right = space ? size - left - 1 : 0;
    if (left == 0 || right == 0 || memchr(space + 1, ' ', right))
        return fail_line(s, "is not two parts and a space");
    uint32_t first = *find_slot(s, line, left);
    uint32_t second = *find_slot(s, space + 1, right);
    if (first == NONE || second == NONE)
        return fail_line(s, first == NONE
                                ? "begins with a part that no earlier line "
                                  "makes"
                                : "ends with a part that no earlier line "
                                  "makes");
    uint8_t *out = s->text + s->offsets[s->count];
    memcpy(out, line, left);
    memcpy(out + left, space + 1, right);
    uint32_t token = s->count;
    if (add_spelling(s, left + right) != NONE)
        return fail_line(s, "makes a token that an earlier line made");
    uint32_t parts = first << 16 | second;
    *find_pair(v, parts) = (struct pnd_clip_pair){parts, token};
    return PANDA_OK;
}

static panda_status add_merges(struct spellings *s, struct pnd_clip_vocab *v,
                               const uint8_t *data, size_t size)
{
    const uint8_t *line = data, *end = data + size;
    for (uint32_t i = 0; i <= PND_CLIP_MERGES; i++) {
        const uint8_t *stop =
            line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
        size_t length = (size_t)((stop ? stop : end) - line);
        bool last = !stop && length == 0;
        if (last)
            return pnd_host_fail(s->host, PANDA_E_FORMAT,
                                 "CLIP merges: %u merges, expected %d",
                                 i > 0 ? i - 1 : 0, PND_CLIP_MERGES);
        if (length > 0 && line[length - 1] == '\r')
            length--;
        panda_status status =
            i == 0 ? PANDA_OK : add_merge(s, v, line, length);
        if (status < 0)
            return status;
        line = stop ? stop + 1 : end;
    }
    return PANDA_OK;
}

panda_status pnd_clip_vocab_open(struct pnd_clip_vocab *out,
                                 const panda_frontend_host *host,
                                 const void *data, size_t size)
{
    struct spellings spellings = {.host = host};
    panda_status status = PANDA_OK;
    *out = (struct pnd_clip_vocab){0};
    out->pairs = pnd_host_alloc(host, SLOTS, sizeof *out->pairs);
    if (!out->pairs)
        return pnd_host_fail_memory(host);
    memset(out->pairs, 0, SLOTS * sizeof *out->pairs);
    PND_HOST_TRY(make_spellings(&spellings, host, size));
    add_bytes(&spellings, out);
    PND_HOST_TRY(add_merges(&spellings, out, data, size));
out:
    free_spellings(&spellings);
    return status;
}

void pnd_clip_vocab_close(struct pnd_clip_vocab *v,
                          const panda_frontend_host *host)
{
    host->free(host, v->pairs);
    v->pairs = NULL;
}
