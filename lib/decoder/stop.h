/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_STOP_H
#define PND_DECODER_STOP_H

#include "base/buffer.h"

/* Looks for stop strings in text that arrives in pieces, and holds back what
 * may turn out to be the beginning of one. The text ends where the first of
 * them begins, however it was cut into pieces; with "abcd" and "bc" and the
 * text "abc" so far, only more text can tell where that is. */

struct pnd_stop;

/** `strings` NULL-terminated, or NULL for none; copied. Empty strings and
 *  those that begin within a UTF-8 character are PANDA_E_ARGUMENT. */
panda_status pnd_stop_create(struct pnd_stop **out,
                             const struct pnd_allocator *alloc,
                             const char *const *strings);
void pnd_stop_destroy(struct pnd_stop *s);

/** Before the first piece: the text begins a line, so a stop string that is a
 *  line break and more also stands for itself without it there. */
void pnd_stop_begin_line(struct pnd_stop *s);

/** Take a piece; append to `out` what is certainly part of the answer. Returns
 *  PANDA_END once it is known where the first stop string begins: nothing from
 *  there on was or will be given. Time is linear in the text. */
panda_status pnd_stop_push(struct pnd_stop *s, const char *text,
                           size_t length, struct pnd_buffer *out);

/** No more will come: append what was held back, as far as it is part of the
 *  answer. PANDA_END when a stop string was found. */
panda_status pnd_stop_flush(struct pnd_stop *s, struct pnd_buffer *out);

#endif
