/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_PROJECTOR_H
#define PANDAGPT_PROJECTOR_H

#include <pandagpt/embedding.h>
#include <pandagpt/model.h>

/** @file projector.h
 *  Embeddings to a prefix: soft tokens in the decoder's space.
 *
 *      panda_projector *projector = NULL;
 *      panda_prefix *prefix = NULL;
 *      panda_projector_create(&projector, model);
 *      panda_projector_project(&prefix, projector, embeddings, 2);
 *      panda_decoder_push_prefix(decoder, prefix); */

PANDA_BEGIN_DECLS

/** A session. Thread safety: one thread at a time. */
typedef struct panda_projector panda_projector;

/** Reference-counted soft tokens, [length, hidden]. Thread safety:
 *  shareable. */
typedef struct panda_prefix panda_prefix;

/** Create a session.
 *  @param out gives the session; release with panda_projector_destroy
 *  @param model borrows; kept alive by the session
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED when the model has no projection
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_projector_create(panda_projector **out,
                                              panda_model *model);

/** Destroy a session. NULL is allowed.
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API void panda_projector_destroy(panda_projector *projector);

/** Project embeddings and add the results: sum_i (W e_i + b), as the reference
 *  does (with two embeddings the bias counts twice).
 *  @param out gives the prefix; release with panda_prefix_unref
 *  @param embeddings borrows `count` >= 1; each PANDA_OUTPUT_PANDAGPT or
 *         CUSTOM, or a SCALED one of any modality but audio (there it is the
 *         same)
 *  @return PANDA_OK; PANDA_E_ARGUMENT for another output; PANDA_E_SHAPE when
 *          the length differs from the projection's input; PANDA_E_MEMORY
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status
panda_projector_project(panda_prefix **out, panda_projector *projector,
                        const panda_embedding *const *embeddings, size_t count);

/** Make a prefix from the host's numbers, for example a projection of its own.
 *  @param out gives the prefix; release with panda_prefix_unref
 *  @param values borrows length * hidden floats, row-major, all finite
 *  @param length soft tokens, 1..65536
 *  @param hidden width of the decoder it is for
 *  @return PANDA_OK, PANDA_E_ARGUMENT, PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_prefix_create(panda_prefix **out,
                                           panda_runtime *runtime,
                                           const float *values, uint32_t length,
                                           uint32_t hidden);

/** Add a reference.
 *  @return `prefix`, now to be released once more
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_prefix *panda_prefix_ref(panda_prefix *prefix);

/** Drop a reference; the last one frees. NULL is allowed.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API void panda_prefix_unref(panda_prefix *prefix);

/** Soft tokens: positions of the context it takes. Thread safety: any thread.
 *  @since 0.1 */
PANDA_API uint32_t panda_prefix_get_length(const panda_prefix *prefix);

/** Numbers per soft token. Thread safety: any thread.
 *  @since 0.1 */
PANDA_API uint32_t panda_prefix_get_dim(const panda_prefix *prefix);

/** Copy the numbers out, row-major.
 *  @param count must equal length * dim
 *  @return PANDA_OK, PANDA_E_SHAPE
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_prefix_read_f32(const panda_prefix *prefix,
                                             float *values, size_t count);

PANDA_END_DECLS

#endif
