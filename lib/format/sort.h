/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_SORT_H
#define PND_FORMAT_SORT_H

#include <stddef.h>

/* Names are looked up in sorted tables, not in hash tables: a hostile file
 * cannot make them slow. */

typedef int (*pnd_compare_fn)(const void *a, const void *b);

/** Sort pointers by what they point to. n log n at worst, no memory (the C
 *  library's qsort may take heap of its own); equal items come in any order. */
void pnd_sort(const void **items, size_t count, pnd_compare_fn compare);

/** First of `count` sorted items equal to the next one, or NULL. */
const void *pnd_sort_find_equal(const void *const *items, size_t count,
                                pnd_compare_fn compare);

#endif
