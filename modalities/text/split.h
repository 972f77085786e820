/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_SPLIT_H
#define PND_TEXT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pnd_word_kind {
    PND_WORD_PLAIN,
    PND_WORD_START, /* "<|startoftext|>" */
    PND_WORD_END    /* "<|endoftext|>" */
};

struct pnd_word {
    const uint32_t *text;
    size_t size;
    enum pnd_word_kind kind;
};

/** Find the next word of a lower-case text: a special token, an English
 *  contraction ('s, 'll), letters, one number, or other characters that are
 *  not white space.
 *  @param at where to begin; moved behind the word
 *  @return false when there is none */
bool pnd_word_next(struct pnd_word *out, const uint32_t *text, size_t size,
                   size_t *at);

#endif
