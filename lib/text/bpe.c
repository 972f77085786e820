/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/bpe.h"

#include <stdio.h>
#include <string.h>

#include "text/byte_level.h"

void pnd_bpe_init(struct pnd_bpe *b, const struct pnd_allocator *alloc)
{
    *b = (struct pnd_bpe){0};
    memset(b->bytes, 0xff, sizeof b->bytes);
    pnd_vocabulary_init(&b->vocabulary, alloc);
    pnd_merges_init(&b->merges, alloc);
}

void pnd_bpe_free(struct pnd_bpe *b)
{
    pnd_vocabulary_free(&b->vocabulary);
    pnd_merges_free(&b->merges);
}

int32_t pnd_bpe_find_plain(const struct pnd_bpe *b, const void *text,
                           size_t length)
{
    int32_t id = pnd_vocabulary_find(&b->vocabulary, text, length);
    if (id < 0)
        return -1;
    const struct pnd_piece *piece =
        pnd_vocabulary_get(&b->vocabulary, (uint32_t)id);
    bool plain = piece->kind == PND_PIECE_NORMAL &&
                 !(piece->flags & PND_PIECE_SPECIAL);
    return plain ? id : -1;
}

panda_status pnd_bpe_finish(struct pnd_bpe *b)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char spelling[8];
        size_t length = b->byte_level
            ? pnd_byte_level_write(byte, (uint8_t *)spelling)
            : (size_t)snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
        b->bytes[byte] = pnd_bpe_find_plain(b, spelling, length);
        if (!b->byte_level && b->bytes[byte] >= 0)
            pnd_vocabulary_get(&b->vocabulary, (uint32_t)b->bytes[byte])
                ->kind = PND_PIECE_BYTE;
    }
    return pnd_merges_index(&b->merges, &b->vocabulary);
}
