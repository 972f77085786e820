/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_DECODER_SESSION_H
#define PND_API_DECODER_SESSION_H

#include <pandagpt/decoder.h>

#include "api/model_parts.h"
#include "decoder/sampler.h"

struct panda_decoder {
    panda_model *model;
    struct pnd_session *session;
    struct pnd_sampler sampler;
    bool is_seeded;
    uint64_t seed; /* of the sampler's state, when is_seeded */
    atomic_int cancelled;
    panda_token pending;   /* chosen, not yet taken in; -1: none */
    struct pnd_buffer ids; /* scratch of push_text */
    uint64_t prompt_positions, generated_tokens;
    double prompt_seconds, generate_seconds;
};

/** Copy a caller's options, check them, fill in defaults. */
panda_status pnd_generate_options_read(panda_generate_options *to,
                                       const panda_generate_options *from);

/** Take in the token that was chosen last: only when something follows it, so
 *  that the last one of an answer costs nothing and needs no room. */
panda_status pnd_decoder_settle(panda_decoder *decoder);

/** Choose a token; PANDA_END when it ends the answer. */
panda_status pnd_decoder_choose(panda_decoder *decoder,
                                const panda_generate_options *o,
                                panda_token *token);

#endif
