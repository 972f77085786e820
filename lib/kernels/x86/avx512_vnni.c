/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layers.h"
#include "kernels/x86/q8_panel.h"

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
            panels_run((struct panel_kind){dtype, PANEL_WIDTH, TILE,        \
                                           TILE_ASKS, unpack_##type,        \
                                           multiply_panels},                \
                       m, n, k, a, w, row_bytes, y, ldy, scratch);          \
    }

FOR_BLOCK_FORMATS(PRODUCT)

#define UNPACK(dtype, type) [dtype] = unpack_##type,

const panel_unpack_fn pnd_vnni_unpack[PND_DTYPE_COUNT] = {
    FOR_BLOCK_FORMATS(UNPACK)};

#define ROW(dtype, type) [dtype] = product_##type,

const struct pnd_q8_kernels pnd_vnni_q8 = {q8_round, {FOR_BLOCK_FORMATS(ROW)}};

void pnd_kernels_add_avx512_vnni(struct pnd_kernels *k)
{
    k->q8 = pnd_vnni_q8;
}
