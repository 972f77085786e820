/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_HOSTILE_H
#define PANDA_TESTS_HOSTILE_H

#include <pandagpt/pandagpt.h>

#include "base/buffer.h"

/* Models one of whose files is damaged. They have to be refused, with a
 * sentence that names a file, or to work; and while they are opened the heap
 * may not grow beyond that file's size and 64 MiB. */

#define HOSTILE_FILES 8

struct hostile_file {
    const char *name;
    struct pnd_buffer bytes;
};

/* A model whose files lie in memory. */
struct hostile_model {
    struct hostile_file files[HOSTILE_FILES];
    uint32_t count;
    panda_model_options options; /* names of `files` */
};

/** Add a file; takes the bytes. */
void hostile_add(struct hostile_model *m, const char *name,
                 struct pnd_buffer bytes);
void hostile_add_path(struct hostile_model *m, const char *name,
                      const char *path);
void hostile_free(struct hostile_model *m);

/** Open with file `index` replaced by these bytes, and use it when it opens.
 *  `what` says what was done to it. Returns what panda_model_open did. */
panda_status hostile_try(const struct hostile_model *m, uint32_t index,
                         const uint8_t *bytes, size_t size, const char *what);

/** Try file `index` cut off after every 1 % of its length, and with every
 *  `stride`-th byte of its first 32 KiB and last 8 KiB changed: all its bits,
 *  and in a thorough run each of them. */
void hostile_sweep(const struct hostile_model *m, uint32_t index,
                   size_t stride);

/** Whether all is asked for, not the quick part. */
bool hostile_is_thorough(void);

/* Makers of small models; see makers.c. */

/* Which key or tensor of a GGUF file is spoiled, and how. */
struct spoil {
    int key, tensor; /* number of the one to be spoiled, -1 for none */
    int way;
};
enum { KEY_WAYS = 12, TENSOR_WAYS = 12 };

/** A decoder with a vocabulary of its own; `spoil` may be NULL. `counts` takes
 *  how many keys and tensors there are, or is NULL. */
struct hostile_model make_gguf_decoder(const struct spoil *spoil,
                                       int counts[2]);
/** A byte-level vocabulary alone. */
struct hostile_model make_gguf_vocabulary(const struct spoil *spoil,
                                          int counts[2]);
/** HF folder, safetensors with an index, tokenizer.model. */
struct hostile_model make_folder(void);
/** tokenizer.json alone. */
struct hostile_model make_tokenizer_json(void);
/** Projection and LoRA in a torch file, and their .json. */
struct hostile_model make_adapter(void);
/** Encoders in safetensors, and their head counts. */
struct hostile_model make_encoders(void);
/** A bundle of a folder, encoders and a projection. */
struct hostile_model make_bundle(void);

#endif
