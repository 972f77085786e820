/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/stop.h"

#include <string.h>

#include "base/error.h"

#define NOT_FOUND UINT64_MAX

/* One stop string, searched for as Knuth, Morris and Pratt do. */
struct needle {
    uint8_t *text;   /* [length] */
    uint32_t *retry; /* [length]: matched bytes that remain after a mismatch
                        behind byte i */
    uint32_t length;
    uint32_t matched; /* bytes that the text so far ends with */
};

struct pnd_stop {
    const struct pnd_allocator *alloc;
    struct needle *needles; /* [count] */
    size_t count;
    struct pnd_buffer held; /* the text from `given` to `taken` */
    uint64_t given;         /* where the text that did not go out begins */
    uint64_t taken;         /* where the text that did not come in begins */
    uint64_t open;          /* where the first that may yet come would begin */
    uint64_t first;         /* where the first stop string begins */
    bool ended;
};

static panda_status copy_needle(struct needle *n,
                                const struct pnd_allocator *alloc,
                                const char *string)
{
    size_t length = strlen(string);
    /* A continuation byte: the answer would be cut within a character. */
    if (length == 0 || ((uint8_t)string[0] & 0xc0) == 0x80)
        return pnd_fail(PANDA_E_ARGUMENT, length ? "a stop string is not UTF-8"
                                                 : "a stop string is empty");
    if (length > UINT32_MAX)
        return pnd_fail(PANDA_E_ARGUMENT, "a stop string has %zu bytes",
                        length);
    n->length = (uint32_t)length;
    n->text = (uint8_t *)pnd_strndup(alloc, string, length);
    n->retry = pnd_alloc_array(alloc, length, sizeof *n->retry);
    if (!n->text || !n->retry)
        return pnd_fail_memory();
    n->retry[0] = 0;
    for (uint32_t i = 1, k = 0; i < n->length; i++) {
        while (k > 0 && n->text[i] != n->text[k])
            k = n->retry[k - 1];
        if (n->text[i] == n->text[k])
            k++;
        n->retry[i] = k;
    }
    return PANDA_OK;
}

panda_status pnd_stop_create(struct pnd_stop **out,
                             const struct pnd_allocator *alloc,
                             const char *const *strings)
{
    panda_status status = PANDA_OK;
    *out = NULL;
    struct pnd_stop *s = pnd_alloc_zero(alloc, sizeof *s);
    if (!s)
        return pnd_fail_memory();
    s->alloc = alloc;
    s->first = NOT_FOUND;
    pnd_buffer_init(&s->held, alloc);
    size_t count = 0;
    while (strings && strings[count])
        count++;
    if (count > 0) {
        s->needles = pnd_alloc_array(alloc, count, sizeof *s->needles);
        if (!s->needles) {
            status = pnd_fail_memory();
            goto out;
        }
        memset(s->needles, 0, count * sizeof *s->needles);
        s->count = count;
    }
    for (size_t i = 0; i < count; i++)
        PND_TRY(copy_needle(&s->needles[i], alloc, strings[i]));
    *out = s;
    return PANDA_OK;
out:
    pnd_stop_destroy(s);
    return status;
}

void pnd_stop_begin_line(struct pnd_stop *s)
{
    /* As if a line break had come in and gone out, except that it ends
     * nothing by itself. */
    s->given = s->taken = s->open = 1;
    for (size_t i = 0; i < s->count; i++) {
        struct needle *n = &s->needles[i];
        n->matched = n->length > 1 && n->text[0] == '\n';
        if (n->matched)
            s->open = 0;
    }
}

void pnd_stop_destroy(struct pnd_stop *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->needles && i < s->count; i++) {
        pnd_free(s->alloc, s->needles[i].text);
        pnd_free(s->alloc, s->needles[i].retry);
    }
    pnd_free(s->alloc, s->needles);
    pnd_buffer_free(&s->held);
    pnd_free(s->alloc, s);
}

static void take_byte(struct pnd_stop *s, uint8_t byte)
{
    uint32_t longest = 0;
    s->taken++;
    for (size_t i = 0; i < s->count; i++) {
        struct needle *n = &s->needles[i];
        uint32_t k = n->matched;
        while (k > 0 && (k == n->length || n->text[k] != byte))
            k = n->retry[k - 1];
        if (n->text[k] == byte)
            k++;
        n->matched = k;
        if (k > longest)
            longest = k;
        if (k == n->length && s->taken - k < s->first)
            s->first = s->taken - k;
    }
    s->open = s->taken - longest;
}

/* Move the text before `end` from `held` to `out`, which has room for it. */
static void give(struct pnd_stop *s, uint64_t end, struct pnd_buffer *out)
{
    if (end <= s->given) /* before it: at the line break that never came */
        return;
    size_t count = (size_t)(end - s->given);
    memcpy(out->data + out->size, s->held.data, count);
    out->size += count;
    s->held.size -= count;
    memmove(s->held.data, s->held.data + count, s->held.size);
    s->given = end;
}

panda_status pnd_stop_push(struct pnd_stop *s, const char *text, size_t length,
                           struct pnd_buffer *out)
{
    panda_status status;
    if (s->ended)
        return PANDA_END;
    /* All memory first: a failure leaves everything as it was. */
    PND_TRY(pnd_buffer_reserve(&s->held, length));
    PND_TRY(pnd_buffer_reserve(out, s->held.size + length));
    PND_TRY(pnd_buffer_append(&s->held, text, length));
    for (size_t i = 0; i < length; i++) {
        take_byte(s, (uint8_t)text[i]);
        if (s->first != NOT_FOUND && s->open >= s->first) {
            s->ended = true;
            give(s, s->first, out);
            return PANDA_END;
        }
    }
    give(s, s->open, out);
    return PANDA_OK;
out:
    return status;
}

panda_status pnd_stop_flush(struct pnd_stop *s, struct pnd_buffer *out)
{
    bool found = s->first != NOT_FOUND;
    if (!s->ended) {
        panda_status status = pnd_buffer_reserve(out, s->held.size);
        if (status < 0)
            return status;
        give(s, found ? s->first : s->taken, out);
        s->ended = true;
    }
    return found ? PANDA_END : PANDA_OK;
}
