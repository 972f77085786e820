/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/vq_avx2.h"

#include "kernels/x86/q8_dot.h"

#define PRODUCT(dtype, type)                                               \
    static void product_##type(size_t m, size_t n, size_t k,               \
                               const struct pnd_q8_block *a, const void *w, \
                               size_t row_bytes, float *y, size_t ldy,     \
                               float *scratch)                             \
    {                                                                      \
        (void)scratch;                                                     \
        q8_dots(format_##type, m, n, k, a, w, row_bytes, y, ldy);          \
    }

FOR_BLOCK_FORMATS(PRODUCT)

#define ROW(dtype, type) [dtype] = product_##type,

void pnd_kernels_add_avx2_q8(struct pnd_kernels *k)
{
    k->q8 = (struct pnd_q8_kernels){q8_round, {FOR_BLOCK_FORMATS(ROW)}};
}
