/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "format/tensor_set.h"
#include "format/utf8.h"

#define DETECT_BYTES 4096

enum content {
    CONTENT_UNKNOWN,
    CONTENT_ZIP,
    CONTENT_SAFETENSORS,
    CONTENT_JSON,
    CONTENT_LEGACY_TORCH, /* before PyTorch 1.6 */
    CONTENT_PICKLE,
    CONTENT_GGUF,
    CONTENT_LFS_POINTER,
    CONTENT_TEXT
};

static bool begins_with(const uint8_t *data, size_t size, const void *magic,
                        size_t length)
{
    return size >= length && memcmp(data, magic, length) == 0;
}

static bool is_text(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < 64; i++) {
        if (data[i] < 0x20 && !memchr("\t\r\n", data[i], 3))
            return false;
    }
    return true;
}

/* By what is in the file: names say too little (.bin). White space in front of
 * JSON is looked through as far as DETECT_BYTES. */
static enum content detect(const uint8_t *data, size_t size)
{
    /* LONG1 of torch's magic number. */
    static const uint8_t legacy[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                     0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    static const char pointer[] = "version https://git-lfs";
    if (begins_with(data, size, "PK\3\4", 4) ||
        begins_with(data, size, "PK\5\6", 4))
        return CONTENT_ZIP;
    if (begins_with(data, size, legacy, sizeof legacy))
        return CONTENT_LEGACY_TORCH;
    if (begins_with(data, size, "GGUF", 4))
        return CONTENT_GGUF;
    /* Text read as a length would be far larger than any file. */
    if (size > 8 && data[8] == '{' && pnd_read_le64(data) >> 40 == 0)
        return CONTENT_SAFETENSORS;
    if (size > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5)
        return CONTENT_PICKLE;
    if (begins_with(data, size, pointer, sizeof pointer - 1))
        return CONTENT_LFS_POINTER;
    if (!is_text(data, size))
        return CONTENT_UNKNOWN;
    for (size_t i = 0; i < size; i++) {
        if (!memchr(" \t\r\n", data[i], 4))
            return data[i] == '{' ? CONTENT_JSON : CONTENT_TEXT;
    }
    return CONTENT_TEXT;
}

static panda_status fail_content(const char *path, enum content content)
{
    switch (content) {
    case CONTENT_LEGACY_TORCH:
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: is in PyTorch's format from before version 1.6; "
                        "load it there and torch.save it again",
                        path);
    case CONTENT_PICKLE:
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is a bare pickle, expected a file of torch.save "
                        "or safetensors",
                        path);
    case CONTENT_LFS_POINTER:
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is a Git LFS pointer, not the weights themselves; "
                        "fetch them with \"git lfs pull\"",
                        path);
    case CONTENT_JSON:
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is JSON, expected weights (PyTorch, "
                        "safetensors or GGUF)",
                        path);
    case CONTENT_TEXT:
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is text, expected weights (PyTorch, "
                        "safetensors or GGUF)",
                        path);
    default:
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is neither PyTorch's zip format nor safetensors "
                        "nor GGUF",
                        path);
    }
}

static panda_status detect_map(enum content *out, const struct pnd_map *map)
{
    const size_t size = map->size < DETECT_BYTES ? map->size : DETECT_BYTES;
    panda_status status = pnd_map_need(map, 0, size);
    if (status == PANDA_OK)
        *out = detect(map->data, size);
    return status;
}

static panda_status read_content(struct pnd_weights *w)
{
    const struct pnd_weights_file *file = &w->files[w->file_count - 1];
    enum content content = CONTENT_UNKNOWN;
    panda_status status = detect_map(&content, &file->map);
    if (status < 0)
        return status;
    if (content == CONTENT_ZIP)
        return pnd_torch_read(w);
    if (content == CONTENT_SAFETENSORS)
        return pnd_safetensors_read(w);
    if (content == CONTENT_GGUF)
        return pnd_gguf_read(w);
    return fail_content(file->path, content);
}

/* Takes the map. */
static panda_status add_file(struct pnd_weights *w, struct pnd_map *map,
                             const char *path)
{
    struct pnd_weights_file *files =
        pnd_tensor_set_grow(&w->ctx->alloc, w->files, w->file_count,
                            &w->file_capacity, sizeof *w->files);
    const char *copy = pnd_arena_strndup(&w->arena, path, strlen(path));
    if (files)
        w->files = files;
    if (!files || !copy) {
        pnd_map_close(map);
        return pnd_fail_memory();
    }
    w->files[w->file_count++] = (struct pnd_weights_file){copy, *map};
    w->file_bytes += map->size;
    return PANDA_OK;
}

panda_status pnd_weights_read_file(struct pnd_weights *w, const char *path)
{
    struct pnd_map map;
    panda_status status = pnd_map_open(&map, w->ctx, path);
    if (status < 0)
        return status;
    status = add_file(w, &map, path);
    return status < 0 ? status : read_content(w);
}

/* A file may be an index of others. */
static panda_status read_path(struct pnd_weights *w, const char *path)
{
    struct pnd_map map;
    enum content content = CONTENT_UNKNOWN;
    panda_status status = pnd_map_open(&map, w->ctx, path);
    if (status < 0)
        return status;
    status = detect_map(&content, &map);
    if (status < 0 || content == CONTENT_JSON)
        pnd_map_close(&map);
    if (status < 0)
        return status;
    if (content == CONTENT_JSON)
        return pnd_shards_read(w, path);
    status = add_file(w, &map, path);
    if (status == PANDA_OK)
        status = read_content(w);
    if (status == PANDA_OK && w->gguf)
        status = pnd_gguf_read_parts(w, path);
    return status < 0 ? status : pnd_tensor_set_finish(w);
}

/* A folder as Hugging Face lays them out; the first that is there. */
static panda_status read_folder(struct pnd_weights *w, const char *folder)
{
    static const char *const names[] = {
        "model.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "pytorch_model.bin.index.json"};
    const struct pnd_allocator *alloc = &w->ctx->alloc;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pnd_path_join(alloc, folder, names[i]);
        if (!path)
            return pnd_fail_memory();
        panda_status status = PANDA_OK;
        bool found = pnd_path_get_kind(w->ctx, path) != PND_PATH_MISSING;
        if (found)
            status = read_path(w, path);
        pnd_free(alloc, path);
        if (found)
            return status;
    }
    return pnd_fail(PANDA_E_IO,
                    "%s: the folder has no model.safetensors and no "
                    "pytorch_model.bin, nor an index of either",
                    folder);
}

static panda_status create(struct pnd_weights **out,
                           const struct pnd_context *ctx, const char *path)
{
    *out = NULL;
    struct pnd_weights *w = pnd_alloc_zero(&ctx->alloc, sizeof *w);
    if (!w)
        return pnd_fail_memory();
    w->ctx = ctx;
    pnd_arena_init(&w->arena, &ctx->alloc);
    w->path = pnd_arena_strndup(&w->arena, path, strlen(path));
    if (!w->path) {
        pnd_weights_close(w);
        return pnd_fail_memory();
    }
    *out = w;
    return PANDA_OK;
}

panda_status pnd_weights_open(struct pnd_weights **out,
                              const struct pnd_context *ctx, const char *path)
{
    struct pnd_weights *w;
    *out = NULL;
    panda_status status = create(&w, ctx, path);
    if (status < 0)
        return status;
    if (pnd_path_get_kind(ctx, path) == PND_PATH_DIRECTORY)
        status = read_folder(w, path);
    else
        status = read_path(w, path);
    if (status < 0)
        pnd_weights_close(w);
    else
        *out = w;
    return status;
}

panda_status pnd_weights_open_memory(struct pnd_weights **out,
                                     const struct pnd_context *ctx,
                                     const void *data, size_t size,
                                     const char *name)
{
    struct pnd_map map = {.data = data, .size = size};
    struct pnd_weights *w;
    *out = NULL;
    panda_status status = create(&w, ctx, name);
    if (status < 0)
        return status;
    w->is_memory = true;
    PND_TRY(add_file(w, &map, name));
    PND_TRY(read_content(w));
    PND_TRY(pnd_tensor_set_finish(w));
out:
    if (status < 0)
        pnd_weights_close(w);
    else
        *out = w;
    return status;
}

void pnd_weights_close(struct pnd_weights *w)
{
    if (!w)
        return;
    const struct pnd_allocator *alloc = &w->ctx->alloc;
    for (size_t i = 0; i < w->file_count; i++)
        pnd_map_close(&w->files[i].map);
    for (size_t i = 0; i < w->copy_count; i++)
        pnd_free(alloc, w->copies[i]);
    pnd_gguf_close(w->gguf);
    pnd_free(alloc, w->files);
    pnd_free(alloc, w->copies);
    pnd_free(alloc, w->entries);
    pnd_free(alloc, w->sorted);
    pnd_arena_free(&w->arena);
    pnd_free(alloc, w);
}

const struct pnd_gguf *pnd_weights_get_gguf(const struct pnd_weights *w)
{
    return w->gguf;
}

const char *pnd_weights_get_path(const struct pnd_weights *w)
{
    return w->path;
}

size_t pnd_weights_get_count(const struct pnd_weights *w)
{
    return w->count;
}

const struct pnd_tensor *pnd_weights_at(const struct pnd_weights *w,
                                        size_t index)
{
    return &w->entries[index].tensor;
}

static struct pnd_weights_entry *find(struct pnd_weights *w, const char *name)
{
    const struct pnd_weights_entry *found = pnd_tensor_set_find(w, name);
    if (!found)
        return NULL;
    struct pnd_weights_entry *entry = &w->entries[found - w->entries];
    entry->used = true;
    return entry;
}

const struct pnd_tensor *pnd_weights_find(struct pnd_weights *w,
                                          const char *name)
{
    struct pnd_weights_entry *entry = find(w, name);
    return entry ? &entry->tensor : NULL;
}

panda_status pnd_weights_load(struct pnd_weights *w,
                              const struct pnd_tensor *tensor)
{
    const struct pnd_weights_entry *entry =
        pnd_tensor_set_find(w, tensor->name);
    const struct pnd_map *map = &w->files[entry->file].map;
    const uintptr_t at = (uintptr_t)tensor->data, begin = (uintptr_t)map->data;
    if (at < begin || at - begin >= map->size)
        return PANDA_OK; /* a copy */
    return pnd_map_need(map, at - begin, tensor->bytes);
}

panda_status pnd_weights_load_all(struct pnd_weights *w)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < w->file_count && status == PANDA_OK; i++)
        status = pnd_map_need_all(&w->files[i].map);
    return status;
}

static panda_status fail_missing(const struct pnd_weights *w, const char *name,
                                 const char *shape)
{
    char index[256];
    if (w->file_count == 1 &&
        pnd_shards_name_index(index, sizeof index, w->path))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s is missing, since this is one shard of "
                        "several; expected %s or the folder",
                        w->path, name, index);
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s is missing, expected one of shape %s",
                    w->path, name, shape);
}

static panda_status require(const struct pnd_tensor **out,
                            struct pnd_weights *w, uint32_t rank,
                            const int64_t *shape, const char *name,
                            bool blocks_too)
{
    char found[96], expected[96];
    panda_status status;
    *out = NULL;
    struct pnd_weights_entry *entry = find(w, name);
    pnd_shape_format(expected, sizeof expected, rank, shape);
    if (!entry)
        return fail_missing(w, name, expected);
    const struct pnd_tensor *t = &entry->tensor;
    const char *path = w->files[entry->file].path;
    pnd_shape_format(found, sizeof found, t->rank, t->shape);
    if (!pnd_tensor_has_shape(t, rank, shape))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has shape %s, expected %s", path, name,
                        found, expected);
    if (!pnd_dtype_is_weight(t->dtype) &&
        !(blocks_too && pnd_dtype_is_block(t->dtype)))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has element type %s, expected f32, f16 "
                        "or bf16%s",
                        path, name, pnd_dtype_get_name(t->dtype),
                        blocks_too ? " or a block format" : "");
    status = pnd_weights_load(w, t);
    if (status == PANDA_OK)
        *out = t;
    return status;
}

panda_status pnd_weights_require(const struct pnd_tensor **out,
                                 struct pnd_weights *w, uint32_t rank,
                                 const int64_t *shape, const char *name)
{
    return require(out, w, rank, shape, name, false);
}

panda_status pnd_weights_require_matrix(const struct pnd_tensor **out,
                                        struct pnd_weights *w, int64_t rows,
                                        int64_t columns, const char *name)
{
    return require(out, w, 2, (int64_t[]){rows, columns}, name, true);
}

panda_status pnd_weights_require_named(const struct pnd_tensor **out,
                                       struct pnd_weights *w, uint32_t rank,
                                       const int64_t *shape,
                                       const char *name_format, ...)
{
    char name[512];
    va_list args;
    va_start(args, name_format);
    int length = vsnprintf(name, sizeof name, name_format, args);
    va_end(args);
    *out = NULL;
    if (length < 0 || (size_t)length >= sizeof name)
        return pnd_fail(PANDA_E_INTERNAL, "the tensor name %s... is too long",
                        name);
    return pnd_weights_require(out, w, rank, shape, name);
}

const struct pnd_tensor *pnd_weights_find_unused(const struct pnd_weights *w,
                                                 const char *prefix)
{
    const size_t length = strlen(prefix);
    for (size_t i = 0; i < w->count; i++) {
        const struct pnd_weights_entry *entry = &w->entries[i];
        if (!entry->used && strncmp(entry->tensor.name, prefix, length) == 0)
            return &entry->tensor;
    }
    return NULL;
}

size_t pnd_weights_get_file_count(const struct pnd_weights *w)
{
    return w->file_count;
}

const char *pnd_weights_get_file_path(const struct pnd_weights *w,
                                      size_t index)
{
    return w->files[index].path;
}

const void *pnd_weights_get_file_data(const struct pnd_weights *w,
                                      size_t index, size_t *size)
{
    *size = w->files[index].map.size;
    return w->files[index].map.data;
}

void pnd_weights_forget(const struct pnd_weights *w, const void *data,
                        size_t size)
{
    const uint8_t *begin = data;
    for (size_t i = 0; i < w->file_count; i++) {
        const struct pnd_map *map = &w->files[i].map;
        if (begin >= map->data && begin < map->data + map->size)
            pnd_map_forget(map, (size_t)(begin - map->data), size);
    }
}

struct pnd_tensor_use pnd_weights_get_use(const struct pnd_weights *w,
                                          size_t index)
{
    const struct pnd_weights_entry *entry = &w->entries[index];
    const struct pnd_weights_file *file = &w->files[entry->file];
    const uintptr_t at = (uintptr_t)entry->tensor.data;
    const uintptr_t begin = (uintptr_t)file->map.data;
    return (struct pnd_tensor_use){
        entry->used,
        !file->map.fill && at >= begin && at - begin < file->map.size,
        file->path};
}

uint64_t pnd_weights_get_mapped_bytes(const struct pnd_weights *w)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->file_count; i++)
        bytes += w->files[i].map.fill ? 0 : w->files[i].map.size;
    return bytes;
}

uint64_t pnd_weights_get_heap_bytes(const struct pnd_weights *w)
{
    uint64_t bytes = w->copy_bytes;
    for (size_t i = 0; i < w->file_count; i++) {
        if (w->files[i].map.fill)
            bytes += pnd_fill_get_bytes(w->files[i].map.fill);
    }
    return bytes;
}
