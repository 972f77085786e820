/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_SIZES_H
#define PND_BASE_SIZES_H

#include <stddef.h>

#include "base/alloc.h"

/* Arithmetic of pieces and scratch. */

static inline size_t pnd_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t pnd_divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/** Floats that keep what follows on its own cache lines. */
static inline size_t pnd_round_line(size_t floats)
{
    const size_t line = PND_ALIGN / sizeof(float);
    return pnd_divide_up(floats, line) * line;
}

#endif
