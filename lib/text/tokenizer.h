/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_H
#define PND_TEXT_TOKENIZER_H

#include "base/buffer.h"
#include "base/context.h"
#include "format/gguf.h"

/* The decoder's vocabulary. Immutable after opening, shareable. */

struct pnd_tokenizer;

/** Open a SentencePiece `tokenizer.model`, a HF `tokenizer.json` or a GGUF; the
 *  files that HF puts beside the first two (added_tokens.json,
 *  special_tokens_map.json, tokenizer_config.json) are read from `folder`, or
 *  from the file's own folder when NULL, where present. */
panda_status pnd_tokenizer_open(struct pnd_tokenizer **out,
                                const struct pnd_context *ctx,
                                const char *path, const char *folder);
/** The vocabulary in a GGUF's metadata, which is not needed afterwards. */
panda_status pnd_tokenizer_open_gguf(struct pnd_tokenizer **out,
                                     const struct pnd_context *ctx,
                                     const struct pnd_gguf *gguf);
void pnd_tokenizer_close(struct pnd_tokenizer *t); /* NULL is allowed */

/** Append a token that files beside a vocabulary might have added; not while
 *  anything uses the vocabulary. */
panda_status pnd_tokenizer_add(struct pnd_tokenizer *t, const char *spelling);

/** The file that it was opened from; NULL for one from metadata. */
const char *pnd_tokenizer_get_path(const struct pnd_tokenizer *t);

/** Number of ids: one above the largest. */
uint32_t pnd_tokenizer_get_size(const struct pnd_tokenizer *t);

/** Id of the token that begins / ends a text; -1: none. */
int32_t pnd_tokenizer_get_bos(const struct pnd_tokenizer *t);
int32_t pnd_tokenizer_get_eos(const struct pnd_tokenizer *t);

/** PANDA_TOKENIZE_BOS and _EOS as far as the vocabulary's files want texts to
 *  begin and end with them, and there are such tokens. */
uint32_t pnd_tokenizer_get_ends(const struct pnd_tokenizer *t);

/** Id of a piece by its stored spelling ("##", "</s>"), or -1. */
int32_t pnd_tokenizer_find(const struct pnd_tokenizer *t, const char *piece,
                           size_t length);

uint64_t pnd_tokenizer_get_heap_bytes(const struct pnd_tokenizer *t);

/* Where a vocabulary comes from; borrowed. */
struct pnd_tokenizer_source {
    const char *path; /* as pnd_tokenizer_get_path */
    const char *format;  /* "SentencePiece", "byte-level BPE", "BPE" */
    uint64_t file_bytes; /* of the file; of a GGUF, of its metadata about it */
};
struct pnd_tokenizer_source pnd_tokenizer_get_source(
    const struct pnd_tokenizer *t);

/** Append the ids (int32) of the text to `ids`; nothing on failure. `flags`:
 *  PANDA_TOKENIZE_* (pandagpt/model.h); BOS and EOS are PANDA_E_UNSUPPORTED
 *  when there is none. Time is O(n log n) whatever the text. */
panda_status pnd_tokenizer_encode(const struct pnd_tokenizer *t,
                                  const char *text, size_t length,
                                  uint32_t flags, struct pnd_buffer *ids);

/** Append the text of the ids to `text`, as the reference's
 *  tokenizer.decode(ids, skip_special_tokens=!keep_special).
 *  PANDA_E_ARGUMENT for an id out of range. */
panda_status pnd_tokenizer_decode(const struct pnd_tokenizer *t,
                                  const int32_t *ids, size_t count,
                                  bool keep_special, struct pnd_buffer *text);

/* Text of a growing answer, in whole UTF-8 characters: the pieces given out,
 * put together, are what pnd_tokenizer_decode(..., false) gives for all ids. */
struct pnd_stream {
    const struct pnd_tokenizer *tokenizer;
    uint8_t pending[4]; /* bytes of a character that is not whole yet */
    uint32_t pending_size;
    /* Added tokens cut the answer into parts with a space between them. A
     * part loses the space its first piece begins with. */
    bool has_part;  /* a part came before */
    bool in_part;
    bool at_start;  /* of a part: such a space may come */
    bool was_space; /* it was the last piece */
    bool has_text;  /* the part is not empty */
};

void pnd_stream_init(struct pnd_stream *s, const struct pnd_tokenizer *t);
panda_status pnd_stream_push(struct pnd_stream *s, int32_t id,
                             struct pnd_buffer *text);
/** The end: what is left of an unfinished character becomes U+FFFD. */
panda_status pnd_stream_flush(struct pnd_stream *s, struct pnd_buffer *text);

#endif
