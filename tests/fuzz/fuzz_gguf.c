/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "format/weights.h"
#include "fuzz.h"

/* Reads all that a value leads to. */
static unsigned touch(const struct pnd_gguf_value *v)
{
    unsigned sum = 0;
    for (size_t i = 0; i < v->count && v->type != PND_GGUF_ARRAY; i++) {
        struct pnd_gguf_string s;
        int64_t integer = 0;
        double number = 0;
        if (pnd_gguf_get_string(v, i, &s)) {
            for (size_t k = 0; k < s.length; k++)
                sum += (unsigned char)s.bytes[k];
        }
        if (pnd_gguf_get_integer(v, i, &integer))
            sum += (unsigned)integer;
        if (pnd_gguf_get_number(v, i, &number))
            sum += number > 0;
    }
    for (size_t i = 0; i < v->bytes; i++)
        sum += v->data[i];
    return sum;
}

static unsigned touch_all(const struct pnd_weights *w)
{
    const struct pnd_gguf *gguf = pnd_weights_get_gguf(w);
    unsigned sum = 0;
    for (size_t i = 0; gguf && i < pnd_gguf_get_count(gguf); i++) {
        const struct pnd_gguf_value *v = pnd_gguf_at(gguf, i);
        char key[256];
        sum += touch(v);
        if (v->key.length >= sizeof key ||
            memchr(v->key.bytes, '\0', v->key.length))
            continue;
        memcpy(key, v->key.bytes, v->key.length);
        key[v->key.length] = '\0';
        fuzz_demand(pnd_gguf_find(gguf, key) == v,
                    "a value is not found by its key");
    }
    for (size_t i = 0; i < pnd_weights_get_count(w); i++) {
        const struct pnd_tensor *t = pnd_weights_at(w, i);
        for (size_t k = 0; k < t->bytes; k++)
            sum += ((const unsigned char *)t->data)[k];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap heap;
    struct pnd_weights *w;
    fuzz_heap_init(&heap, size);
    struct pnd_context context = {.alloc = heap.alloc};
    panda_status status =
        pnd_weights_open_memory(&w, &context, data, size, "input");
    if (status == PANDA_OK) {
        volatile unsigned sum = touch_all(w);
        (void)sum;
    } else {
        fuzz_demand(
            (status == PANDA_E_FORMAT || status == PANDA_E_UNSUPPORTED) &&
                *pnd_error_get(),
            "a failure without a message");
    }
    pnd_weights_close(w);
    fuzz_heap_check(&heap);
    return 0;
}
