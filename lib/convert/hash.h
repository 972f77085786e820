/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_HASH_H
#define PND_CONVERT_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

/* SHA-256 of what is fed to it piece by piece, where the build has a library
 * for it. */

struct pnd_hash;

/** NULL without memory, or without a library. */
struct pnd_hash *pnd_hash_create(const struct pnd_allocator *alloc);
void pnd_hash_add(struct pnd_hash *hash, const void *data, size_t size);

/** 64 lower-case digits and a zero byte; frees `hash`. */
void pnd_hash_finish(struct pnd_hash *hash,
                     const struct pnd_allocator *alloc, char text[65]);

bool pnd_hash_is_there(void);

#endif
