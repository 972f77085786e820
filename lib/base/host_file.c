/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* MAP_ANONYMOUS under strict C11 */
#include "base/host_file.h"

#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

/* At least a page of any machine. */
#define STEP ((size_t)1 << 16)

/* The next name of a path, without "" and "."; length 0 at the end. */
static const char *next_name(const char **path, size_t *length)
{
    const char *name;
    do {
        name = *path + strspn(*path, "/");
        *length = strcspn(name, "/");
        *path = name + *length;
    } while (*length == 1 && *name == '.');
    return name;
}

/* Whether `name` is `path`, or lies in it when `in_folder`. */
static bool matches(const char *name, const char *path, bool in_folder)
{
    if ((*name == '/') != (*path == '/'))
        return false;
    for (;;) {
        size_t name_length, path_length;
        const char *a = next_name(&name, &name_length);
        const char *b = next_name(&path, &path_length);
        if (path_length == 0)
            return in_folder == (name_length > 0);
        if (name_length != path_length || memcmp(a, b, path_length) != 0)
            return false;
    }
}

const struct pnd_host_file *pnd_host_file_find(
    const struct pnd_host_file *files, uint32_t count, const char *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (matches(files[i].name, path, false))
            return &files[i];
    }
    return NULL;
}

bool pnd_host_file_has_folder(const struct pnd_host_file *files,
                              uint32_t count, const char *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (matches(files[i].name, path, true))
            return true;
    }
    return false;
}

struct pnd_fill {
    const struct pnd_allocator *alloc;
    struct pnd_host_file source;
    uint8_t *data; /* reserved bytes, no access where a step is not there */
    size_t size, reserved;
    uint64_t bytes;
    bool there[]; /* for each step */
};

panda_status pnd_fill_open(struct pnd_fill **out, const uint8_t **data,
                           const struct pnd_allocator *alloc,
                           const struct pnd_host_file *source)
{
    *out = NULL;
    if (source->size > PTRDIFF_MAX - STEP)
        return pnd_fail(PANDA_E_MEMORY,
                        "%s: the source has %llu bytes, more than can be "
                        "addressed",
                        source->name, (unsigned long long)source->size);
    const size_t steps = ((size_t)source->size + STEP - 1) / STEP;
    struct pnd_fill *fill = pnd_alloc_zero(alloc, sizeof *fill + steps);
    if (!fill)
        return pnd_fail_memory();
    fill->alloc = alloc;
    fill->source = *source;
    fill->size = (size_t)source->size;
    fill->reserved = steps * STEP;
    void *memory = mmap(NULL, fill->reserved, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        pnd_free(alloc, fill);
        return pnd_fail_memory();
    }
    *data = fill->data = memory;
    *out = fill;
    return PANDA_OK;
}

void pnd_fill_close(struct pnd_fill *fill)
{
    if (!fill)
        return;
    munmap(fill->data, fill->reserved);
    pnd_free(fill->alloc, fill);
}

/* Steps [first, end), none of which is there. */
static panda_status read_steps(struct pnd_fill *fill, size_t first, size_t end)
{
    const struct pnd_host_file *s = &fill->source;
    const size_t at = first * STEP;
    size_t size = (end - first) * STEP;
    if (mprotect(fill->data + at, size, PROT_READ | PROT_WRITE) != 0)
        return pnd_fail_memory();
    if (size > fill->size - at)
        size = fill->size - at;
    const int32_t code = s->read(at, fill->data + at, size, s->user);
    if (code != 0)
        return pnd_fail(PANDA_E_CALLBACK,
                        "%s: the source's callback returned %d for %zu bytes "
                        "at offset %zu, expected 0",
                        s->name, (int)code, size, at);
    memset(fill->there + first, true, end - first);
    fill->bytes += size;
    return PANDA_OK;
}

panda_status pnd_fill_need(struct pnd_fill *fill, size_t offset, size_t size)
{
    const size_t end = size > 0 ? (offset + size - 1) / STEP + 1 : 0;
    for (size_t i = offset / STEP; i < end;) {
        if (fill->there[i]) {
            i++;
            continue;
        }
        const size_t first = i;
        while (i < end && !fill->there[i])
            i++;
        panda_status status = read_steps(fill, first, i);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

uint64_t pnd_fill_get_bytes(const struct pnd_fill *fill)
{
    return fill->bytes;
}
