/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/vec_avx2.h"

#define TILE_ROWS 6
#include "kernels/template/gemm_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/vector_tmpl.h"

void pnd_kernels_add_avx2(struct pnd_kernels *k)
{
    static const struct pnd_format_kernels format[PND_DTYPE_COUNT] =
        FORMAT_TABLE;
    k->gemm = (struct pnd_gemm_kernels)GEMM_TABLE;
    memcpy(k->format, format, sizeof k->format);
    k->norm = (struct pnd_norm_kernels){layer_norm, rms_norm};
    k->vector = (struct pnd_vector_kernels){add, gelu, silu_mul, softmax,
                                               to_f16};
}
