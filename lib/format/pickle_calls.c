/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pickle_calls.h"

#include <string.h>

#include "base/error.h"
#include "format/utf8.h"

typedef panda_status (*call_fn)(const struct pnd_pickle_calls *calls,
                                const struct pnd_pickle_items *arguments,
                                struct pnd_pickle_value *out);

struct pnd_pickle_global {
    const char *module, *name;
    call_fn call;         /* NULL: the type of a storage */
    enum pnd_dtype dtype; /* of that storage */
};

panda_status pnd_pickle_fail(const struct pnd_pickle_calls *calls,
                             const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: pickle, byte %zu: %s", calls->path,
                    calls->at, what);
}

static panda_status call_dict(const struct pnd_pickle_calls *calls,
                              const struct pnd_pickle_items *arguments,
                              struct pnd_pickle_value *out)
{
    if (arguments->count != 0)
        return pnd_pickle_fail(calls, "OrderedDict is called with arguments");
    struct pnd_pickle_items *items =
        pnd_arena_alloc(calls->arena, sizeof *items);
    if (!items)
        return pnd_fail_memory();
    *items = (struct pnd_pickle_items){0};
    *out = (struct pnd_pickle_value){PND_PICKLE_DICT, {.items = items}};
    return PANDA_OK;
}

/* (storage, offset, shape, strides[, requires_grad, hooks[, metadata]]) */
static panda_status call_tensor(const struct pnd_pickle_calls *calls,
                                const struct pnd_pickle_items *arguments,
                                struct pnd_pickle_value *out)
{
    const struct pnd_pickle_value *v = arguments->values;
    if (arguments->count < 4 || v[0].kind != PND_PICKLE_STORAGE ||
        v[1].kind != PND_PICKLE_INTEGER || v[2].kind != PND_PICKLE_TUPLE ||
        v[3].kind != PND_PICKLE_TUPLE)
        return pnd_pickle_fail(calls,
                               "a tensor is not rebuilt from a storage, an "
                               "offset, a shape and strides");
    struct pnd_pickle_tensor *tensor =
        pnd_arena_alloc(calls->arena, sizeof *tensor);
    if (!tensor)
        return pnd_fail_memory();
    *tensor = (struct pnd_pickle_tensor){.storage = v[0].storage,
                                         .offset = v[1].integer,
                                         .shape = v[2].items,
                                         .strides = v[3].items};
    *out = (struct pnd_pickle_value){PND_PICKLE_TENSOR, {.tensor = tensor}};
    return PANDA_OK;
}

/* (tensor, requires_grad, hooks[, state]) */
static panda_status call_parameter(const struct pnd_pickle_calls *calls,
                                   const struct pnd_pickle_items *arguments,
                                   struct pnd_pickle_value *out)
{
    if (arguments->count < 1 || arguments->values[0].kind != PND_PICKLE_TENSOR)
        return pnd_pickle_fail(calls, "a parameter is not made of a tensor");
    *out = arguments->values[0];
    return PANDA_OK;
}

static const struct pnd_pickle_global globals[] = {
    {"collections", "OrderedDict", call_dict, 0},
    {"torch._utils", "_rebuild_tensor_v2", call_tensor, 0},
    {"torch._utils", "_rebuild_tensor", call_tensor, 0},
    {"torch._utils", "_rebuild_parameter", call_parameter, 0},
    {"torch._utils", "_rebuild_parameter_with_state", call_parameter, 0},
    {"torch", "FloatStorage", NULL, PND_F32},
    {"torch", "HalfStorage", NULL, PND_F16},
    {"torch", "BFloat16Storage", NULL, PND_BF16},
    {"torch", "DoubleStorage", NULL, PND_F64},
    {"torch", "LongStorage", NULL, PND_I64},
    {"torch", "IntStorage", NULL, PND_I32},
    {"torch", "ShortStorage", NULL, PND_I16},
    {"torch", "CharStorage", NULL, PND_I8},
    {"torch", "ByteStorage", NULL, PND_U8},
    {"torch", "BoolStorage", NULL, PND_BOOL},
};

static bool equals(const struct pnd_pickle_string *s, const char *text)
{
    return s->length == strlen(text) && memcmp(s->bytes, text, s->length) == 0;
}

panda_status pnd_pickle_find_global(const struct pnd_pickle_calls *calls,
                                    const struct pnd_pickle_string *module,
                                    const struct pnd_pickle_string *name,
                                    const struct pnd_pickle_global **out)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (equals(module, globals[i].module) &&
            equals(name, globals[i].name)) {
            *out = &globals[i];
            return PANDA_OK;
        }
    }
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: pickle, byte %zu: asks for %s.%s, which is not needed "
                    "for tensors and is not executed; save only the state dict",
                    calls->path, calls->at,
                    pnd_show(module->bytes, module->length).text,
                    pnd_show(name->bytes, name->length).text);
}

panda_status pnd_pickle_call(const struct pnd_pickle_calls *calls,
                             const struct pnd_pickle_global *global,
                             const struct pnd_pickle_items *arguments,
                             struct pnd_pickle_value *out)
{
    if (!global->call)
        return pnd_pickle_fail(calls, "the type of a storage is called");
    return global->call(calls, arguments, out);
}

panda_status pnd_pickle_find_storage(const struct pnd_pickle_calls *calls,
                                     const struct pnd_pickle_items *id,
                                     struct pnd_pickle_value *out)
{
    const struct pnd_pickle_value *v = id->values;
    if (id->count < 5 || v[0].kind != PND_PICKLE_STRING ||
        !equals(v[0].string, "storage") || v[1].kind != PND_PICKLE_GLOBAL ||
        v[1].global->call || v[2].kind != PND_PICKLE_STRING ||
        v[4].kind != PND_PICKLE_INTEGER || v[4].integer < 0)
        return pnd_pickle_fail(calls,
                               "a persistent id is not (\"storage\", type, "
                               "key, place, count)");
    struct pnd_pickle_storage *storage =
        pnd_arena_alloc(calls->arena, sizeof *storage);
    if (!storage)
        return pnd_fail_memory();
    *storage = (struct pnd_pickle_storage){
        .dtype = v[1].global->dtype, .key = v[2].string, .count = v[4].integer};
    *out = (struct pnd_pickle_value){PND_PICKLE_STORAGE, {.storage = storage}};
    return PANDA_OK;
}
