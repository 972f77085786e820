/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_ENCODER_TOWER_PARTS_H
#define PND_ENCODER_TOWER_PARTS_H

#include "encoder/tower.h"
#include "nn/attention.h"
#include "nn/linear.h"

/* What a tower is made of, for the files of this folder. D is the width, H the
 * MLP's (4 D), E the embedding's, L the tokens of the model, P its patches (L,
 * less one where there is a class token). */

#define PND_TOWER_EPS 1e-6f /* LayerNorm of trunks and heads */
#define PND_STEM_EPS 1e-5f  /* LayerNorm of stems */

/* What differs between the towers apart from numbers. */
struct pnd_tower_spec {
    const char *stem;       /* tensor of the projection, text: of the table */
    const char *stem_norm;  /* LayerNorm after the projection, or NULL */
    const char *positions;
    const char *head_norm;  /* LayerNorm of the head */
    const char *head;       /* matrix of the head */
    const char *ignored;    /* buffer that needs no reading, or NULL */
    uint32_t usual_width;   /* of ImageBind-huge, which tells the heads */
    uint32_t usual_heads;
    bool class_token;
    bool pre_norm;          /* LayerNorm before the trunk */
    bool extra_key;         /* bias_k and bias_v */
    bool causal;
    bool scaled;            /* log_logit_scale */
    float scale_limit;
};

const struct pnd_tower_spec *pnd_tower_get_spec(enum pnd_tower_id id);

struct pnd_tower_norm {
    const float *weight; /* (n) or NULL: no norm here */
    const float *bias;   /* (n) */
    float eps;
};

/* A convolution as a linear layer over unfolded patches, whose columns are
 * (channel, frame, row, column) as in the kernel. */
struct pnd_tower_stem {
    struct pnd_linear proj;      /* K -> D */
    struct pnd_linear still;     /* image of one frame: K / 2 -> D */
    struct pnd_tower_norm norm;  /* (D) */
    const struct pnd_tensor *table; /* text: (vocabulary, D) */
    uint32_t channels, height, width; /* of a frame */
    uint32_t kernel_height, kernel_width, stride;
    uint32_t grid_height, grid_width; /* patches */
};

struct pnd_tower_block {
    struct pnd_tower_norm norm_1, norm_2; /* (D) */
    struct pnd_linear qkv;                /* D -> 3 D: q, k, v */
    struct pnd_linear query, key_value;   /* the same matrix in two parts */
    struct pnd_linear out;                /* D -> D */
    struct pnd_linear fc1, fc2;           /* D -> H -> D */
    const float *bias_k, *bias_v;         /* (D) or NULL */
};

/* Values turned into floats, in a list for freeing. */
struct pnd_tower_copy {
    _Alignas(PND_ALIGN) struct pnd_tower_copy *next;
    _Alignas(PND_ALIGN) float values[];
};

struct pnd_tower {
    const struct pnd_context *ctx;
    const struct pnd_tower_spec *spec;
    struct pnd_tower_dims dims;
    struct pnd_tower_stem stem;
    const float *class_token;        /* (D) or NULL */
    const float *positions;          /* (L, D) */
    struct pnd_tower_norm pre_norm;  /* (D) */
    struct pnd_tower_block *blocks;  /* dims.blocks */
    struct pnd_tower_norm head_norm; /* (D) */
    struct pnd_linear head;          /* D -> E */
    struct pnd_tower_copy *copies;
};

/* A group of items on its way through the tower. N items, of each the first T
 * tokens; S = T, and 1 more where an extra key follows. */
struct pnd_tower_run {
    const struct pnd_tower *tower;
    const struct pnd_context *ctx;
    const struct pnd_trace *trace; /* NULL: none */
    const void *input;             /* (N, shape) */
    const uint32_t *order;         /* texts: where each lies in the input;
                                      NULL: in this order */
    uint32_t items, frames;
    uint32_t length;               /* T */
    uint32_t stretch;              /* S */
    float *state;   /* (N, T, D) */
    float *normed;  /* (N, S, D) */
    float *mixed;   /* (N, T, D) */
    float *wide;    /* (N, S, 3 D), (N, T, H) or (N, P, K) */
    float *pooled;  /* (N, D) */
    float *few;     /* (N, D) */
    float *query;   /* (N, D) */
    float *scratch; /* of layers and attention */
};

/** Token ids of a text. */
const int32_t *pnd_stem_get_words(const struct pnd_tower_run *run, size_t item);

/* Tokens computed at once. More would only cost memory: products of this size
 * already read the weights seldom enough. */
#define PND_GROUP_TOKENS 2048

/** Which token of the item becomes its embedding: the class token; in a text
 *  the first of the largest id, which is its end. */
uint32_t pnd_tower_find_token(const struct pnd_tower_run *run, size_t item);

/** Order the texts of a run by length, the short ones first: ws->order, and
 *  behind it their lengths. */
panda_status pnd_texts_sort(struct pnd_tower_run *run,
                            struct pnd_workspace *ws, uint32_t items);

/** How many of the texts from `first` on, which lie by length, to compute at
 *  once: not too many tokens, and none beside much shorter ones unless all are
 *  few. */
uint32_t pnd_texts_count(const uint32_t *lengths, uint32_t first,
                         uint32_t items);

/** Put rows that lie by length where the texts lay; the order is used up. */
void pnd_texts_unsort(uint32_t *order, uint32_t items, size_t dim, float *raw);

/** Whether the stem can read this input at all. */
panda_status pnd_stem_check(const struct pnd_tower *tower, uint32_t items,
                            uint32_t frames, const void *input);

/** Input to `state`: patches or words, class token, positions. */
void pnd_stem_run(const struct pnd_tower_run *run);

/** The stem's layer for so many frames; patches of an item. */
const struct pnd_linear *pnd_stem_get_layer(const struct pnd_tower *tower,
                                            uint32_t frames);
size_t pnd_stem_get_patches(const struct pnd_tower *tower);

#endif
