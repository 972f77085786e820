/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/fft.h"

#include "pandagpt_config.h"

#if HAVE_KISSFFT

#include <kiss_fftr.h>

struct pnd_fft {
    uint32_t size;
    kiss_fftr_cfg plan;
    kiss_fft_cpx *bins; /* (size / 2 + 1) */
};

/* One block holds the struct, the bins and the plan: KISS FFT builds its plan
 * in memory that it is given. */
panda_status pnd_fft_create(struct pnd_fft **out,
                            const panda_frontend_host *host, uint32_t size)
{
    size_t plan_bytes = 0;
    kiss_fftr_alloc((int)size, 0, NULL, &plan_bytes);
    size_t bins_bytes = ((size_t)size / 2 + 1) * sizeof(kiss_fft_cpx);
    size_t head = (sizeof(struct pnd_fft) + bins_bytes + 63) / 64 * 64;
    struct pnd_fft *fft = host->alloc(host, head + plan_bytes);
    *out = fft;
    if (!fft)
        return pnd_host_fail_memory(host);
    fft->size = size;
    fft->bins = (kiss_fft_cpx *)(fft + 1);
    fft->plan = kiss_fftr_alloc((int)size, 0, (char *)fft + head, &plan_bytes);
    return PANDA_OK;
}

void pnd_fft_get_power(struct pnd_fft *fft, const float *in, float *power)
{
    kiss_fftr(fft->plan, in, fft->bins);
    for (uint32_t i = 0; i <= fft->size / 2; i++)
        power[i] = fft->bins[i].r * fft->bins[i].r +
                   fft->bins[i].i * fft->bins[i].i;
}

#else

#include <math.h>

struct pnd_fft {
    uint32_t size;
    float *re, *im;   /* (size) */
    float *cos, *sin; /* (size / 2): exp(-2 pi i k / size) */
};

panda_status pnd_fft_create(struct pnd_fft **out,
                            const panda_frontend_host *host, uint32_t size)
{
    static const double pi = 3.14159265358979323846;
    struct pnd_fft *fft =
        host->alloc(host, sizeof *fft + (size_t)size * 3 * sizeof(float));
    *out = fft;
    if (!fft)
        return pnd_host_fail_memory(host);
    fft->size = size;
    fft->re = (float *)(fft + 1);
    fft->im = fft->re + size;
    fft->cos = fft->im + size;
    fft->sin = fft->cos + size / 2;
    for (uint32_t k = 0; k < size / 2; k++) {
        fft->cos[k] = (float)cos(2 * pi * k / size);
        fft->sin[k] = (float)-sin(2 * pi * k / size);
    }
    return PANDA_OK;
}

/* Radix 2, decimation in time: samples in bit-reversed order, then butterflies
 * of growing span. */
void pnd_fft_get_power(struct pnd_fft *fft, const float *in, float *power)
{
    uint32_t size = fft->size;
    for (uint32_t i = 0, reversed = 0; i < size; i++) {
        fft->re[reversed] = in[i];
        fft->im[reversed] = 0;
        uint32_t bit = size >> 1;
        for (; reversed & bit; bit >>= 1)
            reversed ^= bit;
        reversed |= bit;
    }
    for (uint32_t span = 1; span < size; span *= 2) {
        for (uint32_t i = 0; i < size; i++) {
            if (i & span)
                continue;
            uint32_t j = i + span;
            uint32_t k = (i & (span - 1)) * (size / 2 / span);
            float re = fft->re[j] * fft->cos[k] - fft->im[j] * fft->sin[k];
            float im = fft->re[j] * fft->sin[k] + fft->im[j] * fft->cos[k];
            fft->re[j] = fft->re[i] - re;
            fft->im[j] = fft->im[i] - im;
            fft->re[i] += re;
            fft->im[i] += im;
        }
    }
    for (uint32_t i = 0; i <= size / 2; i++)
        power[i] = fft->re[i] * fft->re[i] + fft->im[i] * fft->im[i];
}

#endif

void pnd_fft_destroy(struct pnd_fft *fft, const panda_frontend_host *host)
{
    host->free(host, fft);
}
