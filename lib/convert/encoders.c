/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "convert/choose.h"
#include "convert/sources.h"
#include "encoder/tower_parts.h"
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
    const bool is_trunk = begins_with(t->name, "modality_trunks.");
    return format == PANDA_FORMAT_INT8 && !is_trunk ? PANDA_FORMAT_F16 : format;
}

/* Beside the integers of a matrix. */
static panda_status add_scale(struct pnd_plan *plan, size_t index)
{
    const struct pnd_plan_tensor of = plan->tensors[index];
    char name[PND_GGUF_NAME_MAX + 16];
    struct pnd_plan_tensor *t;
    snprintf(name, sizeof name, "%s.scale", of.name);
    panda_status status =
        pnd_plan_add(plan, &t, name, of.weights, of.tensor);
    if (status < 0)
        return status;
    t->make = PND_MAKE_INT8_SCALE;
    t->dtype = PND_F32;
    t->rank = 1;
    return PANDA_OK;
}

static panda_status add_tensor(struct pnd_plan *plan,
                               const struct pnd_convert_sources *s,
                               const struct pnd_tensor *tensor)
{
    static const struct pnd_choose_model none = {0};
    struct pnd_plan_tensor *t;
    panda_status status =
        pnd_plan_add(plan, &t, tensor->name, s->encoders, tensor);
    if (status < 0 || !is_matrix(tensor))
        return status;
    t->role = PND_ROLE_ENCODER;
    t->dtype = pnd_choose_dtype(t, &none,
                                get_format(tensor, s->encoder_format));
    if (t->dtype != PND_I8)
        return PANDA_OK;
    t->make = PND_MAKE_INT8;
    return add_scale(plan, plan->count - 1);
}

/* All tensors of a tower, but for one that no tower reads. */
static panda_status add_tower(struct pnd_plan *plan,
                              const struct pnd_convert_sources *s,
                              enum pnd_tower_id id)
{
    static const char *const groups[] = {"preprocessors", "trunks", "heads",
                                         "postprocessors"};
    const char *ignored = pnd_tower_get_spec(id)->ignored;
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
            status = add_tensor(plan, s, t);
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
