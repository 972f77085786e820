/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/projector.h>

#include <math.h>
#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"

#define MAX_LENGTH 65536
#define MAX_HIDDEN 65536

struct panda_projector {
    panda_model *model;
};

panda_status panda_projector_create(panda_projector **out, panda_model *model)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(model);
    if (!model->projection)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model was opened without a projection (adapter)");
    panda_projector *projector =
        pnd_alloc(&model->runtime->context.alloc, sizeof *projector);
    if (!projector)
        return pnd_fail_memory();
    projector->model = pnd_model_ref(model);
    *out = projector;
    return PANDA_OK;
}

void panda_projector_destroy(panda_projector *projector)
{
    if (!projector)
        return;
    panda_model *model = projector->model;
    pnd_free(&model->runtime->context.alloc, projector);
    panda_model_close(model);
}

static panda_status new_prefix(panda_prefix **out, panda_runtime *runtime,
                               uint32_t length, uint32_t hidden)
{
    size_t count = (size_t)length * hidden;
    panda_prefix *p = pnd_alloc(&runtime->context.alloc,
                                sizeof *p + count * sizeof p->values[0]);
    if (!p)
        return pnd_fail_memory();
    atomic_init(&p->references, 1);
    p->runtime = pnd_runtime_ref(runtime);
    p->length = length;
    p->hidden = hidden;
    *out = p;
    return PANDA_OK;
}

static const char *get_output_name(panda_output output)
{
    switch (output) {
    case PANDA_OUTPUT_UNIT:
        return "unit";
    case PANDA_OUTPUT_RAW:
        return "raw";
    default:
        return "scaled";
    }
}

/* Whether the numbers are what the projection was trained on. */
static panda_status check_embedding(const panda_embedding *e, size_t index,
                                    uint32_t expected)
{
    PANDA_CHECK_ARG(e, "embedding %zu to project is NULL", index);
    bool is_same = e->output == PANDA_OUTPUT_PANDAGPT ||
                   e->output == PANDA_OUTPUT_CUSTOM ||
                   (e->output == PANDA_OUTPUT_SCALED &&
                    e->modality != PANDA_MODALITY_AUDIO);
    PANDA_CHECK_ARG(
        is_same,
        "embedding %zu (%s) was encoded with output %s, expected "
        "PANDA_OUTPUT_PANDAGPT",
        index, e->modality ? panda_modality_get_name(e->modality) : "custom",
        get_output_name(e->output));
    if (e->dim != expected)
        return pnd_fail(PANDA_E_SHAPE,
                        "embedding %zu has %u numbers, the projection takes %u",
                        index, e->dim, expected);
    return PANDA_OK;
}

panda_status panda_projector_project(panda_prefix **out,
                                     panda_projector *projector,
                                     const panda_embedding *const *embeddings,
                                     size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(projector);
    PANDA_CHECK_POINTER(embeddings);
    PANDA_CHECK_ARG(count >= 1, "no embeddings to project");
    const struct pnd_projection *projection = projector->model->projection;
    panda_prefix *prefix = NULL;
    panda_status status;
    for (size_t i = 0; i < count; i++)
        PND_TRY(check_embedding(embeddings[i], i,
                                pnd_projection_get_in(projection)));
    PND_TRY(new_prefix(&prefix, projector->model->runtime, 1,
                       pnd_projection_get_out(projection)));
    memset(prefix->values, 0, prefix->hidden * sizeof prefix->values[0]);
    for (size_t i = 0; i < count; i++)
        PND_TRY(pnd_projection_add(projection, embeddings[i]->values,
                                   prefix->values));
    *out = prefix;
    prefix = NULL;
out:
    panda_prefix_unref(prefix);
    return status;
}

panda_status panda_prefix_create(panda_prefix **out, panda_runtime *runtime,
                                 const float *values, uint32_t length,
                                 uint32_t hidden)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(values);
    PANDA_CHECK_ARG(length >= 1 && length <= MAX_LENGTH,
                    "prefix: length is %u, expected 1..%d", length, MAX_LENGTH);
    PANDA_CHECK_ARG(hidden >= 1 && hidden <= MAX_HIDDEN,
                    "prefix: hidden is %u, expected 1..%d", hidden, MAX_HIDDEN);
    size_t count = (size_t)length * hidden;
    for (size_t i = 0; i < count; i++)
        PANDA_CHECK_ARG(isfinite(values[i]), "prefix: value %zu is not finite",
                        i);
    panda_status status = new_prefix(out, runtime, length, hidden);
    if (status == PANDA_OK)
        memcpy((*out)->values, values, count * sizeof *values);
    return status;
}

panda_prefix *panda_prefix_ref(panda_prefix *prefix)
{
    if (prefix)
        atomic_fetch_add(&prefix->references, 1);
    return prefix;
}

void panda_prefix_unref(panda_prefix *prefix)
{
    if (!prefix || atomic_fetch_sub(&prefix->references, 1) != 1)
        return;
    panda_runtime *runtime = prefix->runtime;
    pnd_free(&runtime->context.alloc, prefix);
    panda_runtime_destroy(runtime);
}

uint32_t panda_prefix_get_length(const panda_prefix *prefix)
{
    return prefix ? prefix->length : 0;
}

uint32_t panda_prefix_get_dim(const panda_prefix *prefix)
{
    return prefix ? prefix->hidden : 0;
}

panda_status panda_prefix_read_f32(const panda_prefix *prefix, float *values,
                                   size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(prefix);
    PANDA_CHECK_POINTER(values);
    size_t expected = (size_t)prefix->length * prefix->hidden;
    if (count != expected)
        return pnd_fail(PANDA_E_SHAPE, "prefix has %zu numbers, asked for %zu",
                        expected, count);
    memcpy(values, prefix->values, count * sizeof *values);
    return PANDA_OK;
}
