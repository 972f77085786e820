/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_PICTURE_H
#define PND_SHARED_PICTURE_H

#include <stdbool.h>

#include "modalities/shared/fail.h"

/* Decoded pictures of bytes, with the values that Pillow gives: gray stays
 * one channel, everything else is RGB. */

struct pnd_picture {
    uint32_t width, height; /* at least 1 */
    uint32_t channels;      /* 1 gray, 3 RGB */
    uint32_t step;          /* bytes from pixel to pixel, >= channels */
    size_t stride;          /* bytes from row to row */
    const uint8_t *pixels;  /* rows from top to bottom */
    void *memory;           /* what `pixels` points to, when owned */
    int orientation;        /* of the EXIF block, 1..8; 1 without */
};

/** Make a picture of any source: decode a JPEG or PNG, or borrow raw pixels
 *  of 1, 3 or 4 channels (the fourth is not looked at).
 *  @param out release with pnd_picture_close; needs none on failure
 *  @return PANDA_OK; PANDA_E_IO, PANDA_E_FORMAT and PANDA_E_UNSUPPORTED for the
 *          file; PANDA_E_ARGUMENT for a raw description; PANDA_E_MEMORY;
 *          PANDA_E_CANCELLED */
panda_status pnd_picture_open(struct pnd_picture *out,
                              const panda_frontend_host *host,
                              const panda_input *input);

/** Turn and mirror the picture so that its orientation becomes 1. */
panda_status pnd_picture_upright(struct pnd_picture *picture,
                                 const panda_frontend_host *host);

/** Make one channel of three: Pillow's luma, ITU-R 601 in 16 bits. */
panda_status pnd_picture_to_gray(struct pnd_picture *picture,
                                 const panda_frontend_host *host);

/** Release; a zeroed picture is allowed. */
void pnd_picture_close(struct pnd_picture *picture,
                       const panda_frontend_host *host);

/** Demand a size within limits->max_pixels, neither side 0. */
panda_status pnd_picture_check_size(const panda_frontend_host *host,
                                    uint64_t width, uint64_t height);

/** Own, uninitialised pixels for `channels` tight channels; width and height
 *  have passed pnd_picture_check_size. */
panda_status pnd_picture_alloc(struct pnd_picture *out,
                               const panda_frontend_host *host,
                               uint32_t width, uint32_t height,
                               uint32_t channels);

#endif
