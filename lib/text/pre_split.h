/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_PRE_SPLIT_H
#define PND_TEXT_PRE_SPLIT_H

#include <stdbool.h>

#include <pandagpt/status.h>

#include "text/char_class.h"

/* Cutting text into words before merging: a list of rules, each applied to the
 * parts that the one before left. What a rule finds is a part, what lies
 * between is another. The rules are the known patterns of published
 * vocabularies, written by hand: no text makes them slow, which a general
 * pattern matcher could not promise. */

#define PND_SPLIT_MAX 8 /* rules in a list */

enum pnd_split_rule {
    PND_SPLIT_GPT2,
    PND_SPLIT_LLAMA3, /* up to three digits together */
    PND_SPLIT_QWEN2,  /* as LLAMA3, each digit by itself */
    PND_SPLIT_TEKKEN, /* by case */
    PND_SPLIT_DIGIT,
    PND_SPLIT_DIGITS,
    PND_SPLIT_THREE_DIGITS, /* of ASCII */
    PND_SPLIT_LINE_BREAK,
    PND_SPLIT_END_SPACE,
    PND_SPLIT_CASED,       /* of a list of letters with case; a space before */
    PND_SPLIT_ASIAN,       /* Chinese, Japanese, Korean */
    PND_SPLIT_SIGNS,       /* ranges of punctuation; a space before */
    PND_SPLIT_LETTERS,     /* a space before */
    PND_SPLIT_PUNCTUATION, /* a space before */
    PND_SPLIT_MARKUP,      /* punctuation and ASCII's symbols but "`" */
    PND_SPLIT_RULES
};

struct pnd_splitter {
    uint8_t rules[PND_SPLIT_MAX]; /* enum pnd_split_rule */
    uint32_t count;
};

/** The rule that a pattern of a `tokenizer.json` stands for; -1: not known. */
int pnd_split_find_pattern(const char *pattern);

/** The rules that a GGUF's `tokenizer.ggml.pre` stands for, whether a word that
 *  is a piece is taken as it is, and whether texts begin with BOS where the
 *  file does not say. False: unknown. */
bool pnd_split_find_name(struct pnd_splitter *out, bool *ignore_merges,
                         bool *adds_bos, const char *name, size_t length);

/** The way back: a name for these rules (`length` bytes without an end), or
 *  NULL. */
const char *pnd_split_get_name(const struct pnd_splitter *s,
                               bool ignore_merges, size_t *length);

typedef panda_status (*pnd_word_fn)(void *user, const uint8_t *word,
                                    size_t size);

/** Call `take` for each word of well-formed UTF-8, in order, until it fails. */
panda_status pnd_split_text(const struct pnd_splitter *s, const uint8_t *text,
                            size_t size, pnd_word_fn take, void *user);

#endif
