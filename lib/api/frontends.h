/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_FRONTENDS_H
#define PND_API_FRONTENDS_H

#include "api/model_parts.h"

/* Calling frontends: services for them, their order, their lazy start. */

/* One input on its way to a tensor. */
struct pnd_preprocessing {
    panda_model *model;
    const panda_frontend_limits *limits;
    const atomic_int *cancelled;
    const panda_input *input;              /* checked */
    const struct pnd_frontend_state *with; /* set by describe */
    panda_frontend_tensor tensor;          /* set by describe */
};

/** Choose a frontend and learn what the input becomes. */
panda_status pnd_frontends_describe(struct pnd_preprocessing *p);

/** Fill `out`, as large as `tensor` says. A frontend that declines passes the
 *  input on; then `tensor` may change, and PANDA_AGAIN asks for a new `out`. */
panda_status pnd_frontends_preprocess(struct pnd_preprocessing *p, void *out);

#endif
