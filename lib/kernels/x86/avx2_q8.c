/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/avx2_panel.h"

#define PRODUCT(dtype, type)                                                \
    PANEL_UNPACK(type)                                                      \
    static void product_##type(size_t m, size_t n, size_t k,                \
                               const struct pnd_q8_block *a, const void *w, \
                               size_t row_bytes, float *y, size_t ldy,      \
                               float *scratch)                              \
    {                                                                       \
        const struct panel_form form = choose_form(format_##type);          \
        if (m < (form.is_split ? SPLIT_ROWS : PANEL_ROWS))                  \
            q8_dots(format_##type, m, n, k, a, w, row_bytes, y, ldy);       \
        else                                                                \
            panels_run(choose_kind(form, dtype, unpack_##type), m, n, k, a, \
                       w, row_bytes, y, ldy, scratch);                      \
    }

FOR_BLOCK_FORMATS(PRODUCT)

#define ROW(dtype, type) [dtype] = product_##type,

void pnd_kernels_add_avx2_q8(struct pnd_kernels *k)
{
    k->q8 = (struct pnd_q8_kernels){q8_round, {FOR_BLOCK_FORMATS(ROW)}};
}
