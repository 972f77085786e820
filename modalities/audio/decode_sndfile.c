/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/sound.h"

#include "pandagpt_config.h"

#if HAVE_SNDFILE

#include <sndfile.h>
#include <stdio.h>

#include "modalities/audio/riff.h"

/* libsndfile sees the source through callbacks, so it opens no files itself. */

static sf_count_t get_size(void *user)
{
    struct pnd_sound *sound = user;
    return (sf_count_t)sound->source.size;
}

static sf_count_t seek(sf_count_t offset, int whence, void *user)
{
    struct pnd_sound *sound = user;
    int64_t size = (int64_t)sound->source.size;
    int64_t base = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)sound->offset
                                        : size;
    if (offset < -base || offset > size - base)
        return -1;
    sound->offset = (uint64_t)(base + offset);
    return (sf_count_t)sound->offset;
}

static sf_count_t read_bytes(void *buffer, sf_count_t count, void *user)
{
    struct pnd_sound *sound = user;
    if (count <= 0)
        return 0;
    int64_t got = pnd_source_read(&sound->source, sound->offset, buffer,
                                  (size_t)count);
    if (got <= 0)
        return 0;
    sound->offset += (uint64_t)got;
    return got;
}

static sf_count_t write_bytes(const void *data, sf_count_t count, void *user)
{
    (void)data;
    (void)count;
    (void)user;
    return 0;
}

static sf_count_t tell(void *user)
{
    struct pnd_sound *sound = user;
    return (sf_count_t)sound->offset;
}

static int64_t read_frames(struct pnd_sound *sound, float *out, size_t frames)
{
    sf_count_t got = sf_readf_float(sound->decoder, out, (sf_count_t)frames);
    return sf_error(sound->decoder) ? -1 : got;
}

/* Where every sample is stored by itself, and in FLAC. Other codecs may give
 * other samples after a jump than when read from the start. */
static bool skip_frames(struct pnd_sound *sound, uint64_t frames)
{
    return sf_seek(sound->decoder, (sf_count_t)frames, SEEK_CUR) ==
           (sf_count_t)(sound->position + frames);
}

static void close_decoder(struct pnd_sound *sound)
{
    if (sound->decoder)
        sf_close(sound->decoder);
    sound->decoder = NULL;
}

static const struct pnd_sound_ops exact_ops = {read_frames, skip_frames,
                                               close_decoder};
static const struct pnd_sound_ops forward_ops = {read_frames, NULL,
                                                 close_decoder};

static bool is_exact(int format)
{
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
        return true;
    default:
        return false;
    }
}

static panda_status open_decoder(struct pnd_sound *sound, SF_INFO *info)
{
    SF_VIRTUAL_IO io = {get_size, seek, read_bytes, write_bytes, tell};
    *info = (SF_INFO){0};
    sound->offset = 0;
    sound->decoder = sf_open_virtual(&io, SFM_READ, info, sound);
    if (sound->decoder)
        return PANDA_OK;
    uint8_t head[64];
    char content[PND_CONTENT_SIZE];
    int64_t got = pnd_source_read(&sound->source, 0, head, sizeof head);
    pnd_source_describe(content, head, got > 0 ? (size_t)got : 0);
    return pnd_host_fail(sound->host, PANDA_E_FORMAT,
                         "holds %s that libsndfile cannot open, expected a "
                         "sound file (WAV, FLAC, OGG, MP3, AIFF...)",
                         content);
}

/* A FLAC file that was written to a pipe does not know its length: decode it
 * once to count, but not beyond the limit. */
static panda_status count_frames(struct pnd_sound *sound, SF_INFO *info)
{
    enum { BLOCK = 4096 };
    const panda_frontend_host *host = sound->host;
    double most = host->limits->max_seconds * info->samplerate;
    float *block = pnd_host_alloc(host, BLOCK, (size_t)info->channels *
                                                   sizeof(float));
    if (!block)
        return pnd_host_fail_memory(host);
    panda_status status = PANDA_OK;
    uint64_t frames = 0;
    for (int64_t got = 1; got > 0 && (double)frames <= most;) {
        status = pnd_host_check_cancel(host);
        if (status < 0)
            break;
        got = read_frames(sound, block, BLOCK);
        frames += got > 0 ? (uint64_t)got : 0;
    }
    host->free(host, block);
    close_decoder(sound);
    if (status == PANDA_OK)
        status = open_decoder(sound, info);
    sound->frames = frames;
    return status;
}

panda_status pnd_sound_open_file(struct pnd_sound *sound)
{
    SF_INFO info = {0};
    sound->ops = &forward_ops;
    panda_status status = pnd_riff_check_whole(sound->host, &sound->source);
    if (status == PANDA_OK)
        status = open_decoder(sound, &info);
    if (status < 0)
        return status;
    if (info.samplerate < 0 || info.channels < 0 || info.frames < 0)
        return pnd_host_fail(sound->host, PANDA_E_FORMAT,
                             "rate %d, channels %d, length %lld found, "
                             "expected no negative numbers",
                             info.samplerate, info.channels,
                             (long long)info.frames);
    sound->rate = (uint32_t)info.samplerate;
    sound->channels = (uint32_t)info.channels;
    sound->frames = (uint64_t)info.frames;
    if (is_exact(info.format))
        sound->ops = &exact_ops;
    return info.frames == SF_COUNT_MAX ? count_frames(sound, &info) : PANDA_OK;
}

#else

panda_status pnd_sound_open_file(struct pnd_sound *sound)
{
    return pnd_host_fail(sound->host, PANDA_E_UNSUPPORTED,
                         "this build reads no sound files (no libsndfile); "
                         "give the samples as raw input");
}

#endif
