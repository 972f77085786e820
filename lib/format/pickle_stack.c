/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pickle_stack.h"

#include <string.h>

#include "base/error.h"

static panda_status fail(const struct pnd_pickle_machine *m, const char *what)
{
    return pnd_pickle_fail(&m->calls, what);
}

/* Room for `wanted` values. The outgrown arrays stay in the arena; doubling
 * keeps them below the size of the last. */
static panda_status reserve(struct pnd_pickle_machine *m,
                            struct pnd_pickle_items *items, size_t wanted)
{
    if (wanted <= items->capacity)
        return PANDA_OK;
    size_t capacity = items->capacity < 8 ? 8 : items->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    struct pnd_pickle_value *values =
        pnd_arena_alloc_array(m->calls.arena, capacity, sizeof *values);
    if (!values)
        return pnd_fail_memory();
    if (items->count)
        memcpy(values, items->values, items->count * sizeof *values);
    items->values = values;
    items->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_pickle_push(struct pnd_pickle_machine *m,
                             struct pnd_pickle_value value)
{
    panda_status status = reserve(m, &m->stack, m->stack.count + 1);
    if (status == PANDA_OK)
        m->stack.values[m->stack.count++] = value;
    return status;
}

panda_status pnd_pickle_push_integer(struct pnd_pickle_machine *m,
                                     enum pnd_pickle_kind kind, int64_t integer)
{
    return pnd_pickle_push(
        m, (struct pnd_pickle_value){kind, {.integer = integer}});
}

/* The topmost value that is no mark; NULL when there is none. */
struct pnd_pickle_value *pnd_pickle_get_top(const struct pnd_pickle_machine *m)
{
    if (m->stack.count == 0)
        return NULL;
    struct pnd_pickle_value *v = &m->stack.values[m->stack.count - 1];
    return v->kind == PND_PICKLE_MARK ? NULL : v;
}

/* `count` values on the stack, none of them a mark. */
struct pnd_pickle_value *pnd_pickle_get_top_values(
    const struct pnd_pickle_machine *m, size_t count)
{
    if (m->stack.count < count)
        return NULL;
    struct pnd_pickle_value *v = m->stack.values + m->stack.count - count;
    for (size_t i = 0; i < count; i++) {
        if (v[i].kind == PND_PICKLE_MARK)
            return NULL;
    }
    return v;
}

/* The values above the last mark. */
bool pnd_pickle_find_mark(const struct pnd_pickle_machine *m, size_t *first)
{
    for (size_t i = m->stack.count; i-- > 0;) {
        if (m->stack.values[i].kind == PND_PICKLE_MARK) {
            *first = i + 1;
            return true;
        }
    }
    return false;
}

panda_status pnd_pickle_push_items(struct pnd_pickle_machine *m,
                                   enum pnd_pickle_kind kind,
                                   const struct pnd_pickle_value *values,
                                   size_t count)
{
    struct pnd_pickle_items *items =
        pnd_arena_alloc(m->calls.arena, sizeof *items);
    if (!items)
        return pnd_fail_memory();
    *items = (struct pnd_pickle_items){0};
    panda_status status = reserve(m, items, count);
    if (status < 0)
        return status;
    if (count && values)
        memcpy(items->values, values, count * sizeof *values);
    items->count = count;
    return pnd_pickle_push(m,
                           (struct pnd_pickle_value){kind, {.items = items}});
}

/* Replaces the top `count` values by a tuple of them. */
panda_status pnd_pickle_make_tuple(struct pnd_pickle_machine *m, size_t count)
{
    struct pnd_pickle_value *values = pnd_pickle_get_top_values(m, count);
    if (!values)
        return fail(m, "a tuple lacks values");
    struct pnd_pickle_value kept[3];
    memcpy(kept, values, count * sizeof *kept);
    m->stack.count -= count;
    return pnd_pickle_push_items(m, PND_PICKLE_TUPLE, kept, count);
}

/* Replaces mark and values by a tuple, list or dictionary of them. */
panda_status pnd_pickle_make_from_mark(struct pnd_pickle_machine *m,
                                       enum pnd_pickle_kind kind)
{
    size_t first;
    if (!pnd_pickle_find_mark(m, &first))
        return fail(m, "there is no mark");
    size_t count = m->stack.count - first;
    if (kind == PND_PICKLE_DICT && count % 2)
        return fail(m, "a key has no value");
    m->stack.count = first - 1;
    /* The values stay where they are until the push, which comes after the
     * copy. */
    return pnd_pickle_push_items(m, kind, m->stack.values + first, count);
}

/* Moves the top values from `first` on into the list or dictionary under them
 * (under the mark, when there is one). */
static panda_status append_from(struct pnd_pickle_machine *m, size_t first,
                                bool marked, enum pnd_pickle_kind kind)
{
    size_t count = m->stack.count - first, under = first - marked;
    struct pnd_pickle_value *target =
        under > 0 ? &m->stack.values[under - 1] : NULL;
    if (!target || target->kind != kind)
        return fail(m, kind == PND_PICKLE_DICT ? "there is no dictionary to "
                                                 "put items into"
                                               : "there is no list to append "
                                                 "to");
    if (kind == PND_PICKLE_DICT && count % 2)
        return fail(m, "a key has no value");
    struct pnd_pickle_items *items = target->items;
    panda_status status = reserve(m, items, items->count + count);
    if (status < 0)
        return status;
    if (count)
        memcpy(items->values + items->count, m->stack.values + first,
               count * sizeof *items->values);
    items->count += count;
    m->stack.count = under;
    return PANDA_OK;
}

panda_status pnd_pickle_append_marked(struct pnd_pickle_machine *m,
                                      enum pnd_pickle_kind kind)
{
    size_t first;
    if (!pnd_pickle_find_mark(m, &first))
        return fail(m, "there is no mark");
    return append_from(m, first, true, kind);
}

panda_status pnd_pickle_append_top(struct pnd_pickle_machine *m, size_t count,
                                   enum pnd_pickle_kind kind)
{
    if (!pnd_pickle_get_top_values(m, count + 1))
        return fail(m, "a value is missing");
    return append_from(m, m->stack.count - count, false, kind);
}

panda_status pnd_pickle_put_memo(struct pnd_pickle_machine *m, uint64_t index)
{
    struct pnd_pickle_value *value = pnd_pickle_get_top(m);
    /* Python numbers the memo upwards, one for each put. */
    if (!value || index >= m->size)
        return fail(m, "a memo entry cannot be stored");
    panda_status status = reserve(m, &m->memo, (size_t)index + 1);
    if (status < 0)
        return status;
    while (m->memo.count <= index)
        m->memo.values[m->memo.count++].kind = PND_PICKLE_MARK;
    m->memo.values[index] = *value;
    return PANDA_OK;
}

panda_status pnd_pickle_get_memo(struct pnd_pickle_machine *m, uint64_t index)
{
    if (index >= m->memo.count || m->memo.values[index].kind == PND_PICKLE_MARK)
        return fail(m, "a memo entry that was never stored is asked for");
    return pnd_pickle_push(m, m->memo.values[index]);
}
