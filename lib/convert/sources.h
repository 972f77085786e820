/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_SOURCES_H
#define PND_CONVERT_SOURCES_H

#include "convert/importance_file.h"
#include "convert/plan.h"
#include "decoder/llama.h"
#include "encoder/tower.h"
#include "text/tokenizer.h"

/* What is to be written, opened and checked; NULL: that part is not wanted, or
 * not there. */
struct pnd_convert_sources {
    bool is_bundle;             /* what is written: not only a decoder */
    struct pnd_weights *bundle; /* what some of the others are from: unknown
                                   keys and tensors are carried over */
    struct pnd_weights *encoders;
    const struct pnd_tower *towers[PND_TOWER_COUNT]; /* wanted ones */
    panda_format encoder_format;
    const char *clip_merges; /* clip_merges_size bytes of text, or NULL */
    size_t clip_merges_size;
    const char *clip_path; /* their own file, or NULL */

    struct pnd_weights *projection;

    struct pnd_weights *decoder; /* or a delta, and its base */
    struct pnd_weights *base;
    const struct pnd_llama_config *config;
    panda_format decoder_format;
    struct pnd_importance *importance; /* of its matrices' columns */
    const struct pnd_tokenizer *tokenizer;
    const struct pnd_gguf *tokenizer_gguf; /* where it is from a GGUF */
    const char *tokenizer_path;            /* its own file, or NULL */

    struct pnd_weights *lora; /* of the decoder */
    panda_lora_mode lora_mode;
    float lora_alpha; /* 0: equal to the rank */
};

/** Write the file. It is a GGUF of architecture llama where the sources have
 *  nothing but a decoder.
 *  @param progress may be NULL */
panda_status pnd_convert_write(const struct pnd_context *ctx,
                               const struct pnd_convert_sources *s,
                               const char *path, panda_convert_fn progress,
                               void *user);

/** Plan the tensors of a part, and put its keys. */
panda_status pnd_convert_add_encoders(struct pnd_plan *plan,
                                      struct pnd_gguf_writer *w,
                                      const struct pnd_convert_sources *s);
panda_status pnd_convert_add_projection(struct pnd_plan *plan,
                                        const struct pnd_convert_sources *s);
panda_status pnd_convert_add_decoder(struct pnd_plan *plan,
                                     struct pnd_gguf_writer *w,
                                     const struct pnd_convert_sources *s);

#endif
