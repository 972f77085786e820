/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/fbank.h"

#include <math.h>
#include <string.h>

#include "modalities/audio/clips.h"

#define LOW_HZ 20.0
#define HIGH_HZ (PND_AUDIO_RATE / 2.0)
#define BINS (PND_FBANK_POINTS / 2) /* the filters leave out Nyquist's bin */
#define PREEMPHASIS 0.97f
#define SMALLEST 1.1920929e-07f /* float epsilon, below which nothing counts */

static const double pi = 3.14159265358979323846;

static double get_mel(double hertz)
{
    return 1127.0 * log(1.0 + hertz / 700.0);
}

static float limit_weight(float up, float down)
{
    float weight = up < down ? up : down;
    return weight > 0 ? weight : 0;
}

/* In float like the reference: at the feet of the triangles its rounding
 * decides which bins count. */
static void fill_filter(struct pnd_fbank *f, uint32_t mel, const float *bin_mel)
{
    double low = get_mel(LOW_HZ);
    double step = (get_mel(HIGH_HZ) - low) / (f->mels + 1.0);
    float left = (float)(low + mel * step);
    float centre = (float)(low + (mel + 1.0) * step);
    float right = (float)(low + (mel + 2.0) * step);
    float *weights = f->weights + (size_t)mel * BINS;
    uint32_t *bounds = f->bounds + (size_t)mel * 2;
    bounds[0] = bounds[1] = 0;
    for (uint32_t i = 0; i < BINS; i++) {
        weights[i] = limit_weight((bin_mel[i] - left) / (centre - left),
                                  (right - bin_mel[i]) / (right - centre));
        if (weights[i] > 0) {
            if (bounds[1] == 0)
                bounds[0] = i;
            bounds[1] = i + 1;
        }
    }
}

panda_status pnd_fbank_init(struct pnd_fbank *f,
                            const panda_frontend_host *host, uint32_t mels)
{
    *f = (struct pnd_fbank){.mels = mels};
    panda_status status = pnd_fft_create(&f->fft, host, PND_FBANK_POINTS);
    if (status < 0)
        return status;
    f->window = pnd_host_alloc(host, PND_FBANK_FRAME, sizeof(float));
    f->frame = pnd_host_alloc(host, PND_FBANK_POINTS, sizeof(float));
    f->power = pnd_host_alloc(host, BINS + 1, sizeof(float));
    f->weights = pnd_host_alloc(host, (size_t)mels * BINS, sizeof(float));
    f->bounds = pnd_host_alloc(host, (size_t)mels * 2, sizeof(uint32_t));
    if (!f->window || !f->frame || !f->power || !f->weights || !f->bounds)
        return pnd_host_fail_memory(host);
    for (uint32_t i = 0; i < PND_FBANK_FRAME; i++)
        f->window[i] =
            (float)(0.5 - 0.5 * cos(2 * pi * i / (PND_FBANK_FRAME - 1)));
    for (uint32_t i = 0; i < BINS; i++)
        f->power[i] = (float)get_mel((double)i * PND_AUDIO_RATE /
                                     PND_FBANK_POINTS);
    for (uint32_t mel = 0; mel < mels; mel++)
        fill_filter(f, mel, f->power);
    return PANDA_OK;
}

void pnd_fbank_free(struct pnd_fbank *f, const panda_frontend_host *host)
{
    pnd_fft_destroy(f->fft, host);
    host->free(host, f->window);
    host->free(host, f->frame);
    host->free(host, f->power);
    host->free(host, f->weights);
    host->free(host, f->bounds);
    *f = (struct pnd_fbank){0};
}

static void prepare_frame(const struct pnd_fbank *f, const float *samples)
{
    double sum = 0;
    for (uint32_t i = 0; i < PND_FBANK_FRAME; i++)
        sum += samples[i];
    float mean = (float)(sum / PND_FBANK_FRAME);
    float before = samples[0] - mean; /* the first sample precedes itself */
    for (uint32_t i = 0; i < PND_FBANK_FRAME; i++) {
        float sample = samples[i] - mean;
        f->frame[i] = (sample - PREEMPHASIS * before) * f->window[i];
        before = sample;
    }
    memset(f->frame + PND_FBANK_FRAME, 0,
           (PND_FBANK_POINTS - PND_FBANK_FRAME) * sizeof(float));
}

void pnd_fbank_run(struct pnd_fbank *f, const float *samples, size_t count,
                   float *out, uint32_t frames)
{
    size_t whole = count < PND_FBANK_FRAME
                       ? 0
                       : 1 + (count - PND_FBANK_FRAME) / PND_FBANK_SHIFT;
    for (uint32_t t = 0; t < frames; t++) {
        if (t >= whole) {
            for (uint32_t mel = 0; mel < f->mels; mel++)
                out[(size_t)mel * frames + t] = 0;
            continue;
        }
        prepare_frame(f, samples + (size_t)t * PND_FBANK_SHIFT);
        pnd_fft_get_power(f->fft, f->frame, f->power);
        for (uint32_t mel = 0; mel < f->mels; mel++) {
            const float *weights = f->weights + (size_t)mel * BINS;
            const uint32_t *bounds = f->bounds + (size_t)mel * 2;
            float sum = 0;
            for (uint32_t i = bounds[0]; i < bounds[1]; i++)
                sum += weights[i] * f->power[i];
            out[(size_t)mel * frames + t] =
                logf(sum > SMALLEST ? sum : SMALLEST);
        }
    }
}
