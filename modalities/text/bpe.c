/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/bpe.h"

#include "modalities/text/ustring.h"

#define NONE UINT32_MAX
#define CHECK_EVERY 65536 /* merges between questions for cancel */

/* A token of the word; the tokens are a list. */
struct pnd_clip_node {
    uint32_t id;
    uint32_t previous, next; /* nodes, or NONE */
};

void pnd_clip_encoder_init(struct pnd_clip_encoder *e,
                           const panda_frontend_host *host,
                           const struct pnd_clip_vocab *vocab, int32_t *ids,
                           uint32_t limit)
{
    *e = (struct pnd_clip_encoder){
        .host = host, .vocab = vocab, .ids = ids, .limit = limit};
}

void pnd_clip_encoder_free(struct pnd_clip_encoder *e)
{
    e->host->free(e->host, e->nodes);
    e->host->free(e->host, e->heap);
    e->nodes = NULL;
    e->heap = NULL;
    e->capacity = 0;
}

void pnd_clip_encoder_push(struct pnd_clip_encoder *e, int32_t id)
{
    if (e->count < e->limit)
        e->ids[e->count++] = id;
}

/* The heap holds at most one entry for each pair of neighbours of the word, and
 * one more for each merge (which takes one out and puts two in): 2 n. */
static panda_status reserve(struct pnd_clip_encoder *e, size_t nodes)
{
    if (nodes <= e->capacity)
        return PANDA_OK;
    size_t capacity = nodes < 256 ? 256 : nodes;
    pnd_clip_encoder_free(e);
    e->nodes = pnd_host_alloc(e->host, capacity, sizeof *e->nodes);
    e->heap = pnd_host_alloc(e->host, capacity, 2 * sizeof *e->heap);
    if (!e->nodes || !e->heap)
        return pnd_host_fail_memory(e->host);
    e->capacity = capacity;
    return PANDA_OK;
}

/* Heap entries: rank, then position, so that of equal pairs the first in the
 * word comes first. */
static void heap_push(uint64_t *heap, size_t *size, uint64_t entry)
{
    size_t i = (*size)++;
    while (i > 0 && heap[(i - 1) / 2] > entry) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = entry;
}

static uint64_t heap_pop(uint64_t *heap, size_t *size)
{
    uint64_t top = heap[0];
    uint64_t last = heap[--*size];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= *size)
            break;
        if (child + 1 < *size && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* The token that a node and its successor make; 0: none. */
static uint32_t find_merge(const struct pnd_clip_encoder *e, uint32_t node)
{
    const struct pnd_clip_node *n = &e->nodes[node];
    if (n->next == NONE)
        return 0;
    return pnd_clip_vocab_find(e->vocab, n->id, e->nodes[n->next].id);
}

static void push_merge(const struct pnd_clip_encoder *e, size_t *size,
                       uint32_t node)
{
    uint32_t made = find_merge(e, node);
    if (made)
        heap_push(e->heap, size, (uint64_t)made << 32 | node);
}

/* Put the word's bytes into the list. */
static panda_status set_nodes(struct pnd_clip_encoder *e,
                              const struct pnd_word *word, uint32_t *count)
{
    uint8_t bytes[4];
    size_t size = 0;
    for (size_t i = 0; i < word->size; i++)
        size += pnd_ustring_put_utf8(bytes, word->text[i]);
    if (size >= NONE)
        return pnd_host_fail_memory(e->host);
    panda_status status = reserve(e, size);
    if (status < 0)
        return status;
    uint32_t n = 0;
    for (size_t i = 0; i < word->size; i++) {
        size_t length = pnd_ustring_put_utf8(bytes, word->text[i]);
        for (size_t k = 0; k < length; k++, n++) {
            e->nodes[n] = (struct pnd_clip_node){
                .id = e->vocab->bytes[bytes[k]],
                .previous = n - 1, /* NONE for the first */
                .next = n + 1};
        }
    }
    e->nodes[n - 1].id += PND_CLIP_BYTES;
    e->nodes[n - 1].next = NONE;
    *count = n;
    return PANDA_OK;
}

/* Merge the pair of lowest rank, the first of its kind, until there is none.
 * Since a token is made by one merge only, and by a later one than its parts,
 * this gives what the reference's pass over the word for each rank gives. */
static panda_status merge(struct pnd_clip_encoder *e, uint32_t count)
{
    size_t size = 0, merges = 0;
    for (uint32_t i = 0; i < count; i++)
        push_merge(e, &size, i);
    while (size > 0) {
        uint64_t entry = heap_pop(e->heap, &size);
        uint32_t at = (uint32_t)entry, made = (uint32_t)(entry >> 32);
        struct pnd_clip_node *node = &e->nodes[at];
        /* The pair may be gone. A dead node has no successor. */
        if (find_merge(e, at) != made)
            continue;
        struct pnd_clip_node *gone = &e->nodes[node->next];
        node->id = made;
        node->next = gone->next;
        gone->next = NONE;
        if (node->next != NONE)
            e->nodes[node->next].previous = at;
        push_merge(e, &size, at);
        if (node->previous != NONE)
            push_merge(e, &size, node->previous);
        if (++merges % CHECK_EVERY == 0) {
            panda_status status = pnd_host_check_cancel(e->host);
            if (status < 0)
                return status;
        }
    }
    return PANDA_OK;
}

panda_status pnd_clip_encoder_push_word(struct pnd_clip_encoder *e,
                                        const struct pnd_word *word)
{
    uint32_t count = 0;
    panda_status status = PANDA_OK;
    if (word->size == 0 || e->count == e->limit)
        return PANDA_OK;
    if (word->kind != PND_WORD_PLAIN) {
        pnd_clip_encoder_push(e, word->kind == PND_WORD_START ? PND_CLIP_START
                                                              : PND_CLIP_END);
        return PANDA_OK;
    }
    status = set_nodes(e, word, &count);
    if (status == PANDA_OK)
        status = merge(e, count);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i != NONE; i = e->nodes[i].next)
        pnd_clip_encoder_push(e, (int32_t)e->nodes[i].id);
    return PANDA_OK;
}
