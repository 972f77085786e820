/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/unicode.h"

#include <string.h>
#include <utf8proc.h>

#define CLASSES 256     /* canonical combining classes */
#define DECOMPOSED 32   /* more characters than one ever becomes */
#define FIRST_ALTERED 0x300 /* NFC changes nothing below */

struct range {
    uint32_t first, last;
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last)
            return true;
    }
    return false;
}

#define IN_RANGES(c, ranges) \
    in_ranges(c, ranges, sizeof(ranges) / sizeof *(ranges))

static utf8proc_category_t get_category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

bool pnd_unicode_is_letter(uint32_t c)
{
    utf8proc_category_t category = get_category(c);
    return category >= UTF8PROC_CATEGORY_LU &&
           category <= UTF8PROC_CATEGORY_LO;
}

bool pnd_unicode_is_number(uint32_t c)
{
    utf8proc_category_t category = get_category(c);
    return category >= UTF8PROC_CATEGORY_ND &&
           category <= UTF8PROC_CATEGORY_NO;
}

bool pnd_unicode_is_digit(uint32_t c)
{
    return get_category(c) == UTF8PROC_CATEGORY_ND;
}

bool pnd_unicode_is_space(uint32_t c)
{
    static const struct range spaces[] = {
        {0x09, 0x0d},     {0x1c, 0x20},     {0x85, 0x85},
        {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
        {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
        {0x3000, 0x3000},
    };
    return IN_RANGES(c, spaces);
}

uint32_t pnd_unicode_to_upper(uint32_t c)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}

uint32_t pnd_unicode_from_c1(uint32_t c)
{
    static const uint16_t windows_1252[32] = {
        0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
        0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
        0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
        0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
    };
    return c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;
}

/* The property Cased, for characters that are not Case_Ignorable. */
static bool is_cased(uint32_t c)
{
    static const struct range others[] = {
        {0xaa, 0xaa},       {0xba, 0xba},       {0x2160, 0x217f},
        {0x24b6, 0x24e9},   {0x1f130, 0x1f149}, {0x1f150, 0x1f169},
        {0x1f170, 0x1f189},
    };
    utf8proc_category_t category = get_category(c);
    return (category >= UTF8PROC_CATEGORY_LU &&
            category <= UTF8PROC_CATEGORY_LT) || IN_RANGES(c, others);
}

/* The property Case_Ignorable: marks, and punctuation inside of words. */
static bool is_case_ignorable(uint32_t c)
{
    static const struct range others[] = {
        {0x27, 0x27},     {0x2e, 0x2e},     {0x3a, 0x3a},
        {0xb7, 0xb7},     {0x387, 0x387},   {0x55f, 0x55f},
        {0x5f4, 0x5f4},   {0x2018, 0x2019}, {0x2024, 0x2024},
        {0x2027, 0x2027}, {0xfe13, 0xfe13}, {0xfe52, 0xfe52},
        {0xfe55, 0xfe55}, {0xff07, 0xff07}, {0xff0e, 0xff0e},
        {0xff1a, 0xff1a},
    };
    switch (get_category(c)) {
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return IN_RANGES(c, others);
    }
}

/* Whether the capital sigma at `at` ends a word: a letter before it, none
 * after it. The walks stop at the next sigma, so a text takes linear time. */
static bool is_final_sigma(const struct pnd_ustring *text, size_t at)
{
    size_t i = at;
    while (i > 0 && is_case_ignorable(text->data[i - 1]))
        i--;
    if (i == 0 || !is_cased(text->data[i - 1]))
        return false;
    i = at + 1;
    while (i < text->size && is_case_ignorable(text->data[i]))
        i++;
    return i == text->size || !is_cased(text->data[i]);
}

panda_status pnd_unicode_lower(struct pnd_ustring *out,
                               const struct pnd_ustring *text)
{
    out->size = 0;
    for (size_t i = 0; i < text->size; i++) {
        uint32_t c = text->data[i];
        if (c < 0x80)
            c += c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0;
        else if (c == 0x3a3)
            c = is_final_sigma(text, i) ? 0x3c2 : 0x3c3;
        else if (c != 0x130)
            c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        panda_status status = pnd_ustring_push(out, c == 0x130 ? 'i' : c);
        if (status == PANDA_OK && c == 0x130)
            status = pnd_ustring_push(out, 0x307);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

/* Append the decomposition of one character. */
static panda_status append_decomposed(struct pnd_ustring *out, uint32_t c,
                                      int options)
{
    utf8proc_int32_t parts[DECOMPOSED];
    int boundary = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(
        (utf8proc_int32_t)c, parts, DECOMPOSED, (utf8proc_option_t)options,
        &boundary);
    if (count < 0 || count > DECOMPOSED)
        return pnd_ustring_push(out, c);
    panda_status status = pnd_ustring_reserve(out, (size_t)count);
    if (status < 0)
        return status;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out->data[out->size++] = (uint32_t)parts[i];
    return PANDA_OK;
}

static utf8proc_propval_t get_class(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

/* Sort a run of combining marks by class, stably. A counting sort, as the run
 * may be as long as the text. */
static panda_status sort_run(uint32_t *run, size_t size,
                             struct pnd_ustring *scratch)
{
    uint32_t starts[CLASSES + 1] = {0};
    panda_status status = pnd_ustring_reserve(scratch, size);
    if (status < 0)
        return status;
    for (size_t i = 0; i < size; i++)
        starts[(uint8_t)get_class(run[i]) + 1]++;
    for (size_t i = 1; i <= CLASSES; i++)
        starts[i] += starts[i - 1];
    uint32_t *sorted = scratch->data + scratch->size;
    for (size_t i = 0; i < size; i++)
        sorted[starts[(uint8_t)get_class(run[i])]++] = run[i];
    memcpy(run, sorted, size * sizeof *run);
    return PANDA_OK;
}

static panda_status order_marks(struct pnd_ustring *text,
                                struct pnd_ustring *scratch)
{
    scratch->size = 0;
    for (size_t i = 0; i < text->size;) {
        if (text->data[i] < FIRST_ALTERED || get_class(text->data[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i;
        bool ordered = true;
        while (end < text->size && get_class(text->data[end]) != 0) {
            ordered = ordered && (end == i || get_class(text->data[end - 1]) <=
                                                  get_class(text->data[end]));
            end++;
        }
        panda_status status =
            ordered ? PANDA_OK : sort_run(text->data + i, end - i, scratch);
        if (status < 0)
            return status;
        i = end;
    }
    return PANDA_OK;
}

static void compose(struct pnd_ustring *text, size_t from)
{
    utf8proc_ssize_t left = utf8proc_normalize_utf32(
        (utf8proc_int32_t *)(text->data + from),
        (utf8proc_ssize_t)(text->size - from),
        (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    if (left >= 0)
        text->size = from + (size_t)left;
}

panda_status pnd_unicode_append_nfkc(struct pnd_ustring *out, uint32_t c)
{
    size_t from = out->size;
    panda_status status = append_decomposed(
        out, c, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE);
    if (status == PANDA_OK && out->size - from > 1)
        compose(out, from);
    return status;
}

panda_status pnd_unicode_compose(struct pnd_ustring *text,
                                 struct pnd_ustring *scratch)
{
    size_t plain = 0;
    while (plain < text->size && text->data[plain] < FIRST_ALTERED)
        plain++;
    if (plain == text->size)
        return PANDA_OK;
    scratch->size = 0;
    panda_status status = pnd_ustring_reserve(scratch, text->size);
    for (size_t i = 0; status == PANDA_OK && i < text->size; i++)
        status = append_decomposed(scratch, text->data[i],
                                   UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
    if (status < 0)
        return status;
    pnd_ustring_swap(text, scratch);
    status = order_marks(text, scratch);
    if (status == PANDA_OK)
        compose(text, 0);
    return status;
}
