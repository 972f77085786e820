/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/metaspace.h"

#include <string.h>

#include "base/error.h"
#include "text/normalize.h"

struct encoder {
    const struct pnd_bpe *model;
    struct pnd_merger merger;
    bool unknown; /* the last symbol has no piece */
};

/* One character, as a symbol or as several. */
static panda_status add_char(struct encoder *e, const uint8_t *text,
                             size_t length)
{
    const struct pnd_bpe *b = e->model;
    panda_status status = PANDA_OK;
    bool was_unknown = e->unknown, has_bytes = b->byte_fallback;
    int32_t id = pnd_bpe_find_plain(b, text, length);
    e->unknown = false;
    if (id >= 0)
        return pnd_merger_add(&e->merger, 1, id, false);
    for (size_t i = 0; i < length && has_bytes; i++)
        has_bytes = b->bytes[text[i]] >= 0;
    for (size_t i = 0; i < length && has_bytes && status >= 0; i++)
        status = pnd_merger_add(&e->merger, 1, b->bytes[text[i]], false);
    if (has_bytes)
        return status;
    e->unknown = true;
    if (b->vocabulary.unk < 0 || (was_unknown && b->fuse_unk))
        return PANDA_OK;
    return pnd_merger_add(&e->merger, 1, b->vocabulary.unk, false);
}

static bool needs_prefix(const struct pnd_bpe *b, const uint8_t *text,
                         size_t size, bool first)
{
    bool has = text[0] == ' ' ||
               (size >= PND_SPACE_SIZE &&
                memcmp(text, PND_SPACE_SYMBOL, PND_SPACE_SIZE) == 0);
    switch (b->prefix) {
    case PND_BPE_PREFIX_ALWAYS:
        return true;
    case PND_BPE_PREFIX_MISSING:
        return !has;
    case PND_BPE_PREFIX_FIRST:
        return first && !has;
    default:
        return false;
    }
}

panda_status pnd_metaspace_encode(const struct pnd_bpe *b, const uint8_t *text,
                                  size_t size, bool first,
                                  struct pnd_buffer *ids)
{
    static const uint8_t space[] = PND_SPACE_SYMBOL;
    struct encoder e = {.model = b};
    panda_status status = PANDA_OK;
    if (size == 0)
        return PANDA_OK;
    pnd_merges_start(&e.merger, &b->merges, ids->alloc);
    if (needs_prefix(b, text, size, first))
        PND_TRY(add_char(&e, space, PND_SPACE_SIZE));
    for (size_t at = 0, length; at < size; at += length) {
        (void)pnd_char_decode(text + at, &length);
        if (text[at] == ' ')
            PND_TRY(add_char(&e, space, PND_SPACE_SIZE));
        else
            PND_TRY(add_char(&e, text + at, length));
    }
    PND_TRY(pnd_merges_run(&e.merger, ids));
out:
    pnd_merger_free(&e.merger);
    return status;
}
