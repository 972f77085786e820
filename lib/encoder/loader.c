/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void pnd_loader_set_name(struct pnd_loader *l, const char *group,
                         const char *format, ...)
{
    int used = snprintf(l->name, sizeof l->name, "modality_%s.%s.", group,
                        pnd_tower_get_name(l->id));
    va_list args;
    va_start(args, format);
    vsnprintf(l->name + used, sizeof l->name - (size_t)used, format, args);
    va_end(args);
}

panda_status pnd_loader_take(struct pnd_loader *l,
                             const struct pnd_tensor **out, uint32_t rank,
                             const int64_t *shape)
{
    panda_status status =
        pnd_weights_require(out, l->weights, rank, shape, l->name);
    if (status == PANDA_OK)
        l->tower->dims.parameters += (uint64_t)pnd_tensor_get_count(*out);
    return status;
}

float *pnd_loader_add_copy(struct pnd_loader *l, size_t count)
{
    struct pnd_tower *t = l->tower;
    struct pnd_tower_copy *copy;
    size_t bytes;
    if (!pnd_mul_size(&bytes, count, sizeof(float)) ||
        !pnd_add_size(&bytes, bytes, sizeof *copy))
        return NULL;
    copy = pnd_alloc(&t->ctx->alloc, bytes);
    if (!copy)
        return NULL;
    copy->next = t->copies;
    t->copies = copy;
    t->dims.heap_bytes += bytes;
    return copy->values;
}

panda_status pnd_loader_take_floats(struct pnd_loader *l, const float **out,
                                    uint32_t rank, const int64_t *shape)
{
    const struct pnd_tensor *tensor;
    panda_status status = pnd_loader_take(l, &tensor, rank, shape);
    if (status < 0)
        return status;
    if (tensor->dtype == PND_F32) {
        *out = tensor->data;
        return PANDA_OK;
    }
    float *values =
        pnd_loader_add_copy(l, (size_t)pnd_tensor_get_count(tensor));
    if (!values)
        return pnd_fail_memory();
    pnd_tensor_read_f32(tensor, values);
    *out = values;
    return PANDA_OK;
}

/* Put `ending` after the first `length` characters of the name. */
static void end_name(struct pnd_loader *l, size_t length, const char *ending)
{
    snprintf(l->name + length, sizeof l->name - length, "%s", ending);
}

panda_status pnd_loader_take_norm(struct pnd_loader *l,
                                  struct pnd_tower_norm *out, float eps)
{
    const int64_t shape[] = {l->tower->dims.width};
    size_t length = strlen(l->name);
    out->eps = eps;
    end_name(l, length, ".weight");
    panda_status status = pnd_loader_take_floats(l, &out->weight, 1, shape);
    if (status < 0)
        return status;
    end_name(l, length, ".bias");
    return pnd_loader_take_floats(l, &out->bias, 1, shape);
}

panda_status pnd_loader_take_matrix(struct pnd_loader *l,
                                    struct pnd_linear *out, uint32_t in_dim,
                                    uint32_t out_dim)
{
    const struct pnd_tensor *tensor;
    panda_status status =
        pnd_loader_take(l, &tensor, 2, (int64_t[]){out_dim, in_dim});
    if (status == PANDA_OK)
        *out = (struct pnd_linear){.dtype = tensor->dtype, .in = in_dim,
                                   .out = out_dim, .weight = tensor->data};
    return status;
}

panda_status pnd_loader_take_layer(struct pnd_loader *l,
                                   struct pnd_linear *out, uint32_t in_dim,
                                   uint32_t out_dim, const char *weight,
                                   const char *bias)
{
    size_t length = strlen(l->name);
    end_name(l, length, weight);
    panda_status status = pnd_loader_take_matrix(l, out, in_dim, out_dim);
    if (status < 0)
        return status;
    end_name(l, length, bias);
    return pnd_loader_take_floats(l, &out->bias, 1, (int64_t[]){out_dim});
}

panda_status pnd_loader_check(const struct pnd_loader *l, const char *what,
                              int64_t found, int64_t lo, int64_t hi)
{
    if (found >= lo && found <= hi)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: tensor %s has %lld %s, expected %lld..%lld",
                    pnd_weights_get_path(l->weights), l->name,
                    (long long)found, what, (long long)lo, (long long)hi);
}
