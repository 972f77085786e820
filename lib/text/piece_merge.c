/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/piece_merge.h"

#include "base/error.h"
#include "format/utf8.h"

#define NONE UINT32_MAX

/* A stretch of the text. Merging makes the left one longer and the right one
 * empty. */
struct symbol {
    uint32_t offset;
    uint32_t previous, next; /* NONE at the ends */
    uint16_t length;
    uint16_t whole; /* a user-defined piece: never merged */
};

/* A possible merge of `left` and the symbol behind it. It is void once the two
 * no longer have `length` bytes: symbols only grow or vanish, so that the same
 * length means the same two. */
struct pair {
    float score;
    uint32_t left;
    uint32_t length;
};

struct merger {
    const struct pnd_sentencepiece *model;
    const uint8_t *text;
    struct pnd_buffer symbols; /* struct symbol [count] */
    uint32_t count;
    struct pnd_buffer queue; /* struct pair, a heap with the next on top */
    uint16_t *splits; /* by id: bytes of the left part that an UNUSED piece was
                         last made from; NULL when there are none */
    uint64_t steps;
};

static struct symbol *get_symbol(const struct merger *m, uint32_t i)
{
    return (struct symbol *)(void *)m->symbols.data + i;
}

static bool precedes(const struct pair *a, const struct pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void sift_up(struct merger *m, size_t at)
{
    struct pair *queue = (struct pair *)(void *)m->queue.data;
    struct pair pair = queue[at];
    for (; at > 0; at = (at - 1) / 2, m->steps++) {
        const struct pair *parent = &queue[(at - 1) / 2];
        if (!precedes(&pair, parent))
            break;
        queue[at] = *parent;
    }
    queue[at] = pair;
}

static bool pop_pair(struct merger *m, struct pair *out)
{
    struct pair *queue = (struct pair *)(void *)m->queue.data;
    size_t count = m->queue.size / sizeof *queue;
    if (count == 0)
        return false;
    *out = queue[0];
    struct pair last = queue[--count];
    m->queue.size -= sizeof *queue;
    size_t at = 0;
    for (;; m->steps++) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && precedes(&queue[child + 1], &queue[child]))
            child++;
        if (!precedes(&queue[child], &last))
            break;
        queue[at] = queue[child];
        at = child;
    }
    if (count > 0)
        queue[at] = last;
    return true;
}

/* Id of a spelling that text may become, or -1. */
static int32_t find_piece(struct merger *m, uint32_t offset, uint32_t length)
{
    const struct pnd_vocabulary *v = &m->model->vocabulary;
    m->steps++;
    int32_t id = pnd_vocabulary_find(v, m->text + offset, length);
    if (id < 0)
        return -1;
    uint8_t kind = pnd_vocabulary_get(v, (uint32_t)id)->kind;
    bool normal = kind == PND_PIECE_NORMAL || kind == PND_PIECE_UNUSED ||
                  kind == PND_PIECE_USER_DEFINED;
    return normal ? id : -1;
}

/* Queue the merge of a symbol and the one behind it, when it gives a piece. */
static panda_status offer_pair(struct merger *m, uint32_t left)
{
    if (left == NONE || get_symbol(m, left)->next == NONE)
        return PANDA_OK;
    const struct symbol *a = get_symbol(m, left);
    const struct symbol *b = get_symbol(m, a->next);
    if (a->whole || b->whole)
        return PANDA_OK;
    uint32_t length = (uint32_t)a->length + b->length;
    int32_t id = find_piece(m, a->offset, length);
    if (id < 0)
        return PANDA_OK;
    const struct pnd_piece *piece =
        pnd_vocabulary_get(&m->model->vocabulary, (uint32_t)id);
    if (piece->kind == PND_PIECE_UNUSED)
        m->splits[id] = a->length;
    const struct pair pair = {piece->score, left, length};
    panda_status status = pnd_buffer_append(&m->queue, &pair, sizeof pair);
    if (status >= 0)
        sift_up(m, m->queue.size / sizeof pair - 1);
    return status;
}

static panda_status split_text(struct merger *m,
                               const struct pnd_prefixes *user_defined,
                               size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct pnd_piece *piece =
            pnd_prefixes_match(user_defined, m->text + at, size - at);
        size_t length = piece ? piece->length
            : pnd_utf8_measure((const char *)m->text + at, size - at);
        struct symbol symbol = {.offset = (uint32_t)at, .whole = piece != NULL,
                                .length = (uint16_t)length,
                                .previous = m->count - 1,
                                .next = m->count + 1};
        if (length == 0)
            return pnd_fail(PANDA_E_INTERNAL, "text to merge is not UTF-8");
        at += length;
        if (at == size)
            symbol.next = NONE;
        panda_status status = pnd_buffer_append(&m->symbols, &symbol,
                                                sizeof symbol);
        if (status < 0)
            return status;
        m->count++;
    }
    return PANDA_OK;
}

static panda_status merge_pairs(struct merger *m)
{
    panda_status status = PANDA_OK;
    for (uint32_t i = 0; i < m->count && status >= 0; i++)
        status = offer_pair(m, i);
    struct pair pair;
    while (status >= 0 && pop_pair(m, &pair)) {
        struct symbol *left = get_symbol(m, pair.left);
        if (left->length == 0 || left->next == NONE)
            continue;
        struct symbol *right = get_symbol(m, left->next);
        if ((uint32_t)left->length + right->length != pair.length)
            continue;
        left->length = (uint16_t)pair.length;
        left->next = right->next;
        right->length = 0;
        if (left->next != NONE)
            get_symbol(m, left->next)->previous = pair.left;
        status = offer_pair(m, left->previous);
        if (status >= 0)
            status = offer_pair(m, pair.left);
    }
    return status;
}

static panda_status emit_unknown(struct merger *m, const uint8_t *text,
                                 uint32_t length, bool after_unknown,
                                 struct pnd_buffer *ids)
{
    panda_status status = PANDA_OK;
    if (!m->model->byte_fallback) {
        /* Neighbours that are unknown count as one. */
        if (!after_unknown)
            status = pnd_buffer_append(ids, &m->model->unk, sizeof(int32_t));
        return status;
    }
    for (uint32_t i = 0; i < length && status >= 0; i++)
        status = pnd_buffer_append(ids, &m->model->bytes[text[i]],
                                   sizeof(int32_t));
    return status;
}

/* The ids of one symbol. An UNUSED piece becomes the two that it was made from,
 * which may be UNUSED themselves. */
static panda_status emit_symbol(struct merger *m, const struct symbol *symbol,
                                bool *unknown, struct pnd_buffer *ids)
{
    uint16_t stack[PND_PIECE_MAX]; /* lengths; each split is a byte or more */
    uint32_t depth = 0, offset = symbol->offset;
    stack[depth++] = symbol->length;
    panda_status status = PANDA_OK;
    while (depth > 0 && status >= 0) {
        uint16_t length = stack[--depth];
        int32_t id = find_piece(m, offset, length);
        uint16_t split = id >= 0 && m->splits ? m->splits[id] : 0;
        if (split > 0) {
            stack[depth++] = (uint16_t)(length - split);
            stack[depth++] = split;
            continue;
        }
        if (id < 0)
            status = emit_unknown(m, m->text + offset, length, *unknown, ids);
        else
            status = pnd_buffer_append(ids, &id, sizeof id);
        *unknown = id < 0;
        offset += length;
    }
    return status;
}

panda_status pnd_merge_encode(const struct pnd_sentencepiece *model,
                              const struct pnd_prefixes *user_defined,
                              const uint8_t *text, size_t size,
                              struct pnd_buffer *ids, uint64_t *steps)
{
    const struct pnd_vocabulary *v = &model->vocabulary;
    struct merger m = {.model = model, .text = text};
    panda_status status = PANDA_OK;
    if (size == 0)
        return PANDA_OK;
    if (size >= PND_MERGE_MAX)
        return pnd_fail(PANDA_E_ARGUMENT, "a text of %zu bytes", size);
    pnd_buffer_init(&m.symbols, ids->alloc);
    pnd_buffer_init(&m.queue, ids->alloc);
    if (v->unused > 0) {
        m.splits = pnd_alloc_zero(ids->alloc, v->count * sizeof *m.splits);
        if (!m.splits)
            PND_TRY(pnd_fail_memory());
    }
    PND_TRY(split_text(&m, user_defined, size));
    PND_TRY(merge_pairs(&m));
    bool unknown = false;
    for (uint32_t i = 0; i != NONE; i = get_symbol(&m, i)->next)
        PND_TRY(emit_symbol(&m, get_symbol(&m, i), &unknown, ids));
out:
    if (steps)
        *steps += m.steps;
    pnd_free(ids->alloc, m.splits);
    pnd_buffer_free(&m.symbols);
    pnd_buffer_free(&m.queue);
    return status;
}
