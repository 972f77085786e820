/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_ENCODER_SESSION_H
#define PND_API_ENCODER_SESSION_H

#include <pandagpt/encoder.h>

#include "api/frontends.h"

struct panda_encoder {
    panda_model *model;
    uint32_t batch;
    panda_frontend_limits limits;
    atomic_int cancelled;
    struct pnd_workspace workspace;
    struct pnd_buffer tensor; /* items of a group of inputs */
    struct pnd_buffer parts;  /* whose items they are */
    struct pnd_buffer places; /* of each item among those that differ */
    struct pnd_buffer raw;    /* their head outputs, unit and scaled */
};

/** Encode inputs together where they go through the same tower. On failure
 *  `*failed` is the input that could not be encoded, and any of `out` may be
 *  set. */
panda_status pnd_encoder_run(panda_encoder *encoder,
                             const panda_input *const *inputs, size_t count,
                             const panda_encode_options *options,
                             panda_embedding **out, size_t *failed);

#endif
