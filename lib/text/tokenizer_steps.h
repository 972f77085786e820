/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_TOKENIZER_STEPS_H
#define PND_TEXT_TOKENIZER_STEPS_H

#include "format/json.h"
#include "text/bpe.h"

/** Read what a `tokenizer.json` does to text before merging, its "normalizer"
 *  and "pre_tokenizer": sets `byte_level`, `form`, `splitter`,
 *  `add_prefix_space` and `prefix`. PANDA_E_UNSUPPORTED names what is not
 *  known. */
panda_status pnd_tokenizer_steps_read(struct pnd_bpe *out,
                                      const struct pnd_json_value *root,
                                      const char *path);

#endif
