/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_FIX_TABLE_H
#define PND_TEXT_FIX_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The characters that appear when UTF-8 is decoded as something else. */

/* The wrong decodings that are undone, in the order in which they are tried.
 * The Windows ones are "sloppy": a byte without a character is the control
 * character of its number, and byte 1A is U+FFFD. */
enum pnd_fix_encoding {
    PND_FIX_LATIN_1,
    PND_FIX_WINDOWS_1252,
    PND_FIX_WINDOWS_1251,
    PND_FIX_WINDOWS_1250,
    PND_FIX_WINDOWS_1253,
    PND_FIX_WINDOWS_1254,
    PND_FIX_WINDOWS_1257,
    PND_FIX_ISO_8859_2,
    PND_FIX_MACROMAN,
    PND_FIX_CP437,
    PND_FIX_ENCODINGS
};

/* What a character is in a text that is not mojibake (a bit set). */
enum {
    PND_FIX_COMMON = 1 << 0, /* dashes, dots: anywhere */
    PND_FIX_C1 = 1 << 1,     /* control characters 80..9F */
    PND_FIX_BAD = 1 << 2,    /* hardly ever meant */
    PND_FIX_LAW = 1 << 3,
    PND_FIX_CURRENCY = 1 << 4,
    PND_FIX_START = 1 << 5, /* opening punctuation */
    PND_FIX_END = 1 << 6,   /* closing punctuation */
    PND_FIX_NUMERIC = 1 << 7,
    PND_FIX_KAOMOJI = 1 << 8,      /* letters of drawn faces */
    PND_FIX_UPPER_ACCENT = 1 << 9, /* accented Latin letters */
    PND_FIX_LOWER_ACCENT = 1 << 10,
    PND_FIX_UPPER_COMMON = 1 << 11, /* Greek and Cyrillic */
    PND_FIX_LOWER_COMMON = 1 << 12,
    PND_FIX_BOX = 1 << 13, /* box drawing */

    /* Which byte of UTF-8 it may stand for, in any of the encodings. */
    PND_FIX_LEAD_2 = 1 << 14, /* first of two */
    PND_FIX_LEAD_3 = 1 << 15,
    PND_FIX_LEAD_4 = 1 << 16,
    PND_FIX_TAIL = 1 << 17,        /* a later one */
    PND_FIX_TAIL_STRICT = 1 << 18, /* a later one, and little else */
};

struct pnd_fix_char {
    uint16_t code;
    uint32_t classes;
    uint8_t bytes[PND_FIX_ENCODINGS]; /* 0: the encoding has no such one */
};

extern const struct pnd_fix_char pnd_fix_chars[]; /* sorted by code */
extern const size_t pnd_fix_char_count;

#endif
