/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <string.h>

#include <pandagpt/model.h>

#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_parts.h"

#define TEXT_MAX 2048 /* bytes of the input that are also encoded */

/* Control pieces are special, as the files beside a vocabulary would say. */
static void mark_special(const struct pnd_vocabulary *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        struct pnd_piece *piece = pnd_vocabulary_get(v, i);
        if (piece->kind == PND_PIECE_CONTROL)
            piece->flags = PND_PIECE_WHOLE | PND_PIECE_SPECIAL |
                           (i & 1 ? PND_PIECE_STRIP_LEFT : 0) |
                           (i & 2 ? PND_PIECE_STRIP_RIGHT : 0);
    }
}

static void demand_ok(panda_status status)
{
    fuzz_demand(status == PANDA_OK, pnd_error_get());
}

/* What is streamed is what is decoded, and both are UTF-8. */
static void check_text(const struct pnd_tokenizer *t,
                       const struct pnd_buffer *ids)
{
    const int32_t *list = (const int32_t *)(const void *)ids->data;
    size_t count = ids->size / sizeof *list;
    struct pnd_buffer kept, decoded, streamed;
    pnd_buffer_init(&kept, t->alloc);
    pnd_buffer_init(&decoded, t->alloc);
    pnd_buffer_init(&streamed, t->alloc);
    demand_ok(pnd_tokenizer_decode(t, list, count, true, &kept));
    demand_ok(pnd_tokenizer_decode(t, list, count, false, &decoded));
    struct pnd_stream stream;
    pnd_stream_init(&stream, t);
    for (size_t i = 0; i < count; i++)
        demand_ok(pnd_stream_push(&stream, list[i], &streamed));
    demand_ok(pnd_stream_flush(&stream, &streamed));
    fuzz_demand(pnd_text_is_utf8(kept.data, kept.size) &&
                    pnd_text_is_utf8(decoded.data, decoded.size),
                "a decoded text is not UTF-8");
    fuzz_demand(streamed.size == decoded.size &&
                    (decoded.size == 0 || memcmp(streamed.data, decoded.data,
                                                 decoded.size) == 0),
                "a text streams otherwise than it decodes");
    pnd_buffer_free(&kept);
    pnd_buffer_free(&decoded);
    pnd_buffer_free(&streamed);
}

static void encode(const struct pnd_tokenizer *t, const uint8_t *text,
                   size_t size, uint32_t flags)
{
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, t->alloc);
    demand_ok(pnd_tokenizer_encode(t, (const char *)text, size, flags, &ids));
    const int32_t *list = (const int32_t *)(const void *)ids.data;
    for (size_t i = 0; i < ids.size / sizeof *list; i++) {
        fuzz_demand(list[i] >= 0 && (uint32_t)list[i] < t->vocabulary->count,
                    "an id is out of range");
        const struct pnd_piece *piece =
            pnd_vocabulary_get(t->vocabulary, (uint32_t)list[i]);
        bool special = t->kind == PND_TOKENIZER_BPE
            ? list[i] != t->vocabulary->unk && piece->flags & PND_PIECE_SPECIAL
            : piece->kind == PND_PIECE_CONTROL;
        fuzz_demand(flags || !special, "text became a control piece");
    }
    check_text(t, &ids);
    pnd_buffer_free(&ids);
}

static void free_vocabulary(struct pnd_tokenizer *t)
{
    if (t->vocabulary == &t->bpe.vocabulary)
        pnd_bpe_free(&t->bpe);
    else if (t->vocabulary)
        pnd_sentencepiece_free(&t->model);
}

static panda_status parse(struct pnd_tokenizer *t,
                          const struct pnd_context *ctx, const uint8_t *data,
                          size_t size)
{
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0) {
        const struct pnd_map map = {.data = data, .size = size};
        struct pnd_gguf *gguf;
        panda_status status = pnd_gguf_open(&gguf, t->alloc, &map, "input");
        if (status >= 0)
            status = pnd_tokenizer_gguf_read(t, ctx, gguf);
        pnd_gguf_close(gguf);
        if (status < 0)
            free_vocabulary(t); /* as pnd_tokenizer_close does */
        return status;
    }
    if (!pnd_tokenizer_json_probe(data, size)) {
        pnd_sentencepiece_probe(data, size);
        t->vocabulary = &t->model.vocabulary;
        panda_status status =
            pnd_sentencepiece_parse(&t->model, t->alloc, data, size);
        if (status >= 0)
            mark_special(t->vocabulary);
        return status;
    }
    t->kind = PND_TOKENIZER_BPE;
    t->vocabulary = &t->bpe.vocabulary;
    panda_status status = pnd_tokenizer_json_parse(
        &t->bpe, ctx, (const char *)data, size, "input");
    if (status >= 0)
        demand_ok(pnd_bpe_finish(&t->bpe));
    return status;
}

/* The input is a vocabulary of any kind, and the text that is encoded with
 * it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap heap;
    fuzz_heap_init(&heap, size);
    const struct pnd_context ctx = {.alloc = heap.alloc};
    struct pnd_tokenizer t = {.alloc = &heap.alloc};
    panda_status status = parse(&t, &ctx, data, size);
    if (status < 0) {
        fuzz_demand((status == PANDA_E_FORMAT ||
                     status == PANDA_E_UNSUPPORTED) && *pnd_error_get(),
                    "a failure without a message");
    } else {
        const struct pnd_vocabulary *v = t.vocabulary;
        demand_ok(pnd_prefixes_build(&t.user_defined, v,
                                     PND_PIECE_USER_DEFINED, 0));
        demand_ok(pnd_prefixes_build(&t.whole, v, 0, PND_PIECE_WHOLE));
        demand_ok(pnd_prefixes_build(&t.late, v, 0, PND_PIECE_LATE));
        size_t length = size < TEXT_MAX ? size : TEXT_MAX;
        encode(&t, data + size - length, length, 0);
        encode(&t, data, length, PANDA_TOKENIZE_PARSE_SPECIAL);
        pnd_prefixes_free(&t.user_defined, &heap.alloc);
        pnd_prefixes_free(&t.whole, &heap.alloc);
        pnd_prefixes_free(&t.late, &heap.alloc);
        free_vocabulary(&t);
    }
    fuzz_heap_check(&heap);
    return 0;
}
