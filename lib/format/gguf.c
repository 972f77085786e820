/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* GGUF, versions 2 and 3, little-endian:
 *
 *     "GGUF", u32 version, u64 tensors, u64 keys
 *     each key:    string, u32 type, value
 *     each tensor: string, u32 rank, u64 sizes (fastest first), u32 type,
 *                  u64 offset in the data
 *     the data, from the next multiple of the alignment on
 *
 * where a string is its u64 length and its bytes, and an array is the u32 type
 * of its items, their u64 count, and the items. */
#include "format/gguf.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/gguf_parts.h"
#include "format/sort.h"
#include "format/utf8.h"

#define HEADER_BYTES 24
#define LEAST_KEY_BYTES 14    /* a name of one byte, a type, one byte */
#define LEAST_TENSOR_BYTES 33 /* a name of one byte, one dimension */
#define MAX_COUNT 65536       /* keys, and tensors of one file */
#define MAX_KEY_BYTES 65535
#define MAX_DEPTH 4 /* arrays in arrays */
#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT (1 << 20)

/* Bytes of an item; 0: they differ. */
static const uint8_t type_sizes[PND_GGUF_TYPE_COUNT] = {
    [PND_GGUF_U8] = 1,  [PND_GGUF_I8] = 1,   [PND_GGUF_U16] = 2,
    [PND_GGUF_I16] = 2, [PND_GGUF_U32] = 4,  [PND_GGUF_I32] = 4,
    [PND_GGUF_F32] = 4, [PND_GGUF_BOOL] = 1, [PND_GGUF_U64] = 8,
    [PND_GGUF_I64] = 8, [PND_GGUF_F64] = 8,
};

size_t pnd_gguf_type_get_size(enum pnd_gguf_type type)
{
    return type_sizes[type];
}

panda_status pnd_gguf_fail(const struct pnd_gguf_cursor *c, const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: GGUF: at byte %zu of %zu: %s",
                    c->gguf->path, c->at, c->gguf->map.size, what);
}

static size_t get_left(const struct pnd_gguf_cursor *c)
{
    return c->gguf->map.size - c->at;
}

panda_status pnd_gguf_demand(const struct pnd_gguf_cursor *c, uint64_t size,
                             const char *what)
{
    if (size > get_left(c))
        return pnd_gguf_fail(c, what);
    return pnd_map_need(&c->gguf->map, c->at, (size_t)size);
}

panda_status pnd_gguf_take_u32(struct pnd_gguf_cursor *c, uint32_t *out)
{
    panda_status status =
        pnd_gguf_demand(c, 4, "the file ends within a number");
    if (status < 0)
        return status;
    *out = pnd_read_le32(c->gguf->map.data + c->at);
    c->at += 4;
    return PANDA_OK;
}

panda_status pnd_gguf_take_u64(struct pnd_gguf_cursor *c, uint64_t *out)
{
    panda_status status =
        pnd_gguf_demand(c, 8, "the file ends within a number");
    if (status < 0)
        return status;
    *out = pnd_read_le64(c->gguf->map.data + c->at);
    c->at += 8;
    return PANDA_OK;
}

panda_status pnd_gguf_take_string(struct pnd_gguf_cursor *c,
                                  struct pnd_gguf_string *out)
{
    uint64_t length;
    panda_status status = pnd_gguf_take_u64(c, &length);
    if (status < 0)
        return status;
    status = pnd_gguf_demand(c, length,
                             "a string reaches past the end of the file");
    if (status < 0)
        return status;
    out->bytes = (const char *)c->gguf->map.data + c->at;
    out->length = (size_t)length;
    c->at += (size_t)length;
    return PANDA_OK;
}

static panda_status take_type(struct pnd_gguf_cursor *c,
                              enum pnd_gguf_type *out)
{
    uint32_t type;
    panda_status status = pnd_gguf_take_u32(c, &type);
    if (status < 0)
        return status;
    *out = (enum pnd_gguf_type)type;
    if (type < PND_GGUF_TYPE_COUNT)
        return PANDA_OK;
    c->at -= 4;
    return pnd_gguf_fail(c, "this type of value is not known");
}

/* Type and count of an array; so many items may really be there. */
static panda_status take_array(struct pnd_gguf_cursor *c,
                               enum pnd_gguf_type *type, size_t *count)
{
    uint64_t items = 0;
    panda_status status = take_type(c, type);
    if (status == PANDA_OK)
        status = pnd_gguf_take_u64(c, &items);
    if (status < 0)
        return status;
    size_t least = type_sizes[*type];
    if (least == 0)
        least = *type == PND_GGUF_STRING ? 8 : 12;
    if (items > get_left(c) / least) {
        c->at -= 8;
        return pnd_gguf_fail(c, "an array has more items than the file bytes");
    }
    *count = (size_t)items;
    return PANDA_OK;
}

static panda_status skip_numbers(struct pnd_gguf_cursor *c, size_t bytes,
                                 bool are_bools)
{
    panda_status status =
        pnd_gguf_demand(c, bytes, "the file ends within a value");
    if (status < 0)
        return status;
    if (!are_bools) {
        c->at += bytes;
        return PANDA_OK;
    }
    for (; bytes > 0; bytes--, c->at++) {
        if (c->gguf->map.data[c->at] > 1)
            return pnd_gguf_fail(c, "a boolean is neither 0 nor 1");
    }
    return PANDA_OK;
}

/* Go past `count` items, which the file has room for if they are as short as
 * can be. `places` takes the offset of each string from the first, or is
 * NULL. */
static panda_status skip_items(struct pnd_gguf_cursor *c,
                               enum pnd_gguf_type type, size_t count,
                               unsigned depth, size_t *places)
{
    const size_t size = type_sizes[type], begin = c->at;
    panda_status status = PANDA_OK;
    if (size > 0)
        return skip_numbers(c, count * size, type == PND_GGUF_BOOL);
    if (type == PND_GGUF_ARRAY && depth == MAX_DEPTH)
        return pnd_gguf_fail(c, "arrays are nested more than 4 deep");
    for (size_t i = 0; i < count && status == PANDA_OK; i++) {
        struct pnd_gguf_string string;
        enum pnd_gguf_type inner;
        size_t items;
        if (places)
            places[i] = c->at - begin;
        if (type == PND_GGUF_STRING) {
            status = pnd_gguf_take_string(c, &string);
            continue;
        }
        status = take_array(c, &inner, &items);
        if (status == PANDA_OK)
            status = skip_items(c, inner, items, depth + 1, NULL);
    }
    return status;
}

static panda_status read_key(struct pnd_gguf_cursor *c,
                             struct pnd_gguf_string *key)
{
    const size_t at = c->at;
    panda_status status = pnd_gguf_take_string(c, key);
    if (status < 0)
        return status;
    if (key->length >= 1 && key->length <= MAX_KEY_BYTES)
        return PANDA_OK;
    c->at = at;
    return pnd_gguf_fail(c, "a key's name has not 1 to 65535 bytes");
}

static panda_status read_value(struct pnd_gguf *gguf, struct pnd_gguf_cursor *c,
                               struct pnd_gguf_value *v)
{
    size_t *places = NULL;
    panda_status status;
    *v = (struct pnd_gguf_value){.count = 1};
    PND_TRY(read_key(c, &v->key));
    PND_TRY(take_type(c, &v->type));
    if (v->type == PND_GGUF_ARRAY) {
        v->is_array = true;
        PND_TRY(take_array(c, &v->type, &v->count));
        /* A string has 8 bytes and more in the file. */
        if (v->type == PND_GGUF_STRING) {
            places = pnd_arena_alloc_array(&gguf->arena, v->count,
                                           sizeof *places);
            if (!places)
                return pnd_fail_memory();
        }
    }
    v->places = places;
    v->data = gguf->map.data + c->at;
    const size_t begin = c->at;
    PND_TRY(skip_items(c, v->type, v->count, 1, places));
    v->bytes = c->at - begin;
out:
    return status;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pnd_gguf_string *x = &((const struct pnd_gguf_value *)a)->key;
    const struct pnd_gguf_string *y = &((const struct pnd_gguf_value *)b)->key;
    size_t shared = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shared);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static panda_status read_values(struct pnd_gguf *gguf,
                                struct pnd_gguf_cursor *c)
{
    gguf->values = pnd_arena_alloc_array(&gguf->arena, gguf->count,
                                         sizeof *gguf->values);
    gguf->sorted = pnd_arena_alloc_array(&gguf->arena, gguf->count,
                                         sizeof *gguf->sorted);
    if (!gguf->values || !gguf->sorted)
        return pnd_fail_memory();
    for (size_t i = 0; i < gguf->count; i++) {
        panda_status status = read_value(gguf, c, &gguf->values[i]);
        if (status < 0)
            return status;
        gguf->sorted[i] = &gguf->values[i];
    }
    pnd_sort(gguf->sorted, gguf->count, compare_keys);
    const struct pnd_gguf_value *twice =
        pnd_sort_find_equal(gguf->sorted, gguf->count, compare_keys);
    if (!twice)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT, "%s: GGUF: the key %s is there twice",
                    gguf->path,
                    pnd_show(twice->key.bytes, twice->key.length).text);
}

static panda_status check_version(const struct pnd_gguf *gguf)
{
    const uint32_t version = pnd_read_le32(gguf->map.data + 4);
    if (version == 2 || version == 3)
        return PANDA_OK;
    if (version != 0 && version << 16 == 0)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: GGUF: is big-endian, expected little-endian",
                        gguf->path);
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: GGUF: is of version %u, expected 2 or 3", gguf->path,
                    version);
}

static panda_status read_count(size_t *out, const struct pnd_gguf *gguf,
                               size_t at, size_t least_bytes, const char *what)
{
    const uint64_t count = pnd_read_le64(gguf->map.data + at);
    size_t most = (gguf->map.size - HEADER_BYTES) / least_bytes;
    if (most > MAX_COUNT)
        most = MAX_COUNT;
    if (count > most)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: GGUF: has %llu %s, expected at most %zu in a file "
                        "of %zu bytes",
                        gguf->path, (unsigned long long)count, what, most,
                        gguf->map.size);
    *out = (size_t)count;
    return PANDA_OK;
}

static panda_status read_alignment(struct pnd_gguf *gguf)
{
    int64_t alignment = DEFAULT_ALIGNMENT;
    panda_status status = pnd_gguf_read_integer(
        &alignment, gguf, "general.alignment", 1, MAX_ALIGNMENT);
    if (status == PANDA_OK && (alignment & (alignment - 1)) != 0)
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: GGUF: general.alignment is %lld, expected a "
                          "power of two",
                          gguf->path, (long long)alignment);
    gguf->alignment = (size_t)alignment;
    return status;
}

static panda_status read_file(struct pnd_gguf *gguf)
{
    struct pnd_gguf_cursor c = {gguf, HEADER_BYTES};
    const size_t size = gguf->map.size;
    panda_status status;
    const size_t begin = size < HEADER_BYTES ? size : HEADER_BYTES;
    PND_TRY(pnd_map_need(&gguf->map, 0, begin));
    if (size < HEADER_BYTES || memcmp(gguf->map.data, "GGUF", 4) != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: GGUF: expected \"GGUF\" and a header of %d bytes "
                        "in a file of %zu bytes",
                        gguf->path, HEADER_BYTES, size);
    PND_TRY(check_version(gguf));
    PND_TRY(read_count(&gguf->tensor_count, gguf, 8, LEAST_TENSOR_BYTES,
                       "tensors"));
    PND_TRY(read_count(&gguf->count, gguf, 16, LEAST_KEY_BYTES, "keys"));
    PND_TRY(read_values(gguf, &c));
    PND_TRY(read_alignment(gguf));
    gguf->tensors_at = c.at;
out:
    return status;
}

panda_status pnd_gguf_open(struct pnd_gguf **out,
                           const struct pnd_allocator *alloc,
                           const struct pnd_map *map, const char *path)
{
    *out = NULL;
    struct pnd_gguf *gguf = pnd_alloc_zero(alloc, sizeof *gguf);
    if (!gguf)
        return pnd_fail_memory();
    pnd_arena_init(&gguf->arena, alloc);
    gguf->map = *map;
    gguf->path = pnd_arena_strndup(&gguf->arena, path, strlen(path));
    panda_status status = gguf->path ? read_file(gguf) : pnd_fail_memory();
    if (status < 0)
        pnd_gguf_close(gguf);
    else
        *out = gguf;
    return status;
}

void pnd_gguf_close(struct pnd_gguf *gguf)
{
    if (!gguf)
        return;
    const struct pnd_allocator *alloc = gguf->arena.alloc;
    pnd_arena_free(&gguf->arena);
    pnd_free(alloc, gguf);
}

const char *pnd_gguf_get_path(const struct pnd_gguf *gguf)
{
    return gguf->path;
}

size_t pnd_gguf_get_tensor_count(const struct pnd_gguf *gguf)
{
    return gguf->tensor_count;
}

size_t pnd_gguf_get_count(const struct pnd_gguf *gguf)
{
    return gguf->count;
}

const struct pnd_gguf_value *pnd_gguf_at(const struct pnd_gguf *gguf,
                                         size_t index)
{
    return &gguf->values[index];
}

const struct pnd_gguf_value *pnd_gguf_find(const struct pnd_gguf *gguf,
                                           const char *key)
{
    const struct pnd_gguf_value wanted = {.key = {key, strlen(key)}};
    size_t low = 0, high = gguf->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(gguf->sorted[middle], &wanted);
        if (order == 0)
            return gguf->sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool pnd_gguf_is_string(const struct pnd_gguf *gguf, const char *key,
                        const char *text)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(gguf, key);
    struct pnd_gguf_string string;
    return v && !v->is_array && pnd_gguf_get_string(v, 0, &string) &&
           string.length == strlen(text) &&
           memcmp(string.bytes, text, string.length) == 0;
}

panda_status pnd_gguf_read_integer(int64_t *out, const struct pnd_gguf *gguf,
                                   const char *key, int64_t lo, int64_t hi)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(gguf, key);
    int64_t found;
    if (!v)
        return PANDA_OK;
    if (v->is_array || !pnd_gguf_get_integer(v, 0, &found))
        return pnd_fail(PANDA_E_FORMAT, "%s: %s is not an integer", gguf->path,
                        key);
    if (found < lo || found > hi)
        return pnd_fail(PANDA_E_FORMAT, "%s: %s is %lld, expected %lld..%lld",
                        gguf->path, key, (long long)found, (long long)lo,
                        (long long)hi);
    *out = found;
    return PANDA_OK;
}

panda_status pnd_gguf_read_number(double *out, const struct pnd_gguf *gguf,
                                  const char *key)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(gguf, key);
    if (!v)
        return PANDA_OK;
    if (v->is_array || !pnd_gguf_get_number(v, 0, out))
        return pnd_fail(PANDA_E_FORMAT, "%s: %s is not a number", gguf->path,
                        key);
    return PANDA_OK;
}
