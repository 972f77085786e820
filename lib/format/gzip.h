/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_GZIP_H
#define PND_FORMAT_GZIP_H

#include <pandagpt/status.h>

#include "base/context.h"

/** Read a whole file, decompressing it when it is gzip (PANDA_E_UNSUPPORTED in
 *  a build without zlib). More than `max_size` bytes of content is
 *  PANDA_E_FORMAT. Release `*data` with pnd_free; a zero byte follows it. */
panda_status pnd_gzip_read_file(char **data, size_t *size,
                                const struct pnd_context *ctx,
                                const char *path, size_t max_size);

#endif
