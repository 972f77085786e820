/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_CONFIG_H
#define PND_FORMAT_CONFIG_H

#include <stdbool.h>

#include "base/context.h"
#include "format/gguf.h"

/* What the JSON files beside the weights say. */

#define PND_MAX_EOS 8

enum pnd_rope_kind {
    PND_ROPE_PLAIN,
    PND_ROPE_LINEAR, /* all frequencies divided by the factor */
    PND_ROPE_LLAMA3  /* low frequencies by the factor, high ones by 1 */
};

struct pnd_rope_scaling {
    enum pnd_rope_kind kind;
    float factor;
    /* Llama 3: wavelengths above original_context / low_factor are low
     * frequencies, below original_context / high_factor high ones. */
    float low_factor, high_factor;
    uint32_t original_context;
};

/* A LLaMA-family decoder, from a HF folder's config.json and
 * generation_config.json (whose token ids win: Vicuna v0's config.json has
 * wrong ones). */
struct pnd_llama_config {
    uint32_t hidden;        /* 1..65536 */
    uint32_t layers;        /* 1..1024 */
    uint32_t heads;         /* query heads */
    uint32_t kv_heads;      /* divides heads */
    uint32_t head_dim;      /* default hidden / heads */
    uint32_t intermediate;  /* width of the MLP */
    uint32_t vocab_size;    /* rows of the embedding */
    uint32_t context_length; /* max_position_embeddings */
    float rms_eps;
    float rope_base;        /* rope_theta, default 10000 */
    struct pnd_rope_scaling rope_scaling;
    bool tied;              /* output matrix is the embedding */
    int32_t bos;            /* -1: none */
    int32_t eos[PND_MAX_EOS];
    uint32_t eos_count;
};

/** `folder` holds config.json. Anything that the decoder cannot compute
 *  (attention bias, another activation, some rope scalings) is
 *  PANDA_E_UNSUPPORTED. */
panda_status pnd_llama_config_open(struct pnd_llama_config *out,
                                   const struct pnd_context *ctx,
                                   const char *folder);

/** The same from GGUF metadata. Whether the output matrix is tied only the
 *  tensors tell. */
panda_status pnd_llama_config_read(struct pnd_llama_config *out,
                                   const struct pnd_gguf *gguf);

enum pnd_tower_id {
    PND_TOWER_VISION,
    PND_TOWER_TEXT,
    PND_TOWER_AUDIO,
    PND_TOWER_DEPTH,
    PND_TOWER_THERMAL,
    PND_TOWER_IMU,
    PND_TOWER_COUNT
};

/** "vision", "text", "audio", ...: as in tensor names. */
const char *pnd_tower_get_name(enum pnd_tower_id id);

/* What a state dict does not say. 0: not given, then taken from the shapes of
 * the tensors, head counts by width as in ImageBind-huge. */
struct pnd_imagebind_config {
    uint32_t heads[PND_TOWER_COUNT];
    uint32_t audio_stride; /* of the audio stem; default 10 */
};

/** Read the JSON beside imagebind_*.pth ({"constructor": {"vision_num_heads":
 *  16, ...}, "audio_stride": 10}; a flat object with the same keys will do). */
panda_status pnd_imagebind_config_open(struct pnd_imagebind_config *out,
                                       const struct pnd_context *ctx,
                                       const char *path);

/* A PandaGPT delta's JSON ({"lora_r", "lora_alpha"}), where there is one. */
struct pnd_adapter_config {
    uint32_t rank;  /* 0: not given */
    double alpha;   /* 0: not given */
};
panda_status pnd_adapter_config_open(struct pnd_adapter_config *out,
                                     const struct pnd_context *ctx,
                                     const char *path);

#endif
