/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/sources.h"

#include <string.h>

#include "api/check.h"
#include "api/options.h"

/* A model of many shards has a few hundred files. */
#define MAX_SOURCES 4096

static panda_status read_source(struct pnd_host_file *out, const void *from,
                                uint32_t index)
{
    panda_model_source s;
    panda_status status =
        pnd_options_read(&s, sizeof s, from, "panda_model_source");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(s.name && *s.name,
                    "panda_model_options: source %u has no name", index);
    PANDA_CHECK_ARG(!s.data != !s.read,
                    "panda_model_options: source %s has %s, expected either "
                    "data or a read callback",
                    s.name, s.data ? "both" : "neither");
    PANDA_CHECK_ARG(!s.data || s.size <= PTRDIFF_MAX,
                    "panda_model_options: source %s has %llu bytes of data",
                    s.name, (unsigned long long)s.size);
    *out = (struct pnd_host_file){s.name, s.data, s.size, s.read, s.read_user};
    return PANDA_OK;
}

static panda_status read_sources(struct pnd_host_file *out,
                                 const panda_model_options *o)
{
    /* The caller's structs may be longer or shorter than the library's. */
    const char *from = (const char *)o->sources;
    const uint32_t stride = o->sources[0].struct_size;
    for (uint32_t i = 0; i < o->source_count; i++, from += stride) {
        uint32_t size;
        memcpy(&size, from, sizeof size);
        PANDA_CHECK_ARG(size == stride,
                        "panda_model_options: source %u has struct_size %u, "
                        "the first one %u",
                        i, size, stride);
        panda_status status = read_source(&out[i], from, i);
        if (status < 0)
            return status;
        PANDA_CHECK_ARG(!pnd_host_file_find(out, i, out[i].name),
                        "panda_model_options: two sources are named %s",
                        out[i].name);
    }
    return PANDA_OK;
}

panda_status pnd_sources_begin(struct pnd_context *ctx,
                               const panda_model_options *o)
{
    if (o->source_count == 0)
        return PANDA_OK;
    PANDA_CHECK_ARG(o->sources, "panda_model_options: sources is NULL, "
                    "source_count is %u", o->source_count);
    PANDA_CHECK_ARG(o->source_count <= MAX_SOURCES,
                    "panda_model_options: source_count is %u, expected at most "
                    "%d",
                    o->source_count, MAX_SOURCES);
    struct pnd_host_file *sources =
        pnd_alloc_array(&ctx->alloc, o->source_count, sizeof *sources);
    if (!sources)
        return pnd_fail_memory();
    panda_status status = read_sources(sources, o);
    if (status < 0) {
        pnd_free(&ctx->alloc, sources);
        return status;
    }
    ctx->host_files = sources;
    ctx->host_file_count = o->source_count;
    return PANDA_OK;
}

void pnd_sources_end(struct pnd_context *ctx)
{
    pnd_free(&ctx->alloc, (void *)ctx->host_files);
    ctx->host_files = NULL;
    ctx->host_file_count = 0;
}
