/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/html.h"

#include <stdbool.h>
#include <string.h>

#include "modalities/text/html_table.h"
#include "modalities/text/unicode.h"

#define NAME_MAX 32      /* characters of a name that are looked at */
#define STRICT_MAX 24    /* the same, for strict references */
#define NOTHING UINT32_MAX

/* What a reference stands for, and how much of the text it took. */
struct match {
    size_t length; /* 0: there is no reference */
    uint32_t codes[3];
    size_t count;
};

static bool is_decimal(uint32_t c)
{
    return c >= '0' && c <= '9';
}

/* Value of a hexadecimal digit, or -1. */
static int get_hex(uint32_t c)
{
    if (is_decimal(c))
        return (int)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (int)(c - 'a' + 10) : -1;
}

static bool is_ascii_letter(uint32_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* The character of a number, as the standard corrects it; NOTHING when the
 * reference is dropped. */
static uint32_t correct_number(uint32_t n)
{
    if (n >= 0x80 && n < 0xa0)
        return pnd_unicode_from_c1(n);
    if (n == 0 || (n >= 0xd800 && n < 0xe000) || n > 0x10ffff)
        return 0xfffd;
    if (n < 0x20)
        return n == '\t' || n == '\n' || n == '\f' || n == '\r' ? n : NOTHING;
    if (n == 0x7f || (n >= 0xfdd0 && n < 0xfdf0) || (n & 0xfffe) == 0xfffe)
        return NOTHING;
    return n;
}

/* "&#65;" and "&#x41;", the semicolon optional; `text` begins behind "&#". */
static struct match match_number(const uint32_t *text, size_t size)
{
    struct match m = {0};
    uint32_t base = 10;
    size_t i = 0;
    if (size > 1 && (text[0] == 'x' || text[0] == 'X')) {
        base = 16;
        i = 1;
    }
    size_t digits = i;
    uint32_t n = 0;
    for (; i < size; i++) {
        int digit = get_hex(text[i]);
        if (digit < 0 || (uint32_t)digit >= base)
            break;
        if (n <= 0x10ffff)
            n = n * base + (uint32_t)digit;
    }
    if (i == digits)
        return m;
    m.length = 2 + i + (i < size && text[i] == ';');
    m.codes[0] = correct_number(n);
    m.count = m.codes[0] == NOTHING ? 0 : 1;
    return m;
}

static const struct pnd_html_group *find_group(uint32_t letter)
{
    for (size_t i = 0; i < pnd_html_group_count; i++) {
        if ((uint32_t)pnd_html_groups[i].letter == letter)
            return &pnd_html_groups[i];
    }
    return NULL;
}

static size_t count_equal(const char *name, size_t length,
                          const uint32_t *text, size_t size)
{
    size_t i = 0;
    while (i < length && i < size && (uint32_t)name[i] == text[i])
        i++;
    return i;
}

/* The longest name in front of `text`, `size` characters without the
 * semicolon. A name that is all of it counts when `semicolon`, a shorter one
 * only as a legacy name.
 * @return the name's length; 0: none */
static size_t find_name(uint32_t *value, const uint32_t *text, size_t size,
                        bool semicolon)
{
    size_t best = 0;
    const struct pnd_html_group *group = size ? find_group(text[0]) : NULL;
    if (!group)
        return 0;
    const char *name = group->names;
    for (uint32_t i = 0; i < group->count; i++) {
        size_t length = (size_t)(strchr(name, ' ') - name);
        if (length + 1 > best &&
            count_equal(name, length, text + 1, size - 1) == length &&
            ((semicolon && length + 1 == size) ||
             (group->values[i] & PND_HTML_LEGACY))) {
            best = length + 1;
            *value = group->values[i];
        }
        name += length + 1;
    }
    return best;
}

static void set_value(struct match *m, uint32_t value)
{
    uint16_t second = pnd_html_seconds[PND_HTML_SECOND(value)];
    m->codes[0] = PND_HTML_FIRST(value);
    m->codes[1] = second;
    m->count = second ? 2 : 1;
}

static bool ends_name(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' ||
           c == '&' || c == '#' || c == ';';
}

/* A reference at `text`, which begins with "&", as html.unescape sees it. */
static struct match match_lenient(const uint32_t *text, size_t size)
{
    struct match m = {0};
    if (size > 2 && text[1] == '#')
        return match_number(text + 2, size - 2);
    size_t length = 0;
    while (length < NAME_MAX && 1 + length < size &&
           !ends_name(text[1 + length]))
        length++;
    bool semicolon = 1 + length < size && text[1 + length] == ';';
    uint32_t value = 0;
    size_t found = find_name(&value, text + 1, length, semicolon);
    if (found == 0)
        return m;
    set_value(&m, value);
    m.length = 1 + found + (semicolon && found == length);
    return m;
}

/* Full upper case, where it is not one character. */
static void raise_case(struct match *m)
{
    static const struct {
        uint16_t from, to[3];
    } wide[] = {
        {0xdf, {'S', 'S'}},        {0x149, {0x2bc, 'N'}},
        {0xfb00, {'F', 'F'}},      {0xfb01, {'F', 'I'}},
        {0xfb02, {'F', 'L'}},      {0xfb03, {'F', 'F', 'I'}},
        {0xfb04, {'F', 'F', 'L'}},
    };
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (m->count == 1 && m->codes[0] == wide[i].from) {
            for (size_t k = 0; k < 3; k++)
                m->codes[k] = wide[i].to[k];
            m->count = wide[i].to[2] ? 3 : 2;
            return;
        }
    }
    for (size_t i = 0; i < m->count; i++)
        m->codes[i] = pnd_unicode_to_upper(m->codes[i]);
}

/* A name all in capitals that is none itself, nor begins with one. */
static bool match_capitals(struct match *m, const uint32_t *text, size_t size)
{
    uint32_t lower[STRICT_MAX];
    uint32_t value = 0;
    bool letters = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= 'a')
            return false;
        letters = letters || text[i] >= 'A';
        lower[i] = text[i] >= 'A' ? text[i] + ('a' - 'A') : text[i];
    }
    if (!letters || find_name(&value, text, size, true) != 0 ||
        find_name(&value, lower, size, true) != size)
        return false;
    set_value(m, value);
    raise_case(m);
    return true;
}

/* A reference at `text`, which begins with "&", as ftfy sees it. */
static struct match match_strict(const uint32_t *text, size_t size)
{
    struct match m = {0};
    bool number = size > 1 && text[1] == '#';
    const uint32_t *name = text + 1 + number;
    size_t left = size - 1 - number;
    size_t length = 0;
    while (length < left && length <= STRICT_MAX &&
           (is_ascii_letter(name[length]) || is_decimal(name[length])))
        length++;
    if (length == 0 || length > STRICT_MAX || length == left ||
        name[length] != ';')
        return m;
    if (number) {
        m = match_number(name, length + 1);
        /* All of it has to be the number, and none may give ";". */
        if (m.length != length + 3 || (m.count && m.codes[0] == ';'))
            m.length = 0;
        return m;
    }
    uint32_t value = 0;
    if (find_name(&value, name, length, true) == length)
        set_value(&m, value);
    else if (!match_capitals(&m, name, length))
        return m;
    m.length = length + 2;
    return m;
}

static panda_status replace(struct pnd_ustring *out,
                            const struct pnd_ustring *text,
                            struct match (*find)(const uint32_t *, size_t))
{
    out->size = 0;
    panda_status status = pnd_ustring_reserve(out, text->size);
    for (size_t i = 0; status == PANDA_OK && i < text->size;) {
        struct match m = {0};
        if (text->data[i] == '&')
            m = find(text->data + i, text->size - i);
        if (m.length > 0)
            status = pnd_ustring_append(out, m.codes, m.count);
        else
            status = pnd_ustring_push(out, text->data[i]);
        i += m.length > 0 ? m.length : 1;
    }
    return status;
}

panda_status pnd_html_unescape(struct pnd_ustring *out,
                               const struct pnd_ustring *text)
{
    return replace(out, text, match_lenient);
}

panda_status pnd_html_unescape_strict(struct pnd_ustring *out,
                                      const struct pnd_ustring *text)
{
    return replace(out, text, match_strict);
}
