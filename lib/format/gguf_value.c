/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "format/gguf.h"

/* What the values of keys are, and items of arrays. */

bool pnd_gguf_get_integer(const struct pnd_gguf_value *value, size_t index,
                          int64_t *out)
{
    const size_t size = pnd_gguf_type_get_size(value->type);
    const uint8_t *p = value->data + index * size;
    const uint64_t wide = size == 8 ? pnd_read_le64(p) : 0;
    switch (value->type) {
    case PND_GGUF_U8:
    case PND_GGUF_BOOL:
        *out = p[0];
        return true;
    case PND_GGUF_I8:
        *out = (int64_t)(int8_t)p[0];
        return true;
    case PND_GGUF_U16:
        *out = pnd_read_le16(p);
        return true;
    case PND_GGUF_I16:
        *out = (int16_t)pnd_read_le16(p);
        return true;
    case PND_GGUF_U32:
        *out = pnd_read_le32(p);
        return true;
    case PND_GGUF_I32:
        *out = (int32_t)pnd_read_le32(p);
        return true;
    case PND_GGUF_U64:
        *out = (int64_t)wide;
        return wide <= INT64_MAX;
    case PND_GGUF_I64:
        *out = (int64_t)wide;
        return true;
    default:
        return false;
    }
}

bool pnd_gguf_get_number(const struct pnd_gguf_value *value, size_t index,
                         double *out)
{
    const uint8_t *p =
        value->data + index * pnd_gguf_type_get_size(value->type);
    int64_t integer;
    float single;
    if (value->type == PND_GGUF_F32) {
        const uint32_t bits = pnd_read_le32(p);
        memcpy(&single, &bits, sizeof single);
        *out = (double)single;
        return true;
    }
    if (value->type == PND_GGUF_F64) {
        const uint64_t bits = pnd_read_le64(p);
        memcpy(out, &bits, sizeof *out);
        return true;
    }
    if (!pnd_gguf_get_integer(value, index, &integer))
        return false;
    *out = (double)integer;
    return true;
}

bool pnd_gguf_get_string(const struct pnd_gguf_value *value, size_t index,
                         struct pnd_gguf_string *out)
{
    if (value->type != PND_GGUF_STRING)
        return false;
    const uint8_t *p =
        value->data + (value->places ? value->places[index] : 0);
    out->length = (size_t)pnd_read_le64(p);
    out->bytes = (const char *)p + 8;
    return true;
}
