/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_MAKE_PNG_H
#define PANDA_TESTS_MAKE_PNG_H

#include <stddef.h>
#include <stdint.h>

/* PNG files for tests, not compressed. */

struct png_recipe {
    uint32_t width, height;
    uint8_t bits;           /* of a sample */
    uint8_t color;          /* 0 gray, 2 RGB, 3 palette, 4 and 6: and alpha */
    uint8_t interlaced;     /* 1: `rows` holds the seven passes' rows */
    const void *rows;       /* packed as in a PNG, without filter bytes; NULL:
                               none, whatever the size */
    const void *palette;    /* RGB triples; NULL: none */
    size_t palette_count;
    const void *trns;       /* content of the tRNS chunk; NULL: none */
    size_t trns_size;
    const void *exif;       /* content of the eXIf chunk; NULL: none */
    size_t exif_size;
};

/** The file; release with free. */
uint8_t *make_png(size_t *size, const struct png_recipe *recipe);

#endif
