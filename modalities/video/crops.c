/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/video/crops.h"

#include <math.h>

#include "modalities/shared/resize.h"

static const float clip_mean[PND_VIDEO_CHANNELS] = {0.48145466f, 0.4578275f,
                                                    0.40821073f};
static const float clip_std[PND_VIDEO_CHANNELS] = {0.26862954f, 0.26130258f,
                                                   0.27577711f};

/* Unlike for pictures, the longer side is the floor of a product of doubles,
 * which may lie one below the exact quotient, and the middle is rounded up. */
void pnd_video_find_crop(struct pnd_window *out, uint32_t width,
                         uint32_t height, uint32_t size, uint32_t index)
{
    bool tall = width < height;
    double shorter = tall ? width : height;
    double longer = tall ? height : width;
    uint64_t length = (uint64_t)floor(longer / shorter * size);
    uint64_t spare = length - size;
    uint64_t offset = index == 0 ? 0 : index == 1 ? (spare + 1) / 2 : spare;
    *out = (struct pnd_window){
        .width = tall ? size : length,
        .height = tall ? length : size,
        .left = tall ? 0 : offset,
        .top = tall ? offset : 0,
        .size = size,
    };
}

struct plane {
    const struct pnd_picture *frame;
    uint32_t channel;
};

static void get_row(const void *context, uint32_t y, uint32_t first,
                    uint32_t count, float *row)
{
    const struct plane *plane = context;
    const struct pnd_picture *frame = plane->frame;
    const uint8_t *pixel = frame->pixels + y * frame->stride +
                           (size_t)first * frame->step + plane->channel;
    for (uint32_t x = 0; x < count; x++, pixel += frame->step)
        row[x] = (float)*pixel / 255.0f;
}

panda_status pnd_video_crop(const panda_frontend_host *host,
                            float *const planes[PND_VIDEO_CHANNELS],
                            const struct pnd_picture *frame, uint32_t size,
                            uint32_t index)
{
    struct pnd_window window;
    pnd_video_find_crop(&window, frame->width, frame->height, size, index);
    for (uint32_t c = 0; c < PND_VIDEO_CHANNELS; c++) {
        struct plane plane = {frame, c};
        panda_status status =
            pnd_resize_bilinear(host, planes[c], frame->width, frame->height,
                                &window, get_row, &plane);
        if (status < 0)
            return status;
        for (size_t i = 0; i < (size_t)size * size; i++)
            planes[c][i] = (planes[c][i] - clip_mean[c]) / clip_std[c];
    }
    return PANDA_OK;
}
