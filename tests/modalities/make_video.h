/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_MAKE_VIDEO_H
#define PANDA_TESTS_MAKE_VIDEO_H

#include <stddef.h>
#include <stdint.h>

/* Video files for tests, encoded by FFmpeg. Each frame is a flat gray that says
 * its number, so that a test sees which frame it was given. */

struct video_recipe {
    const char *container; /* FFmpeg's name: "mp4", "matroska", "avi" */
    const char *codec;     /* FFmpeg's name: "mpeg4", "mjpeg", "ffv1" */
    int width, height;     /* even */
    int rate_num, rate_den;
    int frames;
    int key_distance; /* frames from key frame to key frame */
    int b_frames;     /* between two others */
};

/** Gray of a frame in BT.601's studio range. */
uint8_t video_get_gray(int frame);

/** Write a file.
 *  @param size gives its bytes
 *  @return the file, to be freed; NULL when this FFmpeg has no such encoder */
uint8_t *make_video(size_t *size, const struct video_recipe *recipe);

#endif
