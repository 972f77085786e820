/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_PICKLE_STACK_H
#define PND_FORMAT_PICKLE_STACK_H

#include "format/pickle_calls.h"

/* A pickle being run: its stack and memo, for pickle.c. Errors say what is
 * wrong with the pickle, and at which byte. */

struct pnd_pickle_machine {
    struct pnd_pickle_calls calls; /* arena, path and position for them */
    const uint8_t *data;           /* size bytes */
    size_t size;
    size_t at;
    struct pnd_pickle_items stack;
    struct pnd_pickle_items memo; /* unset ones are marks */
};

panda_status pnd_pickle_push(struct pnd_pickle_machine *m,
                             struct pnd_pickle_value value);
panda_status pnd_pickle_push_integer(struct pnd_pickle_machine *m,
                                     enum pnd_pickle_kind kind,
                                     int64_t integer);

/** Push a copy of `count` values, or an empty one for NULL. */
panda_status pnd_pickle_push_items(struct pnd_pickle_machine *m,
                                   enum pnd_pickle_kind kind,
                                   const struct pnd_pickle_value *values,
                                   size_t count);

/** The topmost value that is no mark; NULL when there is none. */
struct pnd_pickle_value *pnd_pickle_get_top(const struct pnd_pickle_machine *m);

/** `count` values on the stack, none of them a mark; NULL when there are
 *  not. */
struct pnd_pickle_value *pnd_pickle_get_top_values(
    const struct pnd_pickle_machine *m, size_t count);

/** The first of the values above the last mark; false when there is none. */
bool pnd_pickle_find_mark(const struct pnd_pickle_machine *m, size_t *first);

/** Replace the top `count` values, at most 3, by a tuple of them. */
panda_status pnd_pickle_make_tuple(struct pnd_pickle_machine *m, size_t count);

/** Replace mark and values by a tuple, list or dictionary of them. */
panda_status pnd_pickle_make_from_mark(struct pnd_pickle_machine *m,
                                       enum pnd_pickle_kind kind);

/** Move the values above the mark, or the top ones, into the list or dictionary
 *  under them. */
panda_status pnd_pickle_append_marked(struct pnd_pickle_machine *m,
                                      enum pnd_pickle_kind kind);
panda_status pnd_pickle_append_top(struct pnd_pickle_machine *m, size_t count,
                                   enum pnd_pickle_kind kind);

panda_status pnd_pickle_put_memo(struct pnd_pickle_machine *m, uint64_t index);
panda_status pnd_pickle_get_memo(struct pnd_pickle_machine *m, uint64_t index);

#endif
