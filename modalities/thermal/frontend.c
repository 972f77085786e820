/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/sys/frontend.h>

extern const panda_frontend_ops pnd_frontend_thermal;
const panda_frontend_ops pnd_frontend_thermal = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "thermal",
    .modality = PANDA_MODALITY_THERMAL,
};
