/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_MERGE_QUEUE_H
#define PND_TEXT_MERGE_QUEUE_H

#include "base/buffer.h"

/* Byte-pair merging, whatever says which pairs may merge: of all neighbours
 * the pair with the highest score is joined, the leftmost on a tie, until none
 * is left. O(n log n) for n symbols. */

#define PND_MERGE_NONE UINT32_MAX

/* A stretch of the text. Merging makes the left one longer and the right one
 * empty. */
struct pnd_symbol {
    uint32_t offset;
    uint32_t previous, next; /* PND_MERGE_NONE at the ends */
    uint32_t length;
    int32_t id;
    bool whole; /* never merged */
};

/* A possible merge of `left` and the symbol behind it. It is void once the two
 * no longer have `length` bytes: symbols only grow or vanish, so that the same
 * length means the same two. */
struct pnd_pair {
    uint64_t key; /* the least is next: score, then `left` in the low half */
    uint32_t length;
    int32_t id; /* of the joined symbol */
};

struct pnd_merger;

/** Score and id of what two symbols make, which are next to each other; false
 *  when they do not merge. */
typedef bool (*pnd_merge_find_fn)(struct pnd_merger *m,
                                  const struct pnd_symbol *left,
                                  const struct pnd_symbol *right,
                                  float *score, int32_t *id);

struct pnd_merger {
    pnd_merge_find_fn find;
    void *user;
    struct pnd_buffer symbols; /* struct pnd_symbol [count] */
    uint32_t count;
    struct pnd_buffer queue; /* struct pnd_pair, a heap of four */
    uint64_t steps;          /* look-ups and moves in the queue, for tests */
};

void pnd_merger_init(struct pnd_merger *m, const struct pnd_allocator *alloc,
                     pnd_merge_find_fn find, void *user);
void pnd_merger_free(struct pnd_merger *m);

/** Forget the symbols; memory is kept for the next text. */
void pnd_merger_clear(struct pnd_merger *m);

/** Append a symbol of `length` > 0. At most UINT32_MAX - 1 of them and as much
 *  length in all. */
panda_status pnd_merger_add(struct pnd_merger *m, uint32_t length, int32_t id,
                            bool whole);

/** Merge until nothing does; then go through the symbols by `next`. */
panda_status pnd_merger_run(struct pnd_merger *m);

static inline struct pnd_symbol *pnd_merger_get(const struct pnd_merger *m,
                                                uint32_t i)
{
    return (struct pnd_symbol *)(void *)m->symbols.data + i;
}

#endif
