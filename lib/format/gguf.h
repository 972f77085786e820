/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_GGUF_H
#define PND_FORMAT_GGUF_H

#include <stdbool.h>

#include <pandagpt/status.h>

#include "base/map.h"

/* The metadata of a GGUF file: keys with typed values, all of them, known or
 * not. Strings and arrays stay where they are in the file; memory is at most
 * the file's size and a few MiB, whatever it claims. The tensors are read by
 * format/weights.h. */

/* As numbered in files. */
enum pnd_gguf_type {
    PND_GGUF_U8,
    PND_GGUF_I8,
    PND_GGUF_U16,
    PND_GGUF_I16,
    PND_GGUF_U32,
    PND_GGUF_I32,
    PND_GGUF_F32,
    PND_GGUF_BOOL,
    PND_GGUF_STRING,
    PND_GGUF_ARRAY,
    PND_GGUF_U64,
    PND_GGUF_I64,
    PND_GGUF_F64,
    PND_GGUF_TYPE_COUNT
};

/** Bytes of a value; 0 where they differ (strings, arrays). */
size_t pnd_gguf_type_get_size(enum pnd_gguf_type type);

struct pnd_gguf_string {
    const char *bytes; /* length bytes in the file, any at all, with no end */
    size_t length;
};

/* A scalar is one item that is not in an array. */
struct pnd_gguf_value {
    struct pnd_gguf_string key;
    bool is_array;
    enum pnd_gguf_type type; /* of the items; PND_GGUF_ARRAY: arrays in an
                                array, checked but not accessible */
    size_t count;            /* items */
    const uint8_t *data;     /* of the first item, unaligned */
    size_t bytes;            /* of all items */
    const size_t *places;    /* strings in an array: where in data */
};

struct pnd_gguf;

/** Read the metadata of a file, which has to stay open; `path` (copied) is for
 *  messages. */
panda_status pnd_gguf_open(struct pnd_gguf **out,
                           const struct pnd_allocator *alloc,
                           const struct pnd_map *map, const char *path);
void pnd_gguf_close(struct pnd_gguf *gguf); /* NULL is allowed */

const char *pnd_gguf_get_path(const struct pnd_gguf *gguf);

/** How many tensors the file claims to have. */
size_t pnd_gguf_get_tensor_count(const struct pnd_gguf *gguf);

/** Keys in the order of the file. */
size_t pnd_gguf_get_count(const struct pnd_gguf *gguf);
const struct pnd_gguf_value *pnd_gguf_at(const struct pnd_gguf *gguf,
                                         size_t index);

/** The value of a key, or NULL. */
const struct pnd_gguf_value *pnd_gguf_find(const struct pnd_gguf *gguf,
                                           const char *key);

/** Item `index` < count; false when it is of another kind, or does not fit.
 *  Booleans are the integers 0 and 1, and integers are numbers. */
bool pnd_gguf_get_integer(const struct pnd_gguf_value *value, size_t index,
                          int64_t *out);
bool pnd_gguf_get_number(const struct pnd_gguf_value *value, size_t index,
                         double *out);
bool pnd_gguf_get_string(const struct pnd_gguf_value *value, size_t index,
                         struct pnd_gguf_string *out);

/** Whether there is a string of this key that is `text`. */
bool pnd_gguf_is_string(const struct pnd_gguf *gguf, const char *key,
                        const char *text);

/** Optional scalars: `*out` stays as it is when the key is missing;
 *  PANDA_E_FORMAT naming file and key when it is not an integer in [lo, hi], or
 *  not a number. */
panda_status pnd_gguf_read_integer(int64_t *out, const struct pnd_gguf *gguf,
                                   const char *key, int64_t lo, int64_t hi);
panda_status pnd_gguf_read_number(double *out, const struct pnd_gguf *gguf,
                                  const char *key);

#endif
