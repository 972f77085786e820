/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_CHAR_CLASS_H
#define PND_TEXT_CHAR_CLASS_H

#include <stddef.h>
#include <stdint.h>

/* Kinds of characters, as bits, so that a set of kinds is a mask: Unicode's
 * general categories, with white space (White_Space) taken out. Own tables,
 * because text has to be split in every build and by one Unicode version. */
enum pnd_char_class {
    PND_CHAR_OTHER = 1 << 0, /* controls, formats, not assigned */
    PND_CHAR_SPACE = 1 << 1,
    PND_CHAR_UPPER = 1 << 2,       /* Lu */
    PND_CHAR_LOWER = 1 << 3,       /* Ll */
    PND_CHAR_TITLE = 1 << 4,       /* Lt */
    PND_CHAR_MODIFIER = 1 << 5,    /* Lm */
    PND_CHAR_LETTER = 1 << 6,      /* Lo: without case */
    PND_CHAR_MARK = 1 << 7,        /* M* */
    PND_CHAR_NUMBER = 1 << 8,      /* N* */
    PND_CHAR_PUNCTUATION = 1 << 9, /* P* */
    PND_CHAR_SYMBOL = 1 << 10,     /* S* */
    PND_CHAR_LETTERS = PND_CHAR_UPPER | PND_CHAR_LOWER | PND_CHAR_TITLE |
                       PND_CHAR_MODIFIER | PND_CHAR_LETTER /* L* */
};

/* Sorted runs of one kind: code point << 4 | number of the bit; 11 stands for
 * upper and lower case in turn. */
#define PND_CHAR_PAIRS 11
extern const uint32_t pnd_char_runs[];
extern const uint32_t pnd_char_run_count;

/** Code point at the front of well-formed UTF-8 and its bytes. */
uint32_t pnd_char_decode(const uint8_t *text, size_t *length);

/** The way back; returns the bytes. */
size_t pnd_char_encode(uint32_t code, uint8_t out[4]);

/** Kind of a code point. */
uint32_t pnd_char_classify(uint32_t code);

#endif
