/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/video/sample_frames.h"

#include <math.h>

/* The reference computes the room for clips in double, places the clips with
 * exact fractions, rounds each time to double, and multiplies by the rate.
 * A pair of doubles holds the fractions far beyond that one rounding. */
struct pair {
    double high, low; /* value = high + low */
};

/* a * times / parts */
static struct pair get_share(double a, double times, double parts)
{
    double product = a * times;
    double lost = fma(a, times, -product);
    double quotient = product / parts;
    double rest = fma(-quotient, parts, product) + lost;
    return (struct pair){quotient, rest / parts};
}

static double add(struct pair a, double b)
{
    double sum = a.high + b;
    double part = sum - a.high;
    double lost = (a.high - (sum - part)) + (b - part);
    return sum + (lost + a.low);
}

static uint64_t to_frame(const struct pnd_video_sampling *s, double time)
{
    double frame = ceil(s->fps * time);
    return frame < (double)s->frames ? (uint64_t)frame : s->frames;
}

void pnd_video_find_clip(const struct pnd_video_sampling *s, uint32_t clip,
                         uint64_t *first, uint64_t *end)
{
    double room = (double)s->frames / s->fps - s->seconds;
    uint32_t gaps = s->clips > 1 ? s->clips - 1 : 1;
    struct pair start = get_share(room > 0 ? room : 0, clip, gaps);
    *first = to_frame(s, add(start, 0));
    *end = to_frame(s, add(start, s->seconds));
}

/* torch.linspace(0, count - 1, slots) in float, cut to integers: from the front
 * for the first half, from the back for the second. */
static uint64_t get_spread(uint64_t count, uint32_t slot, uint32_t slots)
{
    if (slots == 1)
        return 0;
    float last = (float)(count - 1);
    float step = last / (float)(slots - 1);
    float at = slot < slots / 2 ? step * (float)slot
                                : last - step * (float)(slots - 1 - slot);
    uint64_t index = at > 0 ? (uint64_t)at : 0;
    return index < count ? index : count - 1;
}

bool pnd_video_find_frame(const struct pnd_video_sampling *s, uint32_t clip,
                          uint32_t slot, uint64_t *out)
{
    uint64_t first, end;
    pnd_video_find_clip(s, clip, &first, &end);
    if (first >= end)
        return false;
    *out = first + get_spread(end - first, slot, s->slots);
    return true;
}
