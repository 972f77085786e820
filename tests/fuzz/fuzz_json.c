/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/json.h"
#include "fuzz.h"

#include <string.h>

/* Visits every value: lengths, links and strings must agree. */
static size_t visit(const struct pnd_json_value *v)
{
    size_t count = 0, children = 0;
    if (v->key)
        count += strlen(v->key);
    if (v->type == PND_JSON_STRING)
        fuzz_demand(v->string[v->length] == '\0', "a string has no end");
    for (const struct pnd_json_value *c = v->child; c; c = c->next) {
        count += visit(c);
        children++;
        fuzz_demand(!c->key || pnd_json_find(v, c->key) == c || children > 64,
                    "a member is not found by its name");
        if (children > 64)
            break;
    }
    return count + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap heap;
    struct pnd_json *json;
    fuzz_heap_init(&heap, size);
    panda_status status =
        pnd_json_parse(&json, &heap.alloc, (const char *)data, size, "input");
    if (status == PANDA_OK)
        fuzz_demand(visit(pnd_json_get_root(json)) > 0, "nothing was read");
    else
        fuzz_demand(status == PANDA_E_FORMAT && *pnd_error_get(),
                    "a failure without a message");
    pnd_json_free(json);
    fuzz_heap_check(&heap);
    return 0;
}
