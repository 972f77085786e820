/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/vq_vnni.h"

#include "kernels/x86/q8_panel.h"

/* From so many rows on a panel pays. */
#define PANEL_ROWS 6

#define PRODUCT(dtype, type)                                                \
    PANEL_UNPACK(type)                                                      \
    static void product_##type(size_t m, size_t n, size_t k,                \
                               const struct pnd_q8_block *a, const void *w, \
                               size_t row_bytes, float *y, size_t ldy,      \
                               float *scratch)                              \
    {                                                                       \
        if (m < PANEL_ROWS)                                                 \
            q8_dots(format_##type, m, n, k, a, w, row_bytes, y, ldy);       \
        else                                                                \
            q8_panels(format_##type, unpack_##type, m, n, k, a, w,          \
                      row_bytes, y, ldy, scratch);                          \
    }

FOR_Q8_FORMATS(PRODUCT)

#define ROW(dtype, type) [dtype] = product_##type,

void pnd_kernels_add_avx512_vnni(struct pnd_kernels *k)
{
    k->q8 = (struct pnd_q8_kernels){q8_round, {FOR_Q8_FORMATS(ROW)}};
}
