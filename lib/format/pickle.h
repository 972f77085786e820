/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_PICKLE_H
#define PND_FORMAT_PICKLE_H

#include <stdbool.h>

#include <pandagpt/status.h>

#include "format/arena.h"
#include "tensor/tensor.h"

/* The part of Python's pickle (protocols 2 to 5) that rebuilds tensors. A
 * pickle is a program that may call anything; this machine knows the few calls
 * below by name and refuses a file that asks for any other. It executes
 * nothing.
 *
 *   collections.OrderedDict()                      -> dictionary
 *   torch._utils._rebuild_tensor[_v2](...)         -> tensor
 *   torch._utils._rebuild_parameter[_with_state]() -> its tensor
 *   torch.FloatStorage, HalfStorage, ... as the type in a persistent id
 *
 * Memory is a small multiple of the pickle's size whatever it holds: strings
 * stay where they are, every value costs a byte of the pickle, and nothing is
 * followed recursively. */

/* A larger one would describe 10^5 tensors. */
#define PND_PICKLE_MAX_SIZE ((size_t)16 << 20)

enum pnd_pickle_kind {
    PND_PICKLE_NONE,
    PND_PICKLE_BOOL,    /* integer */
    PND_PICKLE_INTEGER, /* integer */
    PND_PICKLE_OPAQUE,  /* something that no tensor needs: floats, bytes... */
    PND_PICKLE_STRING,  /* string */
    PND_PICKLE_TUPLE,   /* items */
    PND_PICKLE_LIST,    /* items */
    PND_PICKLE_DICT,    /* items: key, value, key, value... */
    PND_PICKLE_GLOBAL,  /* global */
    PND_PICKLE_STORAGE, /* storage */
    PND_PICKLE_TENSOR,  /* tensor */
    PND_PICKLE_MARK     /* only inside the machine */
};

struct pnd_pickle_string {
    const char *bytes; /* length bytes in the pickle, without an end */
    size_t length;
};

struct pnd_pickle_value {
    enum pnd_pickle_kind kind;
    union {
        int64_t integer;
        const struct pnd_pickle_string *string;
        struct pnd_pickle_items *items;
        const struct pnd_pickle_global *global;
        const struct pnd_pickle_storage *storage;
        const struct pnd_pickle_tensor *tensor;
    };
};

struct pnd_pickle_items {
    struct pnd_pickle_value *values; /* count values */
    size_t count, capacity;
};

struct pnd_pickle_storage {
    enum pnd_dtype dtype;
    const struct pnd_pickle_string *key; /* entry "data/<key>" */
    int64_t count;                       /* elements */
};

/* As the pickle has it: not checked against the storage. */
struct pnd_pickle_tensor {
    const struct pnd_pickle_storage *storage;
    int64_t offset;                       /* elements */
    const struct pnd_pickle_items *shape; /* any values */
    const struct pnd_pickle_items *strides;
};

/** Run a pickle. `*out` points into `data` and `arena`. `path` is for
 *  messages. */
panda_status pnd_pickle_run(struct pnd_pickle_value *out,
                            struct pnd_arena *arena, const uint8_t *data,
                            size_t size, const char *path);

/** Such as "a dictionary"; static storage. */
const char *pnd_pickle_kind_get_name(enum pnd_pickle_kind kind);

#endif
