/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/video/video.h"

#include <math.h>

#define CHANNELS 3

static panda_status get_raw_frame(struct pnd_video *video, uint64_t index,
                                  struct pnd_picture *out)
{
    const panda_input *raw = video->raw;
    uint64_t row = (uint64_t)raw->width * CHANNELS;
    uint64_t stride = raw->row_stride ? raw->row_stride : row;
    uint64_t frame = raw->frame_stride ? raw->frame_stride
                                       : stride * (raw->height - 1) + row;
    *out = (struct pnd_picture){
        .width = raw->width,
        .height = raw->height,
        .channels = CHANNELS,
        .step = CHANNELS,
        .stride = (size_t)stride,
        .pixels = (const uint8_t *)raw->data + index * frame,
        .orientation = 1,
    };
    return PANDA_OK;
}

static const struct pnd_video_ops raw_ops = {get_raw_frame, NULL};

/* The library has checked that the rows and frames lie within the data. */
static panda_status open_raw(struct pnd_video *video, const panda_input *input)
{
    const panda_frontend_host *host = video->host;
    if (input->element != PANDA_ELEMENT_U8 || input->channels != CHANNELS)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "frames of %u channels of element type %d given, "
                             "expected 3 of PANDA_ELEMENT_U8",
                             input->channels, (int)input->element);
    if (!(input->rate > 0) || !isfinite(input->rate))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the rate is %g frames/s, expected more than 0",
                             input->rate);
    video->ops = &raw_ops;
    video->raw = input;
    video->frames = input->count;
    video->fps = input->rate;
    video->width = input->width;
    video->height = input->height;
    return PANDA_OK;
}

panda_status pnd_video_check_seconds(const panda_frontend_host *host,
                                     double seconds)
{
    if (seconds <= host->limits->max_seconds)
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the video lasts %.0f s, expected at most %g s "
                         "(max_seconds)",
                         seconds, host->limits->max_seconds);
}

panda_status pnd_video_open(struct pnd_video *video,
                            const panda_frontend_host *host,
                            const panda_input *input)
{
    panda_status status;
    *video = (struct pnd_video){.host = host};
    if (input->source == PANDA_SOURCE_RAW) {
        PND_HOST_TRY(open_raw(video, input));
    } else {
        PND_HOST_TRY(pnd_source_open_stream(&video->source, host, input));
        PND_HOST_TRY(pnd_video_open_file(video));
    }
    PND_HOST_TRY(pnd_picture_check_size(host, video->width, video->height));
    if (video->frames == 0)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "no frames found, expected at least 1");
    status = pnd_video_check_seconds(host,
                                     (double)video->frames / video->fps);
out:
    return status;
}

void pnd_video_close(struct pnd_video *video)
{
    if (!video->host)
        return;
    if (video->ops && video->ops->close)
        video->ops->close(video);
    pnd_source_close(&video->source);
    *video = (struct pnd_video){0};
}

panda_status pnd_video_get_frame(struct pnd_video *video, uint64_t index,
                                 struct pnd_picture *out)
{
    panda_status status = pnd_host_check_cancel(video->host);
    if (status < 0)
        return status;
    return video->ops->get_frame(video, index, out);
}
