/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/importance_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/map.h"
#include "format/weights.h"

#define NAME_MAX_BYTES 96
#define ENTRIES_MAX (1 << 16)

/* Of an older file; both pointers lie in it. */
struct entry {
    const uint8_t *name;
    const uint8_t *sums; /* f32 (columns) at any address */
    uint32_t length, calls, columns;
};

struct pnd_importance {
    const struct pnd_allocator *alloc;
    char *path;
    struct pnd_weights *weights; /* a GGUF; or, when NULL: */
    struct pnd_map map;
    struct entry *entries; /* count */
    uint32_t count;
};

/* What is left of a file; all numbers are i32, at least 0. */
struct reader {
    const uint8_t *at;
    size_t left;
};

static bool take_number(uint32_t *out, struct reader *r)
{
    if (r->left < 4)
        return false;
    *out = pnd_read_le32(r->at);
    r->at += 4;
    r->left -= 4;
    return *out <= INT32_MAX;
}

static bool take_bytes(const uint8_t **out, struct reader *r, uint64_t size)
{
    if (size > r->left)
        return false;
    *out = r->at;
    r->at += size;
    r->left -= (size_t)size;
    return true;
}

static bool take_entry(struct entry *e, struct reader *r)
{
    return take_number(&e->length, r) && e->length > 0 &&
           take_bytes(&e->name, r, e->length) && take_number(&e->calls, r) &&
           take_number(&e->columns, r) && e->columns > 0 &&
           take_bytes(&e->sums, r, (uint64_t)e->columns * sizeof(float));
}

static bool take_end(struct reader *r)
{
    uint32_t chunks, length;
    return r->left == 0 ||
           (take_number(&chunks, r) &&
            (r->left == 0 || (take_number(&length, r) && r->left == length)));
}

static panda_status fail_format(const struct pnd_importance *file)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: no importance data, expected a GGUF file with "
                    "general.type \"imatrix\", or what llama-imatrix wrote "
                    "before", file->path);
}

static panda_status read_older(struct pnd_importance *file,
                               const struct pnd_context *ctx)
{
    panda_status status;
    PND_TRY(pnd_map_open(&file->map, ctx, file->path));
    PND_TRY(pnd_map_need_all(&file->map));
    struct reader r = {file->map.data, file->map.size};
    if (!take_number(&file->count, &r) || file->count < 1 ||
        file->count > ENTRIES_MAX || file->count > r.left / sizeof(float))
        return fail_format(file);
    file->entries = pnd_alloc_array(file->alloc, file->count,
                                    sizeof *file->entries);
    if (!file->entries)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < file->count; i++) {
        if (!take_entry(&file->entries[i], &r))
            return fail_format(file);
    }
    if (!take_end(&r))
        return fail_format(file);
out:
    return status;
}

static panda_status read_gguf(struct pnd_importance *file,
                              const struct pnd_context *ctx)
{
    panda_status status = pnd_weights_open(&file->weights, ctx, file->path);
    if (status < 0)
        return status;
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(file->weights);
    return gguf && pnd_gguf_is_string(gguf, "general.type", "imatrix")
               ? PANDA_OK
               : fail_format(file);
}

static panda_status find_is_gguf(bool *out, const struct pnd_context *ctx,
                                 const char *path)
{
    struct pnd_map map;
    panda_status status = pnd_map_open(&map, ctx, path);
    if (status < 0)
        return status;
    const size_t size = map.size < 4 ? map.size : 4;
    status = pnd_map_need(&map, 0, size);
    *out = status >= 0 && size == 4 && memcmp(map.data, "GGUF", 4) == 0;
    pnd_map_close(&map);
    return status;
}

panda_status pnd_importance_open(struct pnd_importance **out,
                                 const struct pnd_context *ctx,
                                 const char *path)
{
    struct pnd_importance *file =
        pnd_alloc_zero(&ctx->alloc, sizeof *file);
    panda_status status;
    bool is_gguf;
    *out = NULL;
    if (!file)
        return pnd_fail_memory();
    file->alloc = &ctx->alloc;
    file->path = pnd_strdup(&ctx->alloc, path);
    if (!file->path)
        PND_TRY(pnd_fail_memory());
    PND_TRY(find_is_gguf(&is_gguf, ctx, path));
    PND_TRY(is_gguf ? read_gguf(file, ctx) : read_older(file, ctx));
    *out = file;
    return PANDA_OK;
out:
    pnd_importance_close(file);
    return status;
}

void pnd_importance_close(struct pnd_importance *file)
{
    if (!file)
        return;
    pnd_weights_close(file->weights);
    pnd_map_close(&file->map);
    pnd_free(file->alloc, file->entries);
    pnd_free(file->alloc, file->path);
    pnd_free(file->alloc, file);
}

const char *pnd_importance_get_path(const struct pnd_importance *file)
{
    return file->path;
}

/* Positions that the sums are of; 1 where the file does not tell. */
static panda_status read_count(float *out, struct pnd_weights *w,
                               const char *name)
{
    const struct pnd_tensor *t = pnd_weights_find(w, name);
    *out = 1;
    if (!t)
        return PANDA_OK;
    if (t->dtype == PND_F32 && pnd_tensor_get_count(t) == 1)
        *out = pnd_tensor_get_f32(t, 0);
    if (t->dtype != PND_F32 || pnd_tensor_get_count(t) != 1 || !(*out > 0) ||
        isinf(*out))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s is no positive f32 number, expected how "
                        "many positions were measured",
                        pnd_weights_get_path(w), name);
    return PANDA_OK;
}

/* The sums of a GGUF and what they are divided by; NULL where it has none. */
static panda_status find_tensor(const struct pnd_tensor **out, float *count,
                                const struct pnd_importance *file,
                                const char *name, size_t columns)
{
    char full[NAME_MAX_BYTES + 16];
    snprintf(full, sizeof full, "%s.in_sum2", name);
    const struct pnd_tensor *t = pnd_weights_find(file->weights, full);
    *out = t;
    if (!t)
        return PANDA_OK;
    if (t->dtype != PND_F32 || (size_t)pnd_tensor_get_count(t) != columns)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has %" PRId64 " numbers of type %s, "
                        "expected %zu of type f32",
                        file->path, full, pnd_tensor_get_count(t),
                        pnd_dtype_get_name(t->dtype), columns);
    snprintf(full, sizeof full, "%s.counts", name);
    return read_count(count, file->weights, full);
}

/* The last one, as llama.cpp has it, where there are several. */
static panda_status find_entry(const struct entry **out,
                               const struct pnd_importance *file,
                               const char *name, size_t columns)
{
    const size_t length = strlen(name);
    *out = NULL;
    for (uint32_t i = file->count; i > 0 && !*out; i--) {
        const struct entry *e = &file->entries[i - 1];
        if (e->length == length && memcmp(e->name, name, length) == 0)
            *out = e;
    }
    if (*out && (*out)->columns != columns)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %s has %u columns, expected %zu", file->path,
                        name, (*out)->columns, columns);
    return PANDA_OK;
}

static panda_status divide(float *means, size_t columns, float count,
                           const struct pnd_importance *file, const char *name)
{
    for (size_t i = 0; i < columns; i++) {
        if (!(means[i] >= 0) || isinf(means[i]))
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: the data of %s has %g at %zu, expected a "
                            "finite number, at least 0",
                            file->path, name, (double)means[i], i);
        means[i] /= count;
    }
    return PANDA_OK;
}

panda_status pnd_importance_read(const float **out,
                                 const struct pnd_importance *file,
                                 struct pnd_arena *arena, const char *name,
                                 size_t columns)
{
    const struct pnd_tensor *tensor = NULL;
    const struct entry *entry = NULL;
    float count = 1;
    *out = NULL;
    panda_status status =
        file->weights ? find_tensor(&tensor, &count, file, name, columns)
                      : find_entry(&entry, file, name, columns);
    if (status < 0 || (!tensor && !entry))
        return status;
    float *means = pnd_arena_alloc_array(arena, columns, sizeof *means);
    if (!means)
        return pnd_fail_memory();
    if (tensor)
        pnd_tensor_read_f32(tensor, means);
    for (size_t i = 0; entry && i < columns; i++) {
        const uint32_t bits = pnd_read_le32(entry->sums + 4 * i);
        memcpy(&means[i], &bits, sizeof bits);
    }
    if (entry && entry->calls > 0)
        count = (float)entry->calls;
    status = divide(means, columns, count, file, name);
    if (status >= 0)
        *out = means;
    return status;
}
