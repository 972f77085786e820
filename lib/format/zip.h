/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_ZIP_H
#define PND_FORMAT_ZIP_H

#include <pandagpt/status.h>

#include "base/map.h"

/* The directory of a zip archive whose entries are stored, not compressed, as
 * torch.save writes them:
 *
 *   for each entry: local header, name, extra field (padding), content, and
 *                   sometimes a data descriptor
 *   central directory: one record for each entry, in any order
 *   zip64 end record and locator (files above 4 GiB, and always by torch)
 *   end record (22 bytes), the end of the file
 *
 * Sizes come from the central directory alone; the local headers must name the
 * same entries, and no two entries may overlap. Checksums are not verified:
 * that would read every byte of a file that is otherwise mapped lazily, and
 * torch can be told to write none. */

struct pnd_zip_entry {
    const char *name; /* name_length bytes in the file, without an end */
    size_t name_length;
    const uint8_t *data; /* size bytes in the file */
    size_t size;
    size_t header; /* offset of the local header */
};

struct pnd_zip {
    const struct pnd_allocator *alloc;
    const char *path;              /* for messages */
    struct pnd_zip_entry *entries; /* as in the central directory */
    size_t count;
    const void **sorted; /* the same, by name */
};

/** Read the directory of an archive. File and `path` are borrowed; the content
 *  of the entries need not be there yet. */
panda_status pnd_zip_open(struct pnd_zip *out,
                          const struct pnd_allocator *alloc,
                          const struct pnd_map *map, const char *path);
void pnd_zip_close(struct pnd_zip *zip); /* a zeroed one is allowed */

/** Entry "prefix" + "name", or NULL. */
const struct pnd_zip_entry *pnd_zip_find(const struct pnd_zip *zip,
                                         const char *prefix,
                                         size_t prefix_length, const char *name,
                                         size_t name_length);

#endif
