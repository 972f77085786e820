/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_LLAMA_WEIGHTS_H
#define PND_DECODER_LLAMA_WEIGHTS_H

#include "decoder/llama.h"
#include "nn/linear.h"

/* What is inside a struct pnd_llama, for the loader (llama.c, lora.c) and the
 * forward pass (forward.c). Matrices point into the mapped files, except where
 * LoRA was merged; none has a bias. */

/* The projections that LoRA may change. */
enum pnd_lora_target {
    PND_LORA_Q,
    PND_LORA_K,
    PND_LORA_V,
    PND_LORA_O,
    PND_LORA_TARGET_COUNT
};

struct pnd_llama_layer {
    const float *attention_norm; /* (hidden) */
    struct pnd_linear q;         /* (heads * head_dim, hidden) */
    struct pnd_linear k;         /* (kv_heads * head_dim, hidden) */
    struct pnd_linear v;         /* (kv_heads * head_dim, hidden) */
    struct pnd_linear o;         /* (hidden, heads * head_dim) */
    const float *mlp_norm;       /* (hidden) */
    struct pnd_linear gate;      /* (intermediate, hidden) */
    struct pnd_linear up;        /* (intermediate, hidden) */
    struct pnd_linear down;      /* (hidden, intermediate) */

    /* Where q.side and so on point. */
    struct pnd_low_rank side[PND_LORA_TARGET_COUNT];
    /* Owned: the merged matrix, or A followed by B; NULL without LoRA. */
    float *lora_data[PND_LORA_TARGET_COUNT];
};

struct pnd_llama {
    const struct pnd_context *ctx;
    struct pnd_llama_dims dims;
    struct pnd_tensor embedding;    /* (vocab_size, hidden) */
    struct pnd_llama_layer *layers; /* (layers) */
    const float *norm;              /* (hidden) */
    struct pnd_linear output;       /* (vocab_size, hidden) */
    bool interleaved; /* pairs of q and k: decoder/rotary.h */
    bool rounds;      /* activations that meet block formats, to 8 bits */
    bool turn_lora;   /* while LoRA is read: its rows are not */
    float *inv_freq; /* (head_dim / 2) rotation per position of each pair */
    float *norms;    /* owned: all the norms above */
};

/** Factor 'A' or 'B' of a projection's LoRA, or NULL. Marks it as used. */
const struct pnd_tensor *pnd_lora_find_factor(struct pnd_weights *w,
                                              uint32_t layer, int target,
                                              char factor);

/** Whether these are weights of any LoRA: its first layer is there. */
bool pnd_lora_is_in(struct pnd_weights *w);

/** Check the LoRA matrices of an adapter against `llama` and put them into its
 *  layers. */
panda_status pnd_lora_apply(struct pnd_llama *llama,
                            const struct pnd_lora_options *options);

#endif
