/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_EXIF_H
#define PND_SHARED_EXIF_H

#include <stddef.h>
#include <stdint.h>

/** The orientation (tag 0x0112) in an EXIF block, which is a small TIFF file.
 *  A leading "Exif\0\0", as in JPEG, is allowed.
 *  @return 1..8; 1 (upright) also for a block that is damaged or silent */
int pnd_exif_get_orientation(const uint8_t *data, size_t size);

#endif
