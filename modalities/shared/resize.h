/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_RESIZE_H
#define PND_SHARED_RESIZE_H

#include "modalities/shared/picture.h"
#include "modalities/shared/window.h"

/** Pillow's Image.resize(BICUBIC) of bytes, bit for bit: fixed-point weights of
 *  22 bits, widened where the picture shrinks, columns first, rounded to bytes
 *  after each pass. A side that keeps its length is copied.
 *  @param out [size, size, picture->channels]
 *  @return PANDA_OK; PANDA_E_MEMORY; PANDA_E_CANCELLED */
panda_status pnd_resize_bicubic(const panda_frontend_host *host, uint8_t *out,
                                const struct pnd_picture *picture,
                                const struct pnd_window *window);

/** Fills `row` with values [first, first + count) of row `y`. */
typedef void (*pnd_row_fn)(const void *context, uint32_t y, uint32_t first,
                           uint32_t count, float *row);

/** torch's bilinear interpolate(align_corners=False) of one plane of floats:
 *  half-pixel centres, two taps each way whatever the scale. Each row of the
 *  source that matters is asked for once, from top to bottom.
 *  @param out [size, size]
 *  @param width of the source; `height` likewise
 *  @return PANDA_OK; PANDA_E_MEMORY; PANDA_E_CANCELLED */
panda_status pnd_resize_bilinear(const panda_frontend_host *host, float *out,
                                 uint32_t width, uint32_t height,
                                 const struct pnd_window *window,
                                 pnd_row_fn get_row, const void *context);

#endif
