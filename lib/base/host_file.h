/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_HOST_FILE_H
#define PND_BASE_HOST_FILE_H

#include <pandagpt/model.h>

#include "base/alloc.h"

/* Files that a host brings itself, in memory or by a callback, under names
 * that stand for paths: "vicuna/config.json". base/map.h opens them like
 * others. */

struct pnd_host_file {
    const char *name;
    const uint8_t *data; /* size bytes, or NULL: `read` */
    uint64_t size;
    panda_read_fn read;
    void *user;
};

/** The one whose name is `path`, or NULL; "a/./b" and "a//b" are "a/b". */
const struct pnd_host_file *pnd_host_file_find(
    const struct pnd_host_file *files, uint32_t count, const char *path);

/** Whether one of them lies in the folder `path`. */
bool pnd_host_file_has_folder(const struct pnd_host_file *files,
                              uint32_t count, const char *path);

/* The bytes of a source with a callback: memory for all of them is reserved,
 * and gets pages as they are asked for. */
struct pnd_fill;

/** Reserve; `*data` is where the source's bytes will be. The source's name is
 *  borrowed, and needed for pnd_fill_need only. */
panda_status pnd_fill_open(struct pnd_fill **out, const uint8_t **data,
                           const struct pnd_allocator *alloc,
                           const struct pnd_host_file *source);
void pnd_fill_close(struct pnd_fill *fill);

/** Read what of `size` bytes at `offset`, inside the source, is not there yet,
 *  in whole steps of 64 KiB. PANDA_E_CALLBACK when the callback refuses. */
panda_status pnd_fill_need(struct pnd_fill *fill, size_t offset, size_t size);

/** Bytes that were read. */
uint64_t pnd_fill_get_bytes(const struct pnd_fill *fill);

#endif
