/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_FFT_H
#define PND_AUDIO_FFT_H

#include "modalities/shared/fail.h"

/* Power spectrum of real signals of one length. */
struct pnd_fft;

/** Prepare for signals of `size` samples, a power of two from 4 to 65536.
 *  @param out gives the plan, with its scratch: one thread at a time */
panda_status pnd_fft_create(struct pnd_fft **out,
                            const panda_frontend_host *host, uint32_t size);

/** NULL is allowed. */
void pnd_fft_destroy(struct pnd_fft *fft, const panda_frontend_host *host);

/** @param in (size)
 *  @param power gives |X|^2 of the bins 0..size/2: (size / 2 + 1) */
void pnd_fft_get_power(struct pnd_fft *fft, const float *in, float *power);

#endif
