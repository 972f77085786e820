/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_BUFFER_H
#define PND_BASE_BUFFER_H

#include <pandagpt/status.h>

#include "base/alloc.h"

/* Growable bytes: strings in the making, token lists. */

struct pnd_buffer {
    const struct pnd_allocator *alloc;
    uint8_t *data; /* capacity bytes */
    size_t size;   /* bytes used */
    size_t capacity;
};

void pnd_buffer_init(struct pnd_buffer *b, const struct pnd_allocator *a);
void pnd_buffer_free(struct pnd_buffer *b);

/** Room for `extra` more bytes; PANDA_E_MEMORY otherwise. */
panda_status pnd_buffer_reserve(struct pnd_buffer *b, size_t extra);

panda_status pnd_buffer_append(struct pnd_buffer *b, const void *data,
                               size_t size);

/** As pnd_buffer_append for a string, without its end. */
panda_status pnd_buffer_append_string(struct pnd_buffer *b, const char *s);

/** Put a zero byte after the content (not counted in size). */
panda_status pnd_buffer_terminate(struct pnd_buffer *b);

#endif
