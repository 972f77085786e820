/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/resample.h"

#include <math.h>

#define ZERO_CROSSINGS 6
#define ROLLOFF 0.99
#define PHASES_BETWEEN_CANCEL 256

static const float pi = 3.14159265358979323846f;

static uint32_t get_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The filter at `t` zero crossings from its centre, before scaling. */
static float get_weight(float t)
{
    if (t == 0)
        return 1;
    if (fabsf(t) >= ZERO_CROSSINGS)
        return 0;
    float window = cosf(t * pi / ZERO_CROSSINGS / 2);
    return sinf(t * pi) / (t * pi) * (window * window);
}

/* The reference stores `from + 2 * width` taps a phase. All but those within
 * the window are 0, so only these are kept: 16000 phases of an odd rate such as
 * 44101 would take gigabytes otherwise.
 *
 * Its taps are computed in float, with distances rounded at each step. That
 * moves samples by up to 2e-6 from the exact filter's, so it is done here in
 * the same steps. */
static void fill_phase(const struct pnd_resampler *r, uint32_t phase,
                       double cutoff)
{
    double centre = (double)phase * r->from / r->to;
    int32_t start = (int32_t)ceil(centre - ZERO_CROSSINGS * r->from / cutoff);
    float shift = -(float)phase / (float)r->to;
    float scale = (float)(cutoff / r->from);
    r->offsets[phase] = start;
    for (uint32_t k = 0; k < r->taps; k++) {
        float distance = shift + (float)(start + (int32_t)k) / (float)r->from;
        r->kernel[(size_t)phase * r->taps + k] =
            get_weight(distance * (float)cutoff) * scale;
    }
}

panda_status pnd_resampler_init(struct pnd_resampler *r,
                                const panda_frontend_host *host,
                                uint32_t from, uint32_t to)
{
    uint32_t divisor = get_divisor(from, to);
    *r = (struct pnd_resampler){.from = from / divisor, .to = to / divisor};
    double cutoff = (r->from < r->to ? r->from : r->to) * ROLLOFF;
    r->taps = (uint32_t)(2 * ZERO_CROSSINGS * r->from / cutoff) + 1;
    r->offsets = pnd_host_alloc(host, r->to, sizeof *r->offsets);
    r->kernel = pnd_host_alloc(host, (size_t)r->to * r->taps,
                               sizeof *r->kernel);
    if (!r->offsets || !r->kernel)
        return pnd_host_fail_memory(host);
    for (uint32_t phase = 0; phase < r->to; phase++) {
        if (phase % PHASES_BETWEEN_CANCEL == 0) {
            panda_status status = pnd_host_check_cancel(host);
            if (status < 0)
                return status;
        }
        fill_phase(r, phase, cutoff);
    }
    return PANDA_OK;
}

void pnd_resampler_free(struct pnd_resampler *r,
                        const panda_frontend_host *host)
{
    host->free(host, r->offsets);
    host->free(host, r->kernel);
    *r = (struct pnd_resampler){0};
}

uint64_t pnd_resampler_get_length(const struct pnd_resampler *r,
                                  uint64_t count)
{
    uint64_t rest = count % r->from;
    return count / r->from * r->to + (rest * r->to + r->from - 1) / r->from;
}

int64_t pnd_resampler_get_start(const struct pnd_resampler *r, uint64_t n)
{
    return (int64_t)(n / r->to * r->from) + r->offsets[n % r->to];
}

void pnd_resampler_run(const struct pnd_resampler *r, const float *in,
                       uint64_t first, size_t count, float *out)
{
    int64_t origin = pnd_resampler_get_start(r, first);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = first + i;
        const float *x = in + (pnd_resampler_get_start(r, n) - origin);
        const float *k = r->kernel + n % r->to * r->taps;
        double sum = 0;
        for (uint32_t j = 0; j < r->taps; j++)
            sum += (double)x[j] * k[j];
        out[i] = (float)sum;
    }
}
