/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_WINDOW_H
#define PND_SHARED_WINDOW_H

#include <stdint.h>

/* Resizing of which only a window is kept: the whole picture is resized to
 * width x height, and `size` x `size` pixels from (left, top) on are computed.
 * The numbers are 64 bits wide because a strip of 1 x 100 million pixels has
 * a resized length that fits no 32. */

struct pnd_window {
    uint64_t width, height; /* of the whole resized picture */
    uint64_t left, top;     /* left + size <= width, top + size <= height */
    uint32_t size;
};

/** torchvision's Resize(size) and CenterCrop(size): the shorter side becomes
 *  `size`, the longer one int(size * long / short); the crop's offset is
 *  round((n - size) / 2), ties to even. All arguments at least 1. */
void pnd_window_init(struct pnd_window *out, uint32_t width, uint32_t height,
                     uint32_t size);

#endif
