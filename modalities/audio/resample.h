/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_RESAMPLE_H
#define PND_AUDIO_RESAMPLE_H

#include "modalities/shared/fail.h"

/* Change of sample rate by a windowed sinc, computing the same values as
 * torchaudio.functional.resample with its defaults: Hann window, six zero
 * crossings on each side, cut-off at 0.99 of the lower Nyquist frequency.
 *
 * With both rates divided by their greatest common divisor, output n belongs
 * to phase n mod `to`; each phase has its own row of filter taps. Any range of
 * the output can be computed from the range of the input that it needs. */

struct pnd_resampler {
    uint32_t from, to;  /* the rates, coprime */
    uint32_t taps;      /* of each phase */
    int32_t *offsets;   /* (to): first input sample of a phase */
    float *kernel;      /* (to, taps) */
};

/** Prepare to go from `from` to `to` samples per second, both 1..768000.
 *  Release with pnd_resampler_free, also after a failure. */
panda_status pnd_resampler_init(struct pnd_resampler *r,
                                const panda_frontend_host *host,
                                uint32_t from, uint32_t to);

void pnd_resampler_free(struct pnd_resampler *r,
                        const panda_frontend_host *host);

/** Samples that come out of `count` samples. */
uint64_t pnd_resampler_get_length(const struct pnd_resampler *r,
                                  uint64_t count);

/** First input sample that output `n` needs; may lie before the recording. The
 *  last one is `taps - 1` later. */
int64_t pnd_resampler_get_start(const struct pnd_resampler *r, uint64_t n);

/** Compute the outputs [first, first + count).
 *  @param in input samples from pnd_resampler_get_start(first) on, up to the
 *            last that the last output needs; 0 outside the recording */
void pnd_resampler_run(const struct pnd_resampler *r, const float *in,
                       uint64_t first, size_t count, float *out);

#endif
