/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_PANEL_H
#define PND_KERNELS_PANEL_H

#include "kernels/arm/vec_neon.h"
#include "kernels/kernels.h"

/* Products of 8-bit codes. Rows of weights, PANEL_COLUMNS of them, are copied
 * to a panel, in an order that suits the instructions, and tiles of PANEL_ROWS
 * rows of activations are multiplied with it. The order and the instructions
 * are those of one of dots_neon.h, dots_dotprod.h and dots_i8mm.h, included
 * before what uses them (i8_panel.h, q8_dot.h, q8_panel.h):
 *
 *   int32x4_t dot_16(sum, a, b)          sum + the products of 16 codes, in any
 *                                        lanes
 *   void panel_fill(depth, rows, panel)  from `depth` codes of each row, whole
 *                                        sixteens, of which each takes 16 *
 *                                        PANEL_COLUMNS bytes
 *   void panel_dots(depth, a, panel, dots)  dots[row][column] += the products
 *                                        of `depth` codes, whole sixteens
 *
 * Codes of a are -127..127, others may be -128: the sum of two products has 16
 * bits. */

#define PANEL_ROWS 4
#define PANEL_COLUMNS 8

/* The sums of a tile: columns in two vectors. */
typedef int32x4_t panel_sums[PANEL_ROWS][2];

/* A row of a tile, of which `columns` exist; zeros stand for the others. */
ALWAYS_INLINE void panel_load(size_t columns, const float *from, vf to[2])
{
    float part[PANEL_COLUMNS] = {0};
    if (columns < PANEL_COLUMNS)
        from = memcpy(part, from, columns * sizeof *from);
    to[0] = vf_load_f32(from);
    to[1] = vf_load_f32(from + 4);
}

ALWAYS_INLINE void panel_store(size_t columns, const vf from[2], float *to)
{
    float part[PANEL_COLUMNS];
    float *all = columns < PANEL_COLUMNS ? part : to;
    vf_store(all, from[0]);
    vf_store(all + 4, from[1]);
    if (columns < PANEL_COLUMNS)
        memcpy(to, part, columns * sizeof *to);
}

#endif
