/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/exif.h"

#include <stdbool.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3
#define ENTRY_SIZE 12

struct block {
    const uint8_t *data;
    size_t size;
    bool big; /* byte order */
};

/* An unsigned number of 2 or 4 bytes; 0 past the end. */
static uint32_t read_number(const struct block *b, size_t at, size_t bytes)
{
    if (at > b->size || b->size - at < bytes)
        return 0;
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | b->data[at + (b->big ? i : bytes - 1 - i)];
    return n;
}

int pnd_exif_get_orientation(const uint8_t *data, size_t size)
{
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(data, "II*\0", 4) != 0 &&
                     memcmp(data, "MM\0*", 4) != 0))
        return 1;
    struct block b = {data, size, data[0] == 'M'};
    size_t directory = read_number(&b, 4, 4);
    uint32_t entries = read_number(&b, directory, 2);
    for (uint32_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + (size_t)i * ENTRY_SIZE;
        if (entry > size || size - entry < ENTRY_SIZE)
            return 1;
        if (read_number(&b, entry, 2) != TAG_ORIENTATION)
            continue;
        uint32_t value = read_number(&b, entry + 8, 2);
        bool known = read_number(&b, entry + 2, 2) == TYPE_SHORT &&
                     value >= 1 && value <= 8;
        return known ? (int)value : 1;
    }
    return 1;
}
