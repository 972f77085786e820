/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_MAP_H
#define PND_BASE_MAP_H

#include <pandagpt/status.h>

#include <stdbool.h>

#include "base/context.h"

/* A read-only file as bytes in memory: mapped, or brought by the host. */

struct pnd_map {
    const uint8_t *data; /* size bytes; NULL when closed */
    size_t size;
    bool is_mapped;        /* from the file system */
    struct pnd_fill *fill; /* bytes come by a callback when needed, or NULL */
};

/** Open the host file of `ctx` that has this name, or else map a whole file.
 *  Refuses directories, special files and empty files; the message names the
 *  path. `ctx` may be NULL: none. */
panda_status pnd_map_open(struct pnd_map *out, const struct pnd_context *ctx,
                          const char *path);

/** Make sure that `size` bytes at `offset`, which are inside the file, may be
 *  looked at. Mapped files and memory are there at once. */
static inline panda_status pnd_map_need(const struct pnd_map *map,
                                        size_t offset, size_t size)
{
    return map->fill ? pnd_fill_need(map->fill, offset, size) : PANDA_OK;
}

/** The same for `size` bytes at `data`, a place inside the file. */
static inline panda_status pnd_map_need_at(const struct pnd_map *map,
                                           const void *data, size_t size)
{
    return pnd_map_need(map, (size_t)((const uint8_t *)data - map->data),
                        size);
}

/** The same for all of the file. */
static inline panda_status pnd_map_need_all(const struct pnd_map *map)
{
    return pnd_map_need(map, 0, map->size);
}

/** Unmap; a zeroed map is allowed. */
void pnd_map_close(struct pnd_map *map);

/** Give back the memory of these bytes of a mapped file; they are read again
 *  when they are touched. Bytes that came otherwise stay. */
void pnd_map_forget(const struct pnd_map *map, size_t at, size_t size);

enum pnd_path_kind {
    PND_PATH_MISSING,
    PND_PATH_FILE,
    PND_PATH_DIRECTORY,
    PND_PATH_OTHER
};

/** What a path is, among the host files of `ctx` (may be NULL) and then in the
 *  file system; never fails. */
enum pnd_path_kind pnd_path_get_kind(const struct pnd_context *ctx,
                                     const char *path);

/** Whether both paths lead to one file, which is there. */
bool pnd_path_is_same(const char *a, const char *b);

/** "folder/name", or "name" beside `path` (its last component replaced); NULL
 *  without memory. Release with pnd_free. */
char *pnd_path_join(const struct pnd_allocator *a, const char *folder,
                    const char *name);
char *pnd_path_sibling(const struct pnd_allocator *a, const char *path,
                       const char *name);

#endif
