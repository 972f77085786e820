/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_SOURCE_H
#define PND_SHARED_SOURCE_H

#include <stdbool.h>

#include "modalities/shared/fail.h"

/* The encoded bytes of an input, whether it names a file (PATH) or holds them
 * (BYTES). Files are read, not mapped: one that shrinks while it is decoded
 * must not kill the host's process.
 *
 *     struct pnd_source source;
 *     status = pnd_source_open(&source, host, input);
 *     if (status < 0)
 *         return status;
 *     ... source.data, source.size ...
 *     pnd_source_close(&source); */

struct pnd_source {
    const panda_frontend_host *host;
    const uint8_t *data; /* size bytes; NULL while a file is only opened */
    uint64_t size;       /* never 0 in an open source, fits a size_t */
    void *memory;        /* what `data` points to, when the source owns it */
    int file;            /* descriptor; -1 without */
};

/** Open an input and have all its bytes at `data`. Refuses raw inputs, missing
 *  files, directories, special files, empty content, and more than
 *  limits->max_file_bytes.
 *  @param out needs no release on failure */
panda_status pnd_source_open(struct pnd_source *out,
                             const panda_frontend_host *host,
                             const panda_input *input);

/** As pnd_source_open, but read nothing yet: for large media that are decoded
 *  piece by piece through pnd_source_read. `data` is set for BYTES only. */
panda_status pnd_source_open_stream(struct pnd_source *out,
                                    const panda_frontend_host *host,
                                    const panda_input *input);

/** Copy `size` bytes from `offset` on; fewer at the end.
 *  @return bytes copied; 0 at the end; -1 when the file cannot be read (no
 *          sentence is recorded: decoders call this from callbacks) */
int64_t pnd_source_read(const struct pnd_source *source, uint64_t offset,
                        void *buffer, size_t size);

/** Release everything; a zeroed source is allowed. */
void pnd_source_close(struct pnd_source *source);

#define PND_CONTENT_SIZE 48

/** Say for an error message what a content's first bytes are: "a PNG image",
 *  "text", "the bytes 00 11 22 33", "nothing". */
void pnd_source_describe(char text[PND_CONTENT_SIZE], const uint8_t *data,
                         size_t size);

#endif
