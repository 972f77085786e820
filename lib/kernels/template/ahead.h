/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_AHEAD_H
#define PND_KERNELS_AHEAD_H

#include "base/sizes.h"
#include "kernels/template/inline.h"

/* Rows that are needed next. The caches are asked for them little by little
 * while something else is computed: a core that asks for more than its dozen or
 * two of line buffers hold has to wait, and rows of a block are too short for
 * hardware to notice that they are read in order. */
struct ahead {
    const char *row; /* the one to be asked for now */
    size_t rows;     /* left, with this one */
    size_t stride;   /* bytes from row to row */
    size_t bytes;    /* of a row */
    size_t at;       /* bytes of this one that were asked for */
    size_t step;     /* bytes to ask for at a time */
};

#define AHEAD_LINE ((size_t)64)

/* All of `rows` rows, in `times` times. */
ALWAYS_INLINE struct ahead ahead_of(const void *row, size_t rows, size_t stride,
                                    size_t bytes, size_t times)
{
    return (struct ahead){.row = row, .rows = rows, .stride = stride,
                          .bytes = bytes, .step = rows * bytes / times + 1};
}

/* Of `rows` rows those from `first` on, at most `most`, if there are any. */
ALWAYS_INLINE struct ahead ahead_of_part(const void *row, size_t rows,
                                         size_t first, size_t most,
                                         size_t stride, size_t bytes,
                                         size_t times)
{
    if (first >= rows)
        return (struct ahead){0};
    return ahead_of((const char *)row + first * stride,
                    pnd_min_size(rows - first, most), stride, bytes, times);
}

ALWAYS_INLINE void ahead_ask(struct ahead *a)
{
    for (size_t i = 0; i < a->step && a->rows > 0; i += AHEAD_LINE) {
        __builtin_prefetch(a->row + a->at);
        a->at += AHEAD_LINE;
        if (a->at >= a->bytes) {
            a->at = 0;
            a->row += a->stride;
            a->rows--;
        }
    }
}

#endif
