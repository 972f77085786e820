/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/tower_parts.h"

/* Which texts are computed together. */

/* So few tokens take about as long as one: reading the weights. */
#define FEW_TOKENS 256

uint32_t pnd_tower_find_token(const struct pnd_tower_run *run,
                              size_t item)
{
    const struct pnd_tower *t = run->tower;
    if (!t->dims.token_ids)
        return 0;
    const int32_t *ids = pnd_stem_get_words(run, item);
    uint32_t token = 0;
    for (uint32_t i = 1; i < t->dims.tokens; i++) {
        if (ids[i] > ids[token])
            token = i;
    }
    return token;
}

panda_status pnd_texts_sort(struct pnd_tower_run *run,
                            struct pnd_workspace *ws, uint32_t items)
{
    if (items > ws->order_count) {
        pnd_free(&ws->ctx->alloc, ws->order);
        ws->order_count = 0;
        ws->order =
            pnd_alloc_array(&ws->ctx->alloc, 2 * (size_t)items,
                            sizeof *ws->order);
        if (!ws->order)
            return pnd_fail_memory();
        ws->order_count = items;
    }
    uint32_t *order = ws->order, *lengths = ws->order + items;
    for (uint32_t i = 0; i < items; i++) {
        const uint32_t length = pnd_tower_find_token(run, i) + 1;
        uint32_t at = i;
        for (; at > 0 && lengths[at - 1] > length; at--) {
            lengths[at] = lengths[at - 1];
            order[at] = order[at - 1];
        }
        lengths[at] = length;
        order[at] = i;
    }
    run->order = order;
    return PANDA_OK;
}

void pnd_texts_unsort(uint32_t *order, uint32_t items, size_t dim,
                      float *raw)
{
    for (uint32_t i = 0; i < items; i++) {
        while (order[i] != i) {
            const uint32_t to = order[i];
            for (size_t d = 0; d < dim; d++) {
                const float value = raw[to * dim + d];
                raw[to * dim + d] = raw[i * dim + d];
                raw[i * dim + d] = value;
            }
            order[i] = order[to];
            order[to] = to;
        }
    }
}

uint32_t pnd_texts_count(const uint32_t *lengths, uint32_t first,
                         uint32_t items)
{
    uint32_t count = 1;
    for (; first + count < items; count++) {
        const uint32_t length = lengths[first + count];
        if ((count + 1) * length > PND_GROUP_TOKENS ||
            (count * length > FEW_TOKENS && length > 2 * lengths[first]))
            break;
    }
    return count;
}
