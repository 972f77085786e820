/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/sys/frontend.h>

extern const panda_frontend_ops pnd_frontend_imu;
const panda_frontend_ops pnd_frontend_imu = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "imu",
    .modality = PANDA_MODALITY_IMU,
};
