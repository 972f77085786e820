/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "modalities/text/fix.h"
#include "modalities/text/unicode.h"

/* UTF-8 that was decoded as one of ten single-byte encodings is encoded back
 * and decoded rightly. First the whole text is tried, then the parts of it that
 * look like UTF-8. */

#define ALL_ENCODINGS ((1u << PND_FIX_ENCODINGS) - 1)
#define WINDOWS_ENCODINGS                                             \
    (1u << PND_FIX_WINDOWS_1252 | 1u << PND_FIX_WINDOWS_1251 |        \
     1u << PND_FIX_WINDOWS_1250 | 1u << PND_FIX_WINDOWS_1253 |        \
     1u << PND_FIX_WINDOWS_1254 | 1u << PND_FIX_WINDOWS_1257)

/* Parts of parts: each level at least halves the text, so real ones end long
 * before. */
#define MOST_DEPTH 40

static panda_status fix_text(struct pnd_fixer *f, struct pnd_ustring *text,
                             unsigned depth);

/* The byte of a character; -1: the encoding has none. */
static int get_byte(uint32_t c, enum pnd_fix_encoding encoding)
{
    if (c < 0x80) {
        /* The sloppy encodings use this one for U+FFFD. */
        bool taken = c == 0x1a && (WINDOWS_ENCODINGS >> encoding & 1);
        return taken ? -1 : (int)c;
    }
    const struct pnd_fix_char *known = pnd_fix_find_char(c);
    return known && known->bytes[encoding] ? known->bytes[encoding] : -1;
}

/* Bits of the encodings that have all characters of the text. */
static unsigned find_encodings(const struct pnd_ustring *text)
{
    unsigned mask = ALL_ENCODINGS;
    for (size_t i = 0; mask && i < text->size; i++) {
        uint32_t c = text->data[i];
        if (c == 0x1a)
            mask &= ~WINDOWS_ENCODINGS;
        if (c < 0x80)
            continue;
        const struct pnd_fix_char *known = pnd_fix_find_char(c);
        for (unsigned e = 0; e < PND_FIX_ENCODINGS; e++) {
            if (!known || !known->bytes[e])
                mask &= ~(1u << e);
        }
    }
    return mask;
}

static bool is_ascii(const struct pnd_ustring *text)
{
    for (size_t i = 0; i < text->size; i++) {
        if (text->data[i] >= 0x80)
            return false;
    }
    return true;
}

static bool is_equal(const struct pnd_ustring *a, const struct pnd_ustring *b)
{
    return a->size == b->size &&
           memcmp(a->data, b->data, a->size * sizeof *a->data) == 0;
}

/* Undo one encoding, with the spaces that were no-break spaces and the bytes
 * that were lost. `out` holds the text when `*valid`. */
static panda_status decode_as(struct pnd_ustring *out,
                              const struct pnd_ustring *text,
                              enum pnd_fix_encoding encoding,
                              struct pnd_ustring *bytes, bool *valid)
{
    bytes->size = 0;
    panda_status status = pnd_ustring_reserve(bytes, text->size);
    if (status < 0)
        return status;
    for (size_t i = 0; i < text->size; i++)
        bytes->data[bytes->size++] =
            (uint32_t)get_byte(text->data[i], encoding);
    /* In MacRoman it would hit a dash with a space behind it. */
    if (encoding != PND_FIX_MACROMAN && pnd_fix_has_lost_a0(bytes)) {
        PND_HOST_TRY(pnd_fix_restore_a0(out, bytes));
        pnd_ustring_swap(out, bytes);
    }
    if (WINDOWS_ENCODINGS >> encoding & 1) {
        PND_HOST_TRY(pnd_fix_replace_lost(out, bytes));
        pnd_ustring_swap(out, bytes);
    }
    PND_HOST_TRY(pnd_fix_decode(out, bytes, valid));
out:
    return status;
}

static bool has_class(uint32_t c, uint32_t classes)
{
    if (c < 0x80)
        return c == ' ' && (classes & PND_FIX_TAIL);
    const struct pnd_fix_char *known = pnd_fix_find_char(c);
    return known && (known->classes & classes);
}

/* Length of one character of UTF-8 as it looks in some encoding; 0: none. A
 * space may stand for a byte A0. */
static size_t measure_character(const uint32_t *text, size_t size)
{
    static const uint32_t leads[] = {PND_FIX_LEAD_2, PND_FIX_LEAD_3,
                                     PND_FIX_LEAD_4};
    for (size_t k = 0; k < 3; k++) {
        size_t length = k + 2, i = 1;
        if (size < length || !has_class(text[0], leads[k]))
            continue;
        while (i < length && has_class(text[i], PND_FIX_TAIL))
            i++;
        if (i == length)
            return length;
    }
    return 0;
}

/* Length of the characters of UTF-8 that begin at `at`. Not in the middle of
 * something larger, which half a repair would only make worse. */
static size_t measure_part(const struct pnd_ustring *text, size_t at)
{
    if (at > 0 && text->data[at - 1] >= 0x80 &&
        has_class(text->data[at - 1], PND_FIX_TAIL_STRICT))
        return 0;
    size_t length = 0, next;
    do {
        next = measure_character(text->data + at + length,
                                 text->size - at - length);
        length += next;
    } while (next > 0);
    return length;
}

static panda_status append_part(struct pnd_fixer *f, struct pnd_ustring *out,
                                const uint32_t *part, size_t size,
                                unsigned depth)
{
    struct pnd_ustring copy;
    pnd_ustring_init(&copy, f->host);
    panda_status status = pnd_ustring_append(&copy, part, size);
    if (status == PANDA_OK)
        status = fix_text(f, &copy, depth + 1);
    if (status == PANDA_OK)
        status = pnd_ustring_append(out, copy.data, copy.size);
    pnd_ustring_free(&copy);
    return status;
}

/* Repair the parts of the text that look like UTF-8 on their own. */
static panda_status fix_parts(struct pnd_fixer *f, struct pnd_ustring *out,
                              const struct pnd_ustring *text, unsigned depth)
{
    out->size = 0;
    panda_status status = pnd_ustring_reserve(out, text->size);
    for (size_t i = 0; status == PANDA_OK && i < text->size;) {
        const uint32_t *part = text->data + i;
        size_t size = measure_part(text, i);
        /* A part that is the whole would be cut out for ever. */
        if (size > 0 && size < text->size && depth < MOST_DEPTH &&
            pnd_fix_is_bad(part, size))
            status = append_part(f, out, part, size, depth);
        else
            status = pnd_ustring_append(out, part, size > 0 ? size : 1);
        i += size > 0 ? size : 1;
    }
    return status;
}

/* The last resort: C1 controls were meant to be Windows-1252. */
static void fix_controls(struct pnd_ustring *text)
{
    for (size_t i = 0; i < text->size; i++)
        text->data[i] = pnd_unicode_from_c1(text->data[i]);
}

/* One step; `out` becomes the text. */
static panda_status fix_step(struct pnd_fixer *f, struct pnd_ustring *out,
                             const struct pnd_ustring *text,
                             struct pnd_ustring *bytes, unsigned depth)
{
    panda_status status = PANDA_OK;
    unsigned mask = find_encodings(text);
    for (unsigned e = 0; e < PND_FIX_ENCODINGS; e++) {
        bool valid = false;
        if (mask >> e & 1)
            status = decode_as(out, text, (enum pnd_fix_encoding)e, bytes,
                               &valid);
        if (status < 0 || valid)
            return status;
    }
    status = fix_parts(f, out, text, depth);
    if (status < 0 || !is_equal(out, text))
        return status;
    fix_controls(out);
    return PANDA_OK;
}

static panda_status fix_text(struct pnd_fixer *f, struct pnd_ustring *text,
                             unsigned depth)
{
    struct pnd_ustring next, bytes;
    panda_status status = PANDA_OK;
    pnd_ustring_init(&next, f->host);
    pnd_ustring_init(&bytes, f->host);
    while (!is_ascii(text) && f->work < f->most_work &&
           pnd_fix_is_bad(text->data, text->size)) {
        f->work += text->size;
        PND_HOST_TRY(pnd_host_check_cancel(f->host));
        PND_HOST_TRY(fix_step(f, &next, text, &bytes, depth));
        if (is_equal(&next, text))
            break;
        pnd_ustring_swap(&next, text);
    }
out:
    pnd_ustring_free(&next);
    pnd_ustring_free(&bytes);
    return status;
}

panda_status pnd_fix_encoding(struct pnd_fixer *f, struct pnd_ustring *text)
{
    return fix_text(f, text, 0);
}
