/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/vocabulary.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "format/sort.h"
#include "format/utf8.h"

#define TEXT_MAX (UINT32_MAX - PND_PIECE_MAX) /* bytes of all spellings */

bool pnd_text_is_utf8(const void *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t length = pnd_utf8_measure((const char *)text + i, size - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

void pnd_vocabulary_init(struct pnd_vocabulary *v,
                         const struct pnd_allocator *alloc)
{
    *v = (struct pnd_vocabulary){.alloc = alloc, .unk = -1, .bos = -1,
                                 .eos = -1};
    pnd_buffer_init(&v->pieces, alloc);
    pnd_buffer_init(&v->text, alloc);
}

void pnd_vocabulary_free(struct pnd_vocabulary *v)
{
    pnd_free(v->alloc, v->sorted);
    pnd_free(v->alloc, v->starts);
    pnd_buffer_free(&v->pieces);
    pnd_buffer_free(&v->text);
    v->sorted = NULL;
    v->starts = NULL;
    v->count = 0;
}

/* FNV-1a, with a last step that brings the low bits up: the first bits of the
 * hash choose the bucket. */
static uint32_t hash_bytes(const uint8_t *text, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ text[i]) * 16777619u;
    return (hash ^ hash >> 15) * 2654435769u;
}

panda_status pnd_vocabulary_add(struct pnd_vocabulary *v, const void *text,
                                size_t length, float score,
                                enum pnd_piece_kind kind)
{
    if (v->count >= PND_VOCABULARY_MAX || v->text.size > TEXT_MAX)
        return pnd_fail(PANDA_E_FORMAT,
                        "more than %u pieces or %u bytes of them",
                        PND_VOCABULARY_MAX, TEXT_MAX);
    if (length == 0 || length > PND_PIECE_MAX)
        return pnd_fail(PANDA_E_FORMAT,
                        "piece %u has %zu bytes, expected 1..%d", v->count,
                        length, PND_PIECE_MAX);
    if (!pnd_text_is_utf8(text, length))
        return pnd_fail(PANDA_E_FORMAT, "piece %u is not UTF-8", v->count);
    if (!isfinite(score))
        return pnd_fail(PANDA_E_FORMAT, "the score of piece %u is not finite",
                        v->count);
    const struct pnd_piece piece = {
        .hash = hash_bytes(text, length),
        .score = score,
        .length = (uint16_t)length,
        .kind = (uint8_t)kind,
    };
    panda_status status = pnd_buffer_reserve(&v->pieces, sizeof piece);
    if (status >= 0)
        status = pnd_buffer_append(&v->text, text, length);
    if (status >= 0)
        status = pnd_buffer_append(&v->pieces, &piece, sizeof piece);
    if (status < 0)
        return status;
    v->count++;
    v->unused += kind == PND_PIECE_UNUSED;
    if (length > v->longest)
        v->longest = (uint32_t)length;
    return PANDA_OK;
}

static int compare_bytes(const uint8_t *a, size_t a_length, const uint8_t *b,
                         size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

static int compare_spelling(const void *a, const void *b)
{
    const struct pnd_piece *x = a, *y = b;
    return compare_bytes(x->text, x->length, y->text, y->length);
}

static int compare_hash(const void *a, const void *b)
{
    const struct pnd_piece *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return compare_spelling(a, b);
}

static uint32_t get_bucket(const struct pnd_vocabulary *v, uint32_t hash)
{
    return v->bits ? hash >> (32 - v->bits) : 0;
}

static panda_status fail_duplicate(const struct pnd_piece *piece)
{
    return pnd_fail(PANDA_E_FORMAT, "two pieces are \"%s\"",
                    pnd_show((const char *)piece->text, piece->length).text);
}

panda_status pnd_vocabulary_index(struct pnd_vocabulary *v)
{
    pnd_free(v->alloc, v->sorted);
    pnd_free(v->alloc, v->starts);
    v->bits = 0;
    while (1u << v->bits < v->count)
        v->bits++;
    uint32_t buckets = 1u << v->bits;
    v->sorted = pnd_alloc_array(v->alloc, v->count, sizeof *v->sorted);
    v->starts = pnd_alloc_array(v->alloc, buckets + 1, sizeof *v->starts);
    if (!v->sorted || !v->starts)
        return pnd_fail_memory();
    const uint8_t *text = v->text.data;
    for (uint32_t i = 0; i < v->count; i++) {
        struct pnd_piece *piece = pnd_vocabulary_get(v, i);
        piece->text = text;
        text += piece->length;
        v->sorted[i] = piece;
    }
    pnd_sort(v->sorted, v->count, compare_hash);
    const struct pnd_piece *twice =
        pnd_sort_find_equal(v->sorted, v->count, compare_hash);
    if (twice)
        return fail_duplicate(twice);
    uint32_t bucket = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        const struct pnd_piece *piece = v->sorted[i];
        while (bucket <= get_bucket(v, piece->hash))
            v->starts[bucket++] = i;
    }
    while (bucket <= buckets)
        v->starts[bucket++] = v->count;
    return PANDA_OK;
}

int32_t pnd_vocabulary_find(const struct pnd_vocabulary *v, const void *text,
                            size_t length)
{
    if (length == 0 || length > v->longest)
        return -1;
    const struct pnd_piece key = {.text = text, .length = (uint16_t)length,
                                  .hash = hash_bytes(text, length)};
    uint32_t bucket = get_bucket(v, key.hash);
    uint32_t low = v->starts[bucket], high = v->starts[bucket + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_hash(&key, v->sorted[middle]);
        if (order == 0)
            return pnd_vocabulary_get_id(v, v->sorted[middle]);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

uint64_t pnd_vocabulary_get_heap_bytes(const struct pnd_vocabulary *v)
{
    return (uint64_t)v->pieces.capacity + v->text.capacity +
           v->count * sizeof *v->sorted +
           ((1u << v->bits) + 1) * sizeof *v->starts;
}

static bool is_wanted(const struct pnd_piece *piece, uint32_t kind,
                      uint32_t flags)
{
    return (kind == 0 || piece->kind == kind) &&
           (piece->flags & flags) == flags;
}

panda_status pnd_prefixes_build(struct pnd_prefixes *p,
                                const struct pnd_vocabulary *v,
                                uint32_t kind, uint32_t flags)
{
    *p = (struct pnd_prefixes){0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < v->count; i++)
        count += is_wanted(pnd_vocabulary_get(v, i), kind, flags);
    if (count == 0)
        return PANDA_OK;
    p->pieces = pnd_alloc_array(v->alloc, count, sizeof *p->pieces);
    if (!p->pieces)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < v->count; i++) {
        if (is_wanted(pnd_vocabulary_get(v, i), kind, flags))
            p->pieces[p->count++] = pnd_vocabulary_get(v, i);
    }
    pnd_sort(p->pieces, p->count, compare_spelling);
    return PANDA_OK;
}

void pnd_prefixes_free(struct pnd_prefixes *p,
                       const struct pnd_allocator *alloc)
{
    pnd_free(alloc, p->pieces);
    *p = (struct pnd_prefixes){0};
}

/* First of pieces[low..high) whose byte `at` is not below `byte`; all of them
 * are longer than `at`. */
static size_t find_bound(const struct pnd_prefixes *p, size_t low, size_t high,
                         size_t at, uint32_t byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct pnd_piece *piece = p->pieces[middle];
        if (piece->text[at] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct pnd_piece *pnd_prefixes_match(const struct pnd_prefixes *p,
                                           const uint8_t *text, size_t size)
{
    const struct pnd_piece *best = NULL;
    size_t low = 0, high = p->count;
    for (size_t at = 0; low < high; at++) {
        /* pieces[low..high) begin with the first `at` bytes of the text. The
         * one that has no more comes first. */
        const struct pnd_piece *first = p->pieces[low];
        if (first->length == at) {
            best = first;
            low++;
        }
        if (at == size)
            break;
        low = find_bound(p, low, high, at, text[at]);
        high = find_bound(p, low, high, at, text[at] + 1u);
    }
    return best;
}
