/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_CLIP_MERGES_H
#define PANDA_TESTS_CLIP_MERGES_H

#include <stddef.h>

/* A merges table of our own, as large as CLIP's: the merges given ("a b"), then
 * pairs of single bytes whose left one is neither a letter nor one of
 * ">?@[]^_`{|}~", which leaves words of letters to the merges given. */

/** @param own count lines without their ends
 *  @return the table as text, for free() */
char *clip_merges_make(const char *const *own, size_t count, size_t *size);

#endif
