/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/ustring.h"

#include <string.h>

#define LEAST 64 /* elements of a first allocation */

void pnd_ustring_init(struct pnd_ustring *s, const panda_frontend_host *host)
{
    *s = (struct pnd_ustring){.host = host};
}

void pnd_ustring_free(struct pnd_ustring *s)
{
    if (s->host)
        s->host->free(s->host, s->data);
    *s = (struct pnd_ustring){.host = s->host};
}

panda_status pnd_ustring_reserve(struct pnd_ustring *s, size_t extra)
{
    if (extra <= s->capacity - s->size)
        return PANDA_OK;
    if (extra > SIZE_MAX / 16 - s->size)
        return pnd_host_fail_memory(s->host);
    size_t capacity = s->capacity < LEAST ? LEAST : s->capacity * 2;
    if (capacity < s->size + extra)
        capacity = s->size + extra;
    uint32_t *data = pnd_host_alloc(s->host, capacity, sizeof *data);
    if (!data)
        return pnd_host_fail_memory(s->host);
    if (s->size)
        memcpy(data, s->data, s->size * sizeof *data);
    s->host->free(s->host, s->data);
    s->data = data;
    s->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_ustring_push(struct pnd_ustring *s, uint32_t code)
{
    panda_status status = PANDA_OK;
    if (s->size == s->capacity)
        status = pnd_ustring_reserve(s, 1);
    if (status == PANDA_OK)
        s->data[s->size++] = code;
    return status;
}

panda_status pnd_ustring_append(struct pnd_ustring *s, const uint32_t *data,
                                size_t size)
{
    panda_status status = pnd_ustring_reserve(s, size);
    if (status < 0)
        return status;
    if (size)
        memcpy(s->data + s->size, data, size * sizeof *data);
    s->size += size;
    return PANDA_OK;
}

panda_status pnd_ustring_assign(struct pnd_ustring *s,
                                const struct pnd_ustring *from)
{
    s->size = 0;
    return pnd_ustring_append(s, from->data, from->size);
}

void pnd_ustring_swap(struct pnd_ustring *a, struct pnd_ustring *b)
{
    struct pnd_ustring other = *a;
    *a = *b;
    *b = other;
}

size_t pnd_ustring_get_utf8(uint32_t *code, const uint8_t *data, size_t size)
{
    /* The smallest character that may take 2, 3, 4 bytes. */
    static const uint32_t least[] = {0x80, 0x800, 0x10000};
    if (size == 0)
        return 0;
    uint32_t c = data[0];
    *code = c;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t follow = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (follow >= size)
        return 0;
    c &= 0x3fu >> follow;
    for (size_t i = 1; i <= follow; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (data[i] & 0x3f);
    }
    if (c < least[follow - 1] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *code = c;
    return follow + 1;
}

size_t pnd_ustring_put_utf8(uint8_t out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t follow = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out[0] = (uint8_t)(0xff00u >> (follow + 1) | code >> (6 * follow));
    for (size_t i = 1; i <= follow; i++)
        out[i] = (uint8_t)(0x80 | (code >> (6 * (follow - i)) & 0x3f));
    return follow + 1;
}
