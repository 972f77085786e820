/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <stdio.h>
#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "format/utf8.h"

/* Text that is counted in full, and written as far as there is room. */
struct writer {
    char *text;
    size_t capacity, length;
};

static void put(struct writer *w, const char *bytes, size_t size)
{
    if (w->length < w->capacity) {
        const size_t room = w->capacity - w->length;
        memcpy(w->text + w->length, bytes, size < room ? size : room);
    }
    w->length += size;
}

static void put_item(struct writer *w, const struct pnd_gguf_value *v,
                     size_t index)
{
    struct pnd_gguf_string string;
    char number[32];
    int64_t integer;
    double real;
    if (pnd_gguf_get_string(v, index, &string)) {
        put(w, string.bytes, string.length);
        return;
    }
    if (pnd_gguf_get_integer(v, index, &integer))
        snprintf(number, sizeof number, "%lld", (long long)integer);
    else if (pnd_gguf_get_number(v, index, &real))
        snprintf(number, sizeof number, "%.9g", real);
    else
        snprintf(number, sizeof number, "%s", "?");
    put(w, number, strlen(number));
}

panda_status panda_model_get_metadata(const panda_model *model, const char *key,
                                      char *text, size_t capacity,
                                      size_t *length)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(length);
    *length = 0;
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(key);
    PANDA_CHECK_ARG(text || capacity == 0,
                    "panda_model_get_metadata: text is NULL, its capacity %zu",
                    capacity);
    const struct pnd_weights *from =
        model->bundle ? model->bundle : model->decoder_weights;
    const struct pnd_gguf *gguf = from ? pnd_weights_get_gguf(from) : NULL;
    const struct pnd_gguf_value *v = gguf ? pnd_gguf_find(gguf, key) : NULL;
    if (!v || v->type == PND_GGUF_ARRAY)
        return pnd_fail(PANDA_E_UNSUPPORTED, "the model has no key \"%s\"",
                        pnd_show(key, strlen(key)).text);
    struct writer w = {text, capacity, 0};
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            put(&w, "\n", 1);
        put_item(&w, v, i);
    }
    *length = w.length;
    PANDA_CHECK_ARG(w.length <= capacity,
                    "panda_model_get_metadata: %s needs %zu bytes, there is "
                    "room for %zu",
                    key, w.length, capacity);
    return PANDA_OK;
}
