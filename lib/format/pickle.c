/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pickle.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/pickle_stack.h"

static panda_status fail(const struct pnd_pickle_machine *m, const char *what)
{
    return pnd_pickle_fail(&m->calls, what);
}

/* `count` bytes of argument; NULL when the pickle ends before. */
static const uint8_t *take(struct pnd_pickle_machine *m, uint64_t count)
{
    if (count > m->size - m->at)
        return NULL;
    const uint8_t *p = m->data + m->at;
    m->at += (size_t)count;
    return p;
}

static panda_status fail_end(const struct pnd_pickle_machine *m)
{
    return fail(m, "the pickle is cut off");
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct pnd_pickle_machine *m, size_t bytes,
                        uint64_t *out)
{
    const uint8_t *p = take(m, bytes);
    if (!p)
        return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)p[i] << 8 * i;
    return true;
}

static panda_status new_string(struct pnd_pickle_machine *m,
                               const uint8_t *bytes, size_t length,
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
static panda_status push_string(struct pnd_pickle_machine *m, size_t bytes)
{
    uint64_t length;
    const uint8_t *p = take_number(m, bytes, &length) ? take(m, length) : NULL;
    if (!p)
        return fail_end(m);
    struct pnd_pickle_value value = {.kind = PND_PICKLE_STRING};
    panda_status status = new_string(m, p, (size_t)length, &value.string);
    return status < 0 ? status : pnd_pickle_push(m, value);
}

static panda_status push_opaque(struct pnd_pickle_machine *m,
                                size_t length_bytes, uint64_t length)
{
    if ((length_bytes && !take_number(m, length_bytes, &length)) ||
        !take(m, length))
        return fail_end(m);
    return pnd_pickle_push_integer(m, PND_PICKLE_OPAQUE, 0);
}

/* A two's complement number whose length is written in `bytes` bytes. */
static panda_status push_long(struct pnd_pickle_machine *m, size_t bytes)
{
    uint64_t length, value = 0;
    const uint8_t *p = take_number(m, bytes, &length) ? take(m, length) : NULL;
    if (!p)
        return fail_end(m);
    if (length > 8) /* too large for anything about a tensor */
        return pnd_pickle_push_integer(m, PND_PICKLE_OPAQUE, 0);
    if (length > 0 && p[length - 1] & 0x80)
        value = UINT64_MAX;
    for (size_t i = 0; i < length; i++)
        value = (value & ~((uint64_t)0xff << 8 * i)) | (uint64_t)p[i] << 8 * i;
    return pnd_pickle_push_integer(m, PND_PICKLE_INTEGER, (int64_t)value);
}

/* A number of fixed size. */
static panda_status push_fixed(struct pnd_pickle_machine *m, size_t bytes)
{
    uint64_t value;
    if (!take_number(m, bytes, &value))
        return fail_end(m);
    return pnd_pickle_push_integer(m, PND_PICKLE_INTEGER,
                                   bytes == 4 ? (int32_t)(uint32_t)value
                                              : (int64_t)value);
}

/* Up to the end of the line, without it. */
static bool take_line(struct pnd_pickle_machine *m,
                      struct pnd_pickle_string *line)
{
    const uint8_t *p = m->data + m->at;
    const uint8_t *end = memchr(p, '\n', m->size - m->at);
    if (!end)
        return false;
    *line = (struct pnd_pickle_string){(const char *)p, (size_t)(end - p)};
    m->at += line->length + 1;
    return true;
}

static panda_status push_global(struct pnd_pickle_machine *m,
                                const struct pnd_pickle_string *module,
                                const struct pnd_pickle_string *name)
{
    struct pnd_pickle_value value = {.kind = PND_PICKLE_GLOBAL};
    panda_status status =
        pnd_pickle_find_global(&m->calls, module, name, &value.global);
    return status < 0 ? status : pnd_pickle_push(m, value);
}

static panda_status op_global(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_string module, name;
    if (!take_line(m, &module) || !take_line(m, &name))
        return fail_end(m);
    return push_global(m, &module, &name);
}

static panda_status op_stack_global(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_value *v = pnd_pickle_get_top_values(m, 2);
    if (!v || v[0].kind != PND_PICKLE_STRING || v[1].kind != PND_PICKLE_STRING)
        return fail(m, "a global is not named by two strings");
    m->stack.count -= 2;
    return push_global(m, v[0].string, v[1].string);
}

static panda_status op_reduce(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_value *v = pnd_pickle_get_top_values(m, 2), result;
    if (!v || v[0].kind != PND_PICKLE_GLOBAL || v[1].kind != PND_PICKLE_TUPLE)
        return fail(m, "a call needs a function and a tuple of arguments");
    panda_status status =
        pnd_pickle_call(&m->calls, v[0].global, v[1].items, &result);
    if (status < 0)
        return status;
    m->stack.count -= 2;
    return pnd_pickle_push(m, result);
}

static panda_status op_persistent_id(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_value *v = pnd_pickle_get_top(m);
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
static panda_status op_build(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_value *v = pnd_pickle_get_top_values(m, 2);
    if (!v || v[0].kind != PND_PICKLE_DICT)
        return fail(m, "attributes are set on something that is no dictionary");
    m->stack.count--;
    return PANDA_OK;
}

static panda_status op_memo(struct pnd_pickle_machine *m, size_t bytes,
                            bool put)
{
    uint64_t index;
    if (!take_number(m, bytes, &index))
        return fail_end(m);
    return put ? pnd_pickle_put_memo(m, index) : pnd_pickle_get_memo(m, index);
}

static panda_status op_pop_mark(struct pnd_pickle_machine *m)
{
    size_t first;
    if (!pnd_pickle_find_mark(m, &first))
        return fail(m, "there is no mark");
    m->stack.count = first - 1;
    return PANDA_OK;
}

static panda_status op_skip(struct pnd_pickle_machine *m, size_t bytes)
{
    return take(m, bytes) ? PANDA_OK : fail_end(m);
}

static panda_status op_protocol(struct pnd_pickle_machine *m)
{
    const uint8_t *p = take(m, 1);
    if (!p)
        return fail_end(m);
    return *p >= 2 && *p <= 5 ? PANDA_OK
                              : fail(m, "the protocol is not one of 2 to 5");
}

static panda_status op_pop(struct pnd_pickle_machine *m)
{
    if (m->stack.count == 0)
        return fail(m, "the stack is empty");
    m->stack.count--;
    return PANDA_OK;
}

static panda_status op_duplicate(struct pnd_pickle_machine *m)
{
    struct pnd_pickle_value *v = pnd_pickle_get_top(m);
    return v ? pnd_pickle_push(m, *v) : fail(m, "the stack is empty");
}

static panda_status fail_opcode(const struct pnd_pickle_machine *m,
                                uint8_t opcode)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: pickle, byte %zu: opcode 0x%02x is not one that "
                    "tensors are saved with",
                    m->calls.path, m->calls.at, opcode);
}

/* Values and calls; the rest is in execute. */
static panda_status execute_value(struct pnd_pickle_machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 'N':
        return pnd_pickle_push_integer(m, PND_PICKLE_NONE, 0);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return pnd_pickle_push_integer(m, PND_PICKLE_BOOL, opcode == 0x88);
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

static panda_status execute(struct pnd_pickle_machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: /* PROTO */
        return op_protocol(m);
    case 0x95: /* FRAME: how much to read ahead */
        return op_skip(m, 8);
    case '(': /* MARK */
        return pnd_pickle_push_integer(m, PND_PICKLE_MARK, 0);
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
        return pnd_pickle_put_memo(m, m->memo.count);
    case 'h': /* BINGET */
        return op_memo(m, 1, false);
    case 'j': /* LONG_BINGET */
        return op_memo(m, 4, false);
    case ')': /* EMPTY_TUPLE */
        return pnd_pickle_push_items(m, PND_PICKLE_TUPLE, NULL, 0);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return pnd_pickle_make_tuple(m, opcode - 0x84u);
    case 't': /* TUPLE */
        return pnd_pickle_make_from_mark(m, PND_PICKLE_TUPLE);
    case ']': /* EMPTY_LIST */
        return pnd_pickle_push_items(m, PND_PICKLE_LIST, NULL, 0);
    case 'l': /* LIST */
        return pnd_pickle_make_from_mark(m, PND_PICKLE_LIST);
    case 'a': /* APPEND */
        return pnd_pickle_append_top(m, 1, PND_PICKLE_LIST);
    case 'e': /* APPENDS */
        return pnd_pickle_append_marked(m, PND_PICKLE_LIST);
    case '}': /* EMPTY_DICT */
        return pnd_pickle_push_items(m, PND_PICKLE_DICT, NULL, 0);
    case 'd': /* DICT */
        return pnd_pickle_make_from_mark(m, PND_PICKLE_DICT);
    case 's': /* SETITEM */
        return pnd_pickle_append_top(m, 2, PND_PICKLE_DICT);
    case 'u': /* SETITEMS */
        return pnd_pickle_append_marked(m, PND_PICKLE_DICT);
    default:
        return execute_value(m, opcode);
    }
}

panda_status pnd_pickle_run(struct pnd_pickle_value *out,
                            struct pnd_arena *arena, const uint8_t *data,
                            size_t size, const char *path)
{
    struct pnd_pickle_machine m = {
        .calls = {.arena = arena, .path = path}, .data = data, .size = size};
    if (size > PND_PICKLE_MAX_SIZE)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the pickle has %zu bytes, expected at most %zu",
                        path, size, PND_PICKLE_MAX_SIZE);
    while (m.at < size) {
        m.calls.at = m.at;
        uint8_t opcode = data[m.at++];
        if (opcode == '.') { /* STOP */
            if (m.stack.count != 1 || !pnd_pickle_get_top(&m))
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
