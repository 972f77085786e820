/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/vec_generic.h"
#include "kernels/layers.h"

#define TILE_ROWS 6
#include "kernels/template/gemm_tmpl.h"

const struct pnd_gemm_kernels pnd_generic_gemm = GEMM_TABLE;
const struct pnd_format_kernels pnd_generic_format[PND_DTYPE_COUNT] =
    FORMAT_TABLE;
