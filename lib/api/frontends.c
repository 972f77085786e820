/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/frontends.h"

#include <math.h>
#include <string.h>

#include "api/registry.h"

/* What stands behind panda_frontend_host.internal during one call. */
struct call {
    panda_model *model;
    const atomic_int *cancelled; /* NULL: cannot be cancelled */
};

static const struct call *get_call(const panda_frontend_host *host)
{
    return host->internal;
}

static const struct pnd_context *get_context(const panda_frontend_host *host)
{
    return &get_call(host)->model->runtime->context;
}

static void *host_alloc(const panda_frontend_host *host, size_t size)
{
    return pnd_alloc(&get_context(host)->alloc, size);
}

static void host_free(const panda_frontend_host *host, void *memory)
{
    pnd_free(&get_context(host)->alloc, memory);
}

static panda_status host_fail(const panda_frontend_host *host,
                              panda_status status, const char *message)
{
    (void)host;
    return pnd_fail(status, "%.400s", message);
}

static void host_log(const panda_frontend_host *host, panda_log_level level,
                     const char *message)
{
    pnd_log(get_context(host), level, "%s", message);
}

static int32_t host_is_cancelled(const panda_frontend_host *host)
{
    const atomic_int *cancelled = get_call(host)->cancelled;
    return cancelled ? atomic_load(cancelled) : 0;
}

static void host_parallel(const panda_frontend_host *host, panda_task_fn task,
                          void *context, uint32_t count)
{
    pnd_pool_run(get_context(host)->pool, task, context, count);
}

static panda_status host_get_resource(const panda_frontend_host *host,
                                      const char *name, const void **data,
                                      size_t *size)
{
    const panda_model *model = get_call(host)->model;
    if (strcmp(name, "clip.merges") == 0 && model->clip_merges) {
        *data = model->clip_merges;
        *size = model->clip_merges_size;
        return PANDA_OK;
    }
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    strcmp(name, "clip.merges") == 0
                        ? "the model was opened without the CLIP vocabulary "
                          "(bpe_simple_vocab_16e6.txt.gz)"
                        : "the model has no resource \"%.40s\"",
                    name);
}

static void fill_host(panda_frontend_host *host, struct call *call,
                      const panda_frontend_limits *limits)
{
    *host = (panda_frontend_host){
        .struct_size = sizeof *host,
        .abi_version = PANDA_FRONTEND_ABI_VERSION,
        .alloc = host_alloc,
        .free = host_free,
        .fail = host_fail,
        .log = host_log,
        .is_cancelled = host_is_cancelled,
        .parallel = host_parallel,
        .get_resource = host_get_resource,
        .threads = pnd_pool_get_threads(call->model->runtime->context.pool),
        .limits = limits,
        .internal = call,
    };
}

panda_status pnd_model_list_frontends(panda_model *model)
{
    const panda_runtime *runtime = model->runtime;
    const struct pnd_allocator *alloc = &runtime->context.alloc;
    uint32_t count = runtime->frontend_count;
    for (size_t i = 0; pnd_builtin_frontends[i]; i++)
        count++;
    if (count == 0)
        return PANDA_OK;
    model->frontends = pnd_alloc_zero(alloc, count * sizeof *model->frontends);
    if (!model->frontends)
        return pnd_fail_memory();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = runtime->frontend_count;
        const panda_frontend_ops *ops =
            i < own ? runtime->frontends[i] : pnd_builtin_frontends[i - own];
        struct pnd_frontend_state *f = &model->frontends[i];
        f->ops = ops;
        model->frontend_count = i + 1;
        if (ops->state_size == 0)
            continue;
        f->state = pnd_alloc_zero(alloc, ops->state_size);
        if (!f->state)
            return pnd_fail_memory();
    }
    return PANDA_OK;
}

static void release(panda_model *model, struct pnd_frontend_state *f)
{
    struct call call = {model, NULL};
    panda_frontend_host host;
    fill_host(&host, &call, NULL);
    if (f->ops->fini)
        f->ops->fini(f->state, &host);
}

void pnd_model_free_frontends(panda_model *model)
{
    const struct pnd_allocator *alloc = &model->runtime->context.alloc;
    for (uint32_t i = 0; i < model->frontend_count; i++) {
        if (model->frontends[i].is_ready)
            release(model, &model->frontends[i]);
        pnd_free(alloc, model->frontends[i].state);
    }
    pnd_free(alloc, model->frontends);
}

/* Initialise at the first use; after a failure the next use tries again. */
static panda_status make_ready(panda_model *model, struct pnd_frontend_state *f)
{
    panda_status status = PANDA_OK;
    pthread_mutex_lock(&model->frontend_lock);
    if (!f->is_ready) {
        if (f->ops->init) {
            struct call call = {model, NULL};
            panda_frontend_host host;
            fill_host(&host, &call, NULL);
            status = f->ops->init(f->state, &host);
        }
        if (status == PANDA_E_FORMAT && model->clip_path &&
            f->ops->modality == PANDA_MODALITY_TEXT)
            pnd_error_prefix(model->clip_path);
        f->is_ready = status == PANDA_OK;
        if (!f->is_ready) {
            release(model, f);
            if (f->state)
                memset(f->state, 0, f->ops->state_size);
        }
    }
    pthread_mutex_unlock(&model->frontend_lock);
    return status;
}

/* Every failure has a sentence, also one of a careless frontend. */
static panda_status complete_error(const struct pnd_preprocessing *p,
                                   const char *name, panda_status status)
{
    if (status >= 0)
        return PANDA_OK;
    if (pnd_error_get()[0] == '\0') {
        if (status == PANDA_E_MEMORY)
            pnd_fail_memory();
        else if (status == PANDA_E_CANCELLED)
            pnd_fail(status, "the call was cancelled");
        else
            pnd_fail(status, "the %s frontend gave %s", name,
                     panda_status_get_name(status));
    }
    if (p->input->source == PANDA_SOURCE_PATH)
        pnd_error_prefix(p->input->path);
    else if (status != PANDA_E_CANCELLED)
        pnd_error_prefix(panda_modality_get_name(p->input->modality));
    return status;
}

static bool has_same_item(const panda_frontend_tensor *a,
                          const struct pnd_tower_dims *b, panda_modality m)
{
    if (a->rank != b->rank || a->items < 1 || a->items > 65536)
        return false;
    bool is_vision = m == PANDA_MODALITY_IMAGE || m == PANDA_MODALITY_VIDEO;
    for (uint32_t i = 0; i < a->rank; i++) {
        bool may_be_one = is_vision && i == 1; /* a still image's one frame */
        if (a->shape[i] != b->shape[i] && !(may_be_one && a->shape[i] == 1))
            return false;
    }
    return true;
}

static panda_status describe_with(struct pnd_preprocessing *p,
                                  struct pnd_frontend_state *f)
{
    panda_modality modality = p->input->modality;
    const struct pnd_tower_dims *dims =
        pnd_tower_get_dims(p->model->towers[pnd_model_get_tower_id(modality)]);
    p->with = f;
    p->tensor = (panda_frontend_tensor){
        .struct_size = sizeof p->tensor,
        .element = dims->token_ids ? PANDA_ELEMENT_I32 : PANDA_ELEMENT_F32,
        .items = 1,
        .rank = dims->rank,
    };
    memcpy(p->tensor.shape, dims->shape, sizeof p->tensor.shape);
    panda_status status = make_ready(p->model, f);
    if (status < 0)
        return status;
    struct call call = {p->model, p->cancelled};
    panda_frontend_host host;
    fill_host(&host, &call, p->limits);
    status = f->ops->describe(f->state, &host, p->input, &p->tensor);
    if (status == PANDA_OK && !has_same_item(&p->tensor, dims, modality))
        status = pnd_fail(PANDA_E_SHAPE,
                          "the frontend %s gives another shape than the "
                          "encoder takes",
                          f->ops->name);
    return status;
}

/* Ask the frontends of the modality from `first` on. */
static panda_status describe_from(struct pnd_preprocessing *p, uint32_t first)
{
    const char *name = panda_modality_get_name(p->input->modality);
    panda_status status = pnd_fail(PANDA_E_UNSUPPORTED,
                                   "this build has no frontend for %s", name);
    for (uint32_t i = first; i < p->model->frontend_count; i++) {
        struct pnd_frontend_state *f = &p->model->frontends[i];
        if (f->ops->modality != p->input->modality)
            continue;
        pnd_error_clear();
        status = describe_with(p, f);
        if (status != PANDA_E_UNSUPPORTED)
            break;
    }
    return complete_error(p, name, status);
}

panda_status pnd_frontends_describe(struct pnd_preprocessing *p)
{
    return describe_from(p, 0);
}

static panda_status check_finite(const panda_frontend_tensor *t,
                                 const float *values)
{
    size_t count = t->items;
    for (uint32_t i = 0; i < t->rank; i++)
        count *= t->shape[i];
    for (size_t i = 0; t->element == PANDA_ELEMENT_F32 && i < count; i++) {
        if (!isfinite(values[i]))
            return pnd_fail(PANDA_E_FORMAT,
                            "preprocessing gave a value that is not finite");
    }
    return PANDA_OK;
}

panda_status pnd_frontends_preprocess(struct pnd_preprocessing *p, void *out)
{
    const panda_frontend_ops *ops = p->with->ops;
    struct call call = {p->model, p->cancelled};
    panda_frontend_host host;
    fill_host(&host, &call, p->limits);
    panda_status status =
        ops->preprocess(p->with->state, &host, p->input, &p->tensor, out);
    if (status == PANDA_E_UNSUPPORTED) {
        uint32_t next = (uint32_t)(p->with - p->model->frontends) + 1;
        for (; next < p->model->frontend_count; next++) {
            if (p->model->frontends[next].ops->modality == p->input->modality)
                break;
        }
        if (next < p->model->frontend_count) {
            pnd_error_clear();
            status = describe_from(p, next);
            return status < 0 ? status : PANDA_AGAIN;
        }
    }
    if (status == PANDA_OK)
        status = check_finite(&p->tensor, out);
    return complete_error(p, ops->name, status);
}
