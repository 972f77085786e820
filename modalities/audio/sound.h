/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_SOUND_H
#define PND_AUDIO_SOUND_H

#include "modalities/shared/source.h"

/* A recording that is read once, from front to back: a file that libsndfile
 * decodes, or raw samples. */

struct pnd_sound;

/* What a kind of recording does; the checks are in sound.c. */
struct pnd_sound_ops {
    /* Copy the next `frames` frames, fewer only at the end; negative on
     * failure. */
    int64_t (*read)(struct pnd_sound *sound, float *out, size_t frames);

    /* Pass over `frames` frames without decoding them, with the same result as
     * if they were read: false when that is not possible. NULL: never. */
    bool (*skip)(struct pnd_sound *sound, uint64_t frames);

    void (*close)(struct pnd_sound *sound); /* NULL: nothing to do */
};

struct pnd_sound {
    const struct pnd_sound_ops *ops;
    const panda_frontend_host *host;
    uint32_t rate;     /* samples per second, 1000..768000 */
    uint32_t channels; /* 1..1024 */
    uint64_t frames;   /* samples of each channel, as the header says */
    uint64_t position; /* the frame that comes next */
    float *block;      /* scratch: interleaved frames */
    size_t block_frames;

    const void *samples;      /* raw: interleaved */
    panda_element element;    /* raw */
    struct pnd_source source; /* of a file */
    uint64_t offset;          /* of a file: the byte that comes next */
    void *decoder;            /* of a file */
};

/** Open the recording of an input, whatever its source. Checks rate, channels
 *  and limits->max_seconds before any sample is decoded.
 *  @param sound released with pnd_sound_close, also after a failure */
panda_status pnd_sound_open(struct pnd_sound *sound,
                            const panda_frontend_host *host,
                            const panda_input *input);

void pnd_sound_close(struct pnd_sound *sound);

/** Read the frames [first, first + count) as one or two signals.
 *  @param first not before the end of what was read last
 *  @param lead gives the first channel: (count)
 *  @param mix gives the mean of all channels: (count); NULL: not wanted
 *  @return PANDA_E_FORMAT when the recording ends early, cannot be decoded or
 *          holds a value that is not finite */
panda_status pnd_sound_read(struct pnd_sound *sound, uint64_t first,
                            size_t count, float *lead, float *mix);

/** The part of pnd_sound_open for files (decode_sndfile.c): set ops, rate,
 *  channels and frames. The source is open. */
panda_status pnd_sound_open_file(struct pnd_sound *sound);

#endif
