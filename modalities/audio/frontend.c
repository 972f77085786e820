/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "modalities/audio/clips.h"
#include "modalities/audio/fbank.h"
#include "modalities/audio/stream.h"

#define MAX_CLIPS 1024
#define MAX_MELS 4096
#define MIN_SECONDS 0.025
#define MAX_SECONDS 60.0

/* Of ImageBind's training data. */
static const float log_mel_mean = -4.268f;
static const float log_mel_std = 9.138f;

static panda_status get_options(const panda_frontend_host *host,
                                const panda_input *input,
                                panda_audio_options *out)
{
    *out = (panda_audio_options){0};
    if (input->audio_options) {
        size_t size = input->audio_options->struct_size;
        memcpy(out, input->audio_options, size < sizeof *out ? size
                                                             : sizeof *out);
    }
    if (out->clips == 0)
        out->clips = 3;
    if (out->clip_seconds == 0)
        out->clip_seconds = 2;
    if (out->clips > MAX_CLIPS)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "%u audio clips asked for, expected 1..%d",
                             out->clips, MAX_CLIPS);
    if (!(out->clip_seconds >= MIN_SECONDS && out->clip_seconds <= MAX_SECONDS))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "audio clips of %g s asked for, expected %g..%g",
                             out->clip_seconds, MIN_SECONDS, MAX_SECONDS);
    return PANDA_OK;
}

static panda_status describe(const void *state,
                             const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state;
    panda_audio_options options;
    panda_status status = get_options(host, input, &options);
    if (status < 0)
        return status;
    const uint32_t *shape = tensor->shape;
    if (tensor->element != PANDA_ELEMENT_F32 || tensor->rank != 3 ||
        shape[0] != 1 || shape[1] == 0 || shape[1] > MAX_MELS || shape[2] == 0)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "the encoder wants %u dimensions of %u x %u x %u, "
                             "expected 3 dimensions of floats, 1 x mel bins x "
                             "frames",
                             tensor->rank, shape[0], shape[1], shape[2]);
    tensor->items = options.clips;
    return PANDA_OK;
}

static void normalise(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (values[i] - log_mel_mean) / log_mel_std;
}

/* The clips in their order, because centring one changes what a later one that
 * overlaps it hears: the reference subtracts in place. */
static panda_status fill_clips(struct pnd_stream *stream,
                               struct pnd_fbank *fbank,
                               const panda_audio_options *options,
                               uint32_t frames, float *out)
{
    size_t item = (size_t)fbank->mels * frames;
    struct pnd_audio_clip before = {0, 0};
    for (uint32_t i = 0; i < options->clips; i++) {
        struct pnd_audio_clip clip = pnd_audio_find_clip(
            stream->length, options->clips, options->clip_seconds, i);
        float *values = out + i * item; /* (mels, frames) */
        if (clip.first == before.first && clip.end == before.end) {
            memcpy(values, values - item, item * sizeof *values);
            continue;
        }
        panda_status status = pnd_stream_move(stream, clip.first, clip.end);
        if (status < 0)
            return status;
        pnd_stream_center(stream);
        pnd_fbank_run(fbank, stream->lead, (size_t)(clip.end - clip.first),
                      values, frames);
        normalise(values, item);
        before = clip;
    }
    return PANDA_OK;
}

static panda_status check_length(const panda_frontend_host *host,
                                 uint64_t samples)
{
    if (samples >= PND_FBANK_FRAME)
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the sound is %llu samples (%.3f ms) long at 16 kHz, "
                         "expected at least %d (25 ms)",
                         (unsigned long long)samples,
                         (double)samples * 1000 / PND_AUDIO_RATE,
                         PND_FBANK_FRAME);
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    panda_audio_options options;
    struct pnd_stream stream = {0};
    struct pnd_fbank fbank = {0};
    panda_status status;
    PND_HOST_TRY(get_options(host, input, &options));
    PND_HOST_TRY(pnd_stream_open(&stream, host, input));
    PND_HOST_TRY(check_length(host, stream.length));
    PND_HOST_TRY(pnd_fbank_init(&fbank, host, tensor->shape[1]));
    status = fill_clips(&stream, &fbank, &options, tensor->shape[2], out);
out:
    pnd_fbank_free(&fbank, host);
    pnd_stream_close(&stream);
    return status;
}

extern const panda_frontend_ops pnd_frontend_audio;
const panda_frontend_ops pnd_frontend_audio = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "audio",
    .modality = PANDA_MODALITY_AUDIO,
    .describe = describe,
    .preprocess = preprocess,
};
