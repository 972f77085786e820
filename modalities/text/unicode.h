/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_UNICODE_H
#define PND_TEXT_UNICODE_H

#include <stdbool.h>

#include "modalities/text/ustring.h"

/* What the reference asks of Unicode (through Python's str and regex). */

bool pnd_unicode_is_letter(uint32_t c); /* L* */
bool pnd_unicode_is_number(uint32_t c); /* N* */
bool pnd_unicode_is_digit(uint32_t c);  /* Nd */
bool pnd_unicode_is_space(uint32_t c);  /* Python's str.isspace */

/** Upper case, one character to one. */
uint32_t pnd_unicode_to_upper(uint32_t c);

/** What a C1 control character (80..9F) means as a byte of Windows-1252; other
 *  characters, and bytes that mean nothing there, as they are. */
uint32_t pnd_unicode_from_c1(uint32_t c);

/** Lower case of a whole text, as Python's str.lower: with the final sigma, and
 *  U+0130 as two characters. `out` is replaced. */
panda_status pnd_unicode_lower(struct pnd_ustring *out,
                               const struct pnd_ustring *text);

/** Append the compatibility form (NFKC) of one character. */
panda_status pnd_unicode_append_nfkc(struct pnd_ustring *out, uint32_t c);

/** Normalise to NFC; `scratch` is overwritten. Time is linear. */
panda_status pnd_unicode_compose(struct pnd_ustring *text,
                                 struct pnd_ustring *scratch);

#endif
