/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/merge_queue.h"

#include <string.h>

#define NONE PND_MERGE_NONE
#define HEAP 4 /* children: fewer levels, side by side in memory */

void pnd_merger_init(struct pnd_merger *m, const struct pnd_allocator *alloc,
                     pnd_merge_find_fn find, void *user)
{
    *m = (struct pnd_merger){.find = find, .user = user};
    pnd_buffer_init(&m->symbols, alloc);
    pnd_buffer_init(&m->queue, alloc);
}

void pnd_merger_free(struct pnd_merger *m)
{
    pnd_buffer_free(&m->symbols);
    pnd_buffer_free(&m->queue);
}

void pnd_merger_clear(struct pnd_merger *m)
{
    m->symbols.size = m->queue.size = 0;
    m->count = 0;
}

panda_status pnd_merger_add(struct pnd_merger *m, uint32_t length, int32_t id,
                            bool whole)
{
    struct pnd_symbol symbol = {.previous = m->count - 1, .next = NONE,
                                .length = length, .id = id, .whole = whole};
    if (m->count > 0) {
        const struct pnd_symbol *last = pnd_merger_get(m, m->count - 1);
        symbol.offset = last->offset + last->length;
    }
    panda_status status = pnd_buffer_append(&m->symbols, &symbol,
                                            sizeof symbol);
    if (status < 0)
        return status;
    if (m->count > 0)
        pnd_merger_get(m, m->count - 1)->next = m->count;
    m->count++;
    return PANDA_OK;
}

/* Numbers in the order of the scores, the highest first. */
static uint64_t get_key(float score, uint32_t left)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    uint32_t order = bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
    return (uint64_t)order << 32 | left;
}

static void sift_up(struct pnd_merger *m, size_t at)
{
    struct pnd_pair *queue = (struct pnd_pair *)(void *)m->queue.data;
    struct pnd_pair pair = queue[at];
    for (; at > 0; at = (at - 1) / HEAP, m->steps++) {
        const struct pnd_pair *parent = &queue[(at - 1) / HEAP];
        if (parent->key <= pair.key)
            break;
        queue[at] = *parent;
    }
    queue[at] = pair;
}

static bool pop_pair(struct pnd_merger *m, struct pnd_pair *out)
{
    struct pnd_pair *queue = (struct pnd_pair *)(void *)m->queue.data;
    size_t count = m->queue.size / sizeof *queue;
    if (count == 0)
        return false;
    *out = queue[0];
    struct pnd_pair last = queue[--count];
    m->queue.size -= sizeof *queue;
    size_t at = 0;
    for (;; m->steps++) {
        size_t child = HEAP * at + 1;
        if (child >= count)
            break;
        size_t end = child + HEAP < count ? child + HEAP : count;
        size_t least = child;
        for (size_t i = child + 1; i < end; i++)
            least = queue[i].key < queue[least].key ? i : least;
        if (queue[least].key >= last.key)
            break;
        queue[at] = queue[least];
        at = least;
    }
    if (count > 0)
        queue[at] = last;
    return true;
}

/* Queue the merge of a symbol and the one behind it, when they do merge. */
static panda_status offer_pair(struct pnd_merger *m, uint32_t left)
{
    if (left == NONE || pnd_merger_get(m, left)->next == NONE)
        return PANDA_OK;
    const struct pnd_symbol *a = pnd_merger_get(m, left);
    const struct pnd_symbol *b = pnd_merger_get(m, a->next);
    float score;
    int32_t id;
    m->steps++;
    if (a->whole || b->whole || !m->find(m, a, b, &score, &id))
        return PANDA_OK;
    const struct pnd_pair pair = {get_key(score, left), a->length + b->length,
                                  id};
    panda_status status = pnd_buffer_append(&m->queue, &pair, sizeof pair);
    if (status >= 0)
        sift_up(m, m->queue.size / sizeof pair - 1);
    return status;
}

panda_status pnd_merger_run(struct pnd_merger *m)
{
    panda_status status = PANDA_OK;
    for (uint32_t i = 0; i < m->count && status >= 0; i++)
        status = offer_pair(m, i);
    struct pnd_pair pair;
    while (status >= 0 && pop_pair(m, &pair)) {
        struct pnd_symbol *left = pnd_merger_get(m, (uint32_t)pair.key);
        if (left->length == 0 || left->next == NONE)
            continue;
        struct pnd_symbol *right = pnd_merger_get(m, left->next);
        if (left->length + right->length != pair.length)
            continue;
        left->length = pair.length;
        left->id = pair.id;
        left->next = right->next;
        right->length = 0;
        if (left->next != NONE)
            pnd_merger_get(m, left->next)->previous = (uint32_t)pair.key;
        status = offer_pair(m, left->previous);
        if (status >= 0)
            status = offer_pair(m, (uint32_t)pair.key);
    }
    return status;
}
