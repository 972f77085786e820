/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "encoder/int8.h"
#include "encoder/loader.h"

/* Rows [first, first + count) of a layer. */
static struct pnd_linear cut_layer(const struct pnd_linear *layer,
                                   uint32_t first, uint32_t count)
{
    struct pnd_linear part = *layer;
    size_t row_bytes = layer->in * pnd_dtype_get_size(layer->dtype);
    part.out = count;
    part.weight = (const char *)layer->weight + first * row_bytes;
    part.bias = layer->bias + first;
    if (layer->dtype == PND_I8) {
        part.row_scale += first;
        if (part.outliers.count > 0)
            part.outliers.weight += (size_t)first * part.outliers.count;
    }
    return part;
}

/* Round the matrix of a layer whose inputs have these typical sizes. */
static panda_status round_layer(struct pnd_loader *l, struct pnd_linear *layer,
                                const float *sizes)
{
    int32_t columns[PND_OUTLIERS_MOST];
    if (!pnd_dtype_is_weight(layer->dtype) || !pnd_int8_is_worth(layer->in))
        return PANDA_OK;
    uint32_t count = pnd_outliers_choose(layer->in, sizes, columns);
    size_t bytes = pnd_int8_get_bytes(layer, count);
    void *memory = pnd_loader_add_copy(l, (bytes + 3) / sizeof(float));
    if (!memory)
        return pnd_fail_memory();
    panda_status status =
        pnd_int8_round(l->tower->ctx, layer, count, columns, memory);
    if (status == PANDA_E_FORMAT)
        pnd_error_prefix(pnd_weights_get_path(l->weights));
    return status;
}

/* `sizes` (D) and `hidden` (4 D) are scratch. */
static panda_status round_block(struct pnd_loader *l, struct pnd_tower_block *b,
                                float *sizes, float *hidden)
{
    const struct pnd_context *ctx = l->tower->ctx;
    const uint32_t d = l->tower->dims.width;
    panda_status status;
    pnd_outliers_measure_norm(d, b->norm_1.weight, b->norm_1.bias, sizes);
    if (pnd_dtype_is_weight(b->qkv.dtype)) {
        const struct pnd_linear values = cut_layer(&b->qkv, 2 * d, d);
        pnd_outliers_measure_layer(ctx, &values, sizes, hidden);
        PND_TRY(round_layer(l, &b->qkv, sizes));
        PND_TRY(round_layer(l, &b->out, hidden));
    }
    pnd_outliers_measure_norm(d, b->norm_2.weight, b->norm_2.bias, sizes);
    if (pnd_dtype_is_weight(b->fc1.dtype)) {
        pnd_outliers_measure_layer(ctx, &b->fc1, sizes, hidden);
        PND_TRY(round_layer(l, &b->fc1, sizes));
        PND_TRY(round_layer(l, &b->fc2, hidden));
    }
    b->query = cut_layer(&b->qkv, 0, d);
    b->key_value = cut_layer(&b->qkv, d, 2 * d);
    return PANDA_OK;
out:
    return status;
}

static panda_status round_blocks(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const size_t d = t->dims.width;
    panda_status status = PANDA_OK;
    float *sizes = pnd_alloc_array(&t->ctx->alloc, 5 * d, sizeof *sizes);
    if (!sizes)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < t->dims.blocks && status == PANDA_OK; i++)
        status = round_block(l, &t->blocks[i], sizes, sizes + d);
    pnd_free(&t->ctx->alloc, sizes);
    return status;
}

static panda_status take_attention(struct pnd_loader *l,
                                   struct pnd_tower_block *b, uint32_t index)
{
    const uint32_t d = l->tower->dims.width;
    const int64_t shape[] = {1, 1, d};
    panda_status status;
    pnd_loader_set_name(l, "trunks", "blocks.%u.attn.in_proj", index);
    PND_TRY(pnd_loader_take_layer(l, &b->qkv, d, 3 * d, "_weight", "_bias"));
    b->query = cut_layer(&b->qkv, 0, d);
    b->key_value = cut_layer(&b->qkv, d, 2 * d);
    pnd_loader_set_name(l, "trunks", "blocks.%u.attn.out_proj", index);
    PND_TRY(pnd_loader_take_layer(l, &b->out, d, d, ".weight", ".bias"));
    if (l->tower->spec->extra_key) {
        pnd_loader_set_name(l, "trunks", "blocks.%u.attn.bias_k", index);
        PND_TRY(pnd_loader_take_floats(l, &b->bias_k, 3, shape));
        pnd_loader_set_name(l, "trunks", "blocks.%u.attn.bias_v", index);
        PND_TRY(pnd_loader_take_floats(l, &b->bias_v, 3, shape));
    }
out:
    return status;
}

static panda_status take_block(struct pnd_loader *l, uint32_t index)
{
    struct pnd_tower_block *b = &l->tower->blocks[index];
    const uint32_t d = l->tower->dims.width;
    panda_status status;
    pnd_loader_set_name(l, "trunks", "blocks.%u.norm_1", index);
    PND_TRY(pnd_loader_take_norm(l, &b->norm_1, PND_TOWER_EPS));
    PND_TRY(take_attention(l, b, index));
    pnd_loader_set_name(l, "trunks", "blocks.%u.norm_2", index);
    PND_TRY(pnd_loader_take_norm(l, &b->norm_2, PND_TOWER_EPS));
    pnd_loader_set_name(l, "trunks", "blocks.%u.mlp.fc1", index);
    PND_TRY(pnd_loader_take_layer(l, &b->fc1, d, 4 * d, ".weight", ".bias"));
    pnd_loader_set_name(l, "trunks", "blocks.%u.mlp.fc2", index);
    PND_TRY(pnd_loader_take_layer(l, &b->fc2, 4 * d, d, ".weight", ".bias"));
out:
    return status;
}

/* One more than the largest block number in a tensor's name, so that a hole
 * among the blocks shows as a missing tensor. */
static panda_status count_blocks(struct pnd_loader *l)
{
    const size_t count = pnd_weights_get_count(l->weights);
    uint32_t blocks = 0;
    pnd_loader_set_name(l, "trunks", "blocks.");
    const size_t prefix = strlen(l->name);
    for (size_t i = 0; i < count; i++) {
        const char *name = pnd_weights_at(l->weights, i)->name;
        if (strncmp(name, l->name, prefix) != 0)
            continue;
        uint64_t number = 0;
        for (const char *c = name + prefix; *c >= '0' && *c <= '9'; c++)
            number = number < count ? number * 10 + (uint64_t)(*c - '0')
                                    : number;
        if (number >= count)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: tensor %s is of a block beyond the %zu "
                            "tensors of the file",
                            pnd_weights_get_path(l->weights), name, count);
        if (number >= blocks)
            blocks = (uint32_t)number + 1;
    }
    if (blocks == 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: found no tensor %s*, expected at least one block",
                        pnd_weights_get_path(l->weights), l->name);
    l->tower->dims.blocks = blocks;
    return PANDA_OK;
}

static panda_status take_blocks(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    panda_status status = count_blocks(l);
    if (status < 0)
        return status;
    t->blocks = pnd_alloc_zero(&t->ctx->alloc,
                               t->dims.blocks * sizeof *t->blocks);
    if (!t->blocks)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < t->dims.blocks && status == PANDA_OK; i++)
        status = take_block(l, i);
    if (status == PANDA_OK && l->precision == PANDA_PRECISION_SMALL)
        status = round_blocks(l);
    t->dims.dtype = t->blocks[0].qkv.dtype;
    t->dims.rounds = t->blocks[0].qkv.rounds;
    return status;
}

/* Width and length of the sequence, from the positions. */
static panda_status take_positions(struct pnd_loader *l)
{
    const int64_t any[] = {1, -1, -1};
    struct pnd_tower *t = l->tower;
    const struct pnd_tensor *tensor;
    panda_status status;
    pnd_loader_set_name(l, "preprocessors", "%s", t->spec->positions);
    PND_TRY(pnd_weights_require(&tensor, l->weights, 3, any, l->name));
    PND_TRY(pnd_loader_check(l, "tokens", tensor->shape[1],
                             t->spec->class_token ? 2 : 1, PND_MAX_TOKENS));
    PND_TRY(pnd_loader_check(l, "channels", tensor->shape[2], 1,
                             PND_MAX_WIDTH));
    t->dims.tokens = (uint32_t)tensor->shape[1];
    t->dims.width = (uint32_t)tensor->shape[2];
    PND_TRY(pnd_loader_take_floats(l, &t->positions, 3, any));
    if (t->spec->class_token) {
        pnd_loader_set_name(l, "preprocessors", "cls_token");
        PND_TRY(pnd_loader_take_floats(l, &t->class_token, 3,
                                       (int64_t[]){1, 1, t->dims.width}));
    }
out:
    return status;
}

static panda_status set_heads(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const char *path = pnd_weights_get_path(l->weights);
    const char *name = pnd_tower_get_name(l->id);
    uint32_t heads = l->config->heads[l->id], width = t->dims.width;
    if (heads == 0 && width == t->spec->usual_width)
        heads = t->spec->usual_heads;
    if (heads == 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the %s tower is %u wide (ImageBind-huge: %u) and "
                        "the file does not tell its number of heads, expected "
                        "a JSON file with \"%s_num_heads\"",
                        path, name, width, t->spec->usual_width, name);
    if (heads > width || width % heads != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the %s tower is %u wide and \"%s_num_heads\" is "
                        "%u, expected a divisor",
                        path, name, width, name, heads);
    t->dims.heads = heads;
    return PANDA_OK;
}

static panda_status take_head(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const struct pnd_tensor *tensor;
    panda_status status;
    pnd_loader_set_name(l, "heads", "%s", t->spec->head_norm);
    PND_TRY(pnd_loader_take_norm(l, &t->head_norm, PND_TOWER_EPS));
    pnd_loader_set_name(l, "heads", "%s", t->spec->head);
    PND_TRY(pnd_weights_require(&tensor, l->weights, 2,
                                (int64_t[]){-1, t->dims.width}, l->name));
    PND_TRY(pnd_loader_check(l, "rows", tensor->shape[0], 1, PND_MAX_WIDTH));
    t->dims.embedding_dim = (uint32_t)tensor->shape[0];
    PND_TRY(pnd_loader_take_matrix(l, &t->head, t->dims.width,
                                   t->dims.embedding_dim));
out:
    return status;
}

static panda_status take_scale(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const struct pnd_tensor *tensor;
    t->dims.scale = 1;
    if (!t->spec->scaled)
        return PANDA_OK;
    pnd_loader_set_name(l, "postprocessors", "1.log_logit_scale");
    panda_status status =
        pnd_weights_require(&tensor, l->weights, 0, NULL, l->name);
    if (status < 0)
        return status;
    float logarithm = pnd_tensor_get_f32(tensor, 0), scale = expf(logarithm);
    if (!isfinite(scale) || scale <= 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s is %g, expected the logarithm of a "
                        "scale",
                        pnd_weights_get_path(l->weights), l->name,
                        (double)logarithm);
    t->dims.scale = fminf(scale, t->spec->scale_limit);
    if (l->id == PND_TOWER_TEXT) /* the other scales are not learned */
        t->dims.parameters++;
    return PANDA_OK;
}

/* A tensor that is not part of the architecture means that the file is of
 * another model, whose embeddings would come out wrong. */
static panda_status refuse_extra(struct pnd_loader *l)
{
    static const char *const groups[] = {"preprocessors", "trunks", "heads",
                                         "postprocessors"};
    if (l->tower->spec->ignored) {
        pnd_loader_set_name(l, "preprocessors", "%s", l->tower->spec->ignored);
        pnd_weights_find(l->weights, l->name);
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        pnd_loader_set_name(l, groups[i], "%s", "");
        const struct pnd_tensor *extra =
            pnd_weights_find_unused(l->weights, l->name);
        if (extra)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: found tensor %s, which is not part of the %s "
                            "tower of an ImageBind model",
                            pnd_weights_get_path(l->weights), extra->name,
                            pnd_tower_get_name(l->id));
    }
    return PANDA_OK;
}

bool pnd_tower_is_in(struct pnd_weights *weights, enum pnd_tower_id id)
{
    struct pnd_loader l = {.weights = weights, .id = id};
    pnd_loader_set_name(&l, "preprocessors", "%s",
                        pnd_tower_get_spec(id)->positions);
    return pnd_weights_find(weights, l.name) != NULL;
}

panda_status pnd_tower_load(struct pnd_tower **out,
                            const struct pnd_context *ctx,
                            struct pnd_weights *weights,
                            const struct pnd_imagebind_config *config,
                            enum pnd_tower_id id, panda_precision precision)
{
    panda_status status;
    *out = NULL;
    struct pnd_tower *tower = pnd_alloc_zero(&ctx->alloc, sizeof *tower);
    if (!tower)
        return pnd_fail_memory();
    tower->ctx = ctx;
    tower->spec = pnd_tower_get_spec(id);
    struct pnd_loader l = {.tower = tower, .weights = weights,
                           .config = config, .id = id,
                           .precision = precision};
    PND_TRY(take_positions(&l));
    PND_TRY(set_heads(&l));
    PND_TRY(pnd_loader_take_stem(&l));
    if (tower->spec->pre_norm) {
        pnd_loader_set_name(&l, "trunks", "pre_transformer_layer.0");
        PND_TRY(pnd_loader_take_norm(&l, &tower->pre_norm, PND_TOWER_EPS));
    }
    PND_TRY(take_blocks(&l));
    PND_TRY(take_head(&l));
    PND_TRY(take_scale(&l));
    PND_TRY(refuse_extra(&l));
    *out = tower;
    return PANDA_OK;
out:
    pnd_tower_free(tower);
    return status;
}
