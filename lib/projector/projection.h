/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_PROJECTOR_PROJECTION_H
#define PND_PROJECTOR_PROJECTION_H

#include "format/weights.h"
#include "nn/linear.h"

/* The linear projection of a PandaGPT delta: llama_proj.{weight,bias}. */

struct pnd_projection;

panda_status pnd_projection_load(struct pnd_projection **out,
                                 const struct pnd_context *ctx,
                                 struct pnd_weights *weights);
void pnd_projection_free(struct pnd_projection *p); /* NULL is allowed */

uint32_t pnd_projection_get_in(const struct pnd_projection *p);
uint32_t pnd_projection_get_out(const struct pnd_projection *p);
uint64_t pnd_projection_get_heap_bytes(const struct pnd_projection *p);

/** y[out] += W x[in] + b. */
panda_status pnd_projection_add(const struct pnd_projection *p,
                                const float *x, float *y);

#endif
