/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_VNNI_PANELS_H
#define PND_KERNELS_VNNI_PANELS_H

#include "kernels/x86/vq_vnni.h"

#include "kernels/x86/panels.h"

/* Panels of AVX-512 VNNI, which are those of AMX, too. */

/* From so many rows on a panel pays: by counting operations, which are half of
 * those of dots; not measured. */
#define PANEL_ROWS 4

extern const panel_unpack_fn pnd_vnni_unpack[PND_DTYPE_COUNT];

/* With the products of few rows. */
extern const struct pnd_q8_kernels pnd_vnni_q8;

#endif
