/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/rank_merge.h"

#include <string.h>

#include "base/error.h"
#include "format/utf8.h"

/* Ranks are scores, which are floats: these hold integers up to 2^24. */
#define MERGES_MAX PND_VOCABULARY_MAX

struct merge {
    uint32_t left, right; /* ids of the parts */
    int32_t id;           /* of both together; -1: do not merge */
    uint32_t rank;
};

void pnd_merges_init(struct pnd_merges *m, const struct pnd_allocator *alloc)
{
    *m = (struct pnd_merges){.alloc = alloc};
    pnd_buffer_init(&m->entries, alloc);
}

void pnd_merges_free(struct pnd_merges *m)
{
    pnd_buffer_free(&m->entries);
    pnd_free(m->alloc, m->starts);
    m->starts = NULL;
}

static uint32_t get_count(const struct pnd_merges *m)
{
    return (uint32_t)(m->entries.size / sizeof(struct merge));
}

static struct merge *get_entry(const struct pnd_merges *m, uint32_t i)
{
    return (struct merge *)(void *)m->entries.data + i;
}

static panda_status fail_unknown(const struct pnd_merges *m, const char *text,
                                 size_t length)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "merge %u: \"%s\" is not in the vocabulary", get_count(m),
                    pnd_show(text, length).text);
}

panda_status pnd_merges_add(struct pnd_merges *m,
                            const struct pnd_vocabulary *v,
                            const char *left, size_t left_length,
                            const char *right, size_t right_length)
{
    char both[PND_PIECE_MAX];
    size_t length = left_length + right_length;
    if (get_count(m) >= MERGES_MAX)
        return pnd_fail(PANDA_E_FORMAT, "more than %u merges", MERGES_MAX);
    int32_t first = pnd_vocabulary_find(v, left, left_length);
    if (first < 0)
        return fail_unknown(m, left, left_length);
    int32_t second = pnd_vocabulary_find(v, right, right_length);
    if (second < 0)
        return fail_unknown(m, right, right_length);
    if (length > sizeof both)
        return pnd_fail(PANDA_E_FORMAT,
                        "merge %u makes %zu bytes, at most %zu are a piece",
                        get_count(m), length, sizeof both);
    memcpy(both, left, left_length);
    memcpy(both + left_length, right, right_length);
    int32_t id = pnd_vocabulary_find(v, both, length);
    if (id < 0)
        return fail_unknown(m, both, length);
    const struct merge merge = {(uint32_t)first, (uint32_t)second, id,
                                get_count(m)};
    return pnd_buffer_append(&m->entries, &merge, sizeof merge);
}

panda_status pnd_merges_add_line(struct pnd_merges *m,
                                 const struct pnd_vocabulary *v,
                                 const char *line, size_t length)
{
    const char *space = length > 1 ? memchr(line + 1, ' ', length - 1) : NULL;
    if (!space)
        return pnd_fail(PANDA_E_FORMAT,
                        "merge %u: \"%s\" is not two pieces with a space "
                        "between", get_count(m), pnd_show(line, length).text);
    size_t left = (size_t)(space - line);
    return pnd_merges_add(m, v, line, left, space + 1, length - left - 1);
}

/* Sort by the left or the right id, keeping the order of equal ones, and leave
 * in `starts` [pieces + 1] where each id begins. */
static void sort_by(const struct merge *from, struct merge *to, uint32_t count,
                    bool by_left, uint32_t *starts, uint32_t pieces)
{
    memset(starts, 0, ((size_t)pieces + 1) * sizeof *starts);
    for (uint32_t i = 0; i < count; i++)
        starts[(by_left ? from[i].left : from[i].right) + 1]++;
    for (uint32_t i = 0; i < pieces; i++)
        starts[i + 1] += starts[i];
    for (uint32_t i = 0; i < count; i++)
        to[starts[by_left ? from[i].left : from[i].right]++] = from[i];
    /* Each start has moved to the next one's place. */
    memmove(starts + 1, starts, pieces * sizeof *starts);
    starts[0] = 0;
}

panda_status pnd_merges_index(struct pnd_merges *m,
                              const struct pnd_vocabulary *v)
{
    uint32_t count = get_count(m);
    m->pieces = v->count;
    m->starts = pnd_alloc_array(m->alloc, (size_t)v->count + 1,
                                sizeof *m->starts);
    if (!m->starts)
        return pnd_fail_memory();
    memset(m->starts, 0, ((size_t)v->count + 1) * sizeof *m->starts);
    if (count == 0)
        return PANDA_OK;
    for (uint32_t i = 0; i < count; i++) {
        int32_t *id = &get_entry(m, i)->id;
        if (pnd_vocabulary_get(v, (uint32_t)*id)->flags & PND_PIECE_SPECIAL)
            *id = -1; /* plain text must not become one */
    }
    struct merge *sorted = pnd_alloc_array(m->alloc, count, sizeof *sorted);
    if (!sorted)
        return pnd_fail_memory();
    sort_by(get_entry(m, 0), sorted, count, false, m->starts, v->count);
    sort_by(sorted, get_entry(m, 0), count, true, m->starts, v->count);
    pnd_free(m->alloc, sorted);
    return PANDA_OK;
}

/* Entries by rank; NULL without memory. */
static const struct merge **sort_by_rank(const struct pnd_merges *m)
{
    const uint32_t count = get_count(m);
    const struct merge **sorted =
        pnd_alloc_array(m->alloc, count, sizeof *sorted);
    for (uint32_t i = 0; i < count && sorted; i++)
        sorted[get_entry(m, i)->rank] = get_entry(m, i);
    return sorted;
}

/* "left right" */
static panda_status put_merge(struct pnd_gguf_writer *w,
                              const struct pnd_vocabulary *v,
                              const struct merge *merge)
{
    char line[PND_PIECE_MAX + 1];
    const struct pnd_piece *left = pnd_vocabulary_get(v, merge->left);
    const struct pnd_piece *right = pnd_vocabulary_get(v, merge->right);
    memcpy(line, left->text, left->length);
    line[left->length] = ' ';
    memcpy(line + left->length + 1, right->text, right->length);
    return pnd_gguf_put_item(w, line,
                             (size_t)left->length + right->length + 1);
}

panda_status pnd_merges_write(const struct pnd_merges *m,
                              const struct pnd_vocabulary *v,
                              struct pnd_gguf_writer *w, const char *key)
{
    const uint32_t count = get_count(m);
    panda_status status = pnd_gguf_put_strings(w, key, count);
    if (status < 0 || count == 0)
        return status;
    const struct merge **sorted = sort_by_rank(m);
    if (!sorted)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < count && status == PANDA_OK; i++)
        status = put_merge(w, v, sorted[i]);
    pnd_free(m->alloc, sorted);
    return status;
}

void pnd_merges_read_scores(const struct pnd_merges *m, float *scores)
{
    for (uint32_t i = 0; i < get_count(m); i++) {
        const struct merge *merge = get_entry(m, i);
        const float score = -1 - (float)merge->rank;
        if (merge->id < 0)
            continue;
        if (scores[merge->id] >= 0 || scores[merge->id] < score)
            scores[merge->id] = score;
    }
}

uint64_t pnd_merges_get_heap_bytes(const struct pnd_merges *m)
{
    return m->entries.capacity +
           (m->starts ? ((uint64_t)m->pieces + 1) * sizeof *m->starts : 0);
}

static bool find_pair(struct pnd_merger *merger, const struct pnd_symbol *left,
                      const struct pnd_symbol *right, float *score,
                      int32_t *id)
{
    const struct pnd_merges *m = merger->user;
    if (left->id < 0 || right->id < 0)
        return false;
    uint32_t start = m->starts[left->id], low = start;
    uint32_t high = m->starts[left->id + 1];
    while (low < high) { /* behind the last that is not above */
        uint32_t middle = low + (high - low) / 2;
        if (get_entry(m, middle)->right <= (uint32_t)right->id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == start)
        return false;
    const struct merge *merge = get_entry(m, low - 1);
    if (merge->right != (uint32_t)right->id || merge->id < 0)
        return false;
    *id = merge->id;
    *score = -(float)merge->rank;
    return true;
}

void pnd_merges_start(struct pnd_merger *merger, const struct pnd_merges *m,
                      const struct pnd_allocator *alloc)
{
    /* The merger only reads through this. */
    pnd_merger_init(merger, alloc, find_pair, (void *)(uintptr_t)m);
}

panda_status pnd_merges_run(struct pnd_merger *merger, struct pnd_buffer *ids)
{
    panda_status status = pnd_merger_run(merger);
    const struct pnd_symbol *symbol;
    for (uint32_t i = 0; i < merger->count && status >= 0; i = symbol->next) {
        symbol = pnd_merger_get(merger, i);
        status = pnd_buffer_append(ids, &symbol->id, sizeof symbol->id);
    }
    pnd_merger_clear(merger);
    return status;
}
