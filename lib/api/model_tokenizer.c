/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/model_parts.h"

/* Where a model's vocabulary comes from. */

char *pnd_model_get_folder(const struct pnd_context *ctx, const char *path)
{
    if (pnd_path_get_kind(ctx, path) == PND_PATH_DIRECTORY)
        return pnd_strdup(&ctx->alloc, path);
    return pnd_path_sibling(&ctx->alloc, path, ".");
}

/* The vocabulary among the files of a folder, the original one first; `*out` is
 * NULL when there is none. */
static panda_status find_tokenizer(char **out, const struct pnd_context *ctx,
                                   const char *folder)
{
    static const char *const names[] = {"tokenizer.model", "tokenizer.json"};
    *out = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pnd_path_join(&ctx->alloc, folder, names[i]);
        if (!path)
            return pnd_fail_memory();
        if (pnd_path_get_kind(ctx, path) != PND_PATH_MISSING) {
            *out = path;
            return PANDA_OK;
        }
        pnd_free(&ctx->alloc, path);
    }
    return PANDA_OK;
}

panda_status pnd_model_open_tokenizer(panda_model *model, const char *path,
                                      const char *folder, bool optional)
{
    const struct pnd_context *ctx = &model->context;
    char *found = NULL;
    if (pnd_path_get_kind(ctx, path) != PND_PATH_DIRECTORY)
        return pnd_tokenizer_open(&model->tokenizer, ctx, path, folder);
    panda_status status = find_tokenizer(&found, ctx, path);
    if (status < 0)
        return status;
    if (found)
        status = pnd_tokenizer_open(&model->tokenizer, ctx, found, folder);
    else if (optional)
        pnd_log(ctx, PANDA_LOG_INFO,
                "%s: neither tokenizer.model nor tokenizer.json is there: no "
                "text for the decoder", path);
    else
        status = pnd_fail(PANDA_E_IO,
                          "%s: neither tokenizer.model nor tokenizer.json is "
                          "in this folder", path);
    pnd_free(&ctx->alloc, found);
    return status;
}

panda_status pnd_model_open_own_tokenizer(panda_model *model,
                                          const struct pnd_gguf *gguf)
{
    const struct pnd_context *ctx = &model->context;
    if (pnd_gguf_find(gguf, "tokenizer.ggml.model"))
        return pnd_tokenizer_open_gguf(&model->tokenizer, ctx, gguf);
    pnd_log(ctx, PANDA_LOG_INFO, "%s: no vocabulary, no text for the decoder",
            pnd_gguf_get_path(gguf));
    return PANDA_OK;
}

panda_status pnd_model_check_vocabulary(const panda_model *model,
                                        const char *path)
{
    if (!model->tokenizer || !model->llama)
        return PANDA_OK;
    uint32_t pieces = pnd_tokenizer_get_size(model->tokenizer);
    uint32_t rows = pnd_llama_get_dims(model->llama)->config.vocab_size;
    uint32_t most = rows / 16 > 512 ? rows / 16 : 512;
    bool is_padding = rows > pieces && rows - pieces < most && rows % 32 == 0;
    if (pieces == rows || is_padding)
        return PANDA_OK;
    return pnd_fail(PANDA_E_SHAPE,
                    "%s: the vocabulary has %u pieces, the decoder's embedding "
                    "%u rows; expected equal numbers (is added_tokens.json "
                    "missing?)",
                    path, pieces, rows);
}
