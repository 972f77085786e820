/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/clip_merges.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/text/ustring.h"
#include "modalities/text/vocab.h"

#define HEADER "#version: test\n"
#define LONGEST 64 /* bytes of a line that is made here, and more */

static bool is_visible(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

/* The bytes' characters: those that are not visible first, then Latin-1, then
 * ASCII. */
static void list_characters(uint32_t characters[256])
{
    uint32_t count = 0, hidden = 0;
    for (int byte = 0; byte < 256; byte++) {
        if (!is_visible(byte))
            characters[count++] = 256 + hidden++;
    }
    for (int byte = 255; byte >= 0xa1; byte--) {
        if (is_visible(byte))
            characters[count++] = (uint32_t)byte;
    }
    for (uint32_t byte = '!'; byte <= '~'; byte++)
        characters[count++] = byte;
}

static bool is_own(const char *const *own, size_t count, const char *line)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(own[i], line) == 0)
            return true;
    }
    return false;
}

char *clip_merges_make(const char *const *own, size_t count, size_t *size)
{
    uint32_t characters[256];
    list_characters(characters);
    size_t room = sizeof HEADER + (size_t)PND_CLIP_MERGES * LONGEST;
    for (size_t i = 0; i < count; i++)
        room += strlen(own[i]);
    char *table = malloc(room), *end = table;
    memcpy(end, HEADER, strlen(HEADER));
    end += strlen(HEADER);
    for (size_t i = 0; i < count; i++) {
        memcpy(end, own[i], strlen(own[i]));
        end += strlen(own[i]);
        *end++ = '\n';
    }
    for (size_t i = 0, made = count; made < PND_CLIP_MERGES; i++) {
        uint8_t line[LONGEST];
        size_t length = pnd_ustring_put_utf8(line, characters[i / 256]);
        line[length++] = ' ';
        length += pnd_ustring_put_utf8(line + length, characters[i % 256]);
        line[length] = '\0';
        if (is_own(own, count, (const char *)line))
            continue;
        memcpy(end, line, length);
        end += length;
        *end++ = '\n';
        made++;
    }
    *size = (size_t)(end - table);
    return table;
}
