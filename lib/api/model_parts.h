/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_MODEL_PARTS_H
#define PND_API_MODEL_PARTS_H

#include <pthread.h>

#include "api/handles.h"
#include "decoder/llama.h"
#include "encoder/tower.h"
#include "projector/projection.h"
#include "text/tokenizer.h"

/* A frontend made ready for one model, at its first use. */
struct pnd_frontend_state {
    const panda_frontend_ops *ops;
    void *state;   /* ops->state_size bytes, NULL for none */
    bool is_ready; /* init has succeeded */
};

struct panda_model {
    atomic_uint references;
    panda_runtime *runtime;
    panda_precision precision;
    struct pnd_context context; /* the runtime's, with sources while opening */

    struct pnd_weights *bundle; /* the three below may be the same */
    struct pnd_weights *encoder_weights;
    struct pnd_weights *decoder_weights;
    struct pnd_weights *adapter_weights;
    struct pnd_tower *towers[PND_TOWER_COUNT]; /* NULL: not loaded */
    struct pnd_projection *projection;
    struct pnd_llama *llama;
    struct pnd_tokenizer *tokenizer;
    char *clip_merges; /* zero-terminated text, NULL without */
    size_t clip_merges_size;
    char *clip_path;     /* of clip_merges, NULL without or from a bundle */
    uint64_t clip_bytes; /* of that file, perhaps compressed */
    struct pnd_part_list *part_list; /* model_part_info.c */

    pthread_mutex_t frontend_lock; /* protects the states' is_ready */
    uint32_t frontend_count;
    struct pnd_frontend_state *frontends; /* asked in this order */
};

panda_model *pnd_model_ref(panda_model *model);

/** Open the vocabulary in a file, or in a folder that may have none when it is
 *  `optional`; what HF puts beside it is in `folder`, or NULL. */
panda_status pnd_model_open_tokenizer(panda_model *model, const char *path,
                                      const char *folder, bool optional);

/** Open the vocabulary that a GGUF brings; some hold none. */
panda_status pnd_model_open_own_tokenizer(panda_model *model,
                                          const struct pnd_gguf *gguf);

/** The folder of HF files that `path` is, or lies in; NULL: no memory. */
char *pnd_model_get_folder(const struct pnd_context *ctx, const char *path);

/** Rows of the decoder beyond the vocabulary are legal only as padding to a
 *  round number, as some trainers do; anything else is a wrong or incomplete
 *  vocabulary. */
panda_status pnd_model_check_vocabulary(const panda_model *model,
                                        const char *path);

/** Open options->bundle, and let the parts that it has come from there.
 *  @param lora gets the bundle's LoRA, where it is not merged */
panda_status pnd_model_open_bundle(panda_model *model,
                                   const panda_model_options *options,
                                   struct pnd_lora_options *lora);

/** The tower that sees a modality. */
enum pnd_tower_id pnd_model_get_tower_id(panda_modality modality);

/** What panda_model_get_part_info tells; called once by panda_model_open. */
panda_status pnd_model_list_parts(panda_model *model);

/** Runtime's and built-in frontends; called once by panda_model_open. */
panda_status pnd_model_list_frontends(panda_model *model);
void pnd_model_free_frontends(panda_model *model);

#endif
