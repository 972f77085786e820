/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_ROTARY_H
#define PND_DECODER_ROTARY_H

#include "base/context.h"
#include "format/config.h"

/* Rotary position embedding: pair i of a head is turned by the angle
 * position * base^(-2 i / head_dim). A pair is channels i and i + head_dim / 2
 * (half-split, the layout of HF weights), or 2 i and 2 i + 1 (interleaved, the
 * layout of GGUF files, whose rows of q and k are in that order). */

/** Fill inv_freq[head_dim / 2]. */
void pnd_rotary_init(float *inv_freq, uint32_t head_dim, float base);

/** Stretch them for contexts beyond that of training. */
void pnd_rotary_scale(float *inv_freq, uint32_t head_dim,
                      const struct pnd_rope_scaling *scaling);

/* The angles of `rows` positions, the same for all heads and layers. */
struct pnd_rotary {
    uint32_t rows;
    uint32_t head_dim;
    float *cosine; /* (rows, head_dim / 2) */
    float *sine;   /* (rows, head_dim / 2) */
    bool interleaved;
};

/** Fill the angles of positions first, first + 1, ... */
void pnd_rotary_set(struct pnd_rotary *rotary, const float *inv_freq,
                    uint32_t first);

/** Turn every head of x[rows, heads * head_dim] in place. */
void pnd_rotary_apply(const struct pnd_context *ctx,
                      const struct pnd_rotary *rotary, uint32_t heads,
                      float *x);

#endif
