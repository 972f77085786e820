/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "convert/choose.h"
#include "convert/sources.h"
#include "encoder/int8.h"
#include "encoder/tower_parts.h"

struct planner {
    struct pnd_plan *plan;
    const struct pnd_convert_sources *s;
    const struct pnd_tower *tower; /* at hand */
};
#include "format/bundle.h"

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), end = strlen(ending);
    return length >= end && strcmp(text + length - end, ending) == 0;
}

/* Products and convolutions; what else has more than one dimension (positions,
 * class tokens, extra keys) is added to activations and stays as it is. */
static bool is_matrix(const struct pnd_tensor *t)
{
    return t->rank >= 2 &&
           (ends_with(t->name, ".weight") || ends_with(t->name, "_weight"));
}

/* Integers are for the products that take the time, those of the blocks; stems,
 * heads and the text's tables are small or only looked up, and become f16. */
static panda_format get_format(const struct pnd_tensor *t, panda_format format)
{
    const bool is_trunk = begins_with(t->name, "modality_trunks.") &&
                          pnd_int8_is_worth((uint32_t)t->shape[t->rank - 1]);
    return format == PANDA_FORMAT_INT8 && !is_trunk ? PANDA_FORMAT_F16 : format;
}

/* Sizes of what `layer` gives for inputs of these sizes. */
static void measure(struct planner *p, struct pnd_linear layer, uint32_t first,
                    uint32_t count, const float *sizes, float *out)
{
    const size_t row_bytes = layer.in * pnd_dtype_get_size(layer.dtype);
    layer.weight = (const char *)layer.weight + first * row_bytes;
    layer.bias = layer.bias ? layer.bias + first : NULL;
    layer.out = count;
    pnd_outliers_measure_layer(p->plan->ctx, &layer, sizes, out);
    pnd_weights_forget(p->s->encoders, layer.weight, count * row_bytes);
}

/* Typical sizes of the inputs of a matrix, as rounding at load takes them; NULL
 * when it is not of this block. `sizes` is scratch, 5 widths. */
static const float *find_sizes(struct planner *p,
                               const struct pnd_tower_block *b,
                               const struct pnd_tensor *t, float *sizes)
{
    const uint32_t d = p->tower->dims.width;
    const bool is_out = t->data == b->out.weight;
    const bool is_fc2 = t->data == b->fc2.weight;
    if (is_out || t->data == b->qkv.weight)
        pnd_outliers_measure_norm(d, b->norm_1.weight, b->norm_1.bias, sizes);
    else if (is_fc2 || t->data == b->fc1.weight)
        pnd_outliers_measure_norm(d, b->norm_2.weight, b->norm_2.bias, sizes);
    else
        return NULL;
    if (is_out && pnd_dtype_is_weight(b->qkv.dtype))
        measure(p, b->qkv, 2 * d, d, sizes, sizes + d);
    else if (is_fc2 && pnd_dtype_is_weight(b->fc1.dtype))
        measure(p, b->fc1, 0, b->fc1.out, sizes, sizes + d);
    else if (is_out || is_fc2)
        return NULL;
    return is_out || is_fc2 ? sizes + d : sizes;
}

/* The columns of a matrix that stay floats. */
static panda_status find_outliers(struct planner *p, struct pnd_plan_tensor *t)
{
    const struct pnd_allocator *alloc = &p->plan->ctx->alloc;
    const size_t columns = pnd_plan_get_columns(t);
    int32_t *found = pnd_arena_alloc_array(&p->plan->arena, PND_OUTLIERS_MOST,
                                           sizeof *found);
    float *sizes = pnd_alloc_array(alloc, (size_t)p->tower->dims.width * 5,
                                   sizeof *sizes);
    const float *of = NULL;
    if (!found || !sizes) {
        pnd_free(alloc, sizes);
        return pnd_fail_memory();
    }
    for (uint32_t i = 0; i < p->tower->dims.blocks && !of; i++)
        of = find_sizes(p, &p->tower->blocks[i], t->tensor, sizes);
    t->outliers = found;
    t->outlier_count =
        of ? pnd_outliers_choose((uint32_t)columns, of, found) : 0;
    pnd_free(alloc, sizes);
    return PANDA_OK;
}

/* Beside the integers of a matrix: NAME.scale and the like. */
static panda_status add_beside(struct planner *p, size_t index,
                               const char *ending, enum pnd_make make,
                               enum pnd_dtype dtype)
{
    const struct pnd_plan_tensor of = p->plan->tensors[index];
    char name[PND_GGUF_NAME_MAX + 16];
    struct pnd_plan_tensor *t;
    snprintf(name, sizeof name, "%s.%s", of.name, ending);
    panda_status status =
        pnd_plan_add(p->plan, &t, name, of.weights, of.tensor);
    if (status < 0)
        return status;
    t->make = make;
    t->dtype = dtype;
    t->outliers = of.outliers;
    t->outlier_count = of.outlier_count;
    t->rank = make == PND_MAKE_OUTLIERS ? 2 : 1;
    if (make == PND_MAKE_OUTLIERS)
        t->shape[1] = of.outlier_count;
    if (make == PND_MAKE_VALUES) {
        t->values = of.outliers;
        t->weights = NULL;
        t->tensor = NULL;
        t->shape[0] = of.outlier_count;
    }
    return PANDA_OK;
}

static panda_status add_int8(struct planner *p, size_t index)
{
    struct pnd_plan_tensor *t = &p->plan->tensors[index];
    panda_status status;
    t->make = PND_MAKE_INT8;
    PND_TRY(find_outliers(p, t));
    const bool has_outliers = t->outlier_count > 0;
    PND_TRY(add_beside(p, index, "scale", PND_MAKE_INT8_SCALE, PND_F32));
    if (has_outliers) {
        PND_TRY(add_beside(p, index, "columns", PND_MAKE_VALUES, PND_I32));
        PND_TRY(add_beside(p, index, "outliers", PND_MAKE_OUTLIERS, PND_F32));
    }
out:
    return status;
}

static panda_status add_tensor(struct planner *p,
                               const struct pnd_tensor *tensor)
{
    static const struct pnd_choose_model none = {0};
    const panda_format format = p->s->encoder_format;
    struct pnd_plan_tensor *t;
    panda_status status =
        pnd_plan_add(p->plan, &t, tensor->name, p->s->encoders, tensor);
    if (status < 0 || !is_matrix(tensor))
        return status;
    if (tensor->dtype == PND_I8 && format != PANDA_FORMAT_KEEP &&
        format != PANDA_FORMAT_INT8)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: tensor %s is int8 already, encoders of another "
                        "format are made from the original",
                        pnd_weights_get_path(p->s->encoders), tensor->name);
    if (tensor->dtype == PND_I8)
        return PANDA_OK;
    t->role = PND_ROLE_ENCODER;
    t->dtype = pnd_choose_dtype(t, &none, get_format(tensor, format));
    return t->dtype == PND_I8 ? add_int8(p, p->plan->count - 1) : PANDA_OK;
}

/* All tensors of a tower, but for one that no tower reads. */
static panda_status add_tower(struct pnd_plan *plan,
                              const struct pnd_convert_sources *s,
                              enum pnd_tower_id id)
{
    static const char *const groups[] = {"preprocessors", "trunks", "heads",
                                         "postprocessors"};
    const char *ignored = pnd_tower_get_spec(id)->ignored;
    struct planner p = {plan, s, s->towers[id]};
    panda_status status = PANDA_OK;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "modality_%s.%s.", groups[g],
                 pnd_tower_get_name(id));
        for (size_t i = 0; i < pnd_weights_get_count(s->encoders); i++) {
            const struct pnd_tensor *t = pnd_weights_at(s->encoders, i);
            if (!begins_with(t->name, prefix) ||
                (ignored && strcmp(t->name + strlen(prefix), ignored) == 0))
                continue;
            status = add_tensor(&p, t);
            if (status < 0)
                return status;
        }
    }
    return status;
}

panda_status pnd_convert_add_encoders(struct pnd_plan *plan,
                                      struct pnd_gguf_writer *w,
                                      const struct pnd_convert_sources *s)
{
    panda_status status;
    uint32_t towers = 0;
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (!s->towers[id])
            continue;
        towers |= 1u << id;
        PND_TRY(pnd_bundle_put_heads(w, (enum pnd_tower_id)id,
                                     s->towers[id]->dims.heads));
        PND_TRY(add_tower(plan, s, (enum pnd_tower_id)id));
    }
    if (s->towers[PND_TOWER_AUDIO])
        PND_TRY(pnd_gguf_put_u32(w, PND_BUNDLE_STRIDE_KEY,
                                 s->towers[PND_TOWER_AUDIO]->stem.stride));
    PND_TRY(pnd_bundle_put_constants(w, towers));
out:
    return status;
}

panda_status pnd_convert_add_projection(struct pnd_plan *plan,
                                        const struct pnd_convert_sources *s)
{
    static const char *const names[] = {"llama_proj.weight",
                                        "llama_proj.bias"};
    panda_status status = PANDA_OK;
    for (int i = 0; i < 2 && status >= 0; i++) {
        struct pnd_plan_tensor *t;
        status = pnd_plan_add(plan, &t, names[i], s->projection,
                              pnd_weights_find(s->projection, names[i]));
    }
    return status;
}
