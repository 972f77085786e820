/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <string.h>

#include "base/error.h"

void pnd_buffer_init(struct pnd_buffer *b, const struct pnd_allocator *a)
{
    *b = (struct pnd_buffer){.alloc = a};
}

void pnd_buffer_free(struct pnd_buffer *b)
{
    if (b->data)
        pnd_free(b->alloc, b->data);
    *b = (struct pnd_buffer){.alloc = b->alloc};
}

panda_status pnd_buffer_reserve(struct pnd_buffer *b, size_t extra)
{
    size_t needed;
    if (!pnd_add_size(&needed, b->size, extra))
        return pnd_fail_memory();
    if (needed <= b->capacity)
        return PANDA_OK;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    uint8_t *data = pnd_realloc(b->alloc, b->data, b->size, capacity);
    if (!data)
        return pnd_fail_memory();
    b->data = data;
    b->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_buffer_append(struct pnd_buffer *b, const void *data,
                               size_t size)
{
    panda_status status = pnd_buffer_reserve(b, size);
    if (status < 0)
        return status;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    return PANDA_OK;
}

panda_status pnd_buffer_append_string(struct pnd_buffer *b, const char *s)
{
    return pnd_buffer_append(b, s, strlen(s));
}

panda_status pnd_buffer_terminate(struct pnd_buffer *b)
{
    panda_status status = pnd_buffer_reserve(b, 1);
    if (status < 0)
        return status;
    b->data[b->size] = 0;
    return PANDA_OK;
}
