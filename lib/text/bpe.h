/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_BPE_H
#define PND_TEXT_BPE_H

#include "text/normal_form.h"
#include "text/pre_split.h"
#include "text/rank_merge.h"

/* A vocabulary with a list of merges. What its pieces spell, bytes or text
 * with U+2581 for spaces, decides how it is used: byte_level.h, metaspace.h. */

/* Where U+2581 is put in front of text. */
enum pnd_bpe_prefix {
    PND_BPE_PREFIX_NEVER,
    PND_BPE_PREFIX_ALWAYS,  /* of each stretch between added tokens */
    PND_BPE_PREFIX_MISSING, /* as ALWAYS, unless it is there */
    PND_BPE_PREFIX_FIRST    /* as MISSING, where the text begins */
};

struct pnd_bpe {
    struct pnd_vocabulary vocabulary; /* indexed */
    struct pnd_merges merges;
    bool byte_level; /* else pieces spell text */
    enum pnd_normal_form form; /* that text is brought into */
    bool ignore_merges; /* a word that is a piece is not taken apart */
    /* Byte-level: */
    struct pnd_splitter splitter;
    bool add_prefix_space; /* of stretches that do not begin with one */
    int32_t bytes[256];    /* ids; -1: the vocabulary lacks it. Else of <0x00>
                              to <0xFF>, for what has no piece */
    /* Not byte-level: */
    enum pnd_bpe_prefix prefix;
    bool byte_fallback;
    bool fuse_unk; /* neighbours without a piece are one unknown token */
};

void pnd_bpe_init(struct pnd_bpe *b, const struct pnd_allocator *alloc);
void pnd_bpe_free(struct pnd_bpe *b);

/** When vocabulary (indexed, with flags) and merges are there. Special tokens
 *  are never made from plain text from then on. */
panda_status pnd_bpe_finish(struct pnd_bpe *b);

/** Id of a piece that plain text may become, or -1. */
int32_t pnd_bpe_find_plain(const struct pnd_bpe *b, const void *text,
                           size_t length);

#endif
