/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/provenance.h"

#include <string.h>

#include "convert/hash.h"

#define KEY(name) "pandagpt.source." name
#define PIECE_BYTES ((size_t)8 << 20) /* of each file, hashed at once */

static panda_status add_file(struct pnd_provenance *p,
                             const struct pnd_source_file *file)
{
    if (p->count == p->capacity) {
        const size_t size = sizeof *p->files;
        size_t capacity = p->capacity ? 2 * p->capacity : 16;
        void *grown = pnd_realloc(&p->ctx->alloc, p->files, p->count * size,
                                  capacity * size);
        if (!grown)
            return pnd_fail_memory();
        p->files = grown;
        p->capacity = capacity;
    }
    p->files[p->count++] = *file;
    if (pnd_hash_is_there())
        p->bytes += file->size;
    return PANDA_OK;
}

/* Files that hold tensors; those of a bundle may hold several parts. */
static panda_status add_weights(struct pnd_provenance *p,
                                const struct pnd_weights *w, const char *part,
                                const char *licence)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < p->count; i++) {
        if (p->files[i].weights == w)
            return PANDA_OK;
    }
    for (size_t i = 0; w && i < pnd_weights_get_file_count(w) && status >= 0;
         i++) {
        struct pnd_source_file file = {
            .path = pnd_weights_get_file_path(w, i), .part = part,
            .licence = licence, .weights = w};
        file.data = pnd_weights_get_file_data(w, i, &file.size);
        status = add_file(p, &file);
    }
    return status;
}

static panda_status add_path(struct pnd_provenance *p, const char *path,
                             const char *part, const char *licence)
{
    struct pnd_source_file file = {.path = path, .part = part,
                                   .licence = licence};
    if (!path || pnd_path_get_kind(NULL, path) != PND_PATH_FILE)
        return PANDA_OK; /* the host's own: nobody could find it again */
    panda_status status = pnd_map_open(&file.map, NULL, path);
    if (status < 0)
        return status;
    file.data = file.map.data;
    file.size = file.map.size;
    status = add_file(p, &file);
    if (status < 0)
        pnd_map_close(&file.map);
    return status;
}

static panda_status check_output(const struct pnd_provenance *p,
                                 const char *output)
{
    for (size_t i = 0; i < p->count; i++) {
        if (pnd_path_is_same(p->files[i].path, output))
            return pnd_fail(PANDA_E_ARGUMENT,
                            "%s: is one of the sources, expected another "
                            "file to write",
                            output);
    }
    return PANDA_OK;
}

panda_status pnd_provenance_open(struct pnd_provenance *p,
                                 const struct pnd_context *ctx,
                                 const struct pnd_convert_sources *s,
                                 const char *output)
{
    static const char own[] = "its authors' terms";
    panda_status status;
    *p = (struct pnd_provenance){.ctx = ctx};
    PND_TRY(add_weights(p, s->bundle, "bundle", "see its own sources"));
    PND_TRY(add_weights(p, s->encoders, "encoders",
                        "ImageBind's weights: CC BY-NC-SA 4.0, not for "
                        "commercial use"));
    PND_TRY(add_path(p, s->clip_path, "clip_vocab", "CLIP's: MIT"));
    PND_TRY(add_weights(p, s->projection, "adapter", own));
    PND_TRY(add_weights(p, s->lora, "adapter", own));
    PND_TRY(add_weights(p, s->base, "decoder_base", own));
    PND_TRY(add_weights(p, s->decoder, s->base ? "decoder_delta" : "decoder",
                        own));
    PND_TRY(add_path(p, s->tokenizer_path, "tokenizer", own));
    PND_TRY(check_output(p, output));
out:
    return status;
}

void pnd_provenance_close(struct pnd_provenance *p)
{
    for (size_t i = 0; i < p->count; i++) {
        pnd_map_close(&p->files[i].map);
        if (p->files[i].hash)
            pnd_hash_finish(p->files[i].hash, &p->ctx->alloc,
                            p->files[i].sha256);
    }
    if (p->ctx)
        pnd_free(&p->ctx->alloc, p->files);
    *p = (struct pnd_provenance){0};
}

/* A piece of each file at once, on all threads. */
struct round {
    struct pnd_provenance *p;
    size_t at;
};

static size_t get_piece(const struct pnd_source_file *file, size_t at)
{
    const size_t left = at < file->size ? file->size - at : 0;
    return left < PIECE_BYTES ? left : PIECE_BYTES;
}

static void hash_piece(void *context, uint32_t index, uint32_t worker)
{
    const struct round *round = context;
    struct pnd_source_file *file = &round->p->files[index];
    (void)worker;
    pnd_hash_add(file->hash, file->data + round->at,
                 get_piece(file, round->at));
}

static void forget(const struct pnd_source_file *file, size_t at, size_t size)
{
    if (file->weights)
        pnd_weights_forget(file->weights, file->data + at, size);
    else
        pnd_map_forget(&file->map, at, size);
}

static panda_status hash_files(struct pnd_provenance *p,
                               struct pnd_convert_watch *watch)
{
    struct round round = {p, 0};
    bool more = pnd_hash_is_there();
    for (size_t i = 0; i < p->count && more; i++) {
        p->files[i].hash = pnd_hash_create(&p->ctx->alloc);
        if (!p->files[i].hash)
            return pnd_fail_memory();
    }
    for (; more; round.at += PIECE_BYTES) {
        pnd_pool_run(p->ctx->pool, hash_piece, &round, (uint32_t)p->count);
        more = false;
        for (size_t i = 0; i < p->count; i++) {
            const size_t size = get_piece(&p->files[i], round.at);
            if (size == 0)
                continue;
            forget(&p->files[i], round.at, size);
            panda_status status =
                pnd_convert_watch_add(watch, size, p->files[i].path);
            if (status < 0)
                return status;
            more |= round.at + size < p->files[i].size;
        }
    }
    for (size_t i = 0; i < p->count && pnd_hash_is_there(); i++) {
        pnd_hash_finish(p->files[i].hash, &p->ctx->alloc, p->files[i].sha256);
        p->files[i].hash = NULL;
    }
    return PANDA_OK;
}

typedef const char *(*get_fn)(const struct pnd_source_file *file);

/* Without folders, which are nobody's business. */
static const char *get_name(const struct pnd_source_file *file)
{
    const char *slash = strrchr(file->path, '/');
    return slash ? slash + 1 : file->path;
}

static const char *get_part(const struct pnd_source_file *file)
{
    return file->part;
}

static const char *get_licence(const struct pnd_source_file *file)
{
    return file->licence;
}

static const char *get_sha256(const struct pnd_source_file *file)
{
    return file->sha256;
}

/* The items that the bundle before had; as many in all lists. */
static size_t count_before(const struct pnd_gguf *bundle)
{
    static const char *const keys[] = {KEY("name"), KEY("part"),
                                       KEY("licence"), KEY("sha256"),
                                       KEY("bytes")};
    size_t count = 0;
    for (int i = 0; i < 5; i++) {
        const struct pnd_gguf_value *v =
            bundle ? pnd_gguf_find(bundle, keys[i]) : NULL;
        const enum pnd_gguf_type type = i < 4 ? PND_GGUF_STRING : PND_GGUF_U64;
        if (!v || !v->is_array || v->type != type ||
            v->count > PND_MAX_SOURCE_FILES || (i > 0 && v->count != count))
            return 0;
        count = v->count;
    }
    return count;
}

static panda_status put_texts(struct pnd_provenance *p,
                              struct pnd_gguf_writer *w,
                              const struct pnd_gguf *bundle, const char *key,
                              get_fn get)
{
    const size_t before = count_before(bundle);
    panda_status status = pnd_gguf_put_strings(w, key, before + p->count);
    for (size_t i = 0; i < before && status >= 0; i++) {
        struct pnd_gguf_string text = {"", 0};
        (void)pnd_gguf_get_string(pnd_gguf_find(bundle, key), i, &text);
        status = pnd_gguf_put_item(w, text.bytes, text.length);
    }
    for (size_t i = 0; i < p->count && status >= 0; i++) {
        const char *text = get(&p->files[i]);
        status = pnd_gguf_put_item(w, text, strlen(text));
    }
    return status;
}

static panda_status put_bytes(struct pnd_provenance *p,
                              struct pnd_gguf_writer *w,
                              const struct pnd_gguf *bundle)
{
    const size_t before = count_before(bundle), count = before + p->count;
    uint64_t *bytes = pnd_alloc_array(&p->ctx->alloc, count, sizeof *bytes);
    if (!bytes)
        return pnd_fail_memory();
    for (size_t i = 0; i < before; i++) {
        int64_t value = 0;
        (void)pnd_gguf_get_integer(pnd_gguf_find(bundle, KEY("bytes")), i,
                                   &value);
        bytes[i] = (uint64_t)value;
    }
    for (size_t i = 0; i < p->count; i++)
        bytes[before + i] = p->files[i].size;
    panda_status status =
        pnd_gguf_put_list(w, KEY("bytes"), PND_GGUF_U64, bytes, count);
    pnd_free(&p->ctx->alloc, bytes);
    return status;
}

panda_status pnd_provenance_put(struct pnd_provenance *p,
                                struct pnd_gguf_writer *w,
                                const struct pnd_gguf *bundle,
                                struct pnd_convert_watch *watch)
{
    panda_status status;
    PND_TRY(hash_files(p, watch));
    PND_TRY(put_texts(p, w, bundle, KEY("name"), get_name));
    PND_TRY(put_texts(p, w, bundle, KEY("part"), get_part));
    PND_TRY(put_bytes(p, w, bundle));
    PND_TRY(put_texts(p, w, bundle, KEY("sha256"), get_sha256));
    PND_TRY(put_texts(p, w, bundle, KEY("licence"), get_licence));
out:
    return status;
}
