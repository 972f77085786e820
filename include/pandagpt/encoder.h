/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_ENCODER_H
#define PANDAGPT_ENCODER_H

#include <pandagpt/embedding.h>
#include <pandagpt/model.h>

/** @file encoder.h
 *  Encoder session: inputs of six modalities to embeddings in one space.
 *
 *      panda_encoder *encoder = NULL;
 *      panda_embedding *embedding = NULL;
 *      panda_encoder_create(&encoder, model, NULL);
 *      panda_encoder_encode(&embedding, encoder, &input, NULL);
 *      ...
 *      panda_embedding_unref(embedding);
 *      panda_encoder_destroy(encoder); */

PANDA_BEGIN_DECLS

/** A session with its own scratch memory. Thread safety: one thread at a time,
 *  except panda_encoder_cancel. */
typedef struct panda_encoder panda_encoder;

/** Limits that refuse a hostile or mistaken file before memory is spent. */
typedef struct panda_encoder_options {
    uint32_t struct_size;
    uint32_t batch;          /**< items computed at once; more is faster and
                                   takes more memory; 1..256, default 8 */
    uint64_t max_file_bytes; /**< largest encoded file; default 1 GiB */
    uint64_t max_pixels;     /**< width * height of a picture or video;
                                   default 178956970, as Pillow's error limit */
    double max_seconds;      /**< longest audio or video; default 3600 */
} panda_encoder_options;

/** Fill `options` with defaults and `struct_size`.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_encoder_options_init(
    panda_encoder_options *options, uint32_t struct_size);

/** Create a session.
 *  @param out gives the session; release with panda_encoder_destroy
 *  @param model borrows; kept alive by the session
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED when the model has no encoder;
 *          PANDA_E_ARGUMENT; PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status
panda_encoder_create(panda_encoder **out, panda_model *model,
                     const panda_encoder_options *options);

/** Destroy a session. NULL is allowed.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API void panda_encoder_destroy(panda_encoder *encoder);

/** Receives an intermediate tensor, for comparing ports. Called on the thread
 *  that encodes.
 *  @param stage "preprocessed" (what the frontend gave: f32, or token ids as
 *         floats), "patches" (tokens with positions, [items, L, D]),
 *         "pre_norm" (image only: after the LayerNorm before the trunk),
 *         "block.N.norm_1", "block.N.attn", "block.N.norm_2", "block.N.mlp",
 *         "block.N" ([items, L, D]), "pooled" ([items, D]), "head", "unit",
 *         "scaled" ([items, embedding_dim]; items are clips and crops)
 *  @param values borrowed for the call
 *  @param shape borrowed, `rank` numbers, row-major */
typedef void (*panda_trace_fn)(const char *stage, const float *values,
                               const int64_t *shape, uint32_t rank, void *user);

typedef struct panda_encode_options {
    uint32_t struct_size;
    panda_output output;        /**< default PANDA_OUTPUT_SCALED */
    panda_progress_fn progress; /**< default none */
    void *progress_user;
    panda_trace_fn trace; /**< default none; slows encoding down */
    void *trace_user;
} panda_encode_options;

/** Fill `options` with defaults and `struct_size`.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_encode_options_init(panda_encode_options *options,
                                                 uint32_t struct_size);

/** Encode one input.
 *  @param out gives the embedding; release with panda_embedding_unref
 *  @param input borrows it and what it points to for the call
 *  @return PANDA_OK; PANDA_E_IO and PANDA_E_FORMAT for the file;
 *          PANDA_E_ARGUMENT for its description; PANDA_E_UNSUPPORTED when the
 *          model or build lacks the modality; PANDA_E_MEMORY;
 *          PANDA_E_CALLBACK; PANDA_E_CANCELLED. The session stays usable.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_encoder_encode(
    panda_embedding **out, panda_encoder *encoder, const panda_input *input,
    const panda_encode_options *options);

/** Encode several inputs of any modalities, all or none.
 *  @param out filled with `count` embeddings, in the order of the inputs; on
 *         failure all are NULL
 *  @param inputs borrows `count` pointers
 *  @return as panda_encoder_encode; the message names the input by its index
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status
panda_encoder_encode_batch(panda_embedding **out, panda_encoder *encoder,
                           const panda_input *const *inputs, size_t count,
                           const panda_encode_options *options);

/** Ask the running call, if any, to return PANDA_E_CANCELLED soon.
 *  Thread safety: any thread; signal handlers, too.
 *  @since 0.1 */
PANDA_API void panda_encoder_cancel(panda_encoder *encoder);

PANDA_END_DECLS

#endif
