/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_PARTS_H
#define PND_TEXT_TOKENIZER_PARTS_H

#include "text/bpe.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

/* What the files of the tokenizer share. */

enum pnd_tokenizer_kind {
    PND_TOKENIZER_SENTENCEPIECE, /* merging by score */
    PND_TOKENIZER_BPE            /* merging by rank */
};

struct pnd_tokenizer {
    const struct pnd_allocator *alloc;
    char *path; /* its own file, or NULL */
    enum pnd_tokenizer_kind kind;
    struct pnd_sentencepiece model; /* of the kind SENTENCEPIECE */
    struct pnd_bpe bpe;             /* of the kind BPE */
    struct pnd_vocabulary *vocabulary; /* of the one in use */
    struct pnd_prefixes user_defined;  /* found in every text */
    struct pnd_prefixes whole;         /* found in text that is parsed */
    uint64_t file_bytes;
    struct pnd_prefixes late;          /* BPE: found where no whole ones are */
};

#endif
