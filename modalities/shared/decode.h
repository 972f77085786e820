/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_DECODE_H
#define PND_SHARED_DECODE_H

#include "modalities/shared/picture.h"

/* Picture files in memory. All functions return PANDA_OK; PANDA_E_FORMAT;
 * PANDA_E_UNSUPPORTED in a build without the library; PANDA_E_MEMORY;
 * PANDA_E_CANCELLED; and leave nothing to release on failure. */

bool pnd_jpeg_detect(const uint8_t *data, size_t size);
bool pnd_png_detect(const uint8_t *data, size_t size);

/** Gray, or RGB from everything else (CMYK as Pillow converts it); EXIF
 *  orientation noted, not applied. */
panda_status pnd_jpeg_decode(struct pnd_picture *out,
                             const panda_frontend_host *host,
                             const uint8_t *data, size_t size);

/** Gray or RGB of 8 bits: alpha dropped, palette looked up, 16-bit gray clipped
 *  at 255, other 16-bit values cut to their high byte. */
panda_status pnd_png_decode(struct pnd_picture *out,
                            const panda_frontend_host *host,
                            const uint8_t *data, size_t size);

/** Gray samples as they are stored, of up to 16 bits; refuses colour. */
struct pnd_samples {
    uint32_t width, height;
    uint32_t bits;    /* of a sample in the file: 1, 2, 4, 8 or 16 */
    uint16_t *values; /* [height, width]; release with host->free */
};
panda_status pnd_png_decode_samples(struct pnd_samples *out,
                                    const panda_frontend_host *host,
                                    const uint8_t *data, size_t size);

#endif
