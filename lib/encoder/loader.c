/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "encoder/int8.h"

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

/* Floats that belong to the matrix at hand: its name with `ending`. */
static panda_status take_part(struct pnd_loader *l, const float **out,
                              const char *ending, uint32_t rank,
                              const int64_t *shape)
{
    const uint64_t parameters = l->tower->dims.parameters;
    const size_t length = strlen(l->name);
    end_name(l, length, ending);
    panda_status status = pnd_loader_take_floats(l, out, rank, shape);
    end_name(l, length, "");
    l->tower->dims.parameters = parameters;
    return status;
}

/* Outliers of the int8 matrix at hand, if the file has them. */
static panda_status take_outliers(struct pnd_loader *l, struct pnd_linear *out)
{
    const char *path = pnd_weights_get_path(l->weights);
    const size_t length = strlen(l->name);
    end_name(l, length, ".columns");
    const struct pnd_tensor *t = pnd_weights_find(l->weights, l->name);
    panda_status status = PANDA_OK;
    if (t && (t->dtype != PND_I32 || t->rank != 1 || t->shape[0] > out->in))
        status = pnd_fail(PANDA_E_FORMAT,
                          "%s: tensor %s has %u dimensions of %s, expected a "
                          "vector of at most %u i32 numbers",
                          path, l->name, t->rank, pnd_dtype_get_name(t->dtype),
                          out->in);
    const int32_t *columns = t ? t->data : NULL;
    const uint32_t count = t && status == PANDA_OK ? (uint32_t)t->shape[0] : 0;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t least = i > 0 ? columns[i - 1] + 1 : 0;
        if (columns[i] < least || (uint32_t)columns[i] >= out->in)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: element %u of tensor %s is %d, expected "
                            "%d..%u",
                            path, i, l->name, columns[i], least, out->in - 1);
    }
    end_name(l, length, "");
    if (status < 0 || count == 0)
        return status;
    out->outliers = (struct pnd_outliers){.count = count, .columns = columns};
    return take_part(l, &out->outliers.weight, ".outliers", 2,
                     (int64_t[]){out->out, count});
}

/* The int8 matrix at hand. */
static panda_status take_int8(struct pnd_loader *l, const struct pnd_tensor *t,
                              struct pnd_linear *out, uint32_t in_dim,
                              uint32_t out_dim)
{
    char found[128];
    pnd_shape_format(found, sizeof found, t->rank, t->shape);
    if (!pnd_tensor_has_shape(t, 2, (int64_t[]){out_dim, in_dim}))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has shape %s, expected [%u, %u]",
                        pnd_weights_get_path(l->weights), l->name, found,
                        out_dim, in_dim);
    l->tower->dims.parameters += (uint64_t)pnd_tensor_get_count(t);
    *out = (struct pnd_linear){.dtype = PND_I8, .in = in_dim, .out = out_dim,
                               .weight = t->data};
    panda_status status =
        take_part(l, &out->row_scale, ".scale", 1, (int64_t[]){out_dim});
    return status < 0 ? status : take_outliers(l, out);
}

panda_status pnd_loader_take_matrix(struct pnd_loader *l,
                                    struct pnd_linear *out, uint32_t in_dim,
                                    uint32_t out_dim)
{
    const struct pnd_tensor *tensor = pnd_weights_find(l->weights, l->name);
    if (tensor && tensor->dtype == PND_I8)
        return take_int8(l, tensor, out, in_dim, out_dim);
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
    out->rounds = l->precision == PANDA_PRECISION_FAST &&
                  pnd_int8_is_worth(l->tower->dims.width) &&
                  pnd_linear_can_round(l->tower->ctx, out->dtype);
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
