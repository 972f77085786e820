/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/tower.h"

#include <math.h>

#include "encoder/tower_parts.h"

/* As in torch.nn.functional.normalize. */
#define NORMALIZE_EPS 1e-12

static const struct pnd_tower_spec specs[PND_TOWER_COUNT] = {
    [PND_TOWER_VISION] = {
        .stem = "rgbt_stem.proj.1.weight",
        .positions = "pos_embedding_helper.pos_embed",
        .head_norm = "0", .head = "2.weight",
        .usual_width = 1280, .usual_heads = 16,
        .class_token = true, .pre_norm = true,
    },
    [PND_TOWER_TEXT] = {
        .stem = "token_embedding.weight",
        .positions = "pos_embed",
        .head_norm = "proj.0", .head = "proj.1.weight",
        .ignored = "mask",
        .usual_width = 1024, .usual_heads = 16,
        .causal = true, .scaled = true, .scale_limit = 100,
    },
    [PND_TOWER_AUDIO] = {
        .stem = "rgbt_stem.proj.weight", .stem_norm = "rgbt_stem.norm_layer",
        .positions = "pos_embedding_helper.pos_embed",
        .head_norm = "0", .head = "2.weight",
        .usual_width = 768, .usual_heads = 12,
        .class_token = true, .extra_key = true,
        .scaled = true, .scale_limit = INFINITY,
    },
    [PND_TOWER_DEPTH] = {
        .stem = "depth_stem.proj.weight", .stem_norm = "depth_stem.norm_layer",
        .positions = "pos_embedding_helper.pos_embed",
        .head_norm = "0", .head = "2.weight",
        .usual_width = 384, .usual_heads = 8,
        .class_token = true, .extra_key = true,
        .scaled = true, .scale_limit = INFINITY,
    },
    [PND_TOWER_THERMAL] = {
        .stem = "rgbt_stem.proj.weight", .stem_norm = "rgbt_stem.norm_layer",
        .positions = "pos_embedding_helper.pos_embed",
        .head_norm = "0", .head = "2.weight",
        .usual_width = 768, .usual_heads = 12,
        .class_token = true, .extra_key = true,
        .scaled = true, .scale_limit = INFINITY,
    },
    [PND_TOWER_IMU] = {
        .stem = "imu_stem.proj.weight", .stem_norm = "imu_stem.norm_layer",
        .positions = "pos_embed",
        .head_norm = "0", .head = "3.weight", /* 2 is a dropout */
        .usual_width = 512, .usual_heads = 8,
        .class_token = true, .extra_key = true,
        .scaled = true, .scale_limit = INFINITY,
    },
};

const struct pnd_tower_spec *pnd_tower_get_spec(enum pnd_tower_id id)
{
    return &specs[id];
}

const struct pnd_tower_dims *pnd_tower_get_dims(const struct pnd_tower *tower)
{
    return &tower->dims;
}

void pnd_tower_free(struct pnd_tower *tower)
{
    if (!tower)
        return;
    const struct pnd_allocator *alloc = &tower->ctx->alloc;
    while (tower->copies) {
        struct pnd_tower_copy *copy = tower->copies;
        tower->copies = copy->next;
        pnd_free(alloc, copy);
    }
    pnd_free(alloc, tower->blocks);
    pnd_free(alloc, tower);
}

void pnd_tower_finish(const struct pnd_tower *tower, uint32_t items,
                      const float *raw, float *unit, float *scaled)
{
    size_t dim = tower->dims.embedding_dim;
    for (size_t item = 0; item < items; item++) {
        const float *x = raw + item * dim;
        double sum = 0;
        for (size_t i = 0; i < dim; i++)
            sum += (double)x[i] * x[i];
        float length = (float)fmax(sqrt(sum), NORMALIZE_EPS);
        for (size_t i = 0; i < dim; i++) {
            float value = x[i] / length;
            if (unit)
                unit[item * dim + i] = value;
            if (scaled)
                scaled[item * dim + i] = value * tower->dims.scale;
        }
    }
}
