/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_FBANK_H
#define PND_AUDIO_FBANK_H

#include "modalities/audio/fft.h"

/* Kaldi's log-mel filter bank as torchaudio.compliance.kaldi.fbank computes it
 * for ImageBind: 25 ms frames every 10 ms at 16 kHz that lie whole within the
 * signal, each without its mean, pre-emphasised by 0.97, under a symmetric Hann
 * window, padded to 512 points; triangular filters from 20 Hz to 8 kHz, evenly
 * spaced in mel; natural logarithm. */

#define PND_FBANK_FRAME 400 /* samples of a frame */
#define PND_FBANK_SHIFT 160 /* from frame to frame */
#define PND_FBANK_POINTS 512

struct pnd_fbank {
    uint32_t mels;
    struct pnd_fft *fft;
    float *window;    /* (PND_FBANK_FRAME) */
    float *frame;     /* (PND_FBANK_POINTS) scratch */
    float *power;     /* (PND_FBANK_POINTS / 2 + 1) scratch */
    float *weights;   /* (mels, PND_FBANK_POINTS / 2) */
    uint32_t *bounds; /* (mels, 2): first bin above 0, one after the last */
};

/** @param mels filters, 1..4096. Release with pnd_fbank_free, also after a
 *         failure. One thread at a time. */
panda_status pnd_fbank_init(struct pnd_fbank *f,
                            const panda_frontend_host *host, uint32_t mels);

void pnd_fbank_free(struct pnd_fbank *f, const panda_frontend_host *host);

/** Fill a spectrogram of `frames` columns: as many as the signal has, the rest
 *  0.
 *  @param samples (count)
 *  @param out (mels, frames) */
void pnd_fbank_run(struct pnd_fbank *f, const float *samples, size_t count,
                   float *out, uint32_t frames);

#endif
