/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* PyTorch's zip container: <root>/data.pkl describes the tensors,
 * <root>/data/<key> holds the bytes of each storage, <root>/byteorder may say
 * how they are ordered. */

#include <string.h>

#include "format/pickle.h"
#include "format/sort.h"
#include "format/tensor_set.h"
#include "format/utf8.h"
#include "format/zip.h"

struct reader {
    struct pnd_weights *weights;
    const struct pnd_weights_file *file;
    struct pnd_zip zip;
    struct pnd_arena arena; /* what the pickle rebuilds */
    const char *root;       /* root_length bytes: "<root>/" */
    size_t root_length;
};

static bool ends_with(const struct pnd_zip_entry *entry, const char *end)
{
    size_t length = strlen(end);
    return entry->name_length >= length &&
           memcmp(entry->name + entry->name_length - length, end, length) == 0;
}

/* The one entry "<root>/data.pkl". */
static panda_status find_pickle(struct reader *r,
                                const struct pnd_zip_entry **out)
{
    const struct pnd_zip_entry *found = NULL;
    for (size_t i = 0; i < r->zip.count; i++) {
        const struct pnd_zip_entry *entry = &r->zip.entries[i];
        if (!ends_with(entry, "/data.pkl"))
            continue;
        if (found)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: the zip archive has more than one data.pkl",
                            r->file->path);
        found = entry;
    }
    if (!found)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is a zip archive without data.pkl, expected a "
                        "file of torch.save",
                        r->file->path);
    r->root = found->name;
    r->root_length = found->name_length - strlen("data.pkl");
    *out = found;
    return PANDA_OK;
}

static panda_status check_byte_order(const struct reader *r)
{
    const struct pnd_zip_entry *entry = pnd_zip_find(
        &r->zip, r->root, r->root_length, "byteorder", strlen("byteorder"));
    panda_status status =
        entry ? pnd_map_need_at(&r->file->map, entry->data, entry->size)
              : PANDA_OK;
    if (status < 0)
        return status;
    if (!entry || (entry->size == 6 && memcmp(entry->data, "little", 6) == 0))
        return PANDA_OK;
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: the byte order is \"%s\", expected \"little\"",
                    r->file->path,
                    pnd_show((const char *)entry->data, entry->size).text);
}

static panda_status fail_tensor(const struct reader *r,
                                const struct pnd_pickle_string *name,
                                const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s %s", r->file->path,
                    pnd_show(name->bytes, name->length).text, what);
}

static bool read_integers(int64_t *out, const struct pnd_pickle_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->values[i].kind != PND_PICKLE_INTEGER)
            return false;
        out[i] = items->values[i].integer;
    }
    return true;
}

/* The bytes of a tensor's storage. */
static panda_status find_storage(const struct reader *r,
                                 const struct pnd_pickle_string *name,
                                 const struct pnd_pickle_storage *storage,
                                 struct pnd_tensor_source *source)
{
    char prefix[512];
    if (r->root_length + strlen("data/") > sizeof prefix)
        return fail_tensor(r, name, "lies in a folder with too long a name");
    memcpy(prefix, r->root, r->root_length);
    memcpy(prefix + r->root_length, "data/", 5);
    const struct pnd_zip_entry *entry =
        pnd_zip_find(&r->zip, prefix, r->root_length + 5, storage->key->bytes,
                     storage->key->length);
    if (!entry)
        return pnd_fail(
            PANDA_E_FORMAT, "%s: tensor %s is in storage %s, which is missing",
            r->file->path, pnd_show(name->bytes, name->length).text,
            pnd_show(storage->key->bytes, storage->key->length).text);
    const size_t size = pnd_dtype_get_size(storage->dtype);
    if ((uint64_t)storage->count > entry->size / size)
        return pnd_fail(
            PANDA_E_FORMAT,
            "%s: tensor %s is in storage %s of %lld %s values, "
            "but its entry has only %zu bytes",
            r->file->path, pnd_show(name->bytes, name->length).text,
            pnd_show(storage->key->bytes, storage->key->length).text,
            (long long)storage->count, pnd_dtype_get_name(storage->dtype),
            entry->size);
    source->dtype = storage->dtype;
    source->storage = entry->data;
    source->storage_size = (size_t)storage->count * size;
    return PANDA_OK;
}

static panda_status add_tensor(const struct reader *r,
                               const struct pnd_pickle_string *name,
                               const struct pnd_pickle_tensor *tensor)
{
    struct pnd_tensor_source source = {.name = name->bytes,
                                       .name_length = name->length,
                                       .has_strides = true,
                                       .offset = tensor->offset};
    if (tensor->shape->count > PND_MAX_RANK)
        return fail_tensor(r, name, "has more than 8 dimensions");
    if (tensor->shape->count != tensor->strides->count)
        return fail_tensor(r, name, "has not as many strides as sizes");
    if (!read_integers(source.shape, tensor->shape) ||
        !read_integers(source.strides, tensor->strides))
        return fail_tensor(r, name, "has a size or stride that is no integer");
    source.rank = (uint32_t)tensor->shape->count;
    panda_status status = find_storage(r, name, tensor->storage, &source);
    return status < 0 ? status : pnd_tensor_set_add(r->weights, &source);
}

static int compare_strings(const void *a, const void *b)
{
    const struct pnd_pickle_string *x = a, *y = b;
    size_t shared = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shared);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Before names are copied: a long name that a pickle repeats a million times
 * must not become a million copies. */
static panda_status check_names(struct reader *r,
                                const struct pnd_pickle_items *dict)
{
    const void **names =
        pnd_arena_alloc_array(&r->arena, dict->count / 2 + 1, sizeof *names);
    if (!names)
        return pnd_fail_memory();
    size_t count = 0;
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        if (dict->values[i + 1].kind != PND_PICKLE_TENSOR)
            continue;
        if (dict->values[i].kind != PND_PICKLE_STRING)
            return pnd_fail(
                PANDA_E_FORMAT, "%s: a tensor's name is %s, expected a string",
                r->file->path, pnd_pickle_kind_get_name(dict->values[i].kind));
        names[count++] = dict->values[i].string;
    }
    pnd_sort(names, count, compare_strings);
    const struct pnd_pickle_string *twice =
        pnd_sort_find_equal(names, count, compare_strings);
    return twice ? fail_tensor(r, twice, "is there twice") : PANDA_OK;
}

static bool has_tensors(const struct pnd_pickle_value *value)
{
    if (value->kind != PND_PICKLE_DICT)
        return false;
    for (size_t i = 1; i < value->items->count; i += 2) {
        if (value->items->values[i].kind == PND_PICKLE_TENSOR)
            return true;
    }
    return false;
}

/* The dictionary itself, or the one that trainers put under "state_dict" or
 * "model" of it. */
static const struct pnd_pickle_items *find_state_dict(
    const struct pnd_pickle_value *top)
{
    static const char *const keys[] = {"state_dict", "model"};
    if (has_tensors(top))
        return top->items;
    for (size_t k = 0; top->kind == PND_PICKLE_DICT && k < 2; k++) {
        for (size_t i = 0; i + 1 < top->items->count; i += 2) {
            const struct pnd_pickle_value *v = &top->items->values[i];
            if (v[0].kind == PND_PICKLE_STRING &&
                v[0].string->length == strlen(keys[k]) &&
                memcmp(v[0].string->bytes, keys[k], v[0].string->length) == 0 &&
                has_tensors(&v[1]))
                return v[1].items;
        }
    }
    return NULL;
}

static panda_status add_tensors(struct reader *r,
                                const struct pnd_pickle_value *top)
{
    const struct pnd_pickle_items *dict = find_state_dict(top);
    if (!dict)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: holds %s without tensors, expected a dictionary "
                        "of tensors",
                        r->file->path, pnd_pickle_kind_get_name(top->kind));
    panda_status status = check_names(r, dict);
    for (size_t i = 0; i + 1 < dict->count && status == PANDA_OK; i += 2) {
        const struct pnd_pickle_value *v = &dict->values[i];
        if (v[1].kind == PND_PICKLE_TENSOR)
            status = add_tensor(r, v[0].string, v[1].tensor);
    }
    return status;
}

panda_status pnd_torch_read(struct pnd_weights *w)
{
    const struct pnd_weights_file *file = &w->files[w->file_count - 1];
    struct reader r = {.weights = w, .file = file};
    const struct pnd_zip_entry *entry = NULL;
    struct pnd_pickle_value top;
    panda_status status;
    pnd_arena_init(&r.arena, &w->ctx->alloc);
    PND_TRY(pnd_zip_open(&r.zip, &w->ctx->alloc, &file->map, file->path));
    PND_TRY(find_pickle(&r, &entry));
    PND_TRY(check_byte_order(&r));
    PND_TRY(pnd_map_need_at(&file->map, entry->data, entry->size));
    PND_TRY(
        pnd_pickle_run(&top, &r.arena, entry->data, entry->size, file->path));
    PND_TRY(add_tensors(&r, &top));
out:
    pnd_arena_free(&r.arena);
    pnd_zip_close(&r.zip);
    return status;
}
