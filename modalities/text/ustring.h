/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_USTRING_H
#define PND_TEXT_USTRING_H

#include "modalities/shared/fail.h"

/* A growing array of code points, from the host's memory. While text is being
 * repaired it also holds bytes, one in each element. */

struct pnd_ustring {
    const panda_frontend_host *host;
    uint32_t *data;
    size_t size;
    size_t capacity;
};

void pnd_ustring_init(struct pnd_ustring *s, const panda_frontend_host *host);
void pnd_ustring_free(struct pnd_ustring *s);

/** Make room for `extra` more elements. */
panda_status pnd_ustring_reserve(struct pnd_ustring *s, size_t extra);
panda_status pnd_ustring_push(struct pnd_ustring *s, uint32_t code);
panda_status pnd_ustring_append(struct pnd_ustring *s, const uint32_t *data,
                                size_t size);

/** Make `s` hold what `from` holds. */
panda_status pnd_ustring_assign(struct pnd_ustring *s,
                                const struct pnd_ustring *from);
void pnd_ustring_swap(struct pnd_ustring *a, struct pnd_ustring *b);

/** Decode one character of UTF-8.
 *  @return its bytes; 0 when there is none (cut off, overlong, surrogate,
 *          above U+10FFFF) */
size_t pnd_ustring_get_utf8(uint32_t *code, const uint8_t *data, size_t size);

/** Encode a character; returns its bytes, 1..4. */
size_t pnd_ustring_put_utf8(uint8_t out[4], uint32_t code);

#endif
