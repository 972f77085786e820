/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#  include <malloc.h>
#endif

static void *heap_alloc(size_t size, size_t alignment, void *user)
{
    (void)user;
#ifdef _WIN32
    return _aligned_malloc(size, alignment);
#else
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, size) != 0)
        return NULL;
    return memory;
#endif
}

static void heap_free(void *memory, void *user)
{
    (void)user;
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

const struct pnd_allocator pnd_allocator_heap = {heap_alloc, heap_free, NULL};

void *pnd_alloc(const struct pnd_allocator *a, size_t size)
{
    if (size == 0 || size > PTRDIFF_MAX)
        return NULL;
    return a->alloc(size, PND_ALIGN, a->user);
}

void *pnd_alloc_zero(const struct pnd_allocator *a, size_t size)
{
    void *memory = pnd_alloc(a, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void *pnd_alloc_array(const struct pnd_allocator *a, size_t count, size_t size)
{
    size_t bytes;
    return pnd_mul_size(&bytes, count, size) ? pnd_alloc(a, bytes) : NULL;
}

void *pnd_realloc(const struct pnd_allocator *a, void *memory, size_t old_size,
                  size_t new_size)
{
    void *grown = pnd_alloc(a, new_size);
    if (!grown)
        return NULL;
    if (memory) {
        memcpy(grown, memory, old_size < new_size ? old_size : new_size);
        pnd_free(a, memory);
    }
    return grown;
}

void pnd_free(const struct pnd_allocator *a, void *memory)
{
    if (memory)
        a->free(memory, a->user);
}

char *pnd_strndup(const struct pnd_allocator *a, const char *s, size_t length)
{
    char *copy = pnd_alloc(a, length + 1);
    if (copy) {
        memcpy(copy, s, length);
        copy[length] = '\0';
    }
    return copy;
}

char *pnd_strdup(const struct pnd_allocator *a, const char *s)
{
    return pnd_strndup(a, s, strlen(s));
}
