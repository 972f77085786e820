/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
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

/* CLIP merges begin with a version line in all copies in use. */
static bool is_clip_vocab(const struct pnd_context *ctx, const char *path)
{
    char *text = NULL;
    size_t size;
    bool result = false;
    if (pnd_gzip_read_file(&text, &size, ctx, path, 64u << 20) == 0) {
        result =
            strstr(text, "#version") != NULL && strstr(text, "</w>") != NULL;
        pnd_free(&ctx->alloc, text);
    }
    pnd_error_clear();
    return result;
}

static bool is_tokenizer(const struct pnd_context *ctx, const char *path)
{
    struct pnd_tokenizer *tokenizer = NULL;
    bool result =
        pnd_tokenizer_open(&tokenizer, ctx, path, NULL) == PANDA_OK;
    pnd_tokenizer_close(tokenizer);
    pnd_error_clear();
    return result;
}

/* Files that are no tensors; by their first bytes where these tell. */
static panda_file_kind get_other_kind(const struct pnd_context *ctx,
                                      const char *path)
{
    struct pnd_map map;
    if (pnd_map_open(&map, NULL, path) < 0)
        return PANDA_FILE_UNKNOWN;
    bool may_be_merges = has_prefix(&map, "\x1f\x8b") ||
                         has_prefix(&map, "\"bpe") || has_prefix(&map, "#");
    bool may_be_protobuf = has_prefix(&map, "\n");
    pnd_map_close(&map);
    if (may_be_merges && is_clip_vocab(ctx, path))
        return PANDA_FILE_CLIP_VOCAB;
    if (may_be_protobuf && is_tokenizer(ctx, path))
        return PANDA_FILE_TOKENIZER;
    pnd_error_clear();
    return PANDA_FILE_UNKNOWN;
}

/* Whether the file claims to hold tensors: zip, GGUF, safetensors, an index;
 * and whether it is JSON. */
static panda_status find_is_weights(bool *out, bool *is_json, const char *path)
{
    struct pnd_map map;
    *is_json = false;
    *out = pnd_path_get_kind(NULL, path) == PND_PATH_DIRECTORY;
    if (*out)
        return PANDA_OK;
    panda_status status = pnd_map_open(&map, NULL, path);
    if (status < 0)
        return status;
    *is_json = has_prefix(&map, "{");
    *out = has_prefix(&map, "PK\x03\x04") || has_prefix(&map, "GGUF") ||
           *is_json || (map.size > 9 && map.data[8] == '{') ||
           has_prefix(&map, "\x80\x02");
    pnd_map_close(&map);
    return PANDA_OK;
}

panda_status panda_model_find_kind(panda_file_kind *out, panda_runtime *runtime,
                                   const char *path)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = PANDA_FILE_UNKNOWN;
    PANDA_CHECK_POINTER(runtime);
    PANDA_CHECK_POINTER(path);
    const struct pnd_context *ctx = &runtime->context;
    bool is_weights, is_json;
    panda_status status = find_is_weights(&is_weights, &is_json, path);
    if (status < 0)
        return status;
    if (is_json && is_tokenizer(ctx, path)) {
        *out = PANDA_FILE_TOKENIZER;
        return PANDA_OK;
    }
    if (!is_weights) {
        *out = get_other_kind(ctx, path);
        return PANDA_OK;
    }
    struct pnd_weights *weights;
    status = pnd_weights_open(&weights, ctx, path);
    if (status < 0)
        return status;
    *out = get_weights_kind(weights);
    pnd_weights_close(weights);
    return PANDA_OK;
}
