/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/normalize.h"

#include <string.h>

#include "base/error.h"
#include "format/utf8.h"

static panda_status append_space(const struct pnd_sentencepiece *model,
                                 struct pnd_buffer *out)
{
    return model->escape_whitespaces
        ? pnd_buffer_append(out, PND_SPACE_SYMBOL, PND_SPACE_SIZE)
        : pnd_buffer_append(out, " ", 1);
}

/* One character, or one user-defined piece, at the front of the text. Returns
 * the bytes taken. */
static size_t take_unit(const struct pnd_prefixes *whole, const uint8_t *text,
                        size_t size, const uint8_t **unit, size_t *length)
{
    const struct pnd_piece *piece = pnd_prefixes_match(whole, text, size);
    *unit = text;
    *length = piece ? piece->length
                    : pnd_utf8_measure((const char *)text, size);
    if (*length > 0)
        return *length;
    *unit = (const uint8_t *)PND_REPLACEMENT;
    *length = PND_REPLACEMENT_SIZE;
    return 1;
}

static panda_status append_unit(const struct pnd_sentencepiece *model,
                                const uint8_t *unit, size_t length,
                                struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0, start = 0; i <= length && status >= 0; i++) {
        if (i < length && unit[i] != ' ')
            continue;
        status = pnd_buffer_append(out, unit + start, i - start);
        if (status >= 0 && i < length)
            status = append_space(model, out);
        start = i + 1;
    }
    return status;
}

static bool is_space(const uint8_t *unit, size_t length)
{
    return length == 1 && unit[0] == ' ';
}

static void drop_spaces_behind(const struct pnd_sentencepiece *model,
                               size_t start, struct pnd_buffer *out)
{
    const char *space = model->escape_whitespaces ? PND_SPACE_SYMBOL : " ";
    size_t size = strlen(space);
    while (out->size - start >= size &&
           memcmp(out->data + out->size - size, space, size) == 0)
        out->size -= size;
}

panda_status pnd_sentencepiece_normalize(const struct pnd_sentencepiece *model,
                                         const struct pnd_prefixes *whole,
                                         const uint8_t *text, size_t size,
                                         struct pnd_buffer *out)
{
    panda_status status = PANDA_OK;
    bool squeeze = model->remove_extra_whitespaces;
    const uint8_t *unit;
    size_t at = 0, length, start = out->size;
    while (squeeze && at < size) {
        size_t taken = take_unit(whole, text + at, size - at, &unit, &length);
        if (!is_space(unit, length))
            break;
        at += taken;
    }
    if (at == size)
        return PANDA_OK;
    if (model->add_dummy_prefix)
        PND_TRY(append_space(model, out));
    bool after_space = squeeze;
    while (at < size) {
        at += take_unit(whole, text + at, size - at, &unit, &length);
        for (; after_space && length > 0 && unit[0] == ' '; length--)
            unit++;
        if (length == 0)
            continue;
        PND_TRY(append_unit(model, unit, length, out));
        after_space = squeeze && unit[length - 1] == ' ';
    }
    if (squeeze)
        drop_spaces_behind(model, start, out);
out:
    return status;
}
