/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_HTML_TABLE_H
#define PND_TEXT_HTML_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The named character references of the HTML standard, by first letter. Every
 * name may end with a semicolon; those older than HTML 4 need none. */

#define PND_HTML_LEGACY (UINT32_C(1) << 31)  /* needs no semicolon */
#define PND_HTML_FIRST(value) ((value) & 0x1fffff)
#define PND_HTML_SECOND(value) ((value) >> 24 & 0x7f)

struct pnd_html_group {
    char letter;      /* the names' first letter */
    uint16_t count;
    const char *names; /* the rest of each name and a space */
    /* Of each name: the first character, PND_HTML_LEGACY, and the second
     * character as an index of pnd_html_seconds; 0: none. */
    const uint32_t *values;
};

extern const uint16_t pnd_html_seconds[];
extern const struct pnd_html_group pnd_html_groups[]; /* sorted by letter */
extern const size_t pnd_html_group_count;

#endif
