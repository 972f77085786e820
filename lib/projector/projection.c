/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "projector/projection.h"

#define MAX_WIDTH 65536

struct pnd_projection {
    const struct pnd_context *ctx;
    struct pnd_linear layer; /* E -> H */
    float *bias;             /* (H) copy; NULL: the file has floats */
};

static panda_status check_width(const struct pnd_weights *weights,
                                const struct pnd_tensor *tensor, uint32_t axis)
{
    int64_t width = tensor->shape[axis];
    if (width >= 1 && width <= MAX_WIDTH)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s has %lld %s, expected 1..%d",
                    pnd_weights_get_path(weights), tensor->name,
                    (long long)width, axis == 0 ? "rows" : "columns",
                    MAX_WIDTH);
}

static panda_status take_tensors(struct pnd_projection *p,
                                 struct pnd_weights *weights)
{
    const struct pnd_tensor *weight, *bias;
    panda_status status;
    PND_TRY(pnd_weights_require(&weight, weights, 2, (int64_t[]){-1, -1},
                                "llama_proj.weight"));
    PND_TRY(check_width(weights, weight, 0));
    PND_TRY(check_width(weights, weight, 1));
    PND_TRY(pnd_weights_require(&bias, weights, 1, weight->shape,
                                "llama_proj.bias"));
    p->layer = (struct pnd_linear){
        .dtype = weight->dtype, .in = (uint32_t)weight->shape[1],
        .out = (uint32_t)weight->shape[0], .weight = weight->data};
    if (bias->dtype == PND_F32) {
        p->layer.bias = bias->data;
        goto out;
    }
    p->bias = pnd_alloc_array(&p->ctx->alloc, p->layer.out, sizeof *p->bias);
    if (!p->bias)
        return pnd_fail_memory();
    pnd_tensor_read_f32(bias, p->bias);
    p->layer.bias = p->bias;
out:
    return status;
}

panda_status pnd_projection_load(struct pnd_projection **out,
                                 const struct pnd_context *ctx,
                                 struct pnd_weights *weights)
{
    *out = NULL;
    struct pnd_projection *p = pnd_alloc_zero(&ctx->alloc, sizeof *p);
    if (!p)
        return pnd_fail_memory();
    p->ctx = ctx;
    panda_status status = take_tensors(p, weights);
    if (status < 0)
        pnd_projection_free(p);
    else
        *out = p;
    return status;
}

void pnd_projection_free(struct pnd_projection *p)
{
    if (!p)
        return;
    pnd_free(&p->ctx->alloc, p->bias);
    pnd_free(&p->ctx->alloc, p);
}

uint32_t pnd_projection_get_in(const struct pnd_projection *p)
{
    return p->layer.in;
}

uint32_t pnd_projection_get_out(const struct pnd_projection *p)
{
    return p->layer.out;
}

uint64_t pnd_projection_get_heap_bytes(const struct pnd_projection *p)
{
    return p->bias ? p->layer.out * sizeof *p->bias : 0;
}

panda_status pnd_projection_add(const struct pnd_projection *p, const float *x,
                                float *y)
{
    const size_t out_dim = p->layer.out;
    size_t scratch = pnd_linear_get_scratch(p->ctx, &p->layer, 1), count;
    if (!pnd_add_size(&count, scratch, out_dim))
        return pnd_fail_memory();
    /* The projection is shared by sessions, so it holds no memory for this. */
    float *sum = pnd_alloc_array(&p->ctx->alloc, count, sizeof *sum);
    if (!sum)
        return pnd_fail_memory();
    pnd_linear_run(p->ctx, &p->layer, 1, x, sum, sum + out_dim);
    for (size_t i = 0; i < out_dim; i++)
        y[i] += sum[i];
    pnd_free(&p->ctx->alloc, sum);
    return PANDA_OK;
}
