/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_SENTENCEPIECE_MODEL_H
#define PND_TEXT_SENTENCEPIECE_MODEL_H

#include "text/vocabulary.h"

/* Reader of SentencePiece's `tokenizer.model`, a protocol buffer:
 *
 *     ModelProto      1 pieces*        { 1 piece, 2 score, 3 type }
 *                     2 trainer_spec   { 3 model_type, 24 treat_whitespace_..,
 *                                        35 byte_fallback, 44 unk_surface,
 *                                        46 bos_piece, 47 eos_piece ... }
 *                     3 normalizer_spec, 5 denormalizer_spec
 *                                      { 2 precompiled_charsmap,
 *                                        3 add_dummy_prefix,
 *                                        4 remove_extra_whitespaces,
 *                                        5 escape_whitespaces ... }
 *
 * Read are byte-pair (BPE) vocabularies without a table of character
 * replacements: all of the LLaMA family. */

struct pnd_sentencepiece {
    struct pnd_vocabulary vocabulary; /* indexed */
    struct pnd_buffer unk_surface;    /* text that stands for <unk> */
    bool byte_fallback;               /* unknown text becomes BYTE pieces */
    int32_t bytes[256];               /* their ids */
    bool add_dummy_prefix;            /* a space in front of every text */
    bool remove_extra_whitespaces;    /* around, and more than one between */
    bool escape_whitespaces;          /* a space is written U+2581 */
};

/** An empty model, for one who reads it from elsewhere ... */
void pnd_sentencepiece_init(struct pnd_sentencepiece *out,
                            const struct pnd_allocator *alloc);

/** ... when all pieces are there: index and check them. */
panda_status pnd_sentencepiece_finish(struct pnd_sentencepiece *model);

/** Parse `size` bytes. Messages give offsets but no path.
 *  @return PANDA_OK; PANDA_E_FORMAT; PANDA_E_UNSUPPORTED naming what this
 *          library does not read; PANDA_E_MEMORY */
panda_status pnd_sentencepiece_parse(struct pnd_sentencepiece *out,
                                     const struct pnd_allocator *alloc,
                                     const uint8_t *data, size_t size);
void pnd_sentencepiece_free(struct pnd_sentencepiece *model);

/** Whether the bytes begin like such a file; it may still be damaged. */
bool pnd_sentencepiece_probe(const uint8_t *data, size_t size);

/** Value of a spelling "<0x00>" to "<0xFF>", or -1. */
int32_t pnd_sentencepiece_get_byte(const uint8_t *text, size_t length);

#endif
