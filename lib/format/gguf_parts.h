/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_GGUF_PARTS_H
#define PND_FORMAT_GGUF_PARTS_H

#include "format/arena.h"
#include "format/gguf.h"

/* The inside of a GGUF file, for gguf.c and gguf_tensors.c. */

struct pnd_gguf {
    struct pnd_arena arena;
    const char *path;
    struct pnd_map map; /* borrowed */

    struct pnd_gguf_value *values; /* count, in the order of the file */
    const void **sorted;           /* by key */
    size_t count;

    size_t tensor_count;
    size_t tensors_at; /* byte where their descriptions begin */
    size_t alignment;  /* of the tensors' data */
};

/* Where reading has got to. */
struct pnd_gguf_cursor {
    const struct pnd_gguf *gguf;
    size_t at;
};

/** PANDA_E_FORMAT with the place. */
panda_status pnd_gguf_fail(const struct pnd_gguf_cursor *c, const char *what);

/** Demand `size` more bytes in the file, and that they may be looked at;
 *  `what` is said otherwise. */
panda_status pnd_gguf_demand(const struct pnd_gguf_cursor *c, uint64_t size,
                             const char *what);

/** The next numbers and the next string, which are inside the file. */
panda_status pnd_gguf_take_u32(struct pnd_gguf_cursor *c, uint32_t *out);
panda_status pnd_gguf_take_u64(struct pnd_gguf_cursor *c, uint64_t *out);
panda_status pnd_gguf_take_string(struct pnd_gguf_cursor *c,
                                  struct pnd_gguf_string *out);

#endif
