/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_VOCAB_H
#define PND_TEXT_VOCAB_H

#include "modalities/shared/fail.h"

/* CLIP's vocabulary: 256 bytes, the same 256 at the end of a word, one token
 * for each merge, and two special ones. The size is fixed, since the encoder's
 * table of embeddings has as many rows. */

#define PND_CLIP_BYTES 256
#define PND_CLIP_MERGES 48894
#define PND_CLIP_START (2 * PND_CLIP_BYTES + PND_CLIP_MERGES) /* 49406 */
#define PND_CLIP_END (PND_CLIP_START + 1)
#define PND_CLIP_TOKENS (PND_CLIP_END + 1)

struct pnd_clip_pair {
    uint32_t parts; /* the left token << 16 | the right one */
    uint32_t made;  /* the token they make; 0: an empty slot */
};

struct pnd_clip_vocab {
    uint16_t bytes[PND_CLIP_BYTES]; /* token of a byte inside a word */
    struct pnd_clip_pair *pairs;    /* hash table; NULL: not open */
};

/** Read the merges table: a header line, then lines "left right" in order of
 *  rank; what follows the PND_CLIP_MERGES-th is not used.
 *  @param data size bytes, not kept
 *  @return PANDA_OK; PANDA_E_FORMAT naming the line. Either way, release with
 *          pnd_clip_vocab_close */
panda_status pnd_clip_vocab_open(struct pnd_clip_vocab *out,
                                 const panda_frontend_host *host,
                                 const void *data, size_t size);

/** A zeroed vocabulary is allowed. */
void pnd_clip_vocab_close(struct pnd_clip_vocab *v,
                          const panda_frontend_host *host);

/** The token that two neighbours make; 0: none. A lower one has precedence. */
uint32_t pnd_clip_vocab_find(const struct pnd_clip_vocab *v, uint32_t left,
                             uint32_t right);

#endif
