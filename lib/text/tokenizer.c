/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_parts.h"

#include "base/map.h"
#include "text/special_tokens.h"

static panda_status read_model(struct pnd_tokenizer *t, const char *path)
{
    struct pnd_map map;
    panda_status status = pnd_map_open(&map, path);
    if (status < 0)
        return status;
    status = pnd_sentencepiece_parse(&t->model, t->alloc, map.data, map.size);
    pnd_map_close(&map);
    if (status < 0 && status != PANDA_E_MEMORY)
        pnd_error_prefix(path);
    return status;
}

panda_status pnd_tokenizer_open(struct pnd_tokenizer **out,
                                const struct pnd_context *ctx,
                                const char *path, const char *folder)
{
    panda_status status;
    *out = NULL;
    struct pnd_tokenizer *t = pnd_alloc_zero(&ctx->alloc, sizeof *t);
    if (!t)
        return pnd_fail_memory();
    t->alloc = &ctx->alloc;
    PND_TRY(read_model(t, path));
    PND_TRY(pnd_special_tokens_read(&t->model, ctx, path, folder));
    PND_TRY(pnd_prefixes_build(&t->user_defined, &t->model.vocabulary,
                               PND_PIECE_USER_DEFINED, 0));
    PND_TRY(pnd_prefixes_build(&t->whole, &t->model.vocabulary, 0,
                               PND_PIECE_WHOLE));
    pnd_log(ctx, PANDA_LOG_INFO, "%s: %u pieces, %zu user-defined, %zu whole",
            path, t->model.vocabulary.count, t->user_defined.count,
            t->whole.count);
    *out = t;
    return PANDA_OK;
out:
    pnd_tokenizer_close(t);
    return status;
}

void pnd_tokenizer_close(struct pnd_tokenizer *t)
{
    if (!t)
        return;
    pnd_prefixes_free(&t->user_defined, t->alloc);
    pnd_prefixes_free(&t->whole, t->alloc);
    pnd_sentencepiece_free(&t->model);
    pnd_free(t->alloc, t);
}

uint32_t pnd_tokenizer_get_size(const struct pnd_tokenizer *t)
{
    return t->model.vocabulary.count;
}

int32_t pnd_tokenizer_get_bos(const struct pnd_tokenizer *t)
{
    return t->model.bos;
}

int32_t pnd_tokenizer_get_eos(const struct pnd_tokenizer *t)
{
    return t->model.eos;
}

int32_t pnd_tokenizer_find(const struct pnd_tokenizer *t, const char *piece,
                           size_t length)
{
    return pnd_vocabulary_find(&t->model.vocabulary, piece, length);
}

uint64_t pnd_tokenizer_get_heap_bytes(const struct pnd_tokenizer *t)
{
    return sizeof *t + pnd_vocabulary_get_heap_bytes(&t->model.vocabulary) +
           t->model.unk_surface.capacity +
           (t->user_defined.count + t->whole.count) *
               sizeof *t->user_defined.pieces;
}
