/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/fix.h"
#include "modalities/text/unicode.h"

/* Which neighbours give a wrong decoding away: a table of short patterns, after
 * ftfy's "badness" (Copyright Robyn Speer, Apache-2.0). The text is mojibake
 * if one of them matches anywhere. */

/* Short names for the table. */
enum {
    COMMON = PND_FIX_COMMON,
    C1 = PND_FIX_C1,
    BAD = PND_FIX_BAD,
    LAW = PND_FIX_LAW,
    MONEY = PND_FIX_CURRENCY,
    START = PND_FIX_START,
    END = PND_FIX_END,
    NUMERIC = PND_FIX_NUMERIC,
    KAOMOJI = PND_FIX_KAOMOJI,
    UPPER = PND_FIX_UPPER_ACCENT,
    LOWER = PND_FIX_LOWER_ACCENT,
    UPPER_COMMON = PND_FIX_UPPER_COMMON,
    LOWER_COMMON = PND_FIX_LOWER_COMMON,
    BOX = PND_FIX_BOX,
    ACCENTED = UPPER | LOWER,
    MARKS = START | END | MONEY | NUMERIC | LAW,

    /* Of characters that are not in fix_table.c, too. */
    ASCII_LOWER = 1 << 24,
    ASCII_UPPER = 1 << 25,
    SPACE = 1 << 26,
    WORD = 1 << 27,      /* letters, numbers, "_" */
    NO_LATIN = 1 << 28,  /* all but A-Z and a-z */
    SAME_LINE = 1 << 29, /* all but the line end */
};

#define MOST 7 /* characters of a pattern */

/* One place of a pattern: the characters of some classes, and these. */
struct place {
    uint32_t classes;
    const uint_least16_t *chars; /* ends with 0; may be NULL */
};

#define OF(classes) {classes, NULL}
#define CHARS(text) {0, u##text}
#define WITH(classes, text) {classes, u##text}

/* Windows-1252 and Arabic: the second of a pair. */
#define ARABIC \
    WITH(COMMON | MONEY | BAD | NUMERIC | START, "ŸŠ®°µ»")

static const struct pattern {
    struct place places[MOST]; /* an empty one ends them */
} patterns[] = {
    {{OF(C1)}},
    {{OF(BAD | ACCENTED | BOX | MARKS), OF(BAD)}},
    {{OF(ASCII_LOWER | ASCII_UPPER), OF(LOWER_COMMON | UPPER_COMMON), OF(BAD)}},
    {{OF(BAD), OF(ACCENTED | BOX | MARKS)}},
    {{OF(LOWER | LOWER_COMMON | BOX | END | MONEY | NUMERIC), OF(UPPER)}},
    {{OF(BOX | END | MONEY | NUMERIC), OF(LOWER)}},
    {{OF(LOWER | BOX | END), OF(MONEY)}},
    {{OF(SPACE), OF(UPPER), OF(MONEY)}},
    {{OF(UPPER | BOX), OF(NUMERIC | LAW)}},
    {{OF(ACCENTED | BOX | MONEY | END), OF(START), OF(NUMERIC)}},
    {{OF(ACCENTED | MONEY | NUMERIC | BOX | LAW), OF(END), OF(START)}},
    {{OF(MONEY | NUMERIC | BOX), OF(START)}},
    {{OF(ASCII_LOWER), OF(UPPER), OF(START | MONEY)}},
    {{OF(BOX), OF(KAOMOJI)}},
    {{OF(ACCENTED | MARKS), OF(BOX)}},
    {{OF(BOX), OF(END)}},
    {{OF(ACCENTED), OF(START | END), OF(WORD)}},
    /* A ligature that no plain letter follows. */
    {{CHARS("Œœ"), OF(NO_LATIN)}},
    {{OF(UPPER), CHARS("°")}},
    /* Windows-1252: pairs that begin like letters of Latin, Greek, Cyrillic. */
    {{CHARS("ÂÃÎÐ"),
      WITH(START | END, "€œŠš¢£Ÿž\u00a0\u00ad®©°·»–—´")}},
    {{CHARS("×"), CHARS("²³")}},
    {{CHARS("ØÙ"), ARABIC, CHARS("ØÙ"), ARABIC}},
    /* ... and South Asian scripts. */
    {{CHARS("à"), CHARS("²µ¹¼½¾")}},
    /* MacRoman. */
    {{CHARS("√"), CHARS("±∂†≠®™´≤≥¥µø")}},
    {{CHARS("≈"), CHARS("°¢")}},
    {{CHARS("‚"), CHARS("Ä"), CHARS("ìîïòôúùû†°¢π")}},
    {{CHARS("‚"), CHARS("âó"), CHARS("àä°ê")}},
    /* Windows-1251: punctuation, then Cyrillic. */
    {{CHARS("в"), CHARS("Ђ")}},
    {{CHARS("ВГРС"), WITH(C1 | BAD | START | END | MONEY, "°µ"),
      CHARS("ВГРС")}},
    /* ... on top of Latin-1. */
    {{CHARS("Г"), CHARS("ў"), CHARS("В"), CHARS("Ђ"), CHARS("В"),
      OF(SAME_LINE), WITH(ASCII_LOWER | ASCII_UPPER, " ")}},
    /* Windows-1252: a letter with a grave or acute accent, and the no-break
     * space; also when it became a plain one. */
    {{CHARS("Ã"), CHARS("\u00a0¡")}},
    {{OF(ASCII_LOWER), CHARS("ÃÂ"), CHARS(" ")}},
    {{OF(ASCII_LOWER), OF(SPACE), CHARS("ÃÂ"), CHARS(" ")}},
    {{WITH(ASCII_LOWER | END, ".,?!"), CHARS("Â"), WITH(START | END, " ")}},
    /* Windows-1253: punctuation, then Greek. */
    {{CHARS("β"), CHARS("€"), CHARS("™\u00a0Ά\u00ad®°")}},
    {{CHARS("ΒΓΞΟ"), WITH(C1 | BAD | START | END | MONEY, "°"),
      CHARS("ΒΓΞΟ")}},
    /* Windows-1257: punctuation. */
    {{CHARS("ā"), CHARS("€")}},
};

const struct pnd_fix_char *pnd_fix_find_char(uint32_t c)
{
    size_t low = 0, high = pnd_fix_char_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pnd_fix_chars[middle].code < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pnd_fix_char_count && pnd_fix_chars[low].code == c
               ? &pnd_fix_chars[low] : NULL;
}

static uint32_t get_classes(uint32_t c)
{
    uint32_t classes = c == '\n' ? 0 : SAME_LINE;
    if (c >= 'a' && c <= 'z')
        return classes | ASCII_LOWER | WORD;
    if (c >= 'A' && c <= 'Z')
        return classes | ASCII_UPPER | WORD;
    classes |= NO_LATIN;
    if (pnd_unicode_is_space(c))
        classes |= SPACE;
    if (c == '_' || pnd_unicode_is_letter(c) || pnd_unicode_is_number(c))
        classes |= WORD;
    const struct pnd_fix_char *known = c < 0x80 ? NULL : pnd_fix_find_char(c);
    return known ? classes | known->classes : classes;
}

static bool is_at_place(const struct place *place, uint32_t c,
                        uint32_t classes)
{
    if (place->classes & classes)
        return true;
    const uint_least16_t *chars = place->chars;
    while (chars && *chars && *chars != c)
        chars++;
    return chars && *chars;
}

/* `classes` of the first MOST characters of `text`. */
static bool matches(const struct pattern *pattern, const uint32_t *text,
                    const uint32_t *classes, size_t size)
{
    for (size_t i = 0; i < MOST; i++) {
        const struct place *place = &pattern->places[i];
        if (place->classes == 0 && !place->chars)
            return true;
        if (i >= size || !is_at_place(place, text[i], classes[i]))
            return false;
    }
    return true;
}

bool pnd_fix_is_bad(const uint32_t *text, size_t size)
{
    /* The one pattern that is tied to the text's beginning. */
    if (size >= 2 && (text[0] == 0xc2 || text[0] == 0xc3) && text[1] == ' ')
        return true;
    uint32_t classes[MOST + 1] = {0};
    for (size_t i = 0; i < MOST && i < size; i++)
        classes[i] = get_classes(text[i]);
    for (size_t i = 0; i < size; i++) {
        classes[MOST] = i + MOST < size ? get_classes(text[i + MOST]) : 0;
        /* Every pattern has a character beyond ASCII in its first three. */
        bool possible = text[i] >= 0x80;
        for (size_t k = 1; k < 3 && i + k < size; k++)
            possible = possible || text[i + k] >= 0x80;
        for (size_t p = 0;
             possible && p < sizeof patterns / sizeof *patterns; p++) {
            if (matches(&patterns[p], text + i, classes, size - i))
                return true;
        }
        for (size_t k = 0; k < MOST; k++)
            classes[k] = classes[k + 1];
    }
    return false;
}
