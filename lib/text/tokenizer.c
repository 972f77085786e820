/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_parts.h"

#include <string.h>

#include <pandagpt/model.h>

#include "base/map.h"
#include "text/special_tokens.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

static panda_status parse_sentencepiece(struct pnd_tokenizer *t,
                                        const struct pnd_map *map,
                                        const char *path)
{
    panda_status status =
        pnd_sentencepiece_parse(&t->model, t->alloc, map->data, map->size);
    if (status == PANDA_E_FORMAT &&
        !pnd_sentencepiece_probe(map->data, map->size))
        pnd_fail(status,
                 "%s: is no vocabulary, expected a tokenizer.model of "
                 "SentencePiece, a tokenizer.json or a GGUF",
                 path);
    else if (status < 0 && status != PANDA_E_MEMORY)
        pnd_error_prefix(path);
    t->vocabulary = &t->model.vocabulary;
    return status;
}

static panda_status read_gguf(struct pnd_tokenizer *t,
                              const struct pnd_context *ctx,
                              const struct pnd_map *map, const char *path)
{
    struct pnd_gguf *gguf;
    panda_status status =
        pnd_gguf_open(&gguf, t->alloc, map, path);
    if (status >= 0)
        status = pnd_tokenizer_gguf_read(t, ctx, gguf);
    pnd_gguf_close(gguf);
    return status;
}

/* HF's other files say more about both kinds. */
static panda_status read_json(struct pnd_tokenizer *t,
                              const struct pnd_context *ctx,
                              const struct pnd_map *map, const char *path,
                              const char *folder)
{
    t->kind = PND_TOKENIZER_BPE;
    t->vocabulary = &t->bpe.vocabulary;
    panda_status status = pnd_tokenizer_json_parse(
        &t->bpe, ctx, (const char *)map->data, map->size, path);
    if (status >= 0)
        status =
            pnd_special_tokens_read_names(t->vocabulary, ctx, path, folder);
    return status < 0 ? status : pnd_bpe_finish(&t->bpe);
}

static panda_status read_map(struct pnd_tokenizer *t,
                             const struct pnd_context *ctx,
                             const struct pnd_map *map, const char *path,
                             const char *folder)
{
    panda_status status = pnd_map_need(map, 0, map->size < 4 ? map->size : 4);
    if (status < 0)
        return status;
    if (map->size >= 4 && memcmp(map->data, "GGUF", 4) == 0)
        return read_gguf(t, ctx, map, path);
    status = pnd_map_need_all(map);
    if (status < 0)
        return status;
    if (pnd_tokenizer_json_probe(map->data, map->size))
        return read_json(t, ctx, map, path, folder);
    status = parse_sentencepiece(t, map, path);
    if (status < 0)
        return status;
    return pnd_special_tokens_read(t->vocabulary, ctx, path, folder);
}

static panda_status read_model(struct pnd_tokenizer *t,
                               const struct pnd_context *ctx, const char *path,
                               const char *folder)
{
    struct pnd_map map;
    panda_status status = pnd_map_open(&map, ctx, path);
    if (status < 0)
        return status;
    t->file_bytes = map.size;
    status = read_map(t, ctx, &map, path, folder);
    pnd_map_close(&map);
    return status;
}

static panda_status build_prefixes(struct pnd_tokenizer *t)
{
    panda_status status;
    PND_TRY(pnd_prefixes_build(&t->user_defined, t->vocabulary,
                               PND_PIECE_USER_DEFINED, 0));
    PND_TRY(pnd_prefixes_build(&t->whole, t->vocabulary, 0, PND_PIECE_WHOLE));
    PND_TRY(pnd_prefixes_build(&t->late, t->vocabulary, 0, PND_PIECE_LATE));
out:
    return status;
}

panda_status pnd_tokenizer_add(struct pnd_tokenizer *t, const char *spelling)
{
    struct pnd_vocabulary *v = t->vocabulary;
    const uint32_t id = v->count;
    panda_status status;
    pnd_prefixes_free(&t->user_defined, t->alloc);
    pnd_prefixes_free(&t->whole, t->alloc);
    pnd_prefixes_free(&t->late, t->alloc);
    PND_TRY(pnd_vocabulary_add(v, spelling, strlen(spelling), 0,
                               PND_PIECE_ADDED));
    PND_TRY(pnd_vocabulary_index(v));
    pnd_vocabulary_get(v, id)->flags =
        PND_PIECE_WHOLE | PND_PIECE_STRIP_LEFT | PND_PIECE_STRIP_RIGHT;
    PND_TRY(build_prefixes(t));
out:
    return status;
}

/* From a GGUF that is open, or else from a file. */
static panda_status open_any(struct pnd_tokenizer **out,
                             const struct pnd_context *ctx, const char *path,
                             const char *folder, const struct pnd_gguf *gguf)
{
    panda_status status;
    *out = NULL;
    struct pnd_tokenizer *t = pnd_alloc_zero(&ctx->alloc, sizeof *t);
    if (!t)
        return pnd_fail_memory();
    t->alloc = &ctx->alloc;
    t->path = gguf ? NULL : pnd_strdup(&ctx->alloc, path);
    if (!gguf && !t->path)
        PND_TRY(pnd_fail_memory());
    PND_TRY(gguf ? pnd_tokenizer_gguf_read(t, ctx, gguf)
                 : read_model(t, ctx, path, folder));
    PND_TRY(build_prefixes(t));
    pnd_log(ctx, PANDA_LOG_INFO, "%s: %u pieces, %zu user-defined, %zu whole",
            path, t->vocabulary->count, t->user_defined.count,
            t->whole.count + t->late.count);
    *out = t;
    return PANDA_OK;
out:
    pnd_tokenizer_close(t);
    return status;
}

panda_status pnd_tokenizer_open(struct pnd_tokenizer **out,
                                const struct pnd_context *ctx,
                                const char *path, const char *folder)
{
    return open_any(out, ctx, path, folder, NULL);
}

panda_status pnd_tokenizer_open_gguf(struct pnd_tokenizer **out,
                                     const struct pnd_context *ctx,
                                     const struct pnd_gguf *gguf)
{
    return open_any(out, ctx, pnd_gguf_get_path(gguf), NULL, gguf);
}

void pnd_tokenizer_close(struct pnd_tokenizer *t)
{
    if (!t)
        return;
    pnd_prefixes_free(&t->user_defined, t->alloc);
    pnd_prefixes_free(&t->whole, t->alloc);
    pnd_prefixes_free(&t->late, t->alloc);
    if (t->vocabulary == &t->model.vocabulary)
        pnd_sentencepiece_free(&t->model);
    else if (t->vocabulary)
        pnd_bpe_free(&t->bpe);
    pnd_free(t->alloc, t->path);
    pnd_free(t->alloc, t);
}

const char *pnd_tokenizer_get_path(const struct pnd_tokenizer *t)
{
    return t->path;
}

uint32_t pnd_tokenizer_get_size(const struct pnd_tokenizer *t)
{
    return t->vocabulary->count;
}

int32_t pnd_tokenizer_get_bos(const struct pnd_tokenizer *t)
{
    return t->vocabulary->bos;
}

int32_t pnd_tokenizer_get_eos(const struct pnd_tokenizer *t)
{
    return t->vocabulary->eos;
}

uint32_t pnd_tokenizer_get_ends(const struct pnd_tokenizer *t)
{
    const struct pnd_vocabulary *v = t->vocabulary;
    uint32_t ends = v->bos >= 0 && v->adds_bos ? PANDA_TOKENIZE_BOS : 0;
    return v->eos >= 0 && v->adds_eos ? ends | PANDA_TOKENIZE_EOS : ends;
}

int32_t pnd_tokenizer_find(const struct pnd_tokenizer *t, const char *piece,
                           size_t length)
{
    return pnd_vocabulary_find(t->vocabulary, piece, length);
}

struct pnd_tokenizer_source pnd_tokenizer_get_source(
    const struct pnd_tokenizer *t)
{
    const bool is_bpe = t->kind == PND_TOKENIZER_BPE;
    const char *bpe = t->bpe.byte_level ? "byte-level BPE" : "BPE";
    return (struct pnd_tokenizer_source){
        t->path, is_bpe ? bpe : "SentencePiece", t->file_bytes};
}

uint64_t pnd_tokenizer_get_heap_bytes(const struct pnd_tokenizer *t)
{
    size_t prefixes = t->user_defined.count + t->whole.count + t->late.count;
    uint64_t bytes = sizeof *t + pnd_vocabulary_get_heap_bytes(t->vocabulary) +
                     prefixes * sizeof *t->whole.pieces;
    return t->kind == PND_TOKENIZER_BPE
        ? bytes + pnd_merges_get_heap_bytes(&t->bpe.merges)
        : bytes + t->model.unk_surface.capacity;
}
