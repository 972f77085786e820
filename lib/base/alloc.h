/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_ALLOC_H
#define PND_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pandagpt/runtime.h>

/* All heap of the library goes through one of these, copied from the
 * runtime's options. Memory is 64-byte aligned so that kernels may use aligned
 * loads on whole buffers. */

#define PND_ALIGN 64

struct pnd_allocator {
    panda_alloc_fn alloc;
    panda_free_fn free;
    void *user;
};

/** The C heap. */
extern const struct pnd_allocator pnd_allocator_heap;

/** `size` bytes or NULL; NULL also for size 0. Does not record an error. */
void *pnd_alloc(const struct pnd_allocator *a, size_t size);

/** As pnd_alloc, zeroed. */
void *pnd_alloc_zero(const struct pnd_allocator *a, size_t size);

/** count * size bytes; NULL also when the product overflows. */
void *pnd_alloc_array(const struct pnd_allocator *a, size_t count, size_t size);

/** Grow a block from `old_size` to `new_size` bytes; the old one stays valid
 *  when NULL is returned. */
void *pnd_realloc(const struct pnd_allocator *a, void *memory, size_t old_size,
                  size_t new_size);

/** NULL is allowed. */
void pnd_free(const struct pnd_allocator *a, void *memory);

/** Copy of a string (of `length` bytes), zero-terminated; NULL without
 *  memory. */
char *pnd_strndup(const struct pnd_allocator *a, const char *s, size_t length);
char *pnd_strdup(const struct pnd_allocator *a, const char *s);

/** Checked arithmetic: false on overflow. */
static inline bool pnd_mul_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool pnd_add_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

#endif
