/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* The tensors of GGUF files, and models that are split into several. */
#include <stdio.h>
#include <string.h>

#include "format/bundle.h"
#include "format/gguf_parts.h"
#include "format/sort.h"
#include "format/tensor_set.h"
#include "format/utf8.h"

#define MAX_RANK 4

enum { NOT_READ = -1 };

/* By the number in files; the gaps were given up. */
static const struct {
    const char *name;
    int dtype; /* NOT_READ: known, but nothing here can compute with it */
} types[] = {
    [0] = {"F32", PND_F32},         [1] = {"F16", PND_F16},
    [2] = {"Q4_0", PND_Q4_0},       [3] = {"Q4_1", PND_Q4_1},
    [6] = {"Q5_0", PND_Q5_0},       [7] = {"Q5_1", PND_Q5_1},
    [8] = {"Q8_0", PND_Q8_0},       [9] = {"Q8_1", NOT_READ},
    [10] = {"Q2_K", PND_Q2_K},      [11] = {"Q3_K", PND_Q3_K},
    [12] = {"Q4_K", PND_Q4_K},      [13] = {"Q5_K", PND_Q5_K},
    [14] = {"Q6_K", PND_Q6_K},      [15] = {"Q8_K", NOT_READ},
    [16] = {"IQ2_XXS", NOT_READ},   [17] = {"IQ2_XS", NOT_READ},
    [18] = {"IQ3_XXS", NOT_READ},   [19] = {"IQ1_S", NOT_READ},
    [20] = {"IQ4_NL", PND_IQ4_NL},  [21] = {"IQ3_S", NOT_READ},
    [22] = {"IQ2_S", NOT_READ},     [23] = {"IQ4_XS", PND_IQ4_XS},
    [24] = {"I8", PND_I8},          [25] = {"I16", PND_I16},
    [26] = {"I32", PND_I32},        [27] = {"I64", PND_I64},
    [28] = {"F64", PND_F64},        [29] = {"IQ1_M", NOT_READ},
    [30] = {"BF16", PND_BF16},      [34] = {"TQ1_0", NOT_READ},
    [35] = {"TQ2_0", NOT_READ},     [39] = {"MXFP4", NOT_READ},
};

int32_t pnd_gguf_get_tensor_type(enum pnd_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].name && types[i].dtype == (int)dtype)
            return (int32_t)i;
    }
    return -1;
}

struct reader {
    struct pnd_weights *weights;
    const struct pnd_gguf *gguf;
    struct pnd_gguf_cursor cursor;
    size_t data_at;       /* byte of the file */
    struct place *places; /* one for each tensor */
};

/* A tensor as described, and where its bytes are in the data. */
struct place {
    struct pnd_gguf_string name;
    enum pnd_dtype dtype;
    uint32_t rank;
    int64_t shape[MAX_RANK]; /* slowest first */
    uint64_t begin;
    size_t bytes;
};

static panda_status fail_tensor(const struct reader *r,
                                const struct place *place, const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s %s", r->gguf->path,
                    pnd_show(place->name.bytes, place->name.length).text, what);
}

static panda_status read_type(struct reader *r, struct place *place)
{
    uint32_t type;
    panda_status status = pnd_gguf_take_u32(&r->cursor, &type);
    if (status < 0)
        return status;
    const bool known = type < sizeof types / sizeof *types && types[type].name;
    if (known && types[type].dtype != NOT_READ) {
        place->dtype = (enum pnd_dtype)types[type].dtype;
        return PANDA_OK;
    }
    return pnd_fail(known ? PANDA_E_UNSUPPORTED : PANDA_E_FORMAT,
                    "%s: tensor %s has element type %u%s%s%s, expected F32, "
                    "F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, "
                    "IQ4_NL or IQ4_XS",
                    r->gguf->path,
                    pnd_show(place->name.bytes, place->name.length).text, type,
                    known ? " (" : "", known ? types[type].name : "",
                    known ? ")" : "");
}

/* Sizes come fastest first. */
static panda_status read_shape(struct reader *r, struct place *place)
{
    panda_status status = pnd_gguf_take_u32(&r->cursor, &place->rank);
    if (status < 0)
        return status;
    if (place->rank < 1 || place->rank > MAX_RANK)
        return fail_tensor(r, place, "has not 1 to 4 dimensions");
    for (uint32_t i = place->rank; i-- > 0;) {
        uint64_t size;
        status = pnd_gguf_take_u64(&r->cursor, &size);
        if (status < 0)
            return status;
        if (size < 1 || size > INT64_MAX)
            return fail_tensor(r, place, "has a size that is not 1 to 2^63-1");
        place->shape[i] = (int64_t)size;
    }
    return PANDA_OK;
}

static panda_status measure(const struct reader *r, struct place *place)
{
    size_t count = 1;
    for (uint32_t i = 0; i < place->rank; i++) {
        if (!pnd_mul_size(&count, count, (size_t)place->shape[i]) ||
            count > INT64_MAX)
            return fail_tensor(r, place, "has too many elements");
    }
    size_t block = pnd_dtype_get_block(place->dtype);
    if ((size_t)place->shape[place->rank - 1] % block != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has rows of %lld elements, expected a "
                        "multiple of %zu for %s",
                        r->gguf->path,
                        pnd_show(place->name.bytes, place->name.length).text,
                        (long long)place->shape[place->rank - 1], block,
                        pnd_dtype_get_name(place->dtype));
    place->bytes = pnd_dtype_get_row_bytes(place->dtype, count);
    if (place->bytes == 0)
        return fail_tensor(r, place, "has too many elements");
    return PANDA_OK;
}

static panda_status read_place(struct reader *r, struct place *place)
{
    panda_status status;
    PND_TRY(pnd_gguf_take_string(&r->cursor, &place->name));
    PND_TRY(read_shape(r, place));
    PND_TRY(read_type(r, place));
    PND_TRY(measure(r, place));
    PND_TRY(pnd_gguf_take_u64(&r->cursor, &place->begin));
    if (place->begin % r->gguf->alignment != 0)
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: tensor %s has offset %llu, expected a multiple "
                          "of %zu",
                          r->gguf->path,
                          pnd_show(place->name.bytes, place->name.length).text,
                          (unsigned long long)place->begin,
                          r->gguf->alignment);
out:
    return status;
}

/* The true shape of a tensor that GGUF has no room for: docs/file-format.md. */
static panda_status restore_shape(const struct reader *r,
                                  const struct place *place,
                                  struct pnd_tensor_source *source)
{
    char key[sizeof PND_BUNDLE_SHAPE_PREFIX + PND_GGUF_NAME_MAX];
    if (place->name.length > PND_GGUF_NAME_MAX)
        return PANDA_OK;
    snprintf(key, sizeof key, PND_BUNDLE_SHAPE_PREFIX "%.*s",
             (int)place->name.length, place->name.bytes);
    const struct pnd_gguf_value *v = pnd_gguf_find(r->gguf, key);
    if (!v)
        return PANDA_OK;
    size_t count = 1, folded = 1;
    bool right = v->is_array && v->count <= PND_MAX_RANK &&
                 !pnd_dtype_is_block(place->dtype);
    for (size_t i = 0; right && i < v->count; i++)
        right = pnd_gguf_get_integer(v, i, &source->shape[i]) &&
                source->shape[i] > 0 &&
                pnd_mul_size(&count, count, (size_t)source->shape[i]);
    for (uint32_t i = 0; i < place->rank; i++)
        folded *= (size_t)place->shape[i]; /* measured before */
    if (!right || count != folded)
        return fail_tensor(r, place,
                           "has another number of elements than its key "
                           PND_BUNDLE_SHAPE_PREFIX "* says");
    source->rank = (uint32_t)v->count;
    return PANDA_OK;
}

static panda_status add_tensor(const struct reader *r,
                               const struct place *place)
{
    const size_t size =
        r->gguf->map.size > r->data_at ? r->gguf->map.size - r->data_at : 0;
    if (place->begin > size || place->bytes > size - (size_t)place->begin)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s needs %zu bytes at offset %llu of the "
                        "data, which has %zu; the file is probably cut off",
                        r->gguf->path,
                        pnd_show(place->name.bytes, place->name.length).text,
                        place->bytes, (unsigned long long)place->begin, size);
    struct pnd_tensor_source source = {
        .name = place->name.bytes,
        .name_length = place->name.length,
        .dtype = place->dtype,
        .rank = place->rank,
        .storage = r->gguf->map.data + r->data_at + place->begin,
        .storage_size = place->bytes,
    };
    memcpy(source.shape, place->shape, sizeof place->shape);
    panda_status status = restore_shape(r, place, &source);
    return status < 0 ? status : pnd_tensor_set_add(r->weights, &source);
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static panda_status check_overlap(const struct reader *r)
{
    const struct pnd_allocator *alloc = &r->weights->ctx->alloc;
    const size_t count = r->gguf->tensor_count;
    const void **sorted = pnd_alloc_array(alloc, count, sizeof *sorted);
    panda_status status = PANDA_OK;
    if (!sorted)
        return pnd_fail_memory();
    for (size_t i = 0; i < count; i++)
        sorted[i] = &r->places[i];
    pnd_sort(sorted, count, compare_places);
    for (size_t i = 1; i < count && status == PANDA_OK; i++) {
        const struct place *last = sorted[i - 1], *next = sorted[i];
        if (next->begin - last->begin < last->bytes)
            status = fail_tensor(r, next, "overlaps with another");
    }
    pnd_free(alloc, sorted);
    return status;
}

static panda_status read_tensors(struct reader *r)
{
    const struct pnd_gguf *gguf = r->gguf;
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < gguf->tensor_count; i++)
        PND_TRY(read_place(r, &r->places[i]));
    const size_t mask = gguf->alignment - 1;
    r->data_at = (r->cursor.at + mask) & ~mask;
    for (size_t i = 0; i < gguf->tensor_count; i++)
        PND_TRY(add_tensor(r, &r->places[i]));
    PND_TRY(check_overlap(r));
out:
    return status;
}

static panda_status add_tensors(struct pnd_weights *w,
                                const struct pnd_gguf *gguf)
{
    struct reader r = {w, gguf, {gguf, gguf->tensors_at}, 0, NULL};
    if (gguf->tensor_count == 0)
        return PANDA_OK;
    r.places =
        pnd_alloc_array(&w->ctx->alloc, gguf->tensor_count, sizeof *r.places);
    if (!r.places)
        return pnd_fail_memory();
    panda_status status = read_tensors(&r);
    pnd_free(&w->ctx->alloc, r.places);
    return status;
}

/* Which part of a split model a file is. */
struct split {
    int64_t number, count, tensors; /* count 1: not split */
};

static panda_status read_split(struct split *out, const struct pnd_gguf *gguf)
{
    panda_status status;
    *out = (struct split){0, 1, 0};
    PND_TRY(pnd_gguf_read_integer(&out->count, gguf, "split.count", 0, 99999));
    if (out->count < 1)
        out->count = 1;
    PND_TRY(pnd_gguf_read_integer(&out->number, gguf, "split.no", 0,
                                  out->count - 1));
    PND_TRY(pnd_gguf_read_integer(&out->tensors, gguf, "split.tensors.count",
                                  0, INT32_MAX));
out:
    return status;
}

static panda_status check_split(const struct pnd_weights *w,
                                const struct pnd_gguf *gguf)
{
    struct split split, first;
    panda_status status = read_split(&split, gguf);
    const int64_t expected = (int64_t)w->file_count - 1;
    if (status < 0)
        return status;
    if (split.number != expected)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is part %lld of %lld, expected part %lld%s",
                        gguf->path, (long long)split.number + 1,
                        (long long)split.count, (long long)expected + 1,
                        expected == 0 ? "; open that one" : "");
    if (expected > 0) {
        status = read_split(&first, w->gguf);
        if (status == PANDA_OK && split.count != first.count)
            status = pnd_fail(PANDA_E_FORMAT,
                              "%s: is one of %lld parts, expected %lld",
                              gguf->path, (long long)split.count,
                              (long long)first.count);
        return status;
    }
    if (split.count > 1 && w->is_memory)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: is one of %lld parts, which can only be opened "
                        "as files",
                        gguf->path, (long long)split.count);
    return PANDA_OK;
}

panda_status pnd_gguf_read(struct pnd_weights *w)
{
    const struct pnd_weights_file *file = &w->files[w->file_count - 1];
    struct pnd_gguf *gguf;
    if (w->file_count > 1 && !w->gguf)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is a GGUF file, expected a shard like the others",
                        file->path);
    panda_status status = pnd_gguf_open(&gguf, &w->ctx->alloc, &file->map,
                                        file->path);
    if (status < 0)
        return status;
    status = check_split(w, gguf);
    if (status == PANDA_OK)
        status = add_tensors(w, gguf);
    if (!w->gguf)
        w->gguf = gguf;
    else
        pnd_gguf_close(gguf);
    return status;
}

/* "...-00001-of-00003.gguf" */
static panda_status check_first_name(const char *path, const char *ending,
                                     int64_t count)
{
    const size_t length = strlen(path), end = strlen(ending);
    if (length >= end && strcmp(path + length - end, ending) == 0)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: is the first of %lld parts, expected a name that ends "
                    "in %s",
                    path, (long long)count, ending);
}

panda_status pnd_gguf_read_parts(struct pnd_weights *w, const char *path)
{
    const struct pnd_allocator *alloc = &w->ctx->alloc;
    char ending[32];
    struct split split;
    panda_status status = read_split(&split, w->gguf);
    if (status < 0 || split.count == 1)
        return status;
    snprintf(ending, sizeof ending, "-00001-of-%05lld.gguf",
             (long long)split.count);
    status = check_first_name(path, ending, split.count);
    if (status < 0)
        return status;
    char *part = pnd_strdup(alloc, path);
    if (!part)
        return pnd_fail_memory();
    char *number = part + strlen(part) - strlen(ending) + 1;
    for (int64_t i = 1; i < split.count && status == PANDA_OK; i++) {
        char digits[24];
        snprintf(digits, sizeof digits, "%05lld", (long long)i + 1);
        memcpy(number, digits, 5);
        status = pnd_weights_read_file(w, part);
    }
    pnd_free(alloc, part);
    if (status == PANDA_OK && (int64_t)w->count != split.tensors)
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: the parts have %zu tensors, "
                          "split.tensors.count is %lld",
                          path, w->count, (long long)split.tensors);
    return status;
}
