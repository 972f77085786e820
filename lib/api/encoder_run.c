/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/encoder_session.h"
#include "api/input_check.h"

/* Inputs on their way through the towers, in groups that are computed at
 * once. */

#define MOST_TEXTS 256 /* in a group; the tower cuts them by length */

/* Progress of a part of a call, told as progress of the whole. */
struct share {
    panda_progress_fn progress;
    void *user;
    double from, to; /* of the whole */
};

static int32_t report_share(double fraction, void *user)
{
    const struct share *s = user;
    return s->progress(s->from + fraction * (s->to - s->from), s->user);
}

/* An input's items within its group. */
struct part {
    size_t index; /* of the input */
    panda_modality modality;
    uint32_t first, items;
};

/* Inputs of one tower whose items have one shape. */
struct group {
    panda_encoder *encoder;
    const panda_encode_options *options;
    size_t count; /* inputs of the call */
    size_t failed; /* the input at hand, or the first of those computed */
    const struct pnd_tower *tower;
    const struct pnd_tower_dims *dims;
    uint32_t parts, items;
    uint32_t different;   /* items that have no equal before them */
    uint32_t frames;      /* of an image or video item, else 0 */
    size_t item_elements; /* of one item; each takes 4 bytes */
};

static struct part *get_parts(const struct group *g)
{
    return (struct part *)(void *)g->encoder->parts.data;
}

static uint32_t *get_places(const struct group *g)
{
    return (uint32_t *)(void *)g->encoder->places.data;
}

static void trace(const struct group *g, const char *stage, const float *values,
                  uint32_t rank, const int64_t *shape)
{
    if (g->options->trace)
        g->options->trace(stage, values, shape, rank,
                            g->options->trace_user);
}

/* The input as the encoder sees it; token ids are told as floats. */
static panda_status trace_input(struct group *g)
{
    panda_encoder *encoder = g->encoder;
    int64_t shape[5] = {g->items};
    if (!g->options->trace)
        return PANDA_OK;
    for (uint32_t i = 0; i < g->dims->rank; i++)
        shape[i + 1] = g->dims->shape[i];
    if (g->dims->rank == 4)
        shape[2] = g->frames;
    size_t count = g->items * g->item_elements;
    const float *values = (const float *)(const void *)encoder->tensor.data;
    if (g->dims->token_ids) {
        encoder->raw.size = 0;
        panda_status status =
            pnd_buffer_reserve(&encoder->raw, count * sizeof(float));
        if (status < 0)
            return status;
        const int32_t *ids = (const int32_t *)(const void *)values;
        float *floats = (float *)(void *)encoder->raw.data;
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)ids[i];
        values = floats;
    }
    trace(g, "preprocessed", values, g->dims->rank + 1, shape);
    return PANDA_OK;
}

/* Equal items are computed once: clips of short sounds, crops of square
 * videos. A trace shows all of them. */
static panda_status find_equal(struct group *g)
{
    const size_t bytes = g->item_elements * 4;
    g->encoder->places.size = 0;
    panda_status status = pnd_buffer_reserve(&g->encoder->places,
                                             g->items * sizeof(uint32_t));
    if (status < 0)
        return status;
    uint32_t *places = get_places(g);
    uint8_t *data = g->encoder->tensor.data;
    g->different = 0;
    for (uint32_t i = 0; i < g->items; i++) {
        uint32_t j = g->options->trace ? g->different : 0;
        while (j < g->different &&
               memcmp(data + j * bytes, data + i * bytes, bytes) != 0)
            j++;
        if (j == g->different && g->different++ != i)
            memcpy(data + j * bytes, data + i * bytes, bytes);
        places[i] = j;
    }
    return PANDA_OK;
}

/* Head outputs of all different items, in batches; one batch when traced, so
 * that every stage is told once. */
static panda_status run_tower(struct group *g, double from, double to,
                              float *raw)
{
    panda_encoder *encoder = g->encoder;
    const panda_encode_options *o = g->options;
    struct pnd_trace tracing = {o->trace, o->trace_user};
    const uint32_t batch =
        o->trace || g->dims->token_ids ? g->different : encoder->batch;
    panda_status status = PANDA_OK;
    for (uint32_t i = 0; i < g->different && status == PANDA_OK; i += batch) {
        uint32_t count = g->different - i < batch ? g->different - i : batch;
        double span = (to - from) / g->different;
        struct share share = {o->progress, o->progress_user, from + span * i,
                              from + span * (i + count)};
        struct pnd_watch watch = {&encoder->cancelled,
                                  o->progress ? report_share : NULL, &share};
        const uint8_t *input =
            encoder->tensor.data + (size_t)i * g->item_elements * 4;
        status = pnd_tower_run(
            g->tower, &encoder->workspace, count, g->frames, input,
            raw + (size_t)i * g->dims->embedding_dim, &watch, &tracing);
    }
    return status;
}

/* Mean of a part's rows. */
static void write_mean(const struct group *g, const struct part *part,
                       const float *rows, float *mean)
{
    const uint32_t dim = g->dims->embedding_dim;
    const uint32_t *places = get_places(g) + part->first;
    for (uint32_t d = 0; d < dim; d++) {
        float sum = 0;
        for (uint32_t i = 0; i < part->items; i++)
            sum += rows[(size_t)places[i] * dim + d];
        mean[d] = sum / (float)part->items;
    }
}

static panda_output resolve_output(panda_output output)
{
    return output == PANDA_OUTPUT_DEFAULT ? PANDA_OUTPUT_SCALED : output;
}

static panda_status finish_part(const struct group *g, const struct part *part,
                                const float *raw, const float *unit,
                                const float *scaled, panda_embedding **out)
{
    const panda_output output = resolve_output(g->options->output);
    panda_status status =
        pnd_embedding_new(out, g->encoder->model->runtime,
                          g->dims->embedding_dim, part->modality, output);
    if (status < 0)
        return status;
    /* PandaGPT's projection was trained on audio without the factor. */
    bool is_unit = output == PANDA_OUTPUT_UNIT ||
                   (output == PANDA_OUTPUT_PANDAGPT &&
                    part->modality == PANDA_MODALITY_AUDIO);
    write_mean(g, part,
               is_unit                      ? unit
               : output == PANDA_OUTPUT_RAW ? raw
                                            : scaled,
               (*out)->values);
    return PANDA_OK;
}

/* Compute the group, and begin the next. */
static panda_status run_group(struct group *g, panda_embedding **out)
{
    panda_encoder *encoder = g->encoder;
    if (g->parts == 0)
        return PANDA_OK;
    const struct part *parts = get_parts(g);
    const size_t at_hand = g->failed;
    g->failed = parts[0].index;
    const double from = (double)parts[0].index / (double)g->count;
    const double to =
        (double)(parts[g->parts - 1].index + 1) / (double)g->count;
    panda_status status = trace_input(g);
    if (status == PANDA_OK)
        status = find_equal(g);
    if (status < 0)
        return status;
    const size_t count = (size_t)g->different * g->dims->embedding_dim;
    encoder->raw.size = 0;
    status = pnd_buffer_reserve(&encoder->raw, 3 * count * sizeof(float));
    if (status < 0)
        return status;
    float *raw = (float *)(void *)encoder->raw.data;
    float *unit = raw + count, *scaled = unit + count;
    status = run_tower(g, from, to, raw);
    if (status < 0)
        return status;
    pnd_tower_finish(g->tower, g->different, raw, unit, scaled);
    const int64_t shape[] = {g->different, g->dims->embedding_dim};
    trace(g, "unit", unit, 2, shape);
    trace(g, "scaled", scaled, 2, shape);
    for (uint32_t i = 0; i < g->parts && status == PANDA_OK; i++)
        status = finish_part(g, &parts[i], raw, unit, scaled,
                             &out[parts[i].index]);
    if (status == PANDA_OK)
        g->failed = at_hand;
    g->parts = g->items = 0;
    encoder->tensor.size = encoder->parts.size = 0;
    return status;
}

/* Make room for the items that a frontend is going to give: a group that they
 * do not fit in is computed before. */
static panda_status make_room(struct group *g,
                              const panda_frontend_tensor *tensor,
                              panda_embedding **out)
{
    size_t elements = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        elements *= tensor->shape[i];
    const uint32_t frames = g->dims->rank == 4 ? tensor->shape[1] : 0;
    const uint32_t most =
        g->dims->token_ids ? MOST_TEXTS : g->encoder->batch;
    if (g->parts > 0 &&
        (g->options->trace || frames != g->frames ||
         elements != g->item_elements || g->items + tensor->items > most)) {
        panda_status status = run_group(g, out);
        if (status < 0)
            return status;
    }
    g->frames = frames;
    g->item_elements = elements;
    return pnd_buffer_reserve(&g->encoder->tensor,
                              tensor->items * elements * 4);
}

/* Add an input to the group. */
static panda_status add_input(struct group *g, const panda_input *input,
                              size_t index, panda_embedding **out)
{
    panda_encoder *encoder = g->encoder;
    struct pnd_preprocessing p = {
        .model = encoder->model,
        .limits = &encoder->limits,
        .cancelled = &encoder->cancelled,
        .input = input,
    };
    panda_status status = pnd_frontends_describe(&p);
    if (status < 0)
        return status;
    do {
        status = make_room(g, &p.tensor, out);
        if (status == PANDA_OK)
            status = pnd_frontends_preprocess(
                &p, encoder->tensor.data + encoder->tensor.size);
    } while (status == PANDA_AGAIN);
    if (status < 0)
        return status;
    const struct part part = {index, input->modality, g->items,
                              p.tensor.items};
    encoder->tensor.size += p.tensor.items * g->item_elements * 4;
    g->items += p.tensor.items;
    g->parts++;
    return pnd_buffer_append(&encoder->parts, &part, sizeof part);
}

static panda_status run_inputs(struct group *g,
                               const panda_input *const *inputs,
                               panda_embedding **out)
{
    const panda_model *model = g->encoder->model;
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < g->count && status == PANDA_OK; i++) {
        struct pnd_input checked;
        g->failed = i;
        status = pnd_input_read(&checked, inputs[i]);
        if (status < 0)
            return status;
        const panda_modality modality = checked.input.modality;
        const struct pnd_tower *tower =
            model->towers[pnd_model_get_tower_id(modality)];
        if (!tower)
            return pnd_fail(PANDA_E_UNSUPPORTED, "the model has no %s encoder",
                            panda_modality_get_name(modality));
        if (tower != g->tower)
            status = run_group(g, out);
        g->tower = tower;
        g->dims = pnd_tower_get_dims(tower);
        if (status == PANDA_OK)
            status = add_input(g, &checked.input, i, out);
    }
    return status < 0 ? status : run_group(g, out);
}

panda_status pnd_encoder_run(panda_encoder *encoder,
                             const panda_input *const *inputs, size_t count,
                             const panda_encode_options *options,
                             panda_embedding **out, size_t *failed)
{
    struct group g = {.encoder = encoder, .options = options, .count = count};
    encoder->tensor.size = encoder->parts.size = 0;
    panda_status status = run_inputs(&g, inputs, out);
    *failed = g.failed;
    return status;
}
