/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_PARTS_H
#define PND_TEXT_TOKENIZER_PARTS_H

#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

/* What the files of the tokenizer share. */

struct pnd_tokenizer {
    const struct pnd_allocator *alloc;
    struct pnd_sentencepiece model;
    struct pnd_prefixes user_defined; /* found in every text */
    struct pnd_prefixes whole;        /* found in text that is parsed */
};

#endif
