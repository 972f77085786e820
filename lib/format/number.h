/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_NUMBER_H
#define PND_FORMAT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers as JSON writes them. The C library's strtod would read them by the
 * host's locale. */

struct pnd_number {
    size_t length;   /* bytes taken from the text; 0: no number there */
    bool is_integer; /* no fraction, no exponent, fits */
    int64_t integer;
    double value; /* correctly rounded up to 15 digits and 10^22, otherwise
                        within one unit in the last place; infinite when too
                        large */
};

struct pnd_number pnd_number_parse(const char *s, size_t length);

#endif
