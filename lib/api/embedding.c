/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/embedding.h>

#include <math.h>
#include <string.h>

#include "api/check.h"
#include "api/handles.h"

/* Far above any model, far below overflow. */
#define MAX_DIM (1u << 20)

panda_status pnd_embedding_new(panda_embedding **out, panda_runtime *runtime,
                               uint32_t dim, panda_modality modality,
                               panda_output output)
{
    panda_embedding *e = pnd_alloc(&runtime->context.alloc,
                                   sizeof *e + dim * sizeof e->values[0]);
    if (!e)
        return pnd_fail_memory();
    atomic_init(&e->references, 1);
    e->runtime = pnd_runtime_ref(runtime);
    e->dim = dim;
    e->modality = modality;
    e->output = output;
    *out = e;
    return PANDA_OK;
}

panda_status panda_embedding_create(panda_embedding **out,
                                    panda_runtime *runtime, const float *values,
                                    uint32_t dim, panda_modality modality,
                                    panda_output output)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(values);
    PANDA_CHECK_ARG(dim >= 1 && dim <= MAX_DIM,
                    "embedding: dim is %u, expected 1..%u", dim, MAX_DIM);
    PANDA_CHECK_ARG(modality >= 0 && modality < PANDA_MODALITY_COUNT,
                    "embedding: modality is %d, expected 0..%d", modality,
                    PANDA_MODALITY_COUNT - 1);
    PANDA_CHECK_ARG(
        output > PANDA_OUTPUT_DEFAULT && output <= PANDA_OUTPUT_CUSTOM,
        "embedding: output is %d, expected 1..%d", output, PANDA_OUTPUT_CUSTOM);
    for (uint32_t i = 0; i < dim; i++)
        PANDA_CHECK_ARG(isfinite(values[i]),
                        "embedding: value %u is not finite", i);
    panda_status status =
        pnd_embedding_new(out, runtime, dim, modality, output);
    if (status == PANDA_OK)
        memcpy((*out)->values, values, dim * sizeof *values);
    return status;
}

panda_embedding *panda_embedding_ref(panda_embedding *embedding)
{
    if (embedding)
        atomic_fetch_add(&embedding->references, 1);
    return embedding;
}

void panda_embedding_unref(panda_embedding *embedding)
{
    if (!embedding || atomic_fetch_sub(&embedding->references, 1) != 1)
        return;
    panda_runtime *runtime = embedding->runtime;
    pnd_free(&runtime->context.alloc, embedding);
    panda_runtime_destroy(runtime);
}

uint32_t panda_embedding_get_dim(const panda_embedding *embedding)
{
    return embedding ? embedding->dim : 0;
}

panda_modality panda_embedding_get_modality(const panda_embedding *embedding)
{
    return embedding ? embedding->modality : 0;
}

panda_output panda_embedding_get_output(const panda_embedding *embedding)
{
    return embedding ? embedding->output : PANDA_OUTPUT_DEFAULT;
}

panda_status panda_embedding_read_f32(const panda_embedding *embedding,
                                      float *values, uint32_t dim)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(embedding);
    PANDA_CHECK_POINTER(values);
    if (dim != embedding->dim)
        return pnd_fail(PANDA_E_SHAPE, "embedding has %u numbers, asked for %u",
                        embedding->dim, dim);
    memcpy(values, embedding->values, dim * sizeof *values);
    return PANDA_OK;
}

panda_status panda_embedding_get_similarity(const panda_embedding *a,
                                            const panda_embedding *b,
                                            float *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(a);
    PANDA_CHECK_POINTER(b);
    PANDA_CHECK_POINTER(out);
    *out = 0;
    if (a->dim != b->dim)
        return pnd_fail(PANDA_E_SHAPE,
                        "embeddings of %u and %u numbers cannot be compared",
                        a->dim, b->dim);
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < a->dim; i++) {
        ab += (double)a->values[i] * (double)b->values[i];
        aa += (double)a->values[i] * (double)a->values[i];
        bb += (double)b->values[i] * (double)b->values[i];
    }
    if (aa > 0 && bb > 0)
        *out = (float)fmax(-1, fmin(1, ab / (sqrt(aa) * sqrt(bb))));
    return PANDA_OK;
}

panda_status panda_embedding_combine(panda_embedding **out,
                                     const panda_embedding *const *items,
                                     const float *weights, size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(items);
    PANDA_CHECK_ARG(count >= 1, "no embeddings to combine");
    for (size_t i = 0; i < count; i++) {
        PANDA_CHECK_ARG(items[i], "embedding %zu to combine is NULL", i);
        PANDA_CHECK_ARG(!weights || isfinite(weights[i]),
                        "weight %zu is not finite", i);
        if (items[i]->dim != items[0]->dim)
            return pnd_fail(PANDA_E_SHAPE,
                            "embedding %zu has %u numbers, embedding 0 has %u",
                            i, items[i]->dim, items[0]->dim);
    }
    panda_status status = pnd_embedding_new(
        out, items[0]->runtime, items[0]->dim, 0, PANDA_OUTPUT_CUSTOM);
    if (status < 0)
        return status;
    for (uint32_t d = 0; d < items[0]->dim; d++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (weights ? (double)weights[i] : 1.0) *
                   (double)items[i]->values[d];
        (*out)->values[d] = (float)sum;
        if (!isfinite((*out)->values[d])) {
            panda_embedding_unref(*out);
            *out = NULL;
            return pnd_fail(PANDA_E_ARGUMENT,
                            "the weighted sum of number %u is %g, too large", d,
                            sum);
        }
    }
    return PANDA_OK;
}
