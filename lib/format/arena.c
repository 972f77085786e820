/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/arena.h"

#include <string.h>

#define FIRST_BLOCK ((size_t)4 << 10)
#define LARGEST_BLOCK ((size_t)1 << 20)
#define ALIGNMENT ((size_t)8)

struct pnd_arena_block {
    struct pnd_arena_block *next;
    size_t size; /* bytes of content */
    _Alignas(8) unsigned char content[];
};

void pnd_arena_init(struct pnd_arena *arena, const struct pnd_allocator *alloc)
{
    *arena = (struct pnd_arena){.alloc = alloc};
}

void pnd_arena_free(struct pnd_arena *arena)
{
    struct pnd_arena_block *block = arena->blocks;
    while (block) {
        struct pnd_arena_block *next = block->next;
        pnd_free(arena->alloc, block);
        block = next;
    }
    *arena = (struct pnd_arena){.alloc = arena->alloc};
}

static bool add_block(struct pnd_arena *arena, size_t size)
{
    size_t content = FIRST_BLOCK;
    if (arena->blocks)
        content = arena->blocks->size * 2;
    if (content > LARGEST_BLOCK)
        content = LARGEST_BLOCK;
    if (content < size)
        content = size;
    size_t bytes;
    if (!pnd_add_size(&bytes, content, sizeof(struct pnd_arena_block)))
        return false;
    struct pnd_arena_block *block = pnd_alloc(arena->alloc, bytes);
    if (!block)
        return false;
    block->next = arena->blocks;
    block->size = content;
    arena->blocks = block;
    arena->used = 0;
    arena->capacity = content;
    arena->total += bytes;
    return true;
}

void *pnd_arena_alloc(struct pnd_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (!arena->blocks || rounded > arena->capacity - arena->used) {
        if (!add_block(arena, rounded))
            return NULL;
    }
    void *memory = arena->blocks->content + arena->used;
    arena->used += rounded;
    return memory;
}

void *pnd_arena_alloc_array(struct pnd_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return pnd_mul_size(&bytes, count, size) ? pnd_arena_alloc(arena, bytes)
                                             : NULL;
}

char *pnd_arena_strndup(struct pnd_arena *arena, const char *s, size_t length)
{
    char *copy = pnd_arena_alloc(arena, length + 1);
    if (copy) {
        memcpy(copy, s, length);
        copy[length] = '\0';
    }
    return copy;
}
