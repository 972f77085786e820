/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/split.h"

#include "modalities/text/unicode.h"

/* The reference's pattern, tried from left to right at each place:
 *
 *     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d
 *     |[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * It ignores case, which in a lower-case text leaves two traces: the long s
 * U+017F is an "s", and U+0345, whose upper case is a letter, is nothing.
 * The control characters 1C..1F are white space here, as for Python, though
 * not for the pattern: no repaired text has them. */

#define LONG_S 0x17f
#define IOTA_BELOW 0x345

/* Length of `word` when `text` begins with it, ignoring case; 0 otherwise. */
static size_t measure_word(const char *word, const uint32_t *text, size_t size)
{
    size_t i = 0;
    for (; word[i]; i++) {
        if (i == size)
            return 0;
        uint32_t c = text[i] == LONG_S ? 's' : text[i];
        if (c != (uint8_t)word[i])
            return 0;
    }
    return i;
}

static size_t measure_contraction(const uint32_t *text, size_t size)
{
    static const char *const all[] = {"'s", "'t", "'re", "'ve",
                                      "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t length = measure_word(all[i], text, size);
        if (length)
            return length;
    }
    return 0;
}

static bool contains_long_s(const uint32_t *text, size_t size)
{
    while (size > 0 && text[size - 1] != LONG_S)
        size--;
    return size > 0;
}

static bool measure_special(struct pnd_word *out, const uint32_t *text,
                            size_t size)
{
    static const char *const names[] = {"<|startoftext|>", "<|endoftext|>"};
    for (int i = 0; i < 2; i++) {
        size_t length = measure_word(names[i], text, size);
        if (length == 0)
            continue;
        /* With a long s it is cut out whole, but is not the token. */
        enum pnd_word_kind kind = i == 0 ? PND_WORD_START : PND_WORD_END;
        if (contains_long_s(text, length))
            kind = PND_WORD_PLAIN;
        *out = (struct pnd_word){.text = text, .size = length, .kind = kind};
        return true;
    }
    return false;
}

enum kind { LETTER, NUMBER, OTHER, BREAK };

static enum kind get_kind(uint32_t c)
{
    if (pnd_unicode_is_space(c) || c == IOTA_BELOW)
        return BREAK;
    if (pnd_unicode_is_letter(c))
        return LETTER;
    return pnd_unicode_is_number(c) ? NUMBER : OTHER;
}

bool pnd_word_next(struct pnd_word *out, const uint32_t *text, size_t size,
                   size_t *at)
{
    size_t i = *at;
    while (i < size && get_kind(text[i]) == BREAK)
        i++;
    *at = i;
    if (i == size)
        return false;
    size_t length = 0;
    if (text[i] == '<' && measure_special(out, text + i, size - i)) {
        *at += out->size;
        return true;
    }
    if (text[i] == '\'')
        length = measure_contraction(text + i, size - i);
    if (length == 0) {
        enum kind kind = get_kind(text[i]);
        length = 1;
        while (kind != NUMBER && i + length < size &&
               get_kind(text[i + length]) == kind)
            length++;
    }
    *out = (struct pnd_word){.text = text + i, .size = length};
    *at += length;
    return true;
}
