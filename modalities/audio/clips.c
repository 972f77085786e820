/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/clips.h"

#include <math.h>

/* The reference subtracts the clip's length from the duration in double, and
 * from there on computes with exact fractions until the final floor. What the
 * subtraction rounded away decides that floor (clip 1 of a 7.3 s file starts at
 * sample 42399, not 42400), so everything after it must be exact here too.
 *
 * Both terms are doubles that were computed from numbers of at least 0.025, so
 * they are multiples of 2^-58: a whole part and two halves of 29 bits hold them
 * exactly, and their products with clip numbers and the rate fit 64 bits. */
#define HALF_BITS 29

struct fixed {
    uint64_t whole, high, low; /* whole + (high + low / 2^29) / 2^29 */
};

static struct fixed split(double seconds)
{
    double whole = floor(seconds);
    double fraction = ldexp(seconds - whole, HALF_BITS);
    double high = floor(fraction);
    return (struct fixed){(uint64_t)whole, (uint64_t)high,
                          (uint64_t)ldexp(fraction - high, HALF_BITS)};
}

/* floor((a * times_a + b * times_b) / divisor * PND_AUDIO_RATE) */
static uint64_t find_sample(struct fixed a, uint64_t times_a, struct fixed b,
                            uint64_t times_b, uint64_t divisor)
{
    uint64_t low = (a.low * times_a + b.low * times_b) * PND_AUDIO_RATE;
    uint64_t high = (a.high * times_a + b.high * times_b) * PND_AUDIO_RATE +
                    (low >> HALF_BITS);
    uint64_t whole = (a.whole * times_a + b.whole * times_b) * PND_AUDIO_RATE +
                     (high >> HALF_BITS);
    return whole / divisor;
}

struct pnd_audio_clip pnd_audio_find_clip(uint64_t samples, uint32_t clips,
                                          double seconds, uint32_t index)
{
    double room = (double)samples / PND_AUDIO_RATE - seconds;
    uint64_t gaps = clips > 1 ? clips - 1 : 1;
    struct fixed spread = split(room > 0 ? room : 0);
    struct fixed length = split(seconds);
    struct pnd_audio_clip clip = {
        .first = find_sample(spread, index, length, 0, gaps),
        .end = find_sample(spread, index, length, gaps, gaps),
    };
    if (clip.end > samples)
        clip.end = samples;
    return clip;
}
