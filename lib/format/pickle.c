/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pickle.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/pickle_calls.h"

struct machine {
    struct pnd_pickle_calls calls; /* arena, path and position for them */
    const uint8_t *data;           /* size bytes */
    size_t size;
    size_t at;
    struct pnd_pickle_items stack;
    struct pnd_pickle_items memo; /* unset ones are marks */
};

static panda_status fail(const struct machine *m, const char *what)
{
    return pnd_pickle_fail(&m->calls, what);
}

/* Room for `wanted` values. The outgrown arrays stay in the arena; doubling
 * keeps them below the size of the last. */
static panda_status reserve(struct machine *m, struct pnd_pickle_items *items,
                            size_t wanted)
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

static panda_status push(struct machine *m, struct pnd_pickle_value value)
{
    panda_status status = reserve(m, &m->stack, m->stack.count + 1);
    if (status == PANDA_OK)
        m->stack.values[m->stack.count++] = value;
    return status;
}

static panda_status push_integer(struct machine *m, enum pnd_pickle_kind kind,
                                 int64_t integer)
{
    return push(m, (struct pnd_pickle_value){kind, {.integer = integer}});
}

/* The topmost value that is no mark; NULL when there is none. */
static struct pnd_pickle_value *top(const struct machine *m)
{
    if (m->stack.count == 0)
        return NULL;
    struct pnd_pickle_value *v = &m->stack.values[m->stack.count - 1];
    return v->kind == PND_PICKLE_MARK ? NULL : v;
}

/* `count` values on the stack, none of them a mark. */
static struct pnd_pickle_value *top_values(const struct machine *m,
                                           size_t count)
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
static bool find_mark(const struct machine *m, size_t *first)
{
    for (size_t i = m->stack.count; i-- > 0;) {
        if (m->stack.values[i].kind == PND_PICKLE_MARK) {
            *first = i + 1;
            return true;
        }
    }
    return false;
}

static panda_status push_items(struct machine *m, enum pnd_pickle_kind kind,
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
    return push(m, (struct pnd_pickle_value){kind, {.items = items}});
}

/* Replaces the top `count` values by a tuple of them. */
static panda_status make_tuple(struct machine *m, size_t count)
{
    struct pnd_pickle_value *values = top_values(m, count);
    if (!values)
        return fail(m, "a tuple lacks values");
    struct pnd_pickle_value kept[3];
    memcpy(kept, values, count * sizeof *kept);
    m->stack.count -= count;
    return push_items(m, PND_PICKLE_TUPLE, kept, count);
}

/* Replaces mark and values by a tuple, list or dictionary of them. */
static panda_status make_from_mark(struct machine *m, enum pnd_pickle_kind kind)
{
    size_t first;
    if (!find_mark(m, &first))
        return fail(m, "there is no mark");
    size_t count = m->stack.count - first;
    if (kind == PND_PICKLE_DICT && count % 2)
        return fail(m, "a key has no value");
    m->stack.count = first - 1;
    /* The values stay where they are until the push, which comes after the
     * copy. */
    return push_items(m, kind, m->stack.values + first, count);
}

/* Moves the top values from `first` on into the list or dictionary under them
 * (under the mark, when there is one). */
static panda_status append_from(struct machine *m, size_t first, bool marked,
                                enum pnd_pickle_kind kind)
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

static panda_status append_marked(struct machine *m, enum pnd_pickle_kind kind)
{
    size_t first;
    if (!find_mark(m, &first))
        return fail(m, "there is no mark");
    return append_from(m, first, true, kind);
}

static panda_status append_top(struct machine *m, size_t count,
                               enum pnd_pickle_kind kind)
{
    if (!top_values(m, count + 1))
        return fail(m, "a value is missing");
    return append_from(m, m->stack.count - count, false, kind);
}

static panda_status memo_put(struct machine *m, uint64_t index)
{
    struct pnd_pickle_value *value = top(m);
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

static panda_status memo_get(struct machine *m, uint64_t index)
{
    if (index >= m->memo.count || m->memo.values[index].kind == PND_PICKLE_MARK)
        return fail(m, "a memo entry that was never stored is asked for");
    return push(m, m->memo.values[index]);
}

/* `count` bytes of argument; NULL when the pickle ends before. */
static const uint8_t *take(struct machine *m, uint64_t count)
{
    if (count > m->size - m->at)
        return NULL;
    const uint8_t *p = m->data + m->at;
    m->at += (size_t)count;
    return p;
}

static panda_status fail_end(const struct machine *m)
{
    return fail(m, "the pickle is cut off");
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct machine *m, size_t bytes, uint64_t *out)
{
    const uint8_t *p = take(m, bytes);
    if (!p)
        return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)p[i] << 8 * i;
    return true;
}

static panda_status new_string(struct machine *m, const uint8_t *bytes,
                               size_t length,
                               const struct pnd_pickle_string **out)
{
    struct pnd_pickle_string *s = pnd_arena_alloc(m->calls.arena, sizeof *s);
    if (!s)
        return pnd_fail_memory();
    *s = (struct pnd_pickle_string){(const char *)bytes, length};
    *out = s;
    return PANDA_OK;
}

/* A string whose length is written in `bytes` bytes. */
static panda_status push_string(struct machine *m, size_t bytes)
{
    uint64_t length;
    const uint8_t *p = take_number(m, bytes, &length) ? take(m, length) : NULL;
    if (!p)
        return fail_end(m);
    struct pnd_pickle_value value = {.kind = PND_PICKLE_STRING};
    panda_status status = new_string(m, p, (size_t)length, &value.string);
    return status < 0 ? status : push(m, value);
}

static panda_status push_opaque(struct machine *m, size_t length_bytes,
                                uint64_t length)
{
    if ((length_bytes && !take_number(m, length_bytes, &length)) ||
        !take(m, length))
        return fail_end(m);
    return push_integer(m, PND_PICKLE_OPAQUE, 0);
}

/* A two's complement number whose length is written in `bytes` bytes. */
static panda_status push_long(struct machine *m, size_t bytes)
{
    uint64_t length, value = 0;
    const uint8_t *p = take_number(m, bytes, &length) ? take(m, length) : NULL;
    if (!p)
        return fail_end(m);
    if (length > 8) /* too large for anything about a tensor */
        return push_integer(m, PND_PICKLE_OPAQUE, 0);
    if (length > 0 && p[length - 1] & 0x80)
        value = UINT64_MAX;
    for (size_t i = 0; i < length; i++)
        value = (value & ~((uint64_t)0xff << 8 * i)) | (uint64_t)p[i] << 8 * i;
    return push_integer(m, PND_PICKLE_INTEGER, (int64_t)value);
}

/* A number of fixed size. */
static panda_status push_fixed(struct machine *m, size_t bytes)
{
    uint64_t value;
    if (!take_number(m, bytes, &value))
        return fail_end(m);
    return push_integer(m, PND_PICKLE_INTEGER,
                        bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

/* Up to the end of the line, without it. */
static bool take_line(struct machine *m, struct pnd_pickle_string *line)
{
    const uint8_t *p = m->data + m->at;
    const uint8_t *end = memchr(p, '\n', m->size - m->at);
    if (!end)
        return false;
    *line = (struct pnd_pickle_string){(const char *)p, (size_t)(end - p)};
    m->at += line->length + 1;
    return true;
}

static panda_status push_global(struct machine *m,
                                const struct pnd_pickle_string *module,
                                const struct pnd_pickle_string *name)
{
    struct pnd_pickle_value value = {.kind = PND_PICKLE_GLOBAL};
    panda_status status =
        pnd_pickle_find_global(&m->calls, module, name, &value.global);
    return status < 0 ? status : push(m, value);
}

static panda_status op_global(struct machine *m)
{
    struct pnd_pickle_string module, name;
    if (!take_line(m, &module) || !take_line(m, &name))
        return fail_end(m);
    return push_global(m, &module, &name);
}

static panda_status op_stack_global(struct machine *m)
{
    struct pnd_pickle_value *v = top_values(m, 2);
    if (!v || v[0].kind != PND_PICKLE_STRING || v[1].kind != PND_PICKLE_STRING)
        return fail(m, "a global is not named by two strings");
    m->stack.count -= 2;
    return push_global(m, v[0].string, v[1].string);
}

static panda_status op_reduce(struct machine *m)
{
    struct pnd_pickle_value *v = top_values(m, 2), result;
    if (!v || v[0].kind != PND_PICKLE_GLOBAL || v[1].kind != PND_PICKLE_TUPLE)
        return fail(m, "a call needs a function and a tuple of arguments");
    panda_status status =
        pnd_pickle_call(&m->calls, v[0].global, v[1].items, &result);
    if (status < 0)
        return status;
    m->stack.count -= 2;
    return push(m, result);
}

static panda_status op_persistent_id(struct machine *m)
{
    struct pnd_pickle_value *v = top(m);
    if (!v || v->kind != PND_PICKLE_TUPLE)
        return fail(m, "a persistent id is no tuple");
    struct pnd_pickle_value result;
    panda_status status = pnd_pickle_find_storage(&m->calls, v->items, &result);
    if (status == PANDA_OK)
        *v = result;
    return status;
}

/* Sets attributes. Those of a dictionary (a state dict's `_metadata`) mean
 * nothing here. */
static panda_status op_build(struct machine *m)
{
    struct pnd_pickle_value *v = top_values(m, 2);
    if (!v || v[0].kind != PND_PICKLE_DICT)
        return fail(m, "attributes are set on something that is no dictionary");
    m->stack.count--;
    return PANDA_OK;
}

static panda_status op_memo(struct machine *m, size_t bytes, bool put)
{
    uint64_t index;
    if (!take_number(m, bytes, &index))
        return fail_end(m);
    return put ? memo_put(m, index) : memo_get(m, index);
}

static panda_status op_pop_mark(struct machine *m)
{
    size_t first;
    if (!find_mark(m, &first))
        return fail(m, "there is no mark");
    m->stack.count = first - 1;
    return PANDA_OK;
}

static panda_status op_skip(struct machine *m, size_t bytes)
{
    return take(m, bytes) ? PANDA_OK : fail_end(m);
}

static panda_status op_protocol(struct machine *m)
{
    const uint8_t *p = take(m, 1);
    if (!p)
        return fail_end(m);
    return *p >= 2 && *p <= 5 ? PANDA_OK
                              : fail(m, "the protocol is not one of 2 to 5");
}

static panda_status op_pop(struct machine *m)
{
    if (m->stack.count == 0)
        return fail(m, "the stack is empty");
    m->stack.count--;
    return PANDA_OK;
}

static panda_status op_duplicate(struct machine *m)
{
    struct pnd_pickle_value *v = top(m);
    return v ? push(m, *v) : fail(m, "the stack is empty");
}

static panda_status fail_opcode(const struct machine *m, uint8_t opcode)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: pickle, byte %zu: opcode 0x%02x is not one that "
                    "tensors are saved with",
                    m->calls.path, m->calls.at, opcode);
}

/* Values and calls; the rest is in execute. */
static panda_status execute_value(struct machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 'N':
        return push_integer(m, PND_PICKLE_NONE, 0);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_integer(m, PND_PICKLE_BOOL, opcode == 0x88);
    case 'J': /* BININT */
        return push_fixed(m, 4);
    case 'K': /* BININT1 */
        return push_fixed(m, 1);
    case 'M': /* BININT2 */
        return push_fixed(m, 2);
    case 0x8a: /* LONG1 */
        return push_long(m, 1);
    case 0x8b: /* LONG4 */
        return push_long(m, 4);
    case 'G': /* BINFLOAT */
        return push_opaque(m, 0, 8);
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING, of Python 2 */
        return push_string(m, 4);
    case 0x8c: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING */
        return push_string(m, 1);
    case 0x8d: /* BINUNICODE8 */
        return push_string(m, 8);
    case 'C': /* SHORT_BINBYTES */
        return push_opaque(m, 1, 0);
    case 'B': /* BINBYTES */
        return push_opaque(m, 4, 0);
    case 0x8e: /* BINBYTES8 */
    case 0x96: /* BYTEARRAY8 */
        return push_opaque(m, 8, 0);
    case 'c': /* GLOBAL */
        return op_global(m);
    case 0x93: /* STACK_GLOBAL */
        return op_stack_global(m);
    case 'R': /* REDUCE */
        return op_reduce(m);
    case 'Q': /* BINPERSID */
        return op_persistent_id(m);
    case 'b': /* BUILD */
        return op_build(m);
    default:
        return fail_opcode(m, opcode);
    }
}

static panda_status execute(struct machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: /* PROTO */
        return op_protocol(m);
    case 0x95: /* FRAME: how much to read ahead */
        return op_skip(m, 8);
    case '(': /* MARK */
        return push_integer(m, PND_PICKLE_MARK, 0);
    case '0': /* POP */
        return op_pop(m);
    case '1': /* POP_MARK */
        return op_pop_mark(m);
    case '2': /* DUP */
        return op_duplicate(m);
    case 'q': /* BINPUT */
        return op_memo(m, 1, true);
    case 'r': /* LONG_BINPUT */
        return op_memo(m, 4, true);
    case 0x94: /* MEMOIZE */
        return memo_put(m, m->memo.count);
    case 'h': /* BINGET */
        return op_memo(m, 1, false);
    case 'j': /* LONG_BINGET */
        return op_memo(m, 4, false);
    case ')': /* EMPTY_TUPLE */
        return push_items(m, PND_PICKLE_TUPLE, NULL, 0);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return make_tuple(m, opcode - 0x84u);
    case 't': /* TUPLE */
        return make_from_mark(m, PND_PICKLE_TUPLE);
    case ']': /* EMPTY_LIST */
        return push_items(m, PND_PICKLE_LIST, NULL, 0);
    case 'l': /* LIST */
        return make_from_mark(m, PND_PICKLE_LIST);
    case 'a': /* APPEND */
        return append_top(m, 1, PND_PICKLE_LIST);
    case 'e': /* APPENDS */
        return append_marked(m, PND_PICKLE_LIST);
    case '}': /* EMPTY_DICT */
        return push_items(m, PND_PICKLE_DICT, NULL, 0);
    case 'd': /* DICT */
        return make_from_mark(m, PND_PICKLE_DICT);
    case 's': /* SETITEM */
        return append_top(m, 2, PND_PICKLE_DICT);
    case 'u': /* SETITEMS */
        return append_marked(m, PND_PICKLE_DICT);
    default:
        return execute_value(m, opcode);
    }
}

panda_status pnd_pickle_run(struct pnd_pickle_value *out,
                            struct pnd_arena *arena, const uint8_t *data,
                            size_t size, const char *path)
{
    struct machine m = {
        .calls = {.arena = arena, .path = path}, .data = data, .size = size};
    if (size > PND_PICKLE_MAX_SIZE)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the pickle has %zu bytes, expected at most %zu",
                        path, size, PND_PICKLE_MAX_SIZE);
    while (m.at < size) {
        m.calls.at = m.at;
        uint8_t opcode = data[m.at++];
        if (opcode == '.') { /* STOP */
            if (m.stack.count != 1 || !top(&m))
                return fail(&m, "the stack does not hold one value at the end");
            *out = m.stack.values[0];
            return PANDA_OK;
        }
        panda_status status = execute(&m, opcode);
        if (status < 0)
            return status;
    }
    m.calls.at = size;
    return fail_end(&m);
}

const char *pnd_pickle_kind_get_name(enum pnd_pickle_kind kind)
{
    static const char *const names[] = {
        "None",     "a boolean", "an integer", "a plain value",
        "a string", "a tuple",   "a list",     "a dictionary",
        "a global", "a storage", "a tensor",   "a mark"};
    return names[kind];
}
