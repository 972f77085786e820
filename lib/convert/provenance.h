/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_PROVENANCE_H
#define PND_CONVERT_PROVENANCE_H

#include "convert/sources.h"

/* Where a bundle comes from: the lists pandagpt.source.*, an item for each
 * file, those of the sources' own sources first. */

#define PND_MAX_SOURCE_FILES 4096

struct pnd_source_file {
    const char *path;
    const char *part;    /* "encoders", "decoder"... */
    const char *licence; /* a note */
    const uint8_t *data; /* size bytes */
    size_t size;
    const struct pnd_weights *weights; /* that hold the data, or NULL */
    struct pnd_map map;                /* otherwise */
    struct pnd_hash *hash;
    char sha256[65];
};

struct pnd_provenance {
    const struct pnd_context *ctx;
    struct pnd_source_file *files; /* count */
    size_t count, capacity;
    uint64_t bytes; /* that hashing will read */
};

/** List the files of the sources; opens those that are not. PANDA_E_ARGUMENT
 *  when `output` is one of them. */
panda_status pnd_provenance_open(struct pnd_provenance *p,
                                 const struct pnd_context *ctx,
                                 const struct pnd_convert_sources *s,
                                 const char *output);
void pnd_provenance_close(struct pnd_provenance *p); /* a zeroed one, too */

/** Hash all files, and put the lists. */
panda_status pnd_provenance_put(struct pnd_provenance *p,
                                struct pnd_gguf_writer *w,
                                const struct pnd_gguf *bundle,
                                struct pnd_convert_watch *watch);

#endif
