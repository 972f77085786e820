/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/utf8.h"

#include <stdint.h>
#include <string.h>

size_t pnd_utf8_measure(const char *s, size_t length)
{
    const uint8_t *b = (const uint8_t *)s;
    if (length == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    size_t size = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || size > length)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    /* The second byte tells overlong forms, surrogates and numbers above
     * 10FFFF. */
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
        (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
        return 0;
    return size;
}

bool pnd_utf8_is_open(const char *s, size_t length)
{
    /* One of the two continues any beginning that has a continuation. */
    static const char fill[] = {'\x80', '\xbf'};
    for (int i = 0; i < 2; i++) {
        char whole[4];
        memset(whole, fill[i], sizeof whole);
        memcpy(whole, s, length);
        if (pnd_utf8_measure(whole, sizeof whole) > length)
            return true;
    }
    return false;
}

size_t pnd_utf8_measure_broken(const char *s, size_t length)
{
    size_t broken = 1;
    while (broken < 3 && broken < length && pnd_utf8_is_open(s, broken + 1))
        broken++;
    return broken;
}

struct pnd_shown pnd_show(const char *s, size_t length)
{
    struct pnd_shown shown;
    const size_t room = sizeof shown.text - sizeof "...";
    size_t used = 0;
    while (length > 0) {
        size_t n = pnd_utf8_measure(s, length);
        size_t step = n ? n : 1;
        if (used + step > room) {
            memcpy(shown.text + used, "...", 3);
            used += 3;
            break;
        }
        if (n == 0 || (n == 1 && (*s < 0x20 || *s == 0x7f)))
            shown.text[used] = '?';
        else
            memcpy(shown.text + used, s, n);
        used += step;
        s += step;
        length -= step;
    }
    shown.text[used] = '\0';
    return shown;
}
