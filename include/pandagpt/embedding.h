/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_EMBEDDING_H
#define PANDAGPT_EMBEDDING_H

#include <pandagpt/input.h>
#include <pandagpt/runtime.h>

/** @file embedding.h
 *  A vector in the common space, shared and immutable.
 *
 *      float similarity;
 *      panda_embedding_get_similarity(picture, caption, &similarity);
 *      panda_embedding_unref(picture);
 *      panda_embedding_unref(caption); */

PANDA_BEGIN_DECLS

/** Reference-counted vector. Thread safety: shareable. */
typedef struct panda_embedding panda_embedding;

typedef int32_t panda_output;

/** How the vector leaves the encoder. For inputs of several clips or crops
 *  it is the mean of theirs, and is not normalised again. */
enum {
    PANDA_OUTPUT_DEFAULT = 0,  /**< as SCALED */
    PANDA_OUTPUT_SCALED = 1,   /**< as ImageBind gives it: L2-normalised, then
                                    times text 100 (learned), audio 20, depth 5,
                                    thermal 10, IMU 5, image and video 1 */
    PANDA_OUTPUT_UNIT = 2,     /**< L2-normalised */
    PANDA_OUTPUT_RAW = 3,      /**< output of the head */
    PANDA_OUTPUT_PANDAGPT = 4, /**< what the projection was trained on: SCALED,
                                    but audio UNIT */
    PANDA_OUTPUT_CUSTOM = 5    /**< made by the host or by combining */
};

/** Make an embedding from the host's numbers, for example from an index.
 *  @param out gives the embedding; release with panda_embedding_unref
 *  @param values borrows `dim` floats, all finite
 *  @param modality 0 when none applies
 *  @param output what the numbers are; CUSTOM is accepted by the projector
 *  @return PANDA_OK, PANDA_E_ARGUMENT, PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_embedding_create(panda_embedding **out,
                                              panda_runtime *runtime,
                                              const float *values, uint32_t dim,
                                              panda_modality modality,
                                              panda_output output);

/** Add a reference.
 *  @return `embedding`, now to be released once more
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_embedding *panda_embedding_ref(panda_embedding *embedding);

/** Drop a reference; the last one frees. NULL is allowed.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API void panda_embedding_unref(panda_embedding *embedding);

/** Number of floats. Thread safety: any thread.
 *  @since 0.1 */
PANDA_API uint32_t panda_embedding_get_dim(const panda_embedding *embedding);

/** Modality it came from; 0 for none. Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_modality
panda_embedding_get_modality(const panda_embedding *embedding);

/** Which PANDA_OUTPUT_* it is. Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_output
panda_embedding_get_output(const panda_embedding *embedding);

/** Copy the numbers out.
 *  @param values filled with `dim` floats
 *  @param dim must equal panda_embedding_get_dim
 *  @return PANDA_OK, PANDA_E_SHAPE
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_embedding_read_f32(
    const panda_embedding *embedding, float *values, uint32_t dim);

/** Cosine similarity in [-1, 1], independent of the embeddings' scales; 0 when
 *  one of them is all zeros.
 *  @param out gives the similarity
 *  @return PANDA_OK; PANDA_E_SHAPE when the lengths differ
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_embedding_get_similarity(const panda_embedding *a,
                                                      const panda_embedding *b,
                                                      float *out);

/** Weighted sum of embeddings of one length: sum_i weights[i] * items[i].
 *  @param out gives a CUSTOM embedding
 *  @param items borrows `count` >= 1 embeddings
 *  @param weights borrows `count` finite floats; NULL means 1 each
 *  @return PANDA_OK; PANDA_E_SHAPE when the lengths differ; PANDA_E_ARGUMENT
 *          when a sum is too large for a float; PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_embedding_combine(
    panda_embedding **out, const panda_embedding *const *items,
    const float *weights, size_t count);

PANDA_END_DECLS

#endif
