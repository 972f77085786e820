/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_write.h"

#include <string.h>

#include "base/error.h"

#define VERSION 3

static panda_status put_number(struct pnd_buffer *b, uint64_t value,
                               size_t bytes)
{
    uint8_t le[8];
    for (size_t i = 0; i < bytes; i++)
        le[i] = (uint8_t)(value >> (8 * i));
    return pnd_buffer_append(b, le, bytes);
}

static panda_status put_bytes(struct pnd_buffer *b, const char *text,
                              size_t length)
{
    panda_status status = put_number(b, length, 8);
    if (status == PANDA_OK && length > 0)
        status = pnd_buffer_append(b, text, length);
    return status;
}

static panda_status put_key(struct pnd_gguf_writer *w, const char *key,
                            size_t length, enum pnd_gguf_type type)
{
    const size_t place = w->keys.size;
    panda_status status;
    PND_TRY(put_bytes(&w->keys, key, length));
    PND_TRY(put_number(&w->keys, (uint64_t)type, 4));
    PND_TRY(pnd_buffer_append(&w->places, &place, sizeof place));
out:
    return status;
}

static panda_status put_array(struct pnd_gguf_writer *w, const char *key,
                              size_t length, enum pnd_gguf_type type,
                              size_t count)
{
    panda_status status;
    PND_TRY(put_key(w, key, length, PND_GGUF_ARRAY));
    PND_TRY(put_number(&w->keys, (uint64_t)type, 4));
    PND_TRY(put_number(&w->keys, count, 8));
out:
    return status;
}

panda_status pnd_gguf_writer_init(struct pnd_gguf_writer *w,
                                  const struct pnd_allocator *alloc,
                                  const char *architecture)
{
    *w = (struct pnd_gguf_writer){0};
    pnd_buffer_init(&w->keys, alloc);
    pnd_buffer_init(&w->places, alloc);
    pnd_buffer_init(&w->tensors, alloc);
    panda_status status =
        pnd_gguf_put_text(w, "general.architecture", architecture);
    return status < 0 ? status
                      : pnd_gguf_put_u32(w, "general.alignment",
                                         PND_GGUF_ALIGNMENT);
}

void pnd_gguf_writer_free(struct pnd_gguf_writer *w)
{
    pnd_buffer_free(&w->keys);
    pnd_buffer_free(&w->places);
    pnd_buffer_free(&w->tensors);
}

panda_status pnd_gguf_put_string(struct pnd_gguf_writer *w, const char *key,
                                 const char *text, size_t length)
{
    panda_status status = put_key(w, key, strlen(key), PND_GGUF_STRING);
    return status < 0 ? status : put_bytes(&w->keys, text, length);
}

panda_status pnd_gguf_put_text(struct pnd_gguf_writer *w, const char *key,
                               const char *text)
{
    return pnd_gguf_put_string(w, key, text, strlen(text));
}

panda_status pnd_gguf_put_u32(struct pnd_gguf_writer *w, const char *key,
                              uint32_t value)
{
    panda_status status = put_key(w, key, strlen(key), PND_GGUF_U32);
    return status < 0 ? status : put_number(&w->keys, value, 4);
}

panda_status pnd_gguf_put_f32(struct pnd_gguf_writer *w, const char *key,
                              float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    panda_status status = put_key(w, key, strlen(key), PND_GGUF_F32);
    return status < 0 ? status : put_number(&w->keys, bits, 4);
}

panda_status pnd_gguf_put_bool(struct pnd_gguf_writer *w, const char *key,
                               bool value)
{
    panda_status status = put_key(w, key, strlen(key), PND_GGUF_BOOL);
    return status < 0 ? status : put_number(&w->keys, value, 1);
}

panda_status pnd_gguf_put_list(struct pnd_gguf_writer *w, const char *key,
                               enum pnd_gguf_type type, const void *items,
                               size_t count)
{
    const size_t size = pnd_gguf_type_get_size(type);
    panda_status status = put_array(w, key, strlen(key), type, count);
    for (size_t i = 0; i < count && status == PANDA_OK; i++) {
        uint64_t bits = 0; /* this machine is little-endian, as the files */
        memcpy(&bits, (const char *)items + i * size, size);
        status = put_number(&w->keys, bits, size);
    }
    return status;
}

panda_status pnd_gguf_put_strings(struct pnd_gguf_writer *w, const char *key,
                                  size_t count)
{
    return put_array(w, key, strlen(key), PND_GGUF_STRING, count);
}

panda_status pnd_gguf_put_item(struct pnd_gguf_writer *w, const char *text,
                               size_t length)
{
    return put_bytes(&w->keys, text, length);
}

panda_status pnd_gguf_put_value(struct pnd_gguf_writer *w,
                                const struct pnd_gguf_value *value)
{
    const struct pnd_gguf_string *key = &value->key;
    panda_status status =
        value->is_array
            ? put_array(w, key->bytes, key->length, value->type, value->count)
            : put_key(w, key->bytes, key->length, value->type);
    if (status == PANDA_OK && value->bytes > 0)
        status = pnd_buffer_append(&w->keys, value->data, value->bytes);
    return status;
}

bool pnd_gguf_writer_has(const struct pnd_gguf_writer *w, size_t count,
                         const struct pnd_gguf_string *key)
{
    for (size_t i = 0; i < count; i++) {
        size_t place;
        uint64_t length;
        memcpy(&place, w->places.data + i * sizeof place, sizeof place);
        memcpy(&length, w->keys.data + place, sizeof length);
        if (length == key->length &&
            memcmp(w->keys.data + place + 8, key->bytes, key->length) == 0)
            return true;
    }
    return false;
}

panda_status pnd_gguf_put_tensor(struct pnd_gguf_writer *w, const char *name,
                                 enum pnd_dtype dtype, uint32_t rank,
                                 const int64_t *shape)
{
    const int32_t type = pnd_gguf_get_tensor_type(dtype);
    const size_t length = strlen(name);
    size_t count = 1;
    panda_status status;
    if (type < 0 || length < 1 || length > PND_GGUF_NAME_MAX || rank < 1 ||
        rank > PND_GGUF_RANK_MAX)
        return pnd_fail(PANDA_E_INTERNAL,
                        "tensor %s (%s, of rank %u) cannot be in a GGUF file",
                        name, pnd_dtype_get_name(dtype), rank);
    PND_TRY(put_bytes(&w->tensors, name, length));
    PND_TRY(put_number(&w->tensors, rank, 4));
    for (uint32_t i = rank; i-- > 0;) {
        PND_TRY(put_number(&w->tensors, (uint64_t)shape[i], 8));
        count *= (size_t)shape[i];
    }
    PND_TRY(put_number(&w->tensors, (uint64_t)type, 4));
    PND_TRY(put_number(&w->tensors, w->data_size, 8));
    w->data_size += pnd_gguf_pad(pnd_dtype_get_row_bytes(dtype, count));
    w->tensor_count++;
out:
    return status;
}

panda_status pnd_gguf_writer_finish(const struct pnd_gguf_writer *w,
                                    struct pnd_buffer *out)
{
    static const uint8_t zeros[PND_GGUF_ALIGNMENT];
    panda_status status;
    PND_TRY(pnd_buffer_reserve(out, 24 + w->keys.size + w->tensors.size +
                                        PND_GGUF_ALIGNMENT));
    PND_TRY(pnd_buffer_append(out, "GGUF", 4));
    PND_TRY(put_number(out, VERSION, 4));
    PND_TRY(put_number(out, w->tensor_count, 8));
    PND_TRY(put_number(out, pnd_gguf_writer_get_count(w), 8));
    PND_TRY(pnd_buffer_append(out, w->keys.data, w->keys.size));
    if (w->tensors.size > 0)
        PND_TRY(pnd_buffer_append(out, w->tensors.data, w->tensors.size));
    PND_TRY(pnd_buffer_append(out, zeros,
                              (size_t)pnd_gguf_pad(out->size) - out->size));
out:
    return status;
}
