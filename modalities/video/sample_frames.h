/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_VIDEO_SAMPLE_FRAMES_H
#define PND_VIDEO_SAMPLE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Which frames of a video are looked at: clips spread evenly over it, and of
 * each clip a few frames, the first and the last among them. */

struct pnd_video_sampling {
    uint64_t frames; /* of the video, at least 1 */
    double fps;      /* average, > 0 */
    uint32_t clips;  /* 1..64 */
    double seconds;  /* length of a clip, (0, 60] */
    uint32_t slots;  /* frames of a clip, at least 1 */
};

/** The frames [first, end) of a clip; none when a short clip falls between two
 *  frames. */
void pnd_video_find_clip(const struct pnd_video_sampling *s, uint32_t clip,
                         uint64_t *first, uint64_t *end);

/** The frame that fills `slot` of a clip.
 *  @param out gives its number, from 0
 *  @return false when the clip holds no frame */
bool pnd_video_find_frame(const struct pnd_video_sampling *s, uint32_t clip,
                          uint32_t slot, uint64_t *out);

#endif
