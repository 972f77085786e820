/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_RANK_MERGE_H
#define PND_TEXT_RANK_MERGE_H

#include "format/gguf_write.h"
#include "text/merge_queue.h"
#include "text/vocabulary.h"

/* Byte-pair encoding by a list of merges, the first of which goes first: what
 * `tokenizer.json` and GGUF's "gpt2" vocabularies hold. */

struct pnd_merges {
    const struct pnd_allocator *alloc;
    struct pnd_buffer entries; /* struct merge (rank_merge.c), sorted */
    uint32_t *starts; /* [pieces + 1]: entries by the id of the left part */
    uint32_t pieces;
};

void pnd_merges_init(struct pnd_merges *m, const struct pnd_allocator *alloc);
void pnd_merges_free(struct pnd_merges *m);

/** Append the merge of two spellings, joined the spelling of a piece. */
panda_status pnd_merges_add(struct pnd_merges *m,
                            const struct pnd_vocabulary *v,
                            const char *left, size_t left_length,
                            const char *right, size_t right_length);

/** As pnd_merges_add for "left right". */
panda_status pnd_merges_add_line(struct pnd_merges *m,
                                 const struct pnd_vocabulary *v,
                                 const char *line, size_t length);

/** When all are added, once. Of two for the same pair the last counts; those
 *  that would make a special token of plain text are left out. */
panda_status pnd_merges_index(struct pnd_merges *m,
                              const struct pnd_vocabulary *v);

/** Put all as "left right", in their order, as a list of strings. */
panda_status pnd_merges_write(const struct pnd_merges *m,
                              const struct pnd_vocabulary *v,
                              struct pnd_gguf_writer *w, const char *key);

/** The scores [pieces] by which merging by score does the same: for what merges
 *  make, minus the first one's rank. Others stay. */
void pnd_merges_read_scores(const struct pnd_merges *m, float *scores);

uint64_t pnd_merges_get_heap_bytes(const struct pnd_merges *m);

/** A merger for any number of pnd_merges_run. */
void pnd_merges_start(struct pnd_merger *merger, const struct pnd_merges *m,
                      const struct pnd_allocator *alloc);

/** Merge the symbols added to `merger` by their ids, append the ids (int32) and
 *  clear it. */
panda_status pnd_merges_run(struct pnd_merger *merger, struct pnd_buffer *ids);

#endif
