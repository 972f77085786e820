/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* safetensors: 8 bytes header length, that many bytes of JSON
 *
 *     {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, ...,
 *      "__metadata__": {...}}
 *
 * and the data, which the tensors cover without holes or overlaps. */

#include <string.h>

#include "base/bytes.h"
#include "format/json.h"
#include "format/sort.h"
#include "format/tensor_set.h"
#include "format/utf8.h"

#define MAX_HEADER ((uint64_t)100 << 20)

static const struct {
    const char *name;
    enum pnd_dtype dtype;
} dtypes[] = {
    {"F64", PND_F64}, {"F32", PND_F32},   {"F16", PND_F16}, {"BF16", PND_BF16},
    {"I64", PND_I64}, {"I32", PND_I32},   {"I16", PND_I16}, {"I8", PND_I8},
    {"U8", PND_U8},   {"BOOL", PND_BOOL},
};

/* Where a tensor's bytes are in the data. */
struct place {
    uint64_t begin, end;
    const char *name;
};

struct reader {
    struct pnd_weights *weights;
    const struct pnd_weights_file *file;
    const uint8_t *data; /* data_size bytes behind the header */
    size_t data_size;
    struct place *places; /* one for each tensor */
    size_t count;
};

static panda_status fail_tensor(const struct reader *r, const char *name,
                                const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s: %s", r->file->path,
                    pnd_show(name, strlen(name)).text, what);
}

static panda_status read_dtype(const struct reader *r,
                               const struct pnd_json_value *tensor,
                               enum pnd_dtype *out)
{
    const struct pnd_json_value *v = pnd_json_find(tensor, "dtype");
    if (!v || v->type != PND_JSON_STRING)
        return fail_tensor(r, tensor->key, "\"dtype\" is missing or no string");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(v->string, dtypes[i].name) == 0) {
            *out = dtypes[i].dtype;
            return PANDA_OK;
        }
    }
    return pnd_fail(
        PANDA_E_FORMAT, "%s: tensor %s has element type %s, which is not known",
        r->file->path, pnd_show(tensor->key, strlen(tensor->key)).text,
        pnd_show(v->string, v->length).text);
}

/* Up to `max` integers of an array that are not negative. */
static bool read_array(const struct pnd_json_value *array, int64_t *out,
                       size_t max)
{
    if (!array || array->type != PND_JSON_ARRAY || array->length > max)
        return false;
    for (const struct pnd_json_value *v = array->child; v; v = v->next) {
        if (v->type != PND_JSON_NUMBER || !v->is_integer || v->integer < 0)
            return false;
        *out++ = v->integer;
    }
    return true;
}

/* Whether the bytes are as many as shape and type ask for. */
static bool fits(const struct pnd_tensor_source *s)
{
    size_t bytes = pnd_dtype_get_size(s->dtype);
    for (uint32_t i = 0; i < s->rank; i++) {
        if (!pnd_mul_size(&bytes, bytes, (size_t)s->shape[i]))
            return false;
    }
    return bytes == s->storage_size;
}

static panda_status add_tensor(struct reader *r,
                               const struct pnd_json_value *tensor)
{
    struct pnd_tensor_source source = {.name = tensor->key,
                                       .name_length = strlen(tensor->key)};
    const struct pnd_json_value *shape = pnd_json_find(tensor, "shape"),
                                *span = pnd_json_find(tensor, "data_offsets");
    int64_t offsets[2] = {0};
    panda_status status = read_dtype(r, tensor, &source.dtype);
    if (status < 0)
        return status;
    if (!read_array(shape, source.shape, PND_MAX_RANK))
        return fail_tensor(r, tensor->key,
                           "\"shape\" is not an array of up to 8 sizes");
    if (!read_array(span, offsets, 2) || span->length != 2 ||
        offsets[0] > offsets[1])
        return fail_tensor(r, tensor->key,
                           "\"data_offsets\" is not [begin, end]");
    if ((uint64_t)offsets[1] > r->data_size)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s ends at byte %lld of the data, which "
                        "has only %zu; the file is probably cut off",
                        r->file->path,
                        pnd_show(tensor->key, strlen(tensor->key)).text,
                        (long long)offsets[1], r->data_size);
    source.rank = (uint32_t)shape->length;
    source.storage = r->data + offsets[0];
    source.storage_size = (size_t)(offsets[1] - offsets[0]);
    if (!fits(&source))
        return fail_tensor(r, tensor->key,
                           "\"data_offsets\" does not fit shape and type");
    r->places[r->count++] =
        (struct place){(uint64_t)offsets[0], (uint64_t)offsets[1], tensor->key};
    return pnd_tensor_set_add(r->weights, &source);
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static panda_status check_cover(const struct reader *r)
{
    const struct pnd_allocator *alloc = &r->weights->ctx->alloc;
    const void **sorted = pnd_alloc_array(alloc, r->count + 1, sizeof *sorted);
    panda_status status = PANDA_OK;
    if (!sorted)
        return pnd_fail_memory();
    for (size_t i = 0; i < r->count; i++)
        sorted[i] = &r->places[i];
    pnd_sort(sorted, r->count, compare_places);
    uint64_t end = 0;
    for (size_t i = 0; i < r->count && status == PANDA_OK; i++) {
        const struct place *place = sorted[i];
        if (place->begin < end)
            status = fail_tensor(r, place->name, "overlaps with another");
        else if (place->begin > end)
            status = fail_tensor(r, place->name,
                                 "bytes in front of it belong to no tensor");
        end = place->end;
    }
    pnd_free(alloc, sorted);
    if (status == PANDA_OK && end != r->data_size)
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: the tensors end at byte %llu of the data, which "
                          "has %zu",
                          r->file->path, (unsigned long long)end, r->data_size);
    return status;
}

static panda_status add_tensors(struct reader *r,
                                const struct pnd_json_value *header)
{
    const struct pnd_allocator *alloc = &r->weights->ctx->alloc;
    if (header->type != PND_JSON_OBJECT)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the safetensors header is no JSON object",
                        r->file->path);
    r->places = pnd_alloc_array(alloc, header->length + 1, sizeof *r->places);
    if (!r->places)
        return pnd_fail_memory();
    panda_status status = PANDA_OK;
    for (const struct pnd_json_value *v = header->child;
         v && status == PANDA_OK; v = v->next) {
        if (strcmp(v->key, "__metadata__") != 0)
            status = add_tensor(r, v);
    }
    if (status == PANDA_OK)
        status = check_cover(r);
    pnd_free(alloc, r->places);
    return status;
}

panda_status pnd_safetensors_read(struct pnd_weights *w)
{
    const struct pnd_weights_file *file = &w->files[w->file_count - 1];
    struct reader r = {.weights = w, .file = file};
    if (file->map.size < 8)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %zu bytes are too few for safetensors", file->path,
                        file->map.size);
    panda_status status = pnd_map_need(&file->map, 0, 8);
    if (status < 0)
        return status;
    uint64_t length = pnd_read_le64(file->map.data);
    if (length > MAX_HEADER || length > file->map.size - 8)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the safetensors header has %llu bytes, expected "
                        "at most %llu and less than the file's %zu",
                        file->path, (unsigned long long)length,
                        (unsigned long long)MAX_HEADER, file->map.size);
    r.data = file->map.data + 8 + length;
    r.data_size = file->map.size - 8 - (size_t)length;
    status = pnd_map_need(&file->map, 8, (size_t)length);
    if (status < 0)
        return status;
    struct pnd_json *json;
    status =
        pnd_json_parse(&json, &w->ctx->alloc, (const char *)file->map.data + 8,
                       (size_t)length, file->path);
    if (status < 0)
        return status;
    status = add_tensors(&r, pnd_json_get_root(json));
    pnd_json_free(json);
    return status;
}
