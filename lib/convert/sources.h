/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_CONVERT_SOURCES_H
#define PND_CONVERT_SOURCES_H

#include "convert/plan.h"
#include "decoder/llama.h"
#include "encoder/tower.h"

/* What is to be written, opened and checked; NULL: that part is not wanted, or
 * not there. */
struct pnd_convert_sources {
    struct pnd_weights *encoders;
    const struct pnd_tower *towers[PND_TOWER_COUNT]; /* wanted ones */
    panda_format encoder_format;

    struct pnd_weights *projection;

    struct pnd_weights *decoder; /* or a delta, and its base */
    struct pnd_weights *base;
    const struct pnd_llama_config *config;
    panda_format decoder_format;
    struct pnd_weights *importance; /* of its matrices' columns */

    struct pnd_weights *lora; /* of the decoder */
    panda_lora_mode lora_mode;
    float lora_alpha; /* 0: equal to the rank */
};

/** Plan the tensors of a part, and put its keys. */
panda_status pnd_convert_add_encoders(struct pnd_plan *plan,
                                      struct pnd_gguf_writer *w,
                                      const struct pnd_convert_sources *s);
panda_status pnd_convert_add_projection(struct pnd_plan *plan,
                                        const struct pnd_convert_sources *s);
panda_status pnd_convert_add_decoder(struct pnd_plan *plan,
                                     struct pnd_gguf_writer *w,
                                     const struct pnd_convert_sources *s);

#endif
