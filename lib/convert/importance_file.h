/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_IMPORTANCE_FILE_H
#define PND_CONVERT_IMPORTANCE_FILE_H

#include "base/context.h"
#include "format/arena.h"

/* How much each column of a decoder's matrices matters, as llama.cpp's
 * llama-imatrix keeps it: a GGUF (convert/importance.h), or in its older files
 *
 *     i32 entries, of each: i32 length, name, i32 calls, i32 columns,
 *                           f32 sums of as many means as calls [columns]
 *     i32 chunks, i32 length, name of the text     (in newer ones of these)
 *
 * in little-endian numbers. */
struct pnd_importance;

/** Open such a file; PANDA_E_FORMAT for another one. */
panda_status pnd_importance_open(struct pnd_importance **out,
                                 const struct pnd_context *ctx,
                                 const char *path);
void pnd_importance_close(struct pnd_importance *file); /* NULL is allowed */

/** Borrowed. */
const char *pnd_importance_get_path(const struct pnd_importance *file);

/** The means of matrix `name`, of `columns` columns, into `out` (in the arena);
 *  NULL where the file has none. */
panda_status pnd_importance_read(const float **out,
                                 const struct pnd_importance *file,
                                 struct pnd_arena *arena, const char *name,
                                 size_t columns);

#endif
