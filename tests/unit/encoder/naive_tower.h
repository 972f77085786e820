/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_NAIVE_TOWER_H
#define PANDA_TESTS_NAIVE_TOWER_H

#include "encoder/tower.h"

/** What pnd_tower_run computes, for one item, written down as directly as
 *  possible in doubles and straight from the tensors of the file: every token,
 *  every block, an image of one frame repeated. Aborts the test when a tensor
 *  is missing. `raw` is filled with embedding_dim values. */
void naive_tower_run(struct pnd_weights *weights,
                     const struct pnd_tower_dims *dims, enum pnd_tower_id id,
                     uint32_t frames, const void *input, float *raw);

#endif
