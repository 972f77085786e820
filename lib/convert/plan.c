/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/plan.h"

#include <stdio.h>
#include <string.h>

#include "format/bundle.h"

void pnd_plan_init(struct pnd_plan *plan, const struct pnd_context *ctx)
{
    *plan = (struct pnd_plan){.ctx = ctx};
    pnd_arena_init(&plan->arena, &ctx->alloc);
}

void pnd_plan_free(struct pnd_plan *plan)
{
    if (!plan->ctx)
        return;
    pnd_free(&plan->ctx->alloc, plan->tensors);
    pnd_arena_free(&plan->arena);
    *plan = (struct pnd_plan){0};
}

static panda_status grow(struct pnd_plan *plan)
{
    if (plan->count < plan->capacity)
        return PANDA_OK;
    size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
    const size_t size = sizeof *plan->tensors;
    void *grown = pnd_realloc(&plan->ctx->alloc, plan->tensors,
                              plan->count * size, capacity * size);
    if (!grown)
        return pnd_fail_memory();
    plan->tensors = grown;
    plan->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_plan_add(struct pnd_plan *plan, struct pnd_plan_tensor **out,
                          const char *name, const struct pnd_weights *weights,
                          const struct pnd_tensor *tensor)
{
    const size_t length = strlen(name);
    *out = NULL;
    if (length > PND_GGUF_NAME_MAX)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the tensor name %s has %zu bytes, a GGUF file has "
                        "room for %d",
                        name, length, PND_GGUF_NAME_MAX);
    panda_status status = grow(plan);
    if (status < 0)
        return status;
    struct pnd_plan_tensor *t = &plan->tensors[plan->count++];
    *t = (struct pnd_plan_tensor){.weights = weights, .tensor = tensor};
    memcpy(t->name, name, length + 1);
    if (tensor) {
        t->dtype = tensor->dtype;
        t->rank = tensor->rank;
        memcpy(t->shape, tensor->shape, sizeof t->shape);
    }
    *out = t;
    return PANDA_OK;
}

static size_t get_count(const struct pnd_plan_tensor *t)
{
    size_t count = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        count *= (size_t)t->shape[i];
    return count;
}

size_t pnd_plan_get_rows(const struct pnd_plan_tensor *t)
{
    return t->rank < 2 ? 1 : (size_t)t->shape[0];
}

size_t pnd_plan_get_columns(const struct pnd_plan_tensor *t)
{
    size_t rows = pnd_plan_get_rows(t);
    return rows > 0 ? get_count(t) / rows : 0;
}

uint64_t pnd_plan_get_bytes(const struct pnd_plan_tensor *t)
{
    return pnd_dtype_get_row_bytes(t->dtype, get_count(t));
}

/* Ranks that GGUF does not have become a list of elements, or a matrix. */
static panda_status put_folded(struct pnd_gguf_writer *w,
                               const struct pnd_plan_tensor *t)
{
    char key[sizeof PND_BUNDLE_SHAPE_PREFIX + PND_GGUF_NAME_MAX];
    const int64_t shape[] = {(int64_t)pnd_plan_get_rows(t),
                             (int64_t)pnd_plan_get_columns(t)};
    snprintf(key, sizeof key, PND_BUNDLE_SHAPE_PREFIX "%s", t->name);
    panda_status status =
        pnd_gguf_put_list(w, key, PND_GGUF_I64, t->shape, t->rank);
    if (status < 0)
        return status;
    return t->rank == 0
               ? pnd_gguf_put_tensor(w, t->name, t->dtype, 1, shape)
               : pnd_gguf_put_tensor(w, t->name, t->dtype, 2, shape);
}

panda_status pnd_plan_describe(const struct pnd_plan *plan,
                               struct pnd_gguf_writer *w)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < plan->count && status == PANDA_OK; i++) {
        const struct pnd_plan_tensor *t = &plan->tensors[i];
        if (get_count(t) == 0)
            return pnd_fail(PANDA_E_UNSUPPORTED,
                            "tensor %s is empty, which GGUF files cannot hold",
                            t->name);
        status = t->rank >= 1 && t->rank <= PND_GGUF_RANK_MAX
                     ? pnd_gguf_put_tensor(w, t->name, t->dtype, t->rank,
                                           t->shape)
                     : put_folded(w, t);
    }
    return status;
}

panda_status pnd_convert_watch_add(struct pnd_convert_watch *watch,
                                   uint64_t bytes, const char *what)
{
    watch->done += bytes;
    if (watch->progress &&
        watch->progress(watch->done, watch->total, what, watch->user) != 0)
        return pnd_fail(PANDA_E_CALLBACK,
                        "the progress callback asked to stop");
    return PANDA_OK;
}
