/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_PLAN_H
#define PND_CONVERT_PLAN_H

#include <pandagpt/convert.h>

#include "format/arena.h"
#include "format/gguf_write.h"
#include "format/weights.h"

/* What a conversion is going to write: the tensors in order, and for each how
 * its values come about. The plan is made and checked before the first byte is
 * written. */

/* What a tensor is for, which decides its type (convert/choose.h). */
enum pnd_role {
    PND_ROLE_OTHER, /* vectors, and all that nobody quantises */
    PND_ROLE_ENCODER,     /* matrices of the encoders */
    PND_ROLE_EMBEDDING,   /* from here on: matrices of the decoder */
    PND_ROLE_OUTPUT,
    PND_ROLE_Q,
    PND_ROLE_K,
    PND_ROLE_V,
    PND_ROLE_O,
    PND_ROLE_GATE,
    PND_ROLE_UP,
    PND_ROLE_DOWN
};

/* How the bytes of a tensor come about. */
enum pnd_make {
    PND_MAKE_ROWS,       /* the rows, in `dtype` */
    PND_MAKE_INT8,       /* the rows as integers -127..127 (dtype I8) ... */
    PND_MAKE_INT8_SCALE, /* ... and what each row's are multiplied by (F32) */
    PND_MAKE_OUTLIERS,   /* ... and the columns that are 0 in them (F32) */
    PND_MAKE_VALUES      /* what lies at `values` */
};

/* LoRA of a matrix: rows += scale * (B A). */
struct pnd_plan_lora {
    const struct pnd_tensor *a; /* (rank, columns); NULL: none */
    const struct pnd_tensor *b; /* (rows, rank) */
    uint32_t head_dim;          /* as below, for the rows of b */
    float scale;
};

struct pnd_plan_tensor {
    char name[PND_GGUF_NAME_MAX + 1];
    enum pnd_dtype dtype; /* as written */
    uint32_t rank;
    int64_t shape[PND_MAX_RANK]; /* slowest first; a GGUF holds it folded */
    enum pnd_make make;
    enum pnd_role role;
    uint32_t layer; /* of a decoder's matrix that has one */

    const struct pnd_weights *weights; /* where `tensor` is from */
    const struct pnd_tensor *tensor;   /* same shape; NULL: MAKE_VALUES */
    const void *values;
    const int32_t *outliers; /* (outlier_count) of the three of int8 */
    uint32_t outlier_count;

    /* Changes on the way. */
    uint32_t head_dim; /* rows of q or k, halves of a head in the source, are
                          put in pairs; 0: rows stay */
    const struct pnd_weights *base_weights;
    const struct pnd_tensor *base; /* added, rounded to the type of `tensor`;
                                      rows that it lacks are 0; or NULL */
    struct pnd_plan_lora lora;
    const float *importance; /* (columns) or NULL */
};

struct pnd_plan {
    const struct pnd_context *ctx;
    struct pnd_arena arena;
    struct pnd_plan_tensor *tensors; /* count */
    size_t count, capacity;
};

void pnd_plan_init(struct pnd_plan *plan, const struct pnd_context *ctx);
void pnd_plan_free(struct pnd_plan *plan);

/** Append a tensor that is copied as it is, to be changed by the caller; NULL
 *  without memory or (message set) for a name that GGUF has no room for. */
panda_status pnd_plan_add(struct pnd_plan *plan, struct pnd_plan_tensor **out,
                          const char *name, const struct pnd_weights *weights,
                          const struct pnd_tensor *tensor);

/** A matrix as the library computes with it: the first dimension, and all
 *  others together. A vector is one row. */
size_t pnd_plan_get_rows(const struct pnd_plan_tensor *t);
size_t pnd_plan_get_columns(const struct pnd_plan_tensor *t);

/** Bytes that the tensor has in the file, without padding. */
uint64_t pnd_plan_get_bytes(const struct pnd_plan_tensor *t);

/** Describe the tensors, in order; a shape that GGUF does not have is folded
 *  and kept in the key pandagpt.shape.NAME. */
panda_status pnd_plan_describe(const struct pnd_plan *plan,
                               struct pnd_gguf_writer *w);

/* Who is told how far the writing has got. */
struct pnd_convert_watch {
    panda_convert_fn progress; /* NULL: nobody */
    void *user;
    uint64_t done, total; /* bytes */
};

/** `bytes` more are done. PANDA_E_CALLBACK when the conversion has to stop. */
panda_status pnd_convert_watch_add(struct pnd_convert_watch *watch,
                                   uint64_t bytes, const char *what);

/** Write the file: what the writer has collected, then the tensors. On failure
 *  nothing is left of it. */
panda_status pnd_plan_write(const struct pnd_plan *plan,
                            const struct pnd_gguf_writer *w, const char *path,
                            struct pnd_convert_watch *watch);

#endif
