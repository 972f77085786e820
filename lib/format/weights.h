/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_WEIGHTS_H
#define PND_FORMAT_WEIGHTS_H

#include "base/context.h"
#include "base/map.h"
#include "format/gguf.h"
#include "tensor/tensor.h"

/* A set of named tensors from one or more weight files, whatever the format:
 *
 *   torch zip pickle   .pth .bin .pt; executes nothing, understands only what
 *                      rebuilds tensors (format/pickle.h)
 *   safetensors        8 bytes header length, JSON header, data
 *   GGUF               .gguf, versions 2 and 3, and models split into several
 *   sharded            *.index.json beside the shards, or an HF folder
 *
 * Every file is hostile: bounds, overflow, overlap, duplicates and absurd
 * counts are PANDA_E_FORMAT with the offset and what was expected. Tensors are
 * views of the mapped files; only one that is not contiguous, or not aligned to
 * its element, is copied to the heap. */

struct pnd_weights;

/** Open a weight file, an index file, or a HF folder. */
panda_status pnd_weights_open(struct pnd_weights **out,
                              const struct pnd_context *ctx,
                              const char *path);
void pnd_weights_close(struct pnd_weights *w); /* NULL is allowed */

/** Open one weight file in memory, which is borrowed until close; `name` stands
 *  for its path in messages. */
panda_status pnd_weights_open_memory(struct pnd_weights **out,
                                     const struct pnd_context *ctx,
                                     const void *data, size_t size,
                                     const char *name);

/** See that the bytes of a tensor may be looked at, which the require functions
 *  do themselves: a host's callback may have to bring them. Only while a model
 *  is opened. */
panda_status pnd_weights_load(struct pnd_weights *w,
                              const struct pnd_tensor *tensor);

/** The same for all bytes of all files. */
panda_status pnd_weights_load_all(struct pnd_weights *w);

/** Metadata of a GGUF file (of the first part of a split one), valid until
 *  close; NULL for other formats. */
const struct pnd_gguf *pnd_weights_get_gguf(const struct pnd_weights *w);

/** As given to open; for messages. */
const char *pnd_weights_get_path(const struct pnd_weights *w);

size_t pnd_weights_get_count(const struct pnd_weights *w);
const struct pnd_tensor *pnd_weights_at(const struct pnd_weights *w,
                                        size_t index);

/** The tensor of this name, or NULL. Marks it as used; its bytes may not be
 *  there before pnd_weights_load. */
const struct pnd_tensor *pnd_weights_find(struct pnd_weights *w,
                                          const char *name);

/** The tensor of this name with this shape (-1 matches any size) and a weight
 *  type (f32, f16, bf16). Marks it as used. Otherwise PANDA_E_FORMAT with file,
 *  tensor, what was found and what was expected. */
panda_status pnd_weights_require(const struct pnd_tensor **out,
                                 struct pnd_weights *w, uint32_t rank,
                                 const int64_t *shape, const char *name);

/** As pnd_weights_require for a matrix, which may be in a block format, too. */
panda_status pnd_weights_require_matrix(const struct pnd_tensor **out,
                                        struct pnd_weights *w, int64_t rows,
                                        int64_t columns, const char *name);

/** As pnd_weights_require with the name put together as by printf. */
panda_status pnd_weights_require_named(const struct pnd_tensor **out,
                                       struct pnd_weights *w, uint32_t rank,
                                       const int64_t *shape,
                                       const char *name_format, ...)
    PND_PRINTF(5, 6);

/** First tensor whose name begins with `prefix` and was never asked for, or
 *  NULL: tells files with more in them than the architecture has. */
const struct pnd_tensor *pnd_weights_find_unused(const struct pnd_weights *w,
                                                 const char *prefix);

/** The files that were read, indices and configurations not among them. */
size_t pnd_weights_get_file_count(const struct pnd_weights *w);
const char *pnd_weights_get_file_path(const struct pnd_weights *w,
                                      size_t index);
const void *pnd_weights_get_file_data(const struct pnd_weights *w,
                                      size_t index, size_t *size);

/** Give back the memory of these bytes of a file, which are read from the disk
 *  again when they are touched; those that are not mapped stay. */
void pnd_weights_forget(const struct pnd_weights *w, const void *data,
                        size_t size);

/* What became of a tensor. */
struct pnd_tensor_use {
    bool is_used;     /* somebody asked for it */
    bool is_in_place; /* where it lies in a mapped file, or in memory */
    const char *path; /* its file; borrowed */
};
struct pnd_tensor_use pnd_weights_get_use(const struct pnd_weights *w,
                                          size_t index);

/** Bytes of mapped (or borrowed) files, and of those that were copied from
 *  files or brought by a callback. */
uint64_t pnd_weights_get_mapped_bytes(const struct pnd_weights *w);
uint64_t pnd_weights_get_heap_bytes(const struct pnd_weights *w);

#endif
