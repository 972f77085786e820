/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/runtime.h>

#include "api/check.h"
#include "api/handles.h"
#include "api/options.h"

#define MAX_THREADS 1024

panda_status panda_runtime_options_init(panda_runtime_options *options,
                                        uint32_t struct_size)
{
    PND_ENTER();
    panda_status status =
        pnd_options_init(options, struct_size, "panda_runtime_options");
    if (status == PANDA_OK &&
        struct_size >= offsetof(panda_runtime_options, alloc))
        options->api_version = PANDA_API_VERSION;
    return status;
}

static panda_status check_options(const panda_runtime_options *o)
{
    if (o->api_version > PANDA_API_VERSION)
        return pnd_fail(PANDA_E_VERSION,
                        "the program was built for API version %u, this "
                        "library has %u",
                        o->api_version, PANDA_API_VERSION);
    PANDA_CHECK_ARG(!o->alloc == !o->free,
                    "panda_runtime_options: alloc and free come together or "
                    "not at all");
    PANDA_CHECK_ARG(o->threads <= MAX_THREADS,
                    "panda_runtime_options: threads is %u, expected 0..%d",
                    o->threads, MAX_THREADS);
    PANDA_CHECK_ARG(o->log_level >= PANDA_LOG_NONE &&
                        o->log_level <= PANDA_LOG_DEBUG,
                    "panda_runtime_options: log_level is %d, expected 0..%d",
                    o->log_level, PANDA_LOG_DEBUG);
    PANDA_CHECK_ARG((o->flags & ~(uint32_t)PANDA_RUNTIME_SET_BLAS_THREADS) == 0,
                    "panda_runtime_options: flags is %#x, unknown bits are set",
                    o->flags);
    return PANDA_OK;
}

static panda_status start(panda_runtime *runtime,
                          const panda_runtime_options *o)
{
    struct pnd_context *ctx = &runtime->context;
    atomic_init(&runtime->references, 1);
    ctx->log = o->log;
    ctx->log_user = o->log_user;
    ctx->log_level = o->log_level ? o->log_level : PANDA_LOG_WARN;
    ctx->kernels = &runtime->kernels;

    runtime->cpu_detected = pnd_cpu_detect();
    uint64_t mask = o->cpu_mask ? o->cpu_mask : UINT64_MAX;
    uint32_t providers = o->provider_mask ? o->provider_mask : UINT32_MAX;
    pnd_kernels_select(&runtime->kernels,
                       runtime->cpu_detected & (mask | PANDA_CPU_GENERIC),
                       providers, o->flags);
    if (providers & PANDA_PROVIDER_NONE) {
        panda_status status = pnd_kernels_choose(&runtime->kernels, ctx);
        if (status < 0)
            return status;
    }
    uint32_t threads = o->threads ? o->threads : pnd_pool_count_processors();
    return pnd_pool_create(&ctx->pool, &ctx->alloc, threads, o->parallel,
                           o->parallel_user);
}

panda_status panda_runtime_create(panda_runtime **out,
                                  const panda_runtime_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    panda_runtime_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_runtime_options");
    if (status == PANDA_OK)
        status = check_options(&o);
    if (status < 0)
        return status;

    struct pnd_allocator alloc = pnd_allocator_heap;
    if (o.alloc)
        alloc = (struct pnd_allocator){o.alloc, o.free, o.alloc_user};
    panda_runtime *runtime = pnd_alloc_zero(&alloc, sizeof *runtime);
    if (!runtime)
        return pnd_fail_memory();
    runtime->context.alloc = alloc;
    status = start(runtime, &o);
    if (status < 0) {
        panda_runtime_destroy(runtime);
        return status;
    }
    *out = runtime;
    return PANDA_OK;
}

panda_runtime *pnd_runtime_ref(panda_runtime *runtime)
{
    atomic_fetch_add(&runtime->references, 1);
    return runtime;
}

void panda_runtime_destroy(panda_runtime *runtime)
{
    if (!runtime || atomic_fetch_sub(&runtime->references, 1) != 1)
        return;
    struct pnd_allocator alloc = runtime->context.alloc;
    pnd_pool_destroy(runtime->context.pool);
    pnd_free(&alloc, runtime);
}

/* Who computes the products of many rows. */
static void tell_providers(const struct pnd_kernels *k,
                           panda_cpu_features *features)
{
    features->providers = k->providers_used;
    features->f32_provider = k->providers_used & PANDA_PROVIDER_OPENBLAS
                                 ? PANDA_PROVIDER_OPENBLAS
                                 : PANDA_PROVIDER_NONE;
    features->int8_provider = PANDA_PROVIDER_NONE;
    if (k->large.f32_nt)
        features->f32_provider = PANDA_PROVIDER_ONEDNN;
    if (k->large.i8_product)
        features->int8_provider = PANDA_PROVIDER_ONEDNN;
    if (k->large.f32_nt || k->large.i8_product)
        features->provider_rows = (uint32_t)k->large.least_rows;
}

panda_status panda_runtime_get_cpu_features(const panda_runtime *runtime,
                                            panda_cpu_features *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(out);
    panda_cpu_features features = {
        .threads = pnd_pool_get_threads(runtime->context.pool),
        .detected = runtime->cpu_detected,
        .used = runtime->kernels.cpu_used,
    };
    tell_providers(&runtime->kernels, &features);
    return pnd_info_write(out, &features, sizeof features,
                          "panda_cpu_features");
}

panda_status panda_runtime_register_frontend(panda_runtime *runtime,
                                             const panda_frontend_ops *ops)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(ops);
    if (ops->abi_version != PANDA_FRONTEND_ABI_VERSION ||
        ops->struct_size != sizeof *ops)
        return pnd_fail(PANDA_E_VERSION,
                        "frontend has ABI version %u and %u bytes, this "
                        "library expects %d and %zu",
                        ops->abi_version, ops->struct_size,
                        PANDA_FRONTEND_ABI_VERSION, sizeof *ops);
    PANDA_CHECK_ARG(ops->name && *ops->name, "frontend: slot name is empty");
    PANDA_CHECK_ARG(panda_modality_get_name(ops->modality),
                    "frontend %s: modality is %d, expected 1..%d", ops->name,
                    ops->modality, PANDA_MODALITY_COUNT - 1);
    PANDA_CHECK_ARG(ops->describe, "frontend %s: slot describe is empty",
                    ops->name);
    PANDA_CHECK_ARG(ops->preprocess, "frontend %s: slot preprocess is empty",
                    ops->name);
    if (atomic_load(&runtime->has_opened))
        return pnd_fail(PANDA_E_STATE,
                        "frontend %s: must be registered before the first "
                        "model is opened",
                        ops->name);
    if (runtime->frontend_count == PND_MAX_FRONTENDS)
        return pnd_fail(PANDA_E_STATE,
                        "frontend %s: %d are registered already, no more fit",
                        ops->name, PND_MAX_FRONTENDS);
    runtime->frontends[runtime->frontend_count++] = ops;
    return PANDA_OK;
}
