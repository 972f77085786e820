/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_SOURCES_H
#define PND_API_SOURCES_H

#include <pandagpt/model.h>

#include "base/context.h"

/** Let what is opened with `ctx` find the options' sources; names and callbacks
 *  stay the caller's. */
panda_status pnd_sources_begin(struct pnd_context *ctx,
                               const panda_model_options *options);

/** Forget them. */
void pnd_sources_end(struct pnd_context *ctx);

#endif
