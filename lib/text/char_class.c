/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/char_class.h"

uint32_t pnd_char_decode(const uint8_t *text, size_t *length)
{
    uint32_t c = text[0];
    if (c < 0x80) {
        *length = 1;
        return c;
    }
    if (c < 0xe0) {
        *length = 2;
        return (c & 0x1f) << 6 | (text[1] & 0x3fu);
    }
    if (c < 0xf0) {
        *length = 3;
        return (c & 0xf) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
    }
    *length = 4;
    return (c & 7) << 18 | (text[1] & 0x3fu) << 12 | (text[2] & 0x3fu) << 6 |
           (text[3] & 0x3fu);
}

size_t pnd_char_encode(uint32_t code, uint8_t out[4])
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(leads[length] | code);
    return length;
}

uint32_t pnd_char_classify(uint32_t code)
{
    if (code - 'a' < 26)
        return PND_CHAR_LOWER;
    if (code == ' ')
        return PND_CHAR_SPACE;
    uint32_t low = 0, high = pnd_char_run_count;
    while (high - low > 1) { /* the run begins in [low, high) */
        uint32_t middle = low + (high - low) / 2;
        if (pnd_char_runs[middle] >> 4 <= code)
            low = middle;
        else
            high = middle;
    }
    uint32_t kind = pnd_char_runs[low] & 15;
    if (kind == PND_CHAR_PAIRS)
        return (code - (pnd_char_runs[low] >> 4)) % 2 ? PND_CHAR_LOWER
                                                       : PND_CHAR_UPPER;
    return 1u << kind;
}
