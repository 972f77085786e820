/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_BPE_H
#define PND_TEXT_BPE_H

#include "modalities/text/split.h"
#include "modalities/text/vocab.h"

/* From words to token ids: byte pair encoding with CLIP's vocabulary. */

/* Where tokens go, and scratch. */
struct pnd_clip_encoder {
    const panda_frontend_host *host;
    const struct pnd_clip_vocab *vocab;
    int32_t *ids; /* room for `limit` */
    uint32_t count, limit;
    struct pnd_clip_node *nodes;
    uint64_t *heap;
    size_t capacity; /* nodes */
};

void pnd_clip_encoder_init(struct pnd_clip_encoder *e,
                           const panda_frontend_host *host,
                           const struct pnd_clip_vocab *vocab, int32_t *ids,
                           uint32_t limit);
void pnd_clip_encoder_free(struct pnd_clip_encoder *e);

/** Append an id, if there is room. */
void pnd_clip_encoder_push(struct pnd_clip_encoder *e, int32_t id);

/** Append a word's tokens until there is no more room. Time is O(n log n). */
panda_status pnd_clip_encoder_push_word(struct pnd_clip_encoder *e,
                                        const struct pnd_word *word);

#endif
