/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_NORMAL_TABLE_H
#define PND_TEXT_NORMAL_TABLE_H

#include <stdint.h>

/* What normal_form.c looks up, made by make_normal_table.py. Hangul syllables
 * are reckoned there. */

/** Runs of one canonical combining class: first code point << 8 | class. */
extern const uint32_t pnd_normal_classes[];
extern const uint32_t pnd_normal_class_count;

/** Characters that are made of two, sorted: {character, first, second}. Only
 *  the first can be taken apart again. */
extern const uint32_t pnd_normal_pairs[][3];
extern const uint32_t pnd_normal_pair_count;

/** Characters that only stand for another one, sorted: {character, other}. */
extern const uint32_t pnd_normal_ones[][2];
extern const uint32_t pnd_normal_one_count;

/** Places in the pairs of those that are put together, sorted by first, then
 *  second. */
extern const uint16_t pnd_normal_composed[];
extern const uint32_t pnd_normal_composed_count;

#endif
