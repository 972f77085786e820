/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_GGUF_WRITE_H
#define PND_FORMAT_GGUF_WRITE_H

#include "base/buffer.h"
#include "format/gguf.h"
#include "tensor/tensor.h"

/* The beginning of a GGUF file of version 3: keys, and descriptions of tensors
 * whose data the caller writes behind it, each padded with zeros to the
 * alignment. Nothing is written twice: the order is keys, tensors, finish. */

#define PND_GGUF_ALIGNMENT 64
#define PND_GGUF_NAME_MAX 63 /* bytes of a name that all readers take */
#define PND_GGUF_RANK_MAX 4

struct pnd_gguf_writer {
    struct pnd_buffer keys;    /* names, types and values */
    struct pnd_buffer places;  /* size_t: where each key begins in `keys` */
    struct pnd_buffer tensors; /* descriptions */
    uint64_t tensor_count;
    uint64_t data_size; /* bytes of all tensors so far, padded */
};

/** Begin with general.architecture and general.alignment. */
panda_status pnd_gguf_writer_init(struct pnd_gguf_writer *w,
                                  const struct pnd_allocator *alloc,
                                  const char *architecture);
void pnd_gguf_writer_free(struct pnd_gguf_writer *w);

panda_status pnd_gguf_put_string(struct pnd_gguf_writer *w, const char *key,
                                 const char *text, size_t length);
panda_status pnd_gguf_put_text(struct pnd_gguf_writer *w, const char *key,
                               const char *text);
panda_status pnd_gguf_put_u32(struct pnd_gguf_writer *w, const char *key,
                              uint32_t value);
panda_status pnd_gguf_put_f32(struct pnd_gguf_writer *w, const char *key,
                              float value);
panda_status pnd_gguf_put_bool(struct pnd_gguf_writer *w, const char *key,
                               bool value);

/** A key whose value is a list of `count` numbers (U8, I32, U32, F32, U64,
 *  I64), which lie at `items` as this machine has them. */
panda_status pnd_gguf_put_list(struct pnd_gguf_writer *w, const char *key,
                               enum pnd_gguf_type type, const void *items,
                               size_t count);

/** A key whose value is a list of `count` strings, which are to follow by
 *  pnd_gguf_put_item. */
panda_status pnd_gguf_put_strings(struct pnd_gguf_writer *w, const char *key,
                                  size_t count);
panda_status pnd_gguf_put_item(struct pnd_gguf_writer *w, const char *text,
                               size_t length);

/** A key as another file has it. */
panda_status pnd_gguf_put_value(struct pnd_gguf_writer *w,
                                const struct pnd_gguf_value *value);

/** Whether the key is one of the first `count` that were put. */
bool pnd_gguf_writer_has(const struct pnd_gguf_writer *w, size_t count,
                         const struct pnd_gguf_string *key);

/** Describe the next tensor: name of 1 to PND_GGUF_NAME_MAX bytes, rank 1 to
 *  PND_GGUF_RANK_MAX, shape slowest first. A type that GGUF does not have is
 *  PANDA_E_INTERNAL. */
panda_status pnd_gguf_put_tensor(struct pnd_gguf_writer *w, const char *name,
                                 enum pnd_dtype dtype, uint32_t rank,
                                 const int64_t *shape);

/** Keys so far. */
static inline size_t pnd_gguf_writer_get_count(const struct pnd_gguf_writer *w)
{
    return w->places.size / sizeof(size_t);
}

/** The number that GGUF files have for a type, or -1. */
int32_t pnd_gguf_get_tensor_type(enum pnd_dtype dtype);

/** Everything in front of the data, into an empty buffer. */
panda_status pnd_gguf_writer_finish(const struct pnd_gguf_writer *w,
                                    struct pnd_buffer *out);

/** Bytes with the padding behind them. */
static inline uint64_t pnd_gguf_pad(uint64_t bytes)
{
    return (bytes + PND_GGUF_ALIGNMENT - 1) / PND_GGUF_ALIGNMENT *
           PND_GGUF_ALIGNMENT;
}

#endif
