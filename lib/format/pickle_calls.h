/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_PICKLE_CALLS_H
#define PND_FORMAT_PICKLE_CALLS_H

#include "format/pickle.h"

/* What a pickle may call, for pickle.c. */

struct pnd_pickle_calls {
    struct pnd_arena *arena;
    const char *path;
    size_t at; /* byte offset of the running opcode, for messages */
};

panda_status pnd_pickle_fail(const struct pnd_pickle_calls *calls,
                             const char *what);

/** The global of this name; PANDA_E_FORMAT naming any that is not allowed. */
panda_status pnd_pickle_find_global(const struct pnd_pickle_calls *calls,
                                    const struct pnd_pickle_string *module,
                                    const struct pnd_pickle_string *name,
                                    const struct pnd_pickle_global **out);

panda_status pnd_pickle_call(const struct pnd_pickle_calls *calls,
                             const struct pnd_pickle_global *global,
                             const struct pnd_pickle_items *arguments,
                             struct pnd_pickle_value *out);

/** The storage of a persistent id: ("storage", type, key, place, count). */
panda_status pnd_pickle_find_storage(const struct pnd_pickle_calls *calls,
                                     const struct pnd_pickle_items *id,
                                     struct pnd_pickle_value *out);

#endif
