/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_VIDEO_VIDEO_H
#define PND_VIDEO_VIDEO_H

#include "modalities/shared/picture.h"
#include "modalities/shared/source.h"

/* Frames by number, asked for in ascending order: of a file that FFmpeg
 * decodes, or raw ones. */

struct pnd_video;

/* What a kind of video does. */
struct pnd_video_ops {
    /* As pnd_video_get_frame. */
    panda_status (*get_frame)(struct pnd_video *video, uint64_t index,
                              struct pnd_picture *out);
    void (*close)(struct pnd_video *video); /* NULL: nothing to do */
};

struct pnd_video {
    const struct pnd_video_ops *ops;
    const panda_frontend_host *host;
    uint64_t frames;        /* at least 1 */
    double fps;             /* average, > 0 */
    uint32_t width, height; /* of each frame */

    const panda_input *raw;   /* of raw frames */
    struct pnd_source source; /* of a file */
    void *decoder;            /* of a file */
};

/** Open the video of an input, whatever its source. A file is read through
 *  once to count its frames, which its header may have wrong. Checks
 *  limits->max_pixels and limits->max_seconds.
 *  @param video released with pnd_video_close, also after a failure */
panda_status pnd_video_open(struct pnd_video *video,
                            const panda_frontend_host *host,
                            const panda_input *input);

void pnd_video_close(struct pnd_video *video);

/** @param index below `frames`, not below the one asked for before
 *  @param out borrows pixels until the next call; needs no release */
panda_status pnd_video_get_frame(struct pnd_video *video, uint64_t index,
                                 struct pnd_picture *out);

/** Demand a duration within limits->max_seconds. */
panda_status pnd_video_check_seconds(const panda_frontend_host *host,
                                     double seconds);

/** The part of pnd_video_open for files (decode_ffmpeg.c): set ops, frames, fps
 *  and size. The source is open. */
panda_status pnd_video_open_file(struct pnd_video *video);

#endif
