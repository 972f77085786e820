/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_ARENA_H
#define PND_FORMAT_ARENA_H

#include <stddef.h>

#include "base/alloc.h"

/* Many small objects that die together: the nodes of a parsed document, the
 * names of tensors. Blocks double from 4 KiB to 1 MiB, so that a small document
 * costs little and a large one few allocations. */

struct pnd_arena_block;

struct pnd_arena {
    const struct pnd_allocator *alloc;
    struct pnd_arena_block *blocks; /* the newest first */
    size_t used, capacity;          /* of the newest */
    size_t total;                   /* bytes of all blocks */
};

void pnd_arena_init(struct pnd_arena *arena, const struct pnd_allocator *alloc);
void pnd_arena_free(struct pnd_arena *arena);

/** `size` bytes aligned to 8, not initialised; NULL without memory. A size of
 *  0 gives a pointer that must not be read. */
void *pnd_arena_alloc(struct pnd_arena *arena, size_t size);

/** count * size bytes; NULL also when the product overflows. */
void *pnd_arena_alloc_array(struct pnd_arena *arena, size_t count, size_t size);

/** Copy of `length` bytes, zero-terminated. */
char *pnd_arena_strndup(struct pnd_arena *arena, const char *s, size_t length);

#endif
