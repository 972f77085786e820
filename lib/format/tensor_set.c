/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/tensor_set.h"

#include <string.h>

#include "format/sort.h"
#include "format/utf8.h"

#define MAX_NAME 1024

void *pnd_tensor_set_grow(const struct pnd_allocator *alloc, void *items,
                          size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity < 16 ? 16 : *capacity * 2, bytes;
    if (!pnd_mul_size(&bytes, wanted, size))
        return NULL;
    void *grown = pnd_realloc(alloc, items, count * size, bytes);
    if (grown)
        *capacity = wanted;
    return grown;
}

static const char *get_path(const struct pnd_weights *w)
{
    return w->files[w->file_count - 1].path;
}

static panda_status check_name(const struct pnd_weights *w,
                               const struct pnd_tensor_source *s)
{
    if (s->name_length == 0 || s->name_length > MAX_NAME)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: a tensor's name has %zu bytes, expected 1..%d",
                        get_path(w), s->name_length, MAX_NAME);
    for (size_t i = 0; i < s->name_length;) {
        size_t n = pnd_utf8_measure(s->name + i, s->name_length - i);
        if (n == 0 || (n == 1 && (s->name[i] < 0x20 || s->name[i] == 0x7f)))
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: the tensor name \"%s\" is not printable UTF-8",
                            get_path(w),
                            pnd_show(s->name, s->name_length).text);
        i += n;
    }
    return PANDA_OK;
}

/* What the checks of a tensor's place find. */
struct extent {
    size_t count; /* elements, or blocks of a block format */
    bool contiguous;
};

static panda_status fail_tensor(const struct pnd_weights *w,
                                const struct pnd_tensor_source *s,
                                const char *what)
{
    char shape[96];
    pnd_shape_format(shape, sizeof shape, s->rank, s->shape);
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s (%s %s, at element %lld of %zu bytes at "
                    "offset %zu) %s",
                    get_path(w), pnd_show(s->name, s->name_length).text,
                    pnd_dtype_get_name(s->dtype), shape, (long long)s->offset,
                    s->storage_size,
                    (size_t)(s->storage - w->files[w->file_count - 1].map.data),
                    what);
}

/* Rows of whole blocks, one after the other. */
static panda_status measure_blocks(const struct pnd_weights *w,
                                   const struct pnd_tensor_source *s,
                                   int64_t count, struct extent *out)
{
    const size_t block = pnd_dtype_get_block(s->dtype);
    const size_t bytes = pnd_dtype_get_row_bytes(s->dtype, (size_t)count);
    if (s->rank == 0 || (size_t)s->shape[s->rank - 1] % block != 0)
        return fail_tensor(w, s, "has rows that are not whole blocks");
    if (s->has_strides || s->offset != 0)
        return fail_tensor(w, s, "is not contiguous");
    if (bytes == 0 || bytes > s->storage_size)
        return fail_tensor(w, s, "has more elements than its storage");
    out->count = (size_t)count / block;
    return PANDA_OK;
}

static panda_status measure(const struct pnd_weights *w,
                            const struct pnd_tensor_source *s,
                            struct extent *out)
{
    const size_t size = pnd_dtype_get_size(s->dtype);
    const int64_t room = (int64_t)(s->storage_size / size);
    int64_t count = 1, last = s->offset, product = 1;
    bool empty = false;
    if (s->offset < 0 || s->offset > room)
        return fail_tensor(w, s, "begins outside its storage");
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->shape[i] < 0)
            return fail_tensor(w, s, "has a negative size");
        empty |= s->shape[i] == 0;
        /* Where one size is 0 the others are free, but their product must not
         * overflow in pnd_tensor_get_count. */
        if (s->shape[i] > 0 &&
            __builtin_mul_overflow(product, s->shape[i], &product))
            return fail_tensor(w, s, "has too many elements");
    }
    *out = (struct extent){0, true};
    if (empty)
        return PANDA_OK;
    if (pnd_dtype_is_block(s->dtype))
        return measure_blocks(w, s, product, out);
    /* From the fastest dimension up: `count` is also the stride that a
     * contiguous tensor has there. */
    for (uint32_t i = s->rank; i-- > 0;) {
        int64_t stride = s->has_strides ? s->strides[i] : count, reach;
        if (s->shape[i] == 1)
            continue;
        if (stride < 0)
            return fail_tensor(w, s, "has a negative stride");
        out->contiguous &= stride == count;
        if (__builtin_mul_overflow(stride, s->shape[i] - 1, &reach) ||
            __builtin_add_overflow(last, reach, &last) || last >= room)
            return fail_tensor(w, s, "reaches outside its storage");
        /* More elements than the storage has means repeated ones: no weight is
         * stored so, and a few bytes could ask for any amount of memory. */
        if (__builtin_mul_overflow(count, s->shape[i], &count) || count > room)
            return fail_tensor(w, s, "has more elements than its storage");
    }
    if (last >= room)
        return fail_tensor(w, s, "reaches outside its storage");
    out->count = (size_t)count;
    return PANDA_OK;
}

/* Gathers the elements of a strided view into `to`. */
static void gather(const struct pnd_tensor_source *s, size_t count, uint8_t *to)
{
    const size_t size = pnd_dtype_get_size(s->dtype);
    int64_t index[PND_MAX_RANK] = {0}, at = s->offset;
    for (size_t n = 0; n < count; n++) {
        memcpy(to + n * size, s->storage + (size_t)at * size, size);
        for (uint32_t i = s->rank; i-- > 0;) {
            if (++index[i] < s->shape[i]) {
                at += s->strides[i];
                break;
            }
            at -= s->strides[i] * (s->shape[i] - 1);
            index[i] = 0;
        }
    }
}

static panda_status copy_tensor(struct pnd_weights *w,
                                const struct pnd_tensor_source *s,
                                struct extent extent, const void **out)
{
    const size_t size = pnd_dtype_get_size(s->dtype);
    const size_t bytes = extent.count * size;
    panda_status status = pnd_map_need_at(&w->files[w->file_count - 1].map,
                                          s->storage, s->storage_size);
    if (status < 0)
        return status;
    /* Many views of one storage must not multiply the file's size. */
    if (bytes > w->file_bytes - w->copy_bytes)
        return fail_tensor(w, s,
                           "would be copied, and the copies would take more "
                           "memory than the files");
    void **copies =
        pnd_tensor_set_grow(&w->ctx->alloc, w->copies, w->copy_count,
                            &w->copy_capacity, sizeof *w->copies);
    if (!copies)
        return pnd_fail_memory();
    w->copies = copies;
    uint8_t *copy = pnd_alloc(&w->ctx->alloc, bytes);
    if (!copy)
        return pnd_fail_memory();
    w->copies[w->copy_count++] = copy;
    w->copy_bytes += bytes;
    if (extent.contiguous)
        memcpy(copy, s->storage + (size_t)s->offset * size, bytes);
    else
        gather(s, extent.count, copy);
    *out = copy;
    return PANDA_OK;
}

static panda_status append(struct pnd_weights *w, const struct pnd_tensor *t)
{
    struct pnd_weights_entry *entries = pnd_tensor_set_grow(
        &w->ctx->alloc, w->entries, w->count, &w->capacity, sizeof *w->entries);
    if (!entries)
        return pnd_fail_memory();
    w->entries = entries;
    w->entries[w->count++] = (struct pnd_weights_entry){
        .tensor = *t, .file = (uint32_t)(w->file_count - 1)};
    return PANDA_OK;
}

panda_status pnd_tensor_set_add(struct pnd_weights *w,
                                const struct pnd_tensor_source *s)
{
    const size_t size = pnd_dtype_get_size(s->dtype);
    struct extent extent = {0};
    struct pnd_tensor t = {.dtype = s->dtype, .rank = s->rank};
    panda_status status = check_name(w, s);
    if (status == PANDA_OK)
        status = measure(w, s, &extent);
    if (status < 0)
        return status;
    memcpy(t.shape, s->shape, s->rank * sizeof *t.shape);
    t.bytes = extent.count * size;
    t.data = s->storage + (size_t)s->offset * size;
    if (extent.count > 0 &&
        (!extent.contiguous || ((uintptr_t)t.data % size != 0 &&
                                !pnd_dtype_is_block(s->dtype))))
        status = copy_tensor(w, s, extent, &t.data);
    if (status < 0)
        return status;
    t.name = pnd_arena_strndup(&w->arena, s->name, s->name_length);
    return t.name ? append(w, &t) : pnd_fail_memory();
}

static int compare_entries(const void *a, const void *b)
{
    const struct pnd_weights_entry *x = a, *y = b;
    return strcmp(x->tensor.name, y->tensor.name);
}

panda_status pnd_tensor_set_finish(struct pnd_weights *w)
{
    w->sorted =
        pnd_alloc_array(&w->ctx->alloc, w->count + 1, sizeof *w->sorted);
    if (!w->sorted)
        return pnd_fail_memory();
    for (size_t i = 0; i < w->count; i++)
        w->sorted[i] = &w->entries[i];
    pnd_sort(w->sorted, w->count, compare_entries);
    const struct pnd_weights_entry *twice =
        pnd_sort_find_equal(w->sorted, w->count, compare_entries);
    if (!twice)
        return PANDA_OK;
    return pnd_fail(
        PANDA_E_FORMAT, "%s: tensor %s is there twice",
        w->files[twice->file].path,
        pnd_show(twice->tensor.name, strlen(twice->tensor.name)).text);
}

const struct pnd_weights_entry *pnd_tensor_set_find(const struct pnd_weights *w,
                                                    const char *name)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct pnd_weights_entry *entry = w->sorted[middle];
        int order = strcmp(entry->tensor.name, name);
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
