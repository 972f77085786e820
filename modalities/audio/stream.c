/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/stream.h"

#include <string.h>

#include "modalities/audio/clips.h"

#define BLOCK 4096 /* outputs computed from one filling of the input */

/* Input frames that `count` outputs need, wherever they begin. */
static size_t get_reach(const struct pnd_resampler *r, size_t count)
{
    return (size_t)((uint64_t)count * r->from / r->to) + r->taps + 2;
}

panda_status pnd_stream_open(struct pnd_stream *stream,
                             const panda_frontend_host *host,
                             const panda_input *input)
{
    *stream = (struct pnd_stream){.host = host};
    panda_status status = pnd_sound_open(&stream->sound, host, input);
    if (status < 0)
        return status;
    stream->signals = stream->sound.channels > 1 ? 2 : 1;
    stream->length = stream->sound.frames;
    if (stream->sound.rate == PND_AUDIO_RATE)
        return PANDA_OK;
    struct pnd_resampler *r = &stream->resampler;
    status = pnd_resampler_init(r, host, stream->sound.rate, PND_AUDIO_RATE);
    if (status < 0)
        return status;
    stream->length = pnd_resampler_get_length(r, stream->sound.frames);
    stream->in_capacity = get_reach(r, BLOCK);
    for (uint32_t s = 0; s < stream->signals; s++) {
        stream->in[s] = pnd_host_alloc(host, stream->in_capacity,
                                       sizeof(float));
        if (!stream->in[s])
            return pnd_host_fail_memory(host);
    }
    return PANDA_OK;
}

void pnd_stream_close(struct pnd_stream *stream)
{
    const panda_frontend_host *host = stream->host;
    if (!host)
        return;
    pnd_sound_close(&stream->sound);
    pnd_resampler_free(&stream->resampler, host);
    for (uint32_t s = 0; s < PND_STREAM_SIGNALS; s++)
        host->free(host, stream->in[s]);
    host->free(host, stream->lead);
    host->free(host, stream->mix);
    *stream = (struct pnd_stream){0};
}

/* Drop the input before `first` and read up to `end`; what lies outside the
 * recording is 0. */
static panda_status fill_input(struct pnd_stream *stream, int64_t first,
                               int64_t end)
{
    bool has_input = stream->in_end > stream->in_first;
    int64_t kept =
        has_input && stream->in_end > first ? stream->in_end - first : 0;
    int64_t frames = (int64_t)stream->sound.frames;
    for (uint32_t s = 0; s < stream->signals; s++) {
        float *in = stream->in[s];
        memmove(in, in + (stream->in_end - kept - stream->in_first),
                (size_t)kept * sizeof *in);
        for (int64_t i = first + kept; i < end; i++)
            if (i < 0 || i >= frames)
                in[i - first] = 0;
    }
    int64_t from = first + kept > 0 ? first + kept : 0;
    int64_t to = end < frames ? end : frames;
    stream->in_first = first;
    stream->in_end = end;
    if (to <= from)
        return PANDA_OK;
    return pnd_sound_read(&stream->sound, (uint64_t)from, (size_t)(to - from),
                          stream->in[0] + (from - first),
                          stream->in[1] ? stream->in[1] + (from - first)
                                        : NULL);
}

static panda_status resample_block(struct pnd_stream *stream, uint64_t first,
                                   size_t count, float *lead, float *mix)
{
    const struct pnd_resampler *r = &stream->resampler;
    int64_t start = pnd_resampler_get_start(r, first);
    int64_t last = pnd_resampler_get_start(r, first + count - 1);
    panda_status status = fill_input(stream, start, last + r->taps);
    if (status < 0)
        return status;
    pnd_resampler_run(r, stream->in[0], first, count, lead);
    if (mix)
        pnd_resampler_run(r, stream->in[1], first, count, mix);
    return PANDA_OK;
}

/* Compute the samples [first, end) of both signals. */
static panda_status produce(struct pnd_stream *stream, uint64_t first,
                            uint64_t end, float *lead, float *mix)
{
    if (stream->resampler.taps == 0)
        return pnd_sound_read(&stream->sound, first, (size_t)(end - first),
                              lead, mix);
    panda_status status = PANDA_OK;
    while (first < end && status == PANDA_OK) {
        size_t count = end - first < BLOCK ? (size_t)(end - first) : BLOCK;
        status = resample_block(stream, first, count, lead, mix);
        first += count;
        lead += count;
        mix = mix ? mix + count : NULL;
    }
    return status;
}

static panda_status grow(struct pnd_stream *stream, size_t size)
{
    const panda_frontend_host *host = stream->host;
    size_t kept = (size_t)(stream->end - stream->first);
    float **signals[PND_STREAM_SIGNALS] = {&stream->lead, &stream->mix};
    for (uint32_t s = 0; s < stream->signals && s < PND_STREAM_SIGNALS; s++) {
        float *grown = pnd_host_alloc(host, size, sizeof *grown);
        if (!grown)
            return pnd_host_fail_memory(host);
        if (kept > 0)
            memcpy(grown, *signals[s], kept * sizeof *grown);
        host->free(host, *signals[s]);
        *signals[s] = grown;
    }
    stream->capacity = size;
    return PANDA_OK;
}

panda_status pnd_stream_move(struct pnd_stream *stream, uint64_t first,
                             uint64_t end)
{
    size_t size = (size_t)(end - first);
    if (size > stream->capacity) {
        panda_status status = grow(stream, size);
        if (status < 0)
            return status;
    }
    size_t kept = stream->end > first ? (size_t)(stream->end - first) : 0;
    size_t dropped = (size_t)(stream->end - stream->first) - kept;
    if (kept > 0) {
        memmove(stream->lead, stream->lead + dropped,
                kept * sizeof *stream->lead);
        if (stream->mix)
            memmove(stream->mix, stream->mix + dropped,
                    kept * sizeof *stream->mix);
    }
    stream->first = first;
    stream->end = end;
    if (kept == size)
        return PANDA_OK;
    return produce(stream, first + kept, end, stream->lead + kept,
                   stream->mix ? stream->mix + kept : NULL);
}

void pnd_stream_center(struct pnd_stream *stream)
{
    size_t count = (size_t)(stream->end - stream->first);
    const float *all = stream->mix ? stream->mix : stream->lead;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += all[i];
    float mean = count > 0 ? (float)(sum / (double)count) : 0;
    for (size_t i = 0; i < count; i++) {
        stream->lead[i] -= mean;
        if (stream->mix)
            stream->mix[i] -= mean;
    }
}
