/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_FORMAT_BUILDER_H
#define PANDA_TESTS_FORMAT_BUILDER_H

#include "base/buffer.h"
#include "format/weights.h"
#include "support/support.h"

/* Writes small weight files, right and wrong ones, for the tests of readers. */

/** A heap buffer; release with pnd_buffer_free. */
struct pnd_buffer build_buffer(void);

void put_bytes(struct pnd_buffer *b, const void *data, size_t size);
void put_text(struct pnd_buffer *b, const char *text);
void put_le(struct pnd_buffer *b, uint64_t value, size_t bytes);

/** A safetensors file of this header (padded with spaces to 8) and data. */
struct pnd_buffer build_safetensors(const char *header, const void *data,
                                    size_t size);

/* A GGUF file, key by key and tensor by tensor. */
struct gguf_builder {
    struct pnd_buffer keys, tensors, data;
    unsigned key_count, tensor_count;
    uint32_t version;
    size_t alignment;
};

struct gguf_builder gguf_begin(void);
/** The name and the type; the value is to be put after it. */
struct pnd_buffer *gguf_key(struct gguf_builder *g, const char *name,
                            uint32_t type);
void gguf_string(struct gguf_builder *g, const char *name, const char *text);
void gguf_u32(struct gguf_builder *g, const char *name, uint32_t value);
void gguf_f32(struct gguf_builder *g, const char *name, float value);
/** The length and the bytes. */
void put_gguf_string(struct pnd_buffer *b, const char *text);
/** A tensor of rank 1 or 2, rows 0 for 1; bytes of data at the next aligned
 *  place. */
void gguf_tensor(struct gguf_builder *g, const char *name, uint32_t type,
                 uint64_t rows, uint64_t columns, const void *data,
                 size_t size);
/** The finished file; the builder is empty then. */
struct pnd_buffer gguf_end(struct gguf_builder *g);

/* A zip archive, entry by entry, as torch.save lays it out. */
struct zip_builder {
    struct pnd_buffer file, directory;
    unsigned count;
    uint16_t flags;  /* of the entries that follow: 8, with data descriptors */
    uint16_t method; /* 0: stored */
    bool zip64;      /* sizes and offsets only in zip64 fields */
};

struct zip_builder zip_begin(void);
void zip_add(struct zip_builder *z, const char *name, const void *data,
             size_t size);
/** The finished archive; the builder is empty then. */
struct pnd_buffer zip_end(struct zip_builder *z);

/* Opcodes of pickle. */
void pickle_begin(struct pnd_buffer *p); /* protocol 2, an empty dictionary */
void pickle_string(struct pnd_buffer *p, const char *text);
void pickle_integer(struct pnd_buffer *p, int32_t value);
void pickle_global(struct pnd_buffer *p, const char *module, const char *name);
void pickle_tuple(struct pnd_buffer *p, unsigned count, const int32_t *values);

/* A call of _rebuild_tensor_v2. */
struct pickle_tensor {
    const char *type; /* "Float" */
    const char *key;
    int32_t storage_count;
    int32_t offset;
    unsigned rank;
    int32_t shape[PND_MAX_RANK + 1], strides[PND_MAX_RANK + 1];
};
void pickle_tensor(struct pnd_buffer *p, const struct pickle_tensor *t);

/** key, tensor and SETITEM. */
void pickle_item(struct pnd_buffer *p, const char *name,
                 const struct pickle_tensor *t);

/** A torch file of this pickle and one storage "0" of these bytes. */
struct pnd_buffer build_torch(const struct pnd_buffer *pickle,
                              const void *storage, size_t size);

/** One with two tensors: "w" [2, 3] = 0..5 and its transpose "t" (copied). */
struct pnd_buffer build_small_torch(void);

/** The same two in safetensors, "t" as [3, 2] of its own. */
struct pnd_buffer build_small_safetensors(void);

/** Open from memory with the heap; `w` is NULL after a failure. */
panda_status open_bytes(struct pnd_weights **w, const struct pnd_buffer *file);

/** Open a damaged file: demands success or a message, and that all values can
 *  be read. */
void open_damaged(const uint8_t *data, size_t size);

/** open_damaged of every shorter file, and with every byte changed in several
 *  ways. */
void damage_everywhere(const struct pnd_buffer *file);

/** Open with the nth allocation failing, for all n: PANDA_E_MEMORY and nothing
 *  left. */
void sweep_allocations(const struct pnd_buffer *file);

/* A temporary folder. */
struct test_folder {
    char path[512];
    char names[16][64];
    unsigned count;
};
struct test_folder folder_make(void);
/** Write a file there; returns its path, in static storage. */
const char *folder_add(struct test_folder *folder, const char *name,
                       const void *data, size_t size);
const char *folder_add_text(struct test_folder *folder, const char *name,
                            const char *text);
void folder_remove(struct test_folder *folder);

#endif
