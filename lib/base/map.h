/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_MAP_H
#define PND_BASE_MAP_H

#include <pandagpt/status.h>

#include "base/alloc.h"

/* A read-only file, mapped into memory. */

struct pnd_map {
    const uint8_t *data; /* size bytes; NULL when closed */
    size_t size;
};

/** Map a whole file. Refuses directories, special files and empty files; the
 *  message names the path. */
panda_status pnd_map_open(struct pnd_map *out, const char *path);

/** Unmap; a zeroed map is allowed. */
void pnd_map_close(struct pnd_map *map);

/** Give back the memory of these bytes; they are read from the file again when
 *  they are touched. */
void pnd_map_forget(const struct pnd_map *map, size_t at, size_t size);

enum pnd_path_kind {
    PND_PATH_MISSING,
    PND_PATH_FILE,
    PND_PATH_DIRECTORY,
    PND_PATH_OTHER
};

/** What a path is; never fails. */
enum pnd_path_kind pnd_path_get_kind(const char *path);

/** "folder/name", or "name" beside `path` (its last component replaced); NULL
 *  without memory. Release with pnd_free. */
char *pnd_path_join(const struct pnd_allocator *a, const char *folder,
                    const char *name);
char *pnd_path_sibling(const struct pnd_allocator *a, const char *path,
                       const char *name);

#endif
