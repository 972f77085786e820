/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_TENSOR_H
#define PND_SHARED_TENSOR_H

#include "modalities/shared/fail.h"

/** Demand that an encoder wants square pictures of floats: `rank` dimensions,
 *  the first `channels`, the last two equal and at most 16384. For `describe`.
 *  @return PANDA_OK; PANDA_E_SHAPE */
panda_status pnd_tensor_check_square(const panda_frontend_host *host,
                                     const panda_frontend_tensor *tensor,
                                     uint32_t rank, uint32_t channels);

#endif
