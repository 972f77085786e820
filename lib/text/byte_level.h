/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_BYTE_LEVEL_H
#define PND_TEXT_BYTE_LEVEL_H

#include "text/bpe.h"

/* Byte-level BPE, as of GPT-2 and Llama 3: text is cut into words, and the
 * bytes of each are merged. Pieces spell bytes as printable characters: those
 * of Latin-1 as themselves, all others from U+0100 on ("\u0120" is a space). */

/** Append the ids (int32) of well-formed UTF-8 without added tokens. A byte
 *  without a piece becomes `vocabulary.unk` where there is one, or vanishes. */
panda_status pnd_byte_level_encode(const struct pnd_bpe *b,
                                   const uint8_t *text, size_t size,
                                   struct pnd_buffer *ids);

/** Spelling of a byte; its length. */
size_t pnd_byte_level_write(uint32_t byte, uint8_t out[2]);

/** The bytes that a spelling stands for, at most `length`, into `out`; how
 *  many. A spelling with other characters stands for itself. */
size_t pnd_byte_level_spell(const uint8_t *spelling, size_t length,
                            uint8_t *out);

#endif
