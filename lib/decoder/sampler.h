/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_SAMPLER_H
#define PND_DECODER_SAMPLER_H

#include "base/context.h"

/* Choosing a token from logits. The order is that of the reference's library:
 * temperature, top_k, top_p. */

struct pnd_sampling {
    bool greedy;       /* highest logit, lowest id on a tie */
    float temperature; /* > 0 */
    uint32_t top_k;    /* 0: all */
    float top_p;       /* (0, 1] */
};

struct pnd_sampler {
    uint64_t state[4];  /* random numbers: xoshiro256** seeded by splitmix64 */
    struct pnd_candidate *candidates; /* scratch, vocab_size */
    uint32_t vocab_size;
    const struct pnd_allocator *alloc;
};

/** The state is that of seed 0. */
panda_status pnd_sampler_init(struct pnd_sampler *s,
                              const struct pnd_allocator *alloc,
                              uint32_t vocab_size);
void pnd_sampler_free(struct pnd_sampler *s);
void pnd_sampler_seed(struct pnd_sampler *s, uint64_t seed);

/** One token. Logits that are not finite are never chosen; PANDA_E_INTERNAL
 *  when none is finite. `vocab_size` is at most that of init. Greedy choosing
 *  draws no random number, all else exactly one. */
panda_status pnd_sampler_choose(struct pnd_sampler *s,
                                const struct pnd_sampling *how,
                                const float *logits, uint32_t vocab_size,
                                int32_t *token);

#endif
