/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/window.h"

#include <stdbool.h>

/* Round half of `spare` to the nearest integer, ties to even. */
static uint64_t get_margin(uint64_t spare)
{
    uint64_t half = spare / 2;
    return half + (spare & half & 1);
}

void pnd_window_init(struct pnd_window *out, uint32_t width, uint32_t height,
                     uint32_t size)
{
    bool wide = width > height;
    uint64_t shorter = wide ? height : width;
    uint64_t longer = wide ? width : height;
    /* Equal to int() of the float quotient: the product is below 2^53. */
    uint64_t length = size * longer / shorter;
    *out = (struct pnd_window){
        .width = wide ? length : size,
        .height = wide ? size : length,
        .size = size,
    };
    out->left = get_margin(out->width - size);
    out->top = get_margin(out->height - size);
}
