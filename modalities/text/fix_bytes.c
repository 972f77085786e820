/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/fix.h"

#define LOST 0x1a /* a byte that became U+FFFD in a sloppy encoding */

static bool is_tail(uint32_t byte)
{
    return byte >= 0x80 && byte <= 0xbf;
}

/* The later bytes of three that make a likely character where a space follows
 * or precedes: 85 would be the ellipsis, A0 is what the space was. */
static bool is_near_tail(uint32_t byte)
{
    return is_tail(byte) && byte != 0x85 && byte != 0xa0;
}

/* Where in the sequence at `b` the space is that was a byte A0 (its index);
 * 0: there is none. Only first bytes whose characters are likely. */
static size_t find_lost_a0(const uint32_t *b, size_t size)
{
    static const uint8_t two[] = {0xc2, 0xc3, 0xc5, 0xce, 0xd0, 0xd9};
    if (size < 2 || b[0] < 0xc2)
        return 0;
    if (b[1] == ' ') {
        for (size_t i = 0; i < sizeof two; i++) {
            if (b[0] == two[i])
                return 1;
        }
    }
    if (size < 3)
        return 0;
    if ((b[0] == 0xe2 || b[0] == 0xe3) && b[1] == ' ' && is_near_tail(b[2]))
        return 1;
    if (b[0] >= 0xe0 && b[0] <= 0xe3 && is_near_tail(b[1]) && b[2] == ' ')
        return 2;
    if (size < 4 || b[0] != 0xf0)
        return 0;
    size_t space = 0;
    for (size_t i = 1; i <= 3; i++) {
        if (b[i] == ' ' && space == 0)
            space = i;
        else if (!is_tail(b[i]))
            return 0;
    }
    return space;
}

bool pnd_fix_has_lost_a0(const struct pnd_ustring *bytes)
{
    for (size_t i = 0; i < bytes->size; i++) {
        if (find_lost_a0(bytes->data + i, bytes->size - i))
            return true;
    }
    return false;
}

static bool begins_with(const uint32_t *b, size_t size, const char *word)
{
    size_t i = 0;
    while (word[i] && i < size && b[i] == (uint8_t)word[i])
        i++;
    return !word[i];
}

/* C3 and one space: mostly the French and Portuguese word "a" with a grave
 * accent, whose own A0 was merged with the space behind it. Portuguese joins it
 * with some words, where there never was a space. */
static bool is_grave_word(const uint32_t *b, size_t size)
{
    static const char *const joined[] = {" ", "quele", "quela", "quilo", "s "};
    if (size < 2 || b[0] != 0xc3 || b[1] != ' ')
        return false;
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++) {
        if (begins_with(b + 2, size - 2, joined[i]))
            return false;
    }
    return true;
}

panda_status pnd_fix_restore_a0(struct pnd_ustring *out,
                                const struct pnd_ustring *bytes)
{
    out->size = 0;
    panda_status status = pnd_ustring_reserve(out, bytes->size);
    for (size_t i = 0; status == PANDA_OK && i < bytes->size; i++) {
        const uint32_t *b = bytes->data + i;
        status = pnd_ustring_push(out, b[0]);
        if (status == PANDA_OK && is_grave_word(b, bytes->size - i))
            status = pnd_ustring_push(out, 0xa0);
    }
    for (size_t i = 0; i < out->size;) {
        size_t space = find_lost_a0(out->data + i, out->size - i);
        if (space) {
            out->data[i + space] = 0xa0;
            /* The whole sequence is used up. */
            uint32_t lead = out->data[i];
            i += lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        } else {
            i++;
        }
    }
    return status;
}

/* Length of a sequence with at least one byte lost, all others right; 0: none.
 * A "?" may stand for one of the lost bytes. */
static size_t measure_simple(const uint32_t *b, size_t size, size_t length)
{
    size_t marks = 0, lost = 0;
    if (size < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (b[i] == '?')
            marks++;
        else if (b[i] == LOST)
            lost++;
        else if (!is_tail(b[i]))
            return 0;
    }
    return marks <= 1 && marks + lost > 0 ? length : 0;
}

static bool is_lost(uint32_t byte)
{
    return byte == LOST || byte == '?';
}

/* The same for a surrogate pair: ED xx xx ED xx xx, third or sixth lost. */
static size_t measure_pair(const uint32_t *b, size_t size)
{
    if (size < 6 || b[0] != 0xed || b[3] != 0xed || b[1] < 0xa0 ||
        b[1] > 0xaf || b[4] < 0xb0 || b[4] > 0xbf)
        return 0;
    if (!(is_lost(b[2]) || is_tail(b[2])) || !(is_lost(b[5]) || is_tail(b[5])))
        return 0;
    return is_lost(b[2]) || is_lost(b[5]) ? 6 : 0;
}

static size_t measure_lost(const uint32_t *b, size_t size)
{
    uint32_t lead = b[0];
    if (lead == LOST)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf) {
        bool enough =
            size > 1 && (b[1] == LOST || (b[1] == '?' && lead < 0xc4));
        return enough ? 2 : 0;
    }
    size_t pair = measure_pair(b, size);
    if (pair)
        return pair;
    if (lead >= 0xe0 && lead <= 0xef)
        return measure_simple(b, size, 3);
    return lead >= 0xf0 && lead <= 0xf4 ? measure_simple(b, size, 4) : 0;
}

panda_status pnd_fix_replace_lost(struct pnd_ustring *out,
                                  const struct pnd_ustring *bytes)
{
    static const uint32_t replacement[] = {0xef, 0xbf, 0xbd};
    out->size = 0;
    panda_status status = pnd_ustring_reserve(out, bytes->size);
    for (size_t i = 0; status == PANDA_OK && i < bytes->size;) {
        size_t lost = measure_lost(bytes->data + i, bytes->size - i);
        if (lost)
            status = pnd_ustring_append(out, replacement, 3);
        else
            status = pnd_ustring_push(out, bytes->data[i]);
        i += lost ? lost : 1;
    }
    return status;
}

/* A surrogate pair in CESU-8. A line end in place of the last byte passes, as
 * the reference's pattern lets it. */
static size_t decode_pair(uint32_t *code, const uint32_t *b, size_t size)
{
    if (size < 6 || b[0] != 0xed || b[1] < 0xa0 || b[1] > 0xaf ||
        !is_tail(b[2]) || b[3] != 0xed || b[4] < 0xb0 || b[4] > 0xbf)
        return 0;
    if (!is_tail(b[5]) && !(size == 6 && b[5] == '\n'))
        return 0;
    *code = 0x10000 + ((b[1] & 0x0f) << 16) + ((b[2] & 0x3f) << 10) +
            ((b[4] & 0x0f) << 6) + (b[5] & 0x3f);
    return 6;
}

/* Java's null, C0 80. The reference takes C0 and the line's end for one, too,
 * and swallows the end. */
static size_t decode_null(uint32_t *code, const uint32_t *b, size_t size)
{
    if (size < 2 || b[0] != 0xc0)
        return 0;
    *code = 0;
    return b[1] == 0x80 || (size == 2 && b[1] == '\n') ? 2 : 0;
}

panda_status pnd_fix_decode(struct pnd_ustring *out,
                            const struct pnd_ustring *bytes, bool *valid)
{
    out->size = 0;
    *valid = false;
    panda_status status = pnd_ustring_reserve(out, bytes->size);
    for (size_t i = 0; status == PANDA_OK && i < bytes->size;) {
        const uint32_t *b = bytes->data + i;
        size_t left = bytes->size - i;
        uint32_t code = 0;
        size_t length = decode_null(&code, b, left);
        if (length == 0)
            length = decode_pair(&code, b, left);
        if (length == 0) {
            uint8_t raw[4];
            size_t count = left < 4 ? left : 4;
            for (size_t k = 0; k < count; k++)
                raw[k] = (uint8_t)b[k];
            length = pnd_ustring_get_utf8(&code, raw, count);
        }
        if (length == 0)
            return PANDA_OK;
        status = pnd_ustring_push(out, code);
        i += length;
    }
    *valid = status == PANDA_OK;
    return status;
}
