/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_LLAMA_NAMES_H
#define PND_DECODER_LLAMA_NAMES_H

#include "format/weights.h"

/* What the tensors of a decoder are called. */

enum pnd_llama_matrix {
    PND_LLAMA_Q,
    PND_LLAMA_K,
    PND_LLAMA_V,
    PND_LLAMA_O,
    PND_LLAMA_GATE,
    PND_LLAMA_UP,
    PND_LLAMA_DOWN,
    PND_LLAMA_MATRIX_COUNT
};

/* Those of a layer: prefix, its number, ".", name, ".weight". */
struct pnd_llama_names {
    const char *embedding, *norm, *output;
    const char *layers; /* prefix */
    const char *matrices[PND_LLAMA_MATRIX_COUNT];
    const char *attention_norm, *mlp_norm;
    const char *unused[3]; /* nothing else may begin so */
    bool interleaved;      /* rows of q and k: pairs, not halves of a head */
};

extern const struct pnd_llama_names pnd_llama_names_hf, pnd_llama_names_gguf;

/** Those of GGUF files, or of HF folders. */
const struct pnd_llama_names *pnd_llama_names_get(const struct pnd_weights *w);

struct pnd_llama_name {
    char text[96];
};

/** The full name of a layer's tensor. */
struct pnd_llama_name pnd_llama_name_tensor(const struct pnd_llama_names *n,
                                            uint32_t layer, const char *name);

#endif
