/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/tensor.h"

#define MAX_SIDE 16384

panda_status pnd_tensor_check_square(const panda_frontend_host *host,
                                     const panda_frontend_tensor *tensor,
                                     uint32_t rank, uint32_t channels)
{
    const uint32_t *shape = tensor->shape;
    if (tensor->element == PANDA_ELEMENT_F32 && tensor->rank == rank &&
        shape[0] == channels && shape[rank - 1] == shape[rank - 2] &&
        shape[rank - 1] > 0 && shape[rank - 1] <= MAX_SIDE)
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_SHAPE,
                         "the encoder wants %u dimensions of %u x %u x %u x "
                         "%u, expected %u dimensions of floats, %u channel(s) "
                         "and equal sides up to %d",
                         tensor->rank, shape[0], shape[1], shape[2], shape[3],
                         rank, channels, MAX_SIDE);
}
