/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER PND_ALIGN /* in front of each block: its size */
#define FIXED ((size_t)32 << 10)
#define PER_BYTE ((size_t)128)

void fuzz_demand(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void *heap_alloc(size_t size, size_t alignment, void *user)
{
    struct fuzz_heap *heap = user;
    heap->live += size;
    fuzz_demand(heap->live <= heap->limit,
                "the input asks for more memory than its size justifies");
    char *block = pnd_allocator_heap.alloc(size + HEADER, alignment, NULL);
    if (!block)
        return NULL;
    *(size_t *)block = size;
    return block + HEADER;
}

static void heap_free(void *memory, void *user)
{
    struct fuzz_heap *heap = user;
    char *block = (char *)memory - HEADER;
    heap->live -= *(size_t *)block;
    pnd_allocator_heap.free(block, NULL);
}

void fuzz_heap_init(struct fuzz_heap *heap, size_t input_size)
{
    *heap = (struct fuzz_heap){.alloc = {heap_alloc, heap_free, heap},
                               .limit = FIXED + input_size * PER_BYTE};
}

void fuzz_heap_check(const struct fuzz_heap *heap)
{
    fuzz_demand(heap->live == 0, "memory was left behind");
}
