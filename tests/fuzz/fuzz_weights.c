/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/weights.h"
#include "fuzz.h"

/* Reads what every tensor points to. */
static unsigned touch(struct pnd_weights *w)
{
    unsigned sum = 0;
    for (size_t i = 0; i < pnd_weights_get_count(w); i++) {
        const struct pnd_tensor *t = pnd_weights_at(w, i);
        const uint8_t *bytes = t->data;
        fuzz_demand(pnd_weights_find(w, t->name) == t,
                    "a tensor is not found by its name");
        const size_t count = (size_t)pnd_tensor_get_count(t);
        fuzz_demand(pnd_dtype_get_row_bytes(t->dtype, count) == t->bytes,
                    "shape and bytes of a tensor disagree");
        for (size_t k = 0; k < t->bytes && k < 4096; k++)
            sum += bytes[k];
        if (t->bytes)
            sum += bytes[t->bytes - 1];
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
        volatile unsigned sum = touch(w);
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
