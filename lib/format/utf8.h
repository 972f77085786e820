/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_UTF8_H
#define PND_FORMAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the well-formed UTF-8 character at the start of `s`, 1..4; 0 when
 *  there is none (surrogates and overlong forms are not well-formed). */
size_t pnd_utf8_measure(const char *s, size_t length);

/** Whether the `length` bytes, 1..3, are the beginning of a well-formed
 *  character that is not whole. */
bool pnd_utf8_is_open(const char *s, size_t length);

/** Bytes that one U+FFFD stands for where there is no character at the start of
 *  `s`, at least 1: as many as begin one (the Unicode Standard, 3.9, "maximal
 *  subparts"). */
size_t pnd_utf8_measure_broken(const char *s, size_t length);

/* A string out of a file, made fit for a message: cut, and with everything
 * that is not printable replaced. */
struct pnd_shown {
    char text[128];
};

/** Use as pnd_fail(..., "%s", pnd_show(s, length).text). */
struct pnd_shown pnd_show(const char *s, size_t length);

#endif
