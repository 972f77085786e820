/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "modalities/shared/tensor.h"
#include "modalities/video/crops.h"
#include "modalities/video/sample_frames.h"
#include "modalities/video/video.h"

#define MAX_CLIPS 64
#define MAX_SECONDS 60.0
#define MAX_SLOTS 64
#define CHANNELS PND_VIDEO_CHANNELS
#define CROPS PND_VIDEO_CROPS

static panda_status get_options(const panda_frontend_host *host,
                                const panda_input *input,
                                panda_video_options *out)
{
    *out = (panda_video_options){0};
    if (input->video_options) {
        size_t size = input->video_options->struct_size;
        memcpy(out, input->video_options, size < sizeof *out ? size
                                                             : sizeof *out);
    }
    if (out->clips == 0)
        out->clips = 5;
    if (out->clip_seconds == 0)
        out->clip_seconds = 2;
    if (out->clips > MAX_CLIPS)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "%u video clips asked for, expected 1..%d",
                             out->clips, MAX_CLIPS);
    if (!(out->clip_seconds > 0 && out->clip_seconds <= MAX_SECONDS))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "video clips of %g s asked for, expected more "
                             "than 0 and at most %g",
                             out->clip_seconds, MAX_SECONDS);
    return PANDA_OK;
}

static panda_status describe(const void *state,
                             const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state;
    panda_video_options options;
    panda_status status = get_options(host, input, &options);
    if (status == PANDA_OK)
        status = pnd_tensor_check_square(host, tensor, 4, CHANNELS);
    if (status < 0)
        return status;
    if (tensor->shape[1] < 1 || tensor->shape[1] > MAX_SLOTS)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "the encoder wants %u frames of a clip, expected "
                             "1..%d",
                             tensor->shape[1], MAX_SLOTS);
    tensor->items = options.clips * CROPS;
    return PANDA_OK;
}

/* The tensor that is filled: (clips, CROPS, CHANNELS, slots, size, size). */
struct target {
    float *out;
    uint32_t slots, size;
};

/* Where a frame goes: one of the slots of one of the clips. */
struct place {
    uint32_t clip, slot;
};

static float *get_plane(const struct target *t, struct place at, uint32_t crop,
                        uint32_t channel)
{
    size_t item = (size_t)at.clip * CROPS + crop;
    return t->out + ((item * CHANNELS + channel) * t->slots + at.slot) *
                        t->size * t->size;
}

static void copy_crop(const struct target *t, struct place to, uint32_t to_crop,
                      struct place from, uint32_t from_crop)
{
    for (uint32_t c = 0; c < CHANNELS; c++)
        memcpy(get_plane(t, to, to_crop, c), get_plane(t, from, from_crop, c),
               (size_t)t->size * t->size * sizeof(float));
}

static panda_status fill_place(const panda_frontend_host *host,
                               const struct target *t, struct place at,
                               const struct pnd_picture *frame)
{
    for (uint32_t crop = 0; crop < CROPS; crop++) {
        if (crop > 0 && frame->width == frame->height) {
            copy_crop(t, at, crop, at, 0);
            continue;
        }
        float *planes[CHANNELS];
        for (uint32_t c = 0; c < CHANNELS; c++)
            planes[c] = get_plane(t, at, crop, c);
        panda_status status = pnd_video_crop(host, planes, frame, t->size,
                                             crop);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

/* Number the frames that are needed: (clips * slots) in the order of the
 * clips. */
static panda_status find_frames(const panda_frontend_host *host,
                                const struct pnd_video_sampling *s,
                                uint64_t *frames)
{
    for (uint32_t clip = 0; clip < s->clips; clip++)
        for (uint32_t slot = 0; slot < s->slots; slot++)
            if (!pnd_video_find_frame(s, clip, slot, frames++))
                return pnd_host_fail(host, PANDA_E_FORMAT,
                                     "clip %u of %g s holds no frame at %g "
                                     "frames/s, expected at least one",
                                     clip, s->seconds, s->fps);
    return PANDA_OK;
}

/* The smallest number from `least` on; false when there is none. */
static bool find_next(const uint64_t *frames, uint32_t count, uint64_t least,
                      uint64_t *next)
{
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        if (frames[i] >= least && (!found || frames[i] < *next)) {
            *next = frames[i];
            found = true;
        }
    }
    return found;
}

/* Go through the video once; each frame is resized once and then copied to the
 * other places that show it. */
static panda_status fill_frames(struct pnd_video *video, const struct target *t,
                                const uint64_t *frames, uint32_t count)
{
    uint64_t index = 0;
    for (uint64_t least = 0; find_next(frames, count, least, &index);
         least = index + 1) {
        struct pnd_picture frame;
        panda_status status = pnd_video_get_frame(video, index, &frame);
        struct place first = {UINT32_MAX, 0};
        for (uint32_t i = 0; i < count && status == PANDA_OK; i++) {
            struct place at = {i / t->slots, i % t->slots};
            if (frames[i] != index)
                continue;
            if (first.clip == UINT32_MAX) {
                first = at;
                status = fill_place(video->host, t, at, &frame);
                continue;
            }
            for (uint32_t crop = 0; crop < CROPS; crop++)
                copy_crop(t, at, crop, first, crop);
        }
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    panda_video_options options;
    struct pnd_video video = {0};
    uint64_t *frames = NULL;
    panda_status status;
    PND_HOST_TRY(get_options(host, input, &options));
    PND_HOST_TRY(pnd_video_open(&video, host, input));
    struct pnd_video_sampling sampling = {
        .frames = video.frames,
        .fps = video.fps,
        .clips = options.clips,
        .seconds = options.clip_seconds,
        .slots = tensor->shape[1],
    };
    struct target target = {out, tensor->shape[1], tensor->shape[2]};
    uint32_t count = options.clips * sampling.slots;
    frames = pnd_host_alloc(host, count, sizeof *frames);
    if (frames) {
        PND_HOST_TRY(find_frames(host, &sampling, frames));
        status = fill_frames(&video, &target, frames, count);
    } else {
        status = pnd_host_fail_memory(host);
    }
out:
    host->free(host, frames);
    pnd_video_close(&video);
    return status;
}

extern const panda_frontend_ops pnd_frontend_video;
const panda_frontend_ops pnd_frontend_video = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "video",
    .modality = PANDA_MODALITY_VIDEO,
    .describe = describe,
    .preprocess = preprocess,
};
