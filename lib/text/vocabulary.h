/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_VOCABULARY_H
#define PND_TEXT_VOCABULARY_H

#include "base/buffer.h"

/* The pieces of a vocabulary: spelling, score and kind of each id, and the way
 * back from a spelling to its id. */

#define PND_PIECE_MAX 1024           /* bytes of a spelling */
#define PND_VOCABULARY_MAX (1u << 22) /* pieces */

/* Numbered as in SentencePiece's files; ADDED is ours. */
enum pnd_piece_kind {
    PND_PIECE_NORMAL = 1,
    PND_PIECE_UNKNOWN = 2,      /* what has no piece; exactly one */
    PND_PIECE_CONTROL = 3,      /* <s>, </s>: never made from text */
    PND_PIECE_USER_DEFINED = 4, /* found first and kept whole */
    PND_PIECE_UNUSED = 5,       /* merged like NORMAL, then taken apart again */
    PND_PIECE_BYTE = 6,         /* <0x00> to <0xFF> */
    PND_PIECE_ADDED = 7         /* of the files beside the vocabulary */
};

/* What the files beside the vocabulary say about a token. */
enum pnd_piece_flag {
    PND_PIECE_SPECIAL = 1 << 0,     /* not part of a decoded text */
    PND_PIECE_WHOLE = 1 << 1,       /* found in text that is parsed for them */
    PND_PIECE_STRIP_LEFT = 1 << 2,  /* takes white space in front of it */
    PND_PIECE_STRIP_RIGHT = 1 << 3, /* takes white space behind it */
    PND_PIECE_SINGLE_WORD = 1 << 4, /* not within a word */
    PND_PIECE_LATE = 1 << 5         /* as WHOLE, where no WHOLE one is */
};

struct pnd_piece {
    const uint8_t *text; /* spelling; set by pnd_vocabulary_index */
    uint32_t hash;
    float score;
    uint16_t length;
    uint8_t kind;
    uint8_t flags;
};

struct pnd_vocabulary {
    const struct pnd_allocator *alloc;
    struct pnd_buffer pieces; /* struct pnd_piece [count] */
    struct pnd_buffer text;   /* their spellings, one behind the other */
    uint32_t count;
    uint32_t longest; /* bytes of the longest spelling */
    uint32_t unused;  /* pieces of kind UNUSED */
    int32_t unk;      /* id of what has no piece; -1: none */
    int32_t bos, eos; /* ids of what begins and ends a text; -1: none */
    bool adds_bos, adds_eos; /* where texts have them, by the files */
    /* Pieces sorted by hash, then spelling, so that no choice of spellings
     * makes looking up slow; `starts` [2^bits + 1] leads to those whose hash
     * begins with the same bits. */
    const void **sorted; /* const struct pnd_piece *[count] */
    uint32_t *starts;
    uint32_t bits;
};

void pnd_vocabulary_init(struct pnd_vocabulary *v,
                         const struct pnd_allocator *alloc);
void pnd_vocabulary_free(struct pnd_vocabulary *v);

/** Append a piece; its id is the count before. Refuses spellings that are
 *  empty, too long or not UTF-8, and scores that are not finite. */
panda_status pnd_vocabulary_add(struct pnd_vocabulary *v, const void *text,
                                size_t length, float score,
                                enum pnd_piece_kind kind);

/** Make spellings and pnd_vocabulary_find work for all pieces added so far;
 *  refuses a spelling that comes twice. To be called again, and
 *  pnd_prefixes built again, when more were added. */
panda_status pnd_vocabulary_index(struct pnd_vocabulary *v);

/** Id of a spelling, or -1. */
int32_t pnd_vocabulary_find(const struct pnd_vocabulary *v, const void *text,
                            size_t length);

static inline struct pnd_piece *pnd_vocabulary_get(
    const struct pnd_vocabulary *v, uint32_t id)
{
    return (struct pnd_piece *)(void *)v->pieces.data + id;
}

static inline int32_t pnd_vocabulary_get_id(const struct pnd_vocabulary *v,
                                            const struct pnd_piece *piece)
{
    return (int32_t)(piece - pnd_vocabulary_get(v, 0));
}

uint64_t pnd_vocabulary_get_heap_bytes(const struct pnd_vocabulary *v);

/* Some of a vocabulary's pieces, to be found at the front of a text. */
struct pnd_prefixes {
    const void **pieces; /* const struct pnd_piece *[count], by spelling */
    size_t count;
};

/** All pieces of this kind (0: of any) that have all these flags. */
panda_status pnd_prefixes_build(struct pnd_prefixes *p,
                                const struct pnd_vocabulary *v,
                                uint32_t kind, uint32_t flags);
void pnd_prefixes_free(struct pnd_prefixes *p,
                       const struct pnd_allocator *alloc);

/** The longest that the text begins with, or NULL. */
const struct pnd_piece *pnd_prefixes_match(const struct pnd_prefixes *p,
                                           const uint8_t *text, size_t size);

/** Whether all of the text is UTF-8. */
bool pnd_text_is_utf8(const void *text, size_t size);

#endif
