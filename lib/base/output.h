/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_OUTPUT_H
#define PND_BASE_OUTPUT_H

#include <pandagpt/status.h>

#include "base/alloc.h"

/* A file that appears under its name only when it is whole: until then it has
 * no name at all where the system can do that, so that not even a killed
 * process leaves anything behind; elsewhere it has a temporary one. */

struct pnd_output {
    const struct pnd_allocator *alloc;
    char *path;
    char *temporary; /* name beside `path` */
    bool is_named;   /* `temporary` is there */
    int file;        /* -1: none */
};

/** Begin a file of `size` bytes. PANDA_E_IO where `path` is a directory, where
 *  its folder cannot be written, or the disk has less room. */
panda_status pnd_output_open(struct pnd_output *out,
                             const struct pnd_allocator *alloc,
                             const char *path, uint64_t size);

panda_status pnd_output_write(struct pnd_output *out, const void *data,
                              size_t size);

/** Bring everything to the disk and give the file its name, replacing another
 *  of that name. */
panda_status pnd_output_commit(struct pnd_output *out);

/** Free, and unless committed leave nothing behind; for an opened or a zeroed
 *  one. */
void pnd_output_close(struct pnd_output *out);

#endif
