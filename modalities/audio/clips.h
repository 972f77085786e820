/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_AUDIO_CLIPS_H
#define PND_AUDIO_CLIPS_H

#include <stdint.h>

/** The one sample rate that the audio encoder hears, in samples per second. */
#define PND_AUDIO_RATE 16000

/** The samples [first, end) of a recording. */
struct pnd_audio_clip {
    uint64_t first, end;
};

/** Where clip `index` of `clips`, each of `seconds`, lies in a recording of
 *  `samples` samples at PND_AUDIO_RATE: spread evenly from the first to the
 *  last possible start, cut at the end of the recording.
 *  @param clips 1..1024
 *  @param seconds [0.025, 60] */
struct pnd_audio_clip pnd_audio_find_clip(uint64_t samples, uint32_t clips,
                                          double seconds, uint32_t index);

#endif
