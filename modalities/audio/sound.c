/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/sound.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MIN_RATE 1000
#define MAX_RATE 768000
#define MAX_CHANNELS 1024
#define BLOCK_VALUES 65536 /* decoded between two questions for cancel */

static int64_t read_raw(struct pnd_sound *sound, float *out, size_t frames)
{
    size_t values = frames * sound->channels;
    size_t first = (size_t)sound->position * sound->channels;
    /* Copied, because the host's samples may lie at any address. */
    if (sound->element == PANDA_ELEMENT_F32) {
        memcpy(out, (const char *)sound->samples + first * sizeof *out,
               values * sizeof *out);
    } else {
        const char *in = (const char *)sound->samples + first * sizeof(int16_t);
        for (size_t i = 0; i < values; i++) {
            int16_t value;
            memcpy(&value, in + i * sizeof value, sizeof value);
            out[i] = (float)value * (1.0f / 32768);
        }
    }
    return (int64_t)frames;
}

static bool skip_raw(struct pnd_sound *sound, uint64_t frames)
{
    (void)sound;
    (void)frames;
    return true;
}

static const struct pnd_sound_ops raw_ops = {read_raw, skip_raw, NULL};

static panda_status open_raw(struct pnd_sound *sound, const panda_input *input)
{
    const panda_frontend_host *host = sound->host;
    if (!(input->rate >= MIN_RATE && input->rate <= MAX_RATE) ||
        input->rate != floor(input->rate))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the rate is %g samples/s, expected a whole "
                             "number from %d to %d",
                             input->rate, MIN_RATE, MAX_RATE);
    size_t bytes = 4;
    if (input->element == PANDA_ELEMENT_I16)
        bytes = 2;
    else if (input->element != PANDA_ELEMENT_F32)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the samples are elements of type %d, expected "
                             "PANDA_ELEMENT_F32 or PANDA_ELEMENT_I16",
                             (int)input->element);
    if (input->channels != 0 &&
        input->count > input->size / bytes / input->channels)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "%" PRIu64 " bytes hold fewer than the %" PRIu64
                             " samples of %u channels",
                             input->size, input->count, input->channels);
    sound->ops = &raw_ops;
    sound->samples = input->data;
    sound->element = input->element;
    sound->rate = (uint32_t)input->rate;
    sound->channels = input->channels;
    sound->frames = input->count;
    return PANDA_OK;
}

static panda_status check_header(const struct pnd_sound *sound)
{
    const panda_frontend_host *host = sound->host;
    if (sound->rate < MIN_RATE || sound->rate > MAX_RATE)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the rate is %u samples/s, expected %d..%d",
                             sound->rate, MIN_RATE, MAX_RATE);
    if (sound->channels < 1 || sound->channels > MAX_CHANNELS)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "%u channels found, expected 1..%d",
                             sound->channels, MAX_CHANNELS);
    if (sound->frames == 0)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "no samples found, expected at least 25 ms of "
                             "sound");
    double seconds = (double)sound->frames / sound->rate;
    if (seconds > host->limits->max_seconds)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the sound lasts %.0f s, expected at most %g s "
                             "(max_seconds)",
                             seconds, host->limits->max_seconds);
    return PANDA_OK;
}

panda_status pnd_sound_open(struct pnd_sound *sound,
                            const panda_frontend_host *host,
                            const panda_input *input)
{
    panda_status status;
    *sound = (struct pnd_sound){.host = host};
    if (input->source == PANDA_SOURCE_RAW) {
        status = open_raw(sound, input);
    } else {
        status = pnd_source_open_stream(&sound->source, host, input);
        if (status == PANDA_OK)
            status = pnd_sound_open_file(sound);
    }
    if (status == PANDA_OK)
        status = check_header(sound);
    if (status < 0)
        return status;
    sound->block_frames = BLOCK_VALUES / sound->channels;
    sound->block = pnd_host_alloc(host, BLOCK_VALUES, sizeof(float));
    return sound->block ? PANDA_OK : pnd_host_fail_memory(host);
}

void pnd_sound_close(struct pnd_sound *sound)
{
    if (!sound->host)
        return;
    if (sound->ops && sound->ops->close)
        sound->ops->close(sound);
    pnd_source_close(&sound->source);
    sound->host->free(sound->host, sound->block);
    *sound = (struct pnd_sound){0};
}

/* Decode the next frames into the block. */
static panda_status read_block(struct pnd_sound *sound, size_t frames)
{
    panda_status status = pnd_host_check_cancel(sound->host);
    if (status < 0)
        return status;
    int64_t got = sound->ops->read(sound, sound->block, frames);
    if (got < 0)
        return pnd_host_fail(sound->host, PANDA_E_FORMAT,
                             "cannot be decoded after sample %" PRIu64,
                             sound->position);
    if ((uint64_t)got < frames)
        return pnd_host_fail(sound->host, PANDA_E_FORMAT,
                             "the sound ends after %" PRIu64
                             " samples, expected %" PRIu64
                             " as its header says",
                             sound->position + (uint64_t)got, sound->frames);
    for (size_t i = 0; i < frames * sound->channels; i++)
        if (!isfinite(sound->block[i]))
            return pnd_host_fail(
                sound->host, PANDA_E_FORMAT,
                "sample %" PRIu64 " of channel %u is not a finite number",
                sound->position + i / sound->channels,
                (unsigned)(i % sound->channels));
    sound->position += frames;
    return PANDA_OK;
}

static panda_status move_to(struct pnd_sound *sound, uint64_t first)
{
    uint64_t rest = first - sound->position;
    if (rest > 0 && sound->ops->skip && sound->ops->skip(sound, rest))
        sound->position = first;
    while (sound->position < first) {
        rest = first - sound->position;
        panda_status status = read_block(
            sound, rest < sound->block_frames ? (size_t)rest
                                              : sound->block_frames);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

static void split_block(const struct pnd_sound *sound, size_t frames,
                        float *lead, float *mix)
{
    const float *frame = sound->block; /* (frames, channels) */
    for (size_t i = 0; i < frames; i++, frame += sound->channels) {
        lead[i] = frame[0];
        if (!mix)
            continue;
        double sum = 0;
        for (uint32_t c = 0; c < sound->channels; c++)
            sum += frame[c];
        mix[i] = (float)(sum / sound->channels);
    }
}

panda_status pnd_sound_read(struct pnd_sound *sound, uint64_t first,
                            size_t count, float *lead, float *mix)
{
    panda_status status = move_to(sound, first);
    for (size_t done = 0; status == PANDA_OK && done < count;) {
        size_t frames = count - done;
        if (frames > sound->block_frames)
            frames = sound->block_frames;
        status = read_block(sound, frames);
        if (status < 0)
            break;
        split_block(sound, frames, lead + done, mix ? mix + done : NULL);
        done += frames;
    }
    return status;
}
