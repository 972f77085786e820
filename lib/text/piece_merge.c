/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/piece_merge.h"

#include "base/error.h"
#include "format/utf8.h"
#include "text/merge_queue.h"

struct merger {
    struct pnd_merger queue;
    const struct pnd_sentencepiece *model;
    const uint8_t *text;
    uint16_t *splits; /* by id: bytes of the left part that an UNUSED piece was
                         last made from; NULL when there are none */
};

/* Id of a spelling that text may become, or -1. */
static int32_t find_piece(const struct merger *m, uint32_t offset,
                          uint32_t length)
{
    const struct pnd_vocabulary *v = &m->model->vocabulary;
    int32_t id = pnd_vocabulary_find(v, m->text + offset, length);
    if (id < 0)
        return -1;
    uint8_t kind = pnd_vocabulary_get(v, (uint32_t)id)->kind;
    bool normal = kind == PND_PIECE_NORMAL || kind == PND_PIECE_UNUSED ||
                  kind == PND_PIECE_USER_DEFINED;
    return normal ? id : -1;
}

/* Two symbols merge when their union is a piece. */
static bool find_pair(struct pnd_merger *queue, const struct pnd_symbol *left,
                      const struct pnd_symbol *right, float *score,
                      int32_t *id)
{
    struct merger *m = queue->user;
    *id = find_piece(m, left->offset, left->length + right->length);
    if (*id < 0)
        return false;
    const struct pnd_piece *piece =
        pnd_vocabulary_get(&m->model->vocabulary, (uint32_t)*id);
    if (piece->kind == PND_PIECE_UNUSED)
        m->splits[*id] = (uint16_t)left->length;
    *score = piece->score;
    return true;
}

static panda_status split_text(struct merger *m,
                               const struct pnd_prefixes *user_defined,
                               size_t size)
{
    panda_status status = PANDA_OK;
    for (size_t at = 0; at < size && status >= 0;) {
        const struct pnd_piece *piece =
            pnd_prefixes_match(user_defined, m->text + at, size - at);
        size_t length = piece ? piece->length
            : pnd_utf8_measure((const char *)m->text + at, size - at);
        if (length == 0)
            return pnd_fail(PANDA_E_INTERNAL, "text to merge is not UTF-8");
        at += length;
        status = pnd_merger_add(&m->queue, (uint32_t)length, -1,
                                piece != NULL);
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
            status = pnd_buffer_append(ids, &m->model->vocabulary.unk,
                                       sizeof(int32_t));
        return status;
    }
    for (uint32_t i = 0; i < length && status >= 0; i++)
        status = pnd_buffer_append(ids, &m->model->bytes[text[i]],
                                   sizeof(int32_t));
    return status;
}

/* The ids of one symbol. An UNUSED piece becomes the two that it was made from,
 * which may be UNUSED themselves. */
static panda_status emit_symbol(struct merger *m,
                                const struct pnd_symbol *symbol, bool *unknown,
                                struct pnd_buffer *ids)
{
    uint16_t stack[PND_PIECE_MAX]; /* lengths; each split is a byte or more */
    uint32_t depth = 0, offset = symbol->offset;
    stack[depth++] = (uint16_t)symbol->length;
    panda_status status = PANDA_OK;
    while (depth > 0 && status >= 0) {
        uint16_t length = stack[--depth];
        m->queue.steps++;
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
    pnd_merger_init(&m.queue, ids->alloc, find_pair, &m);
    if (v->unused > 0) {
        m.splits = pnd_alloc_zero(ids->alloc, v->count * sizeof *m.splits);
        if (!m.splits)
            PND_TRY(pnd_fail_memory());
    }
    PND_TRY(split_text(&m, user_defined, size));
    PND_TRY(pnd_merger_run(&m.queue));
    bool unknown = false;
    const struct pnd_symbol *symbol;
    for (uint32_t i = 0; i != PND_MERGE_NONE; i = symbol->next) {
        symbol = pnd_merger_get(&m.queue, i);
        PND_TRY(emit_symbol(&m, symbol, &unknown, ids));
    }
out:
    if (steps)
        *steps += m.queue.steps;
    pnd_free(ids->alloc, m.splits);
    pnd_merger_free(&m.queue);
    return status;
}
