/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_VIDEO_CROPS_H
#define PND_VIDEO_CROPS_H

#include "modalities/shared/picture.h"
#include "modalities/shared/window.h"

#define PND_VIDEO_CROPS 3
#define PND_VIDEO_CHANNELS 3

/** Crop `index` of a frame whose shorter side is resized to `size`: the left
 *  (top), middle and right (bottom) square of a wide (tall) one. */
void pnd_video_find_crop(struct pnd_window *out, uint32_t width,
                         uint32_t height, uint32_t size, uint32_t index);

/** Compute one crop of one frame, normalised as CLIP's pictures are.
 *  @param planes gives (PND_VIDEO_CHANNELS): each points to [size, size]
 *  @param frame RGB
 *  @return PANDA_OK; PANDA_E_MEMORY; PANDA_E_CANCELLED */
panda_status pnd_video_crop(const panda_frontend_host *host,
                            float *const planes[PND_VIDEO_CHANNELS],
                            const struct pnd_picture *frame, uint32_t size,
                            uint32_t index);

#endif
