/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_ENCODER_LOADER_H
#define PND_ENCODER_LOADER_H

#include "encoder/tower_parts.h"

/* A tower while its tensors are read: the name of the tensor at hand, and what
 * to do with it. */

#define PND_MAX_WIDTH 65536
#define PND_MAX_TOKENS 65536

struct pnd_loader {
    struct pnd_tower *tower;
    struct pnd_weights *weights;
    const struct pnd_imagebind_config *config;
    enum pnd_tower_id id;
    panda_precision precision;
    char name[160]; /* of the tensor at hand, or its beginning */
};

/** "modality_<group>.<tower>.", followed by what the format gives. */
void pnd_loader_set_name(struct pnd_loader *l, const char *group,
                         const char *format, ...) PND_PRINTF(3, 4);

/** The tensor at hand, counted as parameters. */
panda_status pnd_loader_take(struct pnd_loader *l,
                             const struct pnd_tensor **out, uint32_t rank,
                             const int64_t *shape);

/** The tensor at hand as floats: the file's own where it has floats. */
panda_status pnd_loader_take_floats(struct pnd_loader *l, const float **out,
                                    uint32_t rank, const int64_t *shape);

/** The LayerNorm at hand: its name with ".weight" and ".bias". */
panda_status pnd_loader_take_norm(struct pnd_loader *l,
                                  struct pnd_tower_norm *out, float eps);

/** The tensor at hand as the matrix of a layer without bias. A matrix of int8
 *  comes with NAME.scale, and may come with NAME.columns and NAME.outliers. */
panda_status pnd_loader_take_matrix(struct pnd_loader *l,
                                    struct pnd_linear *out, uint32_t in_dim,
                                    uint32_t out_dim);

/** The layer of the trunk at hand: its name with the endings of matrix and
 *  bias. It rounds to bf16 where PANDA_PRECISION_FAST is asked for, the tower
 *  is wide enough (as for int8), and the machine has such products. */
panda_status pnd_loader_take_layer(struct pnd_loader *l,
                                   struct pnd_linear *out, uint32_t in_dim,
                                   uint32_t out_dim, const char *weight,
                                   const char *bias);

/** Memory for `count` floats that the tower frees; NULL without. */
float *pnd_loader_add_copy(struct pnd_loader *l, size_t count);

/** PANDA_E_FORMAT unless `found`, a dimension of the tensor at hand that
 *  counts `what`, is in [lo, hi]. */
panda_status pnd_loader_check(const struct pnd_loader *l, const char *what,
                              int64_t found, int64_t lo, int64_t hi);

/** Projection of patches, or table of words. */
panda_status pnd_loader_take_stem(struct pnd_loader *l);

#endif
