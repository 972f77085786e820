/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_STOP_H
#define PND_DECODER_STOP_H

#include "base/buffer.h"

/* Looks for stop strings in text that arrives in pieces, and holds back what
 * may turn out to be the beginning of one. */

struct pnd_stop;

/** `strings` NULL-terminated, or NULL for none; copied. Empty strings are
 *  PANDA_E_ARGUMENT. */
panda_status pnd_stop_create(struct pnd_stop **out,
                             const struct pnd_allocator *alloc,
                             const char *const *strings);
void pnd_stop_destroy(struct pnd_stop *s);

/** Take a piece; append to `out` what is certainly part of the answer. Returns
 *  PANDA_END once a stop string is complete: nothing from its first byte on was
 *  or will be given. */
panda_status pnd_stop_push(struct pnd_stop *s, const char *text,
                           size_t length, struct pnd_buffer *out);

/** No more will come: append what was held back. */
panda_status pnd_stop_flush(struct pnd_stop *s, struct pnd_buffer *out);

#endif
