/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"
#include "api/sources.h"
#include "format/bundle.h"
#include "format/gzip.h"

/* A GGUF without tensors is a vocabulary, or nothing that we know. */
static panda_file_kind get_gguf_kind(const struct pnd_gguf *gguf)
{
    if (pnd_bundle_is(gguf))
        return PANDA_FILE_BUNDLE;
    if (pnd_gguf_get_tensor_count(gguf) == 0)
        return pnd_gguf_find(gguf, "tokenizer.ggml.tokens")
                   ? PANDA_FILE_TOKENIZER
                   : PANDA_FILE_UNKNOWN;
    return pnd_gguf_is_string(gguf, "general.architecture", "llama")
               ? PANDA_FILE_DECODER
               : PANDA_FILE_UNKNOWN;
}

/* What a set of tensors is, by the names in it. */
static panda_file_kind get_weights_kind(const struct pnd_weights *weights)
{
    static const struct {
        const char *prefix;
        panda_file_kind kind;
    } prefixes[] = {
        {"modality_", PANDA_FILE_IMAGEBIND},
        {"llama_proj.", PANDA_FILE_ADAPTER},
        {"llama_model.", PANDA_FILE_ADAPTER},
        {"model.layers.", PANDA_FILE_DECODER},
        {"model.embed_tokens.", PANDA_FILE_DECODER},
        {"lm_head.", PANDA_FILE_DECODER},
    };
    if (pnd_weights_get_gguf(weights))
        return get_gguf_kind(pnd_weights_get_gguf(weights));
    for (size_t i = 0; i < pnd_weights_get_count(weights); i++) {
        const char *name = pnd_weights_at(weights, i)->name;
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            if (strncmp(name, prefixes[p].prefix, strlen(prefixes[p].prefix)) ==
                0)
                return prefixes[p].kind;
        }
    }
    return PANDA_FILE_UNKNOWN;
}

static bool has_prefix(const struct pnd_map *map, const char *prefix)
{
    size_t length = strlen(prefix);
    return map->size >= length && memcmp(map->data, prefix, length) == 0;
}

/* The file, whose first bytes may be looked at. */
static panda_status open_map(struct pnd_map *map, const struct pnd_context *ctx,
                             const char *path)
{
    panda_status status = pnd_map_open(map, ctx, path);
    if (status < 0)
        return status;
    status = pnd_map_need(map, 0, map->size < 16 ? map->size : 16);
    if (status < 0)
        pnd_map_close(map);
    return status;
}

/* Whether it opened. What a file of another kind gives is no failure. */
static panda_status judge(bool *out, panda_status status)
{
    *out = status == PANDA_OK;
    if (status == PANDA_E_MEMORY || status == PANDA_E_CALLBACK)
        return status;
    pnd_error_clear();
    return PANDA_OK;
}

/* CLIP merges begin with a version line in all copies in use. */
static panda_status find_is_clip_vocab(bool *out, const struct pnd_context *ctx,
                                       const char *path)
{
    char *text = NULL;
    size_t size;
    panda_status status =
        judge(out, pnd_gzip_read_file(&text, &size, ctx, path, 64u << 20));
    *out = *out && strstr(text, "#version") && strstr(text, "</w>");
    pnd_free(&ctx->alloc, text);
    return status;
}

static panda_status find_is_tokenizer(bool *out, const struct pnd_context *ctx,
                                      const char *path)
{
    struct pnd_tokenizer *tokenizer = NULL;
    panda_status status =
        judge(out, pnd_tokenizer_open(&tokenizer, ctx, path, NULL));
    pnd_tokenizer_close(tokenizer);
    return status;
}

/* Files that are no tensors; by their first bytes where these tell. */
static panda_status find_other_kind(panda_file_kind *out,
                                    const struct pnd_context *ctx,
                                    const char *path)
{
    struct pnd_map map;
    bool is_one = false;
    panda_status status;
    PND_TRY(open_map(&map, ctx, path));
    bool may_be_merges = has_prefix(&map, "\x1f\x8b") ||
                         has_prefix(&map, "\"bpe") || has_prefix(&map, "#");
    bool may_be_protobuf = has_prefix(&map, "\n");
    pnd_map_close(&map);
    if (may_be_merges)
        PND_TRY(find_is_clip_vocab(&is_one, ctx, path));
    if (is_one)
        *out = PANDA_FILE_CLIP_VOCAB;
    else if (may_be_protobuf)
        PND_TRY(find_is_tokenizer(&is_one, ctx, path));
    if (is_one && may_be_protobuf)
        *out = PANDA_FILE_TOKENIZER;
out:
    return status;
}

/* Whether the file claims to hold tensors: zip, GGUF, safetensors, an index;
 * and whether it is JSON. */
static panda_status find_is_weights(bool *out, bool *is_json,
                                    const struct pnd_context *ctx,
                                    const char *path)
{
    struct pnd_map map;
    *is_json = false;
    *out = pnd_path_get_kind(ctx, path) == PND_PATH_DIRECTORY;
    if (*out)
        return PANDA_OK;
    panda_status status = open_map(&map, ctx, path);
    if (status < 0)
        return status;
    *is_json = has_prefix(&map, "{");
    *out = has_prefix(&map, "PK\x03\x04") || has_prefix(&map, "GGUF") ||
           *is_json || (map.size > 9 && map.data[8] == '{') ||
           has_prefix(&map, "\x80\x02");
    pnd_map_close(&map);
    return PANDA_OK;
}

static panda_status find_kind(panda_file_kind *out,
                              const struct pnd_context *ctx, const char *path)
{
    bool is_weights, is_json, is_tokenizer = false;
    struct pnd_weights *weights;
    panda_status status;
    PND_TRY(find_is_weights(&is_weights, &is_json, ctx, path));
    if (is_json)
        PND_TRY(find_is_tokenizer(&is_tokenizer, ctx, path));
    if (is_tokenizer) {
        *out = PANDA_FILE_TOKENIZER;
        return PANDA_OK;
    }
    if (!is_weights)
        return find_other_kind(out, ctx, path);
    PND_TRY(pnd_weights_open(&weights, ctx, path));
    *out = get_weights_kind(weights);
    pnd_weights_close(weights);
out:
    return status;
}

panda_status panda_model_find_kind(panda_file_kind *out, panda_runtime *runtime,
                                   const char *path,
                                   const panda_model_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = PANDA_FILE_UNKNOWN;
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(path);
    struct pnd_context ctx = runtime->context; /* that finds the sources */
    panda_model_options o = {0};
    panda_status status = PANDA_OK;
    if (options)
        status = pnd_options_read(&o, sizeof o, options, "panda_model_options");
    if (status == PANDA_OK)
        status = pnd_sources_begin(&ctx, &o);
    if (status < 0)
        return status;
    status = find_kind(out, &ctx, path);
    pnd_sources_end(&ctx);
    return status;
}
