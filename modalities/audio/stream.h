/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_STREAM_H
#define PND_AUDIO_STREAM_H

#include "modalities/audio/resample.h"
#include "modalities/audio/sound.h"

/* A window that slides over a recording at PND_AUDIO_RATE. What a long file
 * costs in memory is one clip, whatever its length and number of channels.
 *
 * Two signals are enough for the reference's arithmetic: its filter bank hears
 * the first channel, and its mean over all channels of a clip is the mean of
 * the mean of the channels. Resampling is linear, so the channels may be
 * averaged before it. */

#define PND_STREAM_SIGNALS 2

struct pnd_stream {
    const panda_frontend_host *host;
    struct pnd_sound sound;
    struct pnd_resampler resampler; /* taps 0: the rate is right already */
    uint32_t signals;               /* 1 for mono */
    uint64_t length;                /* samples of the recording */

    /* The window [first, end) and its samples; the caller may change them, and
     * finds them changed when the next window overlaps this one. Mono: mix is
     * NULL. */
    uint64_t first, end;
    float *lead; /* (capacity) first channel */
    float *mix;  /* (capacity) mean of the channels */
    size_t capacity;

    /* Input frames [in_first, in_end) that are still needed. */
    int64_t in_first, in_end;
    float *in[PND_STREAM_SIGNALS]; /* (in_capacity) each */
    size_t in_capacity;
};

/** Open a recording.
 *  @param stream released with pnd_stream_close, also after a failure */
panda_status pnd_stream_open(struct pnd_stream *stream,
                             const panda_frontend_host *host,
                             const panda_input *input);

void pnd_stream_close(struct pnd_stream *stream);

/** Make [first, end) the window.
 *  @param first not before the window's present one, <= end
 *  @param end not before the window's present one, <= length */
panda_status pnd_stream_move(struct pnd_stream *stream, uint64_t first,
                             uint64_t end);

/** Subtract the mean of the window over all channels from the window. */
void pnd_stream_center(struct pnd_stream *stream);

#endif
