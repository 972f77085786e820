/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/pre_split.h"

#include <string.h>

/* The part that a rule works on: text[0..end). */
struct part {
    const uint8_t *text;
    size_t end;
};

/* End of what the rule finds at `at`; `at` itself when it finds nothing there,
 * `*skip` then says how many bytes on the next place to look is, if it is not
 * the next character. */
typedef size_t (*match_fn)(const struct part *p, size_t at, size_t *skip);

enum {
    WORD_BREAK = PND_CHAR_SPACE | PND_CHAR_LETTERS | PND_CHAR_NUMBER,
    HEAD = PND_CHAR_UPPER | PND_CHAR_TITLE | PND_CHAR_MODIFIER |
           PND_CHAR_LETTER | PND_CHAR_MARK,
    TAIL = PND_CHAR_LOWER | PND_CHAR_MODIFIER | PND_CHAR_LETTER | PND_CHAR_MARK
};

/* Kind of the character at `at`, and where the next one is; 0 at the end. */
static uint32_t look(const struct part *p, size_t at, size_t *next)
{
    *next = at;
    if (at >= p->end)
        return 0;
    size_t length;
    uint32_t code = pnd_char_decode(p->text + at, &length);
    *next = at + length;
    return pnd_char_classify(code);
}

static size_t skip_kinds(const struct part *p, size_t at, uint32_t kinds)
{
    size_t next;
    while (look(p, at, &next) & kinds)
        at = next;
    return at;
}

static size_t skip_others(const struct part *p, size_t at, uint32_t kinds)
{
    return skip_kinds(p, at, ~kinds);
}

static bool is_byte(const struct part *p, size_t at, uint8_t byte)
{
    return at < p->end && p->text[at] == byte;
}

static bool is_line_break(const struct part *p, size_t at)
{
    return is_byte(p, at, '\r') || is_byte(p, at, '\n');
}

static uint8_t get_lower(const struct part *p, size_t at, bool any_case)
{
    if (at >= p->end)
        return 0;
    uint8_t c = p->text[at];
    return any_case && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* 's|'t|'re|'ve|'m|'ll|'d */
static size_t match_contraction(const struct part *p, size_t at, bool any_case)
{
    if (!is_byte(p, at, '\''))
        return at;
    uint8_t first = get_lower(p, at + 1, any_case);
    uint8_t second = get_lower(p, at + 2, any_case);
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return at + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l'))
        return at + 3;
    /* U+017F is an "s" to those who ignore case. */
    if (any_case && is_byte(p, at + 1, 0xc5) && is_byte(p, at + 2, 0xbf))
        return at + 3;
    return at;
}

/* \s+(?!\S)|\s+: all but the last before a word. */
static size_t match_spaces(const struct part *p, size_t at)
{
    size_t last = at, next, end = at;
    while (look(p, end, &next) & PND_CHAR_SPACE) {
        last = end;
        end = next;
    }
    return end < p->end && last > at ? last : end;
}

/* \s*[\r\n]+ */
static size_t match_lines(const struct part *p, size_t at)
{
    size_t end = at, next;
    while (look(p, at, &next) & PND_CHAR_SPACE) {
        if (is_line_break(p, at))
            end = next;
        at = next;
    }
    return end;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t match_gpt2(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    size_t end = match_contraction(p, at, false), next;
    if (end > at)
        return end;
    size_t start = at + is_byte(p, at, ' ');
    uint32_t kind = look(p, start, &next);
    if (kind & PND_CHAR_LETTERS)
        return skip_kinds(p, next, PND_CHAR_LETTERS);
    if (kind & PND_CHAR_NUMBER)
        return skip_kinds(p, next, PND_CHAR_NUMBER);
    if (kind & ~(uint32_t)WORD_BREAK)
        return skip_others(p, next, WORD_BREAK);
    return match_spaces(p, at);
}

/* ?[^\s\p{L}\p{N}]+, with a space before, then line breaks and `more` */
static size_t match_signs_and_lines(const struct part *p, size_t at,
                                    uint8_t more)
{
    size_t start = at + is_byte(p, at, ' ');
    size_t end = skip_others(p, start, WORD_BREAK);
    if (end == start)
        return at;
    while (is_line_break(p, end) || is_byte(p, end, more))
        end++;
    return end;
}

static size_t match_space_of_lines(const struct part *p, size_t at)
{
    size_t end = match_lines(p, at);
    return end > at ? end : match_spaces(p, at);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
 *  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t match_modern(const struct part *p, size_t at, int digits)
{
    size_t end = match_contraction(p, at, true), next;
    if (end > at)
        return end;
    uint32_t kind = look(p, at, &next);
    if (kind & PND_CHAR_NUMBER) {
        while (--digits > 0 && look(p, next, &end) & PND_CHAR_NUMBER)
            next = end;
        return next;
    }
    if (!(kind & PND_CHAR_LETTERS) && !is_line_break(p, at)) {
        end = skip_kinds(p, next, PND_CHAR_LETTERS);
        if (end > next)
            return end;
    }
    if (kind & PND_CHAR_LETTERS)
        return skip_kinds(p, next, PND_CHAR_LETTERS);
    end = match_signs_and_lines(p, at, '\n');
    return end > at ? end : match_space_of_lines(p, at);
}

static size_t match_llama3(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_modern(p, at, 3);
}

static size_t match_qwen2(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_modern(p, at, 1);
}

/* HEAD*TAIL+: what both kinds hold goes to the head as far as something is
 * left for the tail. */
static size_t match_lower_word(const struct part *p, size_t at)
{
    size_t end = at, next;
    uint32_t kind;
    while ((kind = look(p, at, &next)) & HEAD) {
        at = next;
        if (kind & TAIL)
            end = at;
    }
    return kind & TAIL ? skip_kinds(p, at, TAIL) : end;
}

/* HEAD+TAIL* */
static size_t match_upper_word(const struct part *p, size_t at)
{
    size_t end = skip_kinds(p, at, HEAD);
    return end > at ? skip_kinds(p, end, TAIL) : at;
}

/* [^\r\n\p{L}\p{N}]?[HEAD]*[TAIL]+|[^\r\n\p{L}\p{N}]?[HEAD]+[TAIL]*|\p{N}|
 *  ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t match_tekken(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    size_t next, end;
    uint32_t kind = look(p, at, &next);
    if (kind & PND_CHAR_NUMBER)
        return next;
    bool may_lead = !(kind & PND_CHAR_LETTERS) && !is_line_break(p, at);
    if (may_lead && (end = match_lower_word(p, next)) > next)
        return end;
    if ((end = match_lower_word(p, at)) > at)
        return end;
    if (may_lead && (end = match_upper_word(p, next)) > next)
        return end;
    if ((end = match_upper_word(p, at)) > at)
        return end;
    end = match_signs_and_lines(p, at, '/');
    return end > at ? end : match_space_of_lines(p, at);
}

static size_t match_digit(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    size_t next;
    return look(p, at, &next) & PND_CHAR_NUMBER ? next : at;
}

static size_t match_digits(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return skip_kinds(p, at, PND_CHAR_NUMBER);
}

static size_t match_three_digits(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    for (size_t i = at; i < at + 3; i++) {
        if (i >= p->end || p->text[i] < '0' || p->text[i] > '9')
            return at;
    }
    return at + 3;
}

static size_t match_line_break(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return at + is_line_break(p, at);
}

/* \s+$ */
static size_t match_end_space(const struct part *p, size_t at, size_t *skip)
{
    size_t end = skip_kinds(p, at, PND_CHAR_SPACE);
    *skip = end - at;
    return end == p->end ? end : at;
}

/* Pairs of the first and last of each range. */
static bool is_in_ranges(uint32_t code, const uint32_t (*ranges)[2],
                         size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code < ranges[middle][0])
            high = middle;
        else if (code > ranges[middle][1])
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static size_t skip_ranges(const struct part *p, size_t at,
                          const uint32_t (*ranges)[2], size_t count)
{
    for (size_t length; at < p->end; at += length) {
        if (!is_in_ranges(pnd_char_decode(p->text + at, &length), ranges,
                          count))
            break;
    }
    return at;
}

/* \s?[ranges]+ */
static size_t match_ranges(const struct part *p, size_t at,
                           const uint32_t (*ranges)[2], size_t count)
{
    size_t next;
    bool space = look(p, at, &next) & PND_CHAR_SPACE;
    if (space) {
        size_t end = skip_ranges(p, next, ranges, count);
        if (end > next)
            return end;
    }
    /* White space may be in the ranges too. */
    return skip_ranges(p, at, ranges, count);
}

static const uint32_t cased[][2] = {
    {0x41, 0x5a}, {0x61, 0x7a}, {0xb5, 0xb5}, {0xc0, 0xd6}, {0xd8, 0xf6},
    {0xf8, 0x1ba}, {0x1bc, 0x1bf}, {0x1c4, 0x293}, {0x295, 0x2af},
    {0x370, 0x373}, {0x376, 0x377}, {0x37b, 0x37d}, {0x37f, 0x37f},
    {0x386, 0x386}, {0x388, 0x38a}, {0x38c, 0x38c}, {0x38e, 0x3a1},
    {0x3a3, 0x3f5}, {0x3f7, 0x481}, {0x48a, 0x52f}, {0x531, 0x556},
    {0x10a0, 0x10c5}, {0x13a0, 0x13f5}, {0x13f8, 0x13fd}, {0x1c90, 0x1cba},
    {0x1cbd, 0x1cbf}, {0x1d00, 0x1d2b}, {0x1d6b, 0x1d77}, {0x1d79, 0x1d9a},
    {0x1e00, 0x1f15}, {0x1f18, 0x1f1d}, {0x1f20, 0x1f45}, {0x1f48, 0x1f4d},
    {0x1f50, 0x1f57}, {0x1f59, 0x1f59}, {0x1f5b, 0x1f5b}, {0x1f5d, 0x1f5d},
    {0x1f5f, 0x1f7d}, {0x1f80, 0x1fb4}, {0x1fb6, 0x1fbc}, {0x1fbe, 0x1fbe},
    {0x1fc2, 0x1fc4}, {0x1fc6, 0x1fcc}, {0x1fd0, 0x1fd3}, {0x1fd6, 0x1fdb},
    {0x1fe0, 0x1fec}, {0x1ff2, 0x1ff4}, {0x1ff6, 0x1ffc}, {0x2102, 0x2102},
    {0x2107, 0x2107}, {0x210a, 0x2113}, {0x2115, 0x2115}, {0x2119, 0x211d},
    {0x2124, 0x2124}, {0x2126, 0x2126}, {0x2128, 0x2128}, {0x212a, 0x212d},
    {0x212f, 0x2134}, {0x2139, 0x2139}, {0x213c, 0x213f}, {0x2145, 0x2149},
    {0x214e, 0x214e}, {0x2183, 0x2184}, {0x2c00, 0x2c7b}, {0x2c7e, 0x2ce4},
    {0x2ceb, 0x2cee}, {0x2cf2, 0x2cf3}, {0xa640, 0xa66d}, {0xa680, 0xa69b},
    {0xa722, 0xa76f}, {0xa771, 0xa787}, {0xa78b, 0xa78e}, {0xab70, 0xabbf},
    {0xfb00, 0xfb06}, {0xfb13, 0xfb17}, {0xff21, 0xff3a}, {0xff41, 0xff5a},
    {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb},
    {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2}, {0x118a0, 0x118df},
    {0x1e900, 0x1e943}};

static const uint32_t signs[][2] = {
    {0x21, 0x2f}, {0x3a, 0x7e}, {0x2018, 0x201f}, {0x3000, 0x3002},
    {0xff01, 0xff0f}, {0xff1a, 0xff5e}};

static const uint32_t asian[][2] = {{0x800, 0x9fa5}, {0xac00, 0xd7ff}};

static size_t match_cased(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_ranges(p, at, cased, sizeof cased / sizeof *cased);
}

static size_t match_signs(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_ranges(p, at, signs, sizeof signs / sizeof *signs);
}

static size_t match_asian(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return skip_ranges(p, at, asian, sizeof asian / sizeof *asian);
}

/* \s?[kinds]+ */
static size_t match_kinds(const struct part *p, size_t at, uint32_t kinds)
{
    size_t next, start = at;
    if (look(p, at, &next) & PND_CHAR_SPACE)
        start = next;
    size_t end = skip_kinds(p, start, kinds);
    return end > start ? end : at;
}

static size_t match_letters(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_kinds(p, at, PND_CHAR_LETTERS);
}

static size_t match_punctuation(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    return match_kinds(p, at, PND_CHAR_PUNCTUATION);
}

/* [\p{P}\$\+<=>\^~\|]+ */
static size_t match_markup(const struct part *p, size_t at, size_t *skip)
{
    (void)skip;
    for (size_t next; at < p->end; at = next) {
        bool is_sign = look(p, at, &next) & PND_CHAR_PUNCTUATION;
        uint8_t c = p->text[at];
        if (!is_sign && (c == '\0' || c >= 0x80 || !strchr("$+<=>^~|", c)))
            break;
    }
    return at;
}

static const match_fn matchers[PND_SPLIT_RULES] = {
    [PND_SPLIT_GPT2] = match_gpt2,
    [PND_SPLIT_LLAMA3] = match_llama3,
    [PND_SPLIT_QWEN2] = match_qwen2,
    [PND_SPLIT_TEKKEN] = match_tekken,
    [PND_SPLIT_DIGIT] = match_digit,
    [PND_SPLIT_DIGITS] = match_digits,
    [PND_SPLIT_THREE_DIGITS] = match_three_digits,
    [PND_SPLIT_LINE_BREAK] = match_line_break,
    [PND_SPLIT_END_SPACE] = match_end_space,
    [PND_SPLIT_CASED] = match_cased,
    [PND_SPLIT_ASIAN] = match_asian,
    [PND_SPLIT_SIGNS] = match_signs,
    [PND_SPLIT_LETTERS] = match_letters,
    [PND_SPLIT_PUNCTUATION] = match_punctuation,
    [PND_SPLIT_MARKUP] = match_markup,
};

/* Depth is the number of rules left, at most PND_SPLIT_MAX. */
static panda_status split(const struct pnd_splitter *s, uint32_t rule,
                          const uint8_t *text, size_t size, pnd_word_fn take,
                          void *user)
{
    if (size == 0)
        return PANDA_OK;
    if (rule == s->count)
        return take(user, text, size);
    const struct part part = {text, size};
    panda_status status = PANDA_OK;
    size_t start = 0; /* of what no match has taken */
    for (size_t at = 0; at < size && status >= 0;) {
        size_t skip = 0;
        size_t end = matchers[s->rules[rule]](&part, at, &skip);
        if (end > at) {
            status = split(s, rule + 1, text + start, at - start, take, user);
            if (status >= 0)
                status = split(s, rule + 1, text + at, end - at, take, user);
            start = at = end;
        } else if (skip > 0) {
            at += skip;
        } else {
            (void)look(&part, at, &at);
        }
    }
    return status < 0 ? status
                      : split(s, rule + 1, text + start, size - start, take,
                              user);
}

panda_status pnd_split_text(const struct pnd_splitter *s, const uint8_t *text,
                            size_t size, pnd_word_fn take, void *user)
{
    return split(s, 0, text, size, take, user);
}
