/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_TENSOR_SET_H
#define PND_FORMAT_TENSOR_SET_H

#include "format/arena.h"
#include "format/weights.h"

/* The inside of struct pnd_weights, and how the readers fill it. */

struct pnd_weights_file {
    const char *path;
    struct pnd_map map;
};

struct pnd_weights_entry {
    struct pnd_tensor tensor;
    uint32_t file; /* index into files */
    bool used;
};

struct pnd_weights {
    const struct pnd_context *ctx;
    struct pnd_arena arena; /* paths and names */
    const char *path;       /* as given to open */
    bool is_memory;         /* no other files can be opened with it */

    struct pnd_weights_file *files;
    size_t file_count, file_capacity;

    struct pnd_weights_entry *entries; /* in the order of the files */
    size_t count, capacity;
    const void **sorted; /* entries by name; made by finish */

    void **copies; /* tensors that cannot be used where they lie */
    size_t copy_count, copy_capacity;
    uint64_t file_bytes; /* of all files */
    uint64_t copy_bytes;

    struct pnd_gguf *gguf; /* metadata of the first file, or NULL */
};

/* A tensor as a file describes it, not checked yet. */
struct pnd_tensor_source {
    const char *name; /* name_length bytes, without an end */
    size_t name_length;
    enum pnd_dtype dtype;
    uint32_t rank;
    int64_t shape[PND_MAX_RANK]; /* in elements */
    int64_t strides[PND_MAX_RANK]; /* in elements; used when has_strides */
    bool has_strides;              /* otherwise contiguous */
    const uint8_t *storage;        /* storage_size bytes in the current file */
    size_t storage_size;
    int64_t offset; /* first element within the storage */
    /* Block formats: contiguous, from offset 0. */
};

/** Check and add a tensor of the newest file: a view where possible, otherwise
 *  a copy. */
panda_status pnd_tensor_set_add(struct pnd_weights *w,
                                const struct pnd_tensor_source *source);

/** Sort the names; PANDA_E_FORMAT when one is there twice. */
panda_status pnd_tensor_set_finish(struct pnd_weights *w);

/** Entry of this name after finish, or NULL. */
const struct pnd_weights_entry *pnd_tensor_set_find(const struct pnd_weights *w,
                                                    const char *name);

/** `items` with room for one more than `count`, perhaps moved; NULL without
 *  memory, and then `items` stays valid. */
void *pnd_tensor_set_grow(const struct pnd_allocator *alloc, void *items,
                          size_t count, size_t *capacity, size_t size);

/* The readers: each adds all tensors of the newest file. */
panda_status pnd_safetensors_read(struct pnd_weights *w);
panda_status pnd_torch_read(struct pnd_weights *w);
panda_status pnd_gguf_read(struct pnd_weights *w);

/** Read the other parts of a split GGUF model whose first was read from
 *  `path`. */
panda_status pnd_gguf_read_parts(struct pnd_weights *w, const char *path);

/** Map a file (not an index, not a folder) and read it. */
panda_status pnd_weights_read_file(struct pnd_weights *w, const char *path);

/** Read the shards that an index file names. */
panda_status pnd_shards_read(struct pnd_weights *w, const char *index_path);

/** The index that lists a shard: "x.bin.index.json" for the path
 *  ".../x-00001-of-00002.bin". False when this is no name of a shard. */
bool pnd_shards_name_index(char *out, size_t size, const char *path);

#endif
