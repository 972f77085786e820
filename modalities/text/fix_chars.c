/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/fix.h"
#include "modalities/text/unicode.h"

#define ESCAPE 0x1b

/* Letters of a Latin ligature; none when it is not one. */
static size_t split_ligature(uint32_t letters[3], uint32_t c)
{
    static const struct {
        uint16_t from, to[3];
    } ligatures[] = {
        {0x132, {'I', 'J'}},       {0x133, {'i', 'j'}},
        {0x149, {0x2bc, 'n'}},     {0x1c4, {'D', 0x17d}},
        {0x1c5, {'D', 0x17e}},     {0x1c6, {'d', 0x17e}},
        {0x1c7, {'L', 'J'}},       {0x1c8, {'L', 'j'}},
        {0x1c9, {'l', 'j'}},       {0x1ca, {'N', 'J'}},
        {0x1cb, {'N', 'j'}},       {0x1cc, {'n', 'j'}},
        {0x1f1, {'D', 'Z'}},       {0x1f2, {'D', 'z'}},
        {0x1f3, {'d', 'z'}},       {0xfb00, {'f', 'f'}},
        {0xfb01, {'f', 'i'}},      {0xfb02, {'f', 'l'}},
        {0xfb03, {'f', 'f', 'i'}}, {0xfb04, {'f', 'f', 'l'}},
        {0xfb05, {0x17f, 't'}},    {0xfb06, {'s', 't'}},
    };
    if (c < 0x132 || (c > 0x1f3 && c < 0xfb00) || c > 0xfb06)
        return 0;
    for (size_t i = 0; i < sizeof ligatures / sizeof *ligatures; i++) {
        if (ligatures[i].from != c)
            continue;
        size_t count = 0;
        while (count < 3 && ligatures[i].to[count]) {
            letters[count] = ligatures[i].to[count];
            count++;
        }
        return count;
    }
    return 0;
}

static bool has_other_width(uint32_t c)
{
    return c == 0x3000 || (c >= 0xff01 && c < 0xfff0);
}

static uint32_t straighten_quote(uint32_t c)
{
    if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
        return '\'';
    return c >= 0x201c && c <= 0x201f ? '"' : c;
}

static uint32_t unify_line_end(uint32_t c)
{
    return c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? '\n' : c;
}

static panda_status fix_char(struct pnd_ustring *out, uint32_t c)
{
    c = pnd_unicode_from_c1(c);
    if (c == 0x3000)
        return pnd_ustring_push(out, ' ');
    size_t from = out->size;
    uint32_t letters[3];
    size_t count = split_ligature(letters, c);
    panda_status status;
    if (count > 0)
        status = pnd_ustring_append(out, letters, count);
    else if (has_other_width(c))
        status = pnd_unicode_append_nfkc(out, c);
    else
        status = pnd_ustring_push(out, c);
    for (size_t i = from; status == PANDA_OK && i < out->size; i++)
        out->data[i] = unify_line_end(straighten_quote(out->data[i]));
    return status;
}

panda_status pnd_fix_replace_chars(struct pnd_ustring *out,
                           const struct pnd_ustring *text)
{
    out->size = 0;
    panda_status status = pnd_ustring_reserve(out, text->size);
    for (size_t i = 0; status == PANDA_OK && i < text->size; i++) {
        uint32_t c = text->data[i];
        if (c == '\r' && i + 1 < text->size && text->data[i + 1] == '\n')
            continue;
        if (c < 0x80)
            status = pnd_ustring_push(out, c == '\r' ? '\n' : c);
        else
            status = fix_char(out, c);
    }
    return status;
}

/* Length of "ESC [ digits and semicolons, letter"; 0 when it is not one. */
static size_t measure_escape(const uint32_t *text, size_t size)
{
    if (size < 3 || text[0] != ESCAPE || text[1] != '[')
        return 0;
    size_t i = 2;
    while (i < size && (text[i] == ';' || pnd_unicode_is_digit(text[i])))
        i++;
    uint32_t last = i < size ? text[i] | 0x20 : 0;
    return last >= 'a' && last <= 'z' ? i + 1 : 0;
}

static bool is_removed(uint32_t c)
{
    if (c < ' ')
        return c != '\t' && c != '\n' && c != '\f' && c != '\r';
    return c == 0x7f || (c >= 0x206a && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffc);
}

void pnd_fix_remove_controls(struct pnd_ustring *text)
{
    /* In place: what is kept never overtakes what is read. */
    size_t kept = 0;
    for (size_t i = 0; i < text->size;) {
        size_t escape = measure_escape(text->data + i, text->size - i);
        if (escape == 0 && !is_removed(text->data[i]))
            text->data[kept++] = text->data[i];
        i += escape > 0 ? escape : 1;
    }
    text->size = kept;
}
