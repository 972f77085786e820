/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "modalities/shared/resize.h"

/* Weights are integers of this many fractional bits; 8 bits of value and 2
 * for overshoot remain of 32. */
#define FRACTION 22
#define HALF (1 << (FRACTION - 1))
#define SUPPORT 2.0 /* of the cubic, in source pixels at scale 1 */
#define BAND 16     /* rows of one piece of parallel work */
#define CHUNK 128   /* values summed at once in the second pass */

/* One side: where each output's weights begin in the source, and what they
 * are. */
struct weights {
    uint32_t taps;    /* room for each output */
    uint32_t *first;  /* [size] */
    uint32_t *count;  /* [size], at most taps */
    int32_t *values;  /* [size, taps] */
};

/* Keys' cubic with a = -0.5. */
static double get_cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static int32_t to_fixed(double weight)
{
    double scaled = weight * (1 << FRACTION);
    return (int32_t)(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Where the weights of output `at` begin and how many there are; `raw` gets
 * them, not yet summing to 1. Returns their sum. */
static double fill_raw(double *raw, uint32_t *first, uint32_t *count,
                       uint64_t at, double scale, uint32_t length)
{
    double stretch = scale < 1.0 ? 1.0 : scale;
    double center = ((double)at + 0.5) * scale;
    double inverse = 1.0 / stretch;
    double low = center - SUPPORT * stretch + 0.5;
    double high = center + SUPPORT * stretch + 0.5;
    uint32_t begin = low > 0 ? (uint32_t)low : 0;
    uint32_t end = high < (double)length ? (uint32_t)high : length;
    double sum = 0;
    for (uint32_t i = 0; i < end - begin; i++) {
        raw[i] = get_cubic(((double)(i + begin) - center + 0.5) * inverse);
        sum += raw[i];
    }
    *first = begin;
    *count = end - begin;
    return sum;
}

static void free_weights(const panda_frontend_host *host, struct weights *w)
{
    host->free(host, w->first);
    host->free(host, w->values);
    *w = (struct weights){0};
}

/* Weights of outputs [offset, offset + size) when `length` source pixels
 * become `resized`. */
static panda_status make_weights(struct weights *w,
                                 const panda_frontend_host *host,
                                 uint32_t length, uint64_t resized,
                                 uint64_t offset, uint32_t size)
{
    double scale = (double)length / (double)resized;
    double reach = ceil(SUPPORT * (scale < 1.0 ? 1.0 : scale));
    w->taps = (uint32_t)reach * 2 + 1;
    w->first = pnd_host_alloc(host, size, 2 * sizeof *w->first);
    w->values = pnd_host_alloc(host, (size_t)w->taps * sizeof *w->values, size);
    double *raw = pnd_host_alloc(host, w->taps, sizeof *raw);
    if (!w->first || !w->values || !raw) {
        host->free(host, raw);
        free_weights(host, w);
        return pnd_host_fail_memory(host);
    }
    w->count = w->first + size;
    for (uint32_t x = 0; x < size; x++) {
        double sum = fill_raw(raw, &w->first[x], &w->count[x], offset + x,
                              scale, length);
        int32_t *values = w->values + (size_t)x * w->taps;
        for (uint32_t i = 0; i < w->count[x]; i++)
            values[i] = to_fixed(sum != 0.0 ? raw[i] / sum : raw[i]);
    }
    host->free(host, raw);
    return PANDA_OK;
}

struct resize {
    const panda_frontend_host *host;
    const struct pnd_picture *picture;
    uint32_t size;
    struct weights columns, rows;
    uint32_t top, height; /* source rows that the window needs */
    uint8_t *middle;      /* [height, size, channels]: first pass */
    uint8_t *out;         /* [size, size, channels] */
};

static inline uint8_t to_byte(int32_t sum)
{
    /* An arithmetic shift: rounds down, below zero too. */
    int32_t value = sum >> FRACTION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resize_row_gray(const struct resize *r, const uint8_t *in,
                            uint8_t *out)
{
    uint32_t step = r->picture->step;
    for (uint32_t x = 0; x < r->size; x++) {
        const int32_t *k = r->columns.values + (size_t)x * r->columns.taps;
        const uint8_t *p = in + (size_t)r->columns.first[x] * step;
        int32_t sum = HALF;
        for (uint32_t i = 0; i < r->columns.count[x]; i++, p += step)
            sum += p[0] * k[i];
        out[x] = to_byte(sum);
    }
}

static void resize_row_rgb(const struct resize *r, const uint8_t *in,
                           uint8_t *out)
{
    uint32_t step = r->picture->step;
    for (uint32_t x = 0; x < r->size; x++, out += 3) {
        const int32_t *k = r->columns.values + (size_t)x * r->columns.taps;
        const uint8_t *p = in + (size_t)r->columns.first[x] * step;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (uint32_t i = 0; i < r->columns.count[x]; i++, p += step) {
            red += p[0] * k[i];
            green += p[1] * k[i];
            blue += p[2] * k[i];
        }
        out[0] = to_byte(red);
        out[1] = to_byte(green);
        out[2] = to_byte(blue);
    }
}

/* First pass: a band of source rows, resized in width. */
static void resize_band(void *context, uint32_t index, uint32_t worker)
{
    const struct resize *r = context;
    (void)worker;
    if (r->host->is_cancelled(r->host))
        return;
    uint32_t begin = index * BAND;
    uint32_t end = r->height - begin < BAND ? r->height : begin + BAND;
    uint32_t channels = r->picture->channels;
    for (uint32_t y = begin; y < end; y++) {
        const uint8_t *in =
            r->picture->pixels + (size_t)(r->top + y) * r->picture->stride;
        uint8_t *out = r->middle + (size_t)y * r->size * channels;
        if (channels == 1)
            resize_row_gray(r, in, out);
        else
            resize_row_rgb(r, in, out);
    }
}

/* Second pass: one output row. */
static void combine_rows(void *context, uint32_t y, uint32_t worker)
{
    const struct resize *r = context;
    (void)worker;
    if (r->host->is_cancelled(r->host))
        return;
    size_t length = (size_t)r->size * r->picture->channels;
    const int32_t *k = r->rows.values + (size_t)y * r->rows.taps;
    const uint8_t *in = r->middle + (r->rows.first[y] - r->top) * length;
    uint8_t *out = r->out + y * length;
    for (size_t at = 0; at < length; at += CHUNK) {
        size_t count = length - at < CHUNK ? length - at : CHUNK;
        int32_t sums[CHUNK];
        for (size_t x = 0; x < count; x++)
            sums[x] = HALF;
        for (uint32_t i = 0; i < r->rows.count[y]; i++)
            for (size_t x = 0; x < count; x++)
                sums[x] += in[i * length + at + x] * k[i];
        for (size_t x = 0; x < count; x++)
            out[at + x] = to_byte(sums[x]);
    }
}

panda_status pnd_resize_bicubic(const panda_frontend_host *host, uint8_t *out,
                                const struct pnd_picture *picture,
                                const struct pnd_window *window)
{
    uint32_t size = window->size;
    struct resize r = {.host = host, .picture = picture, .size = size,
                       .out = out};
    panda_status status;
    PND_HOST_TRY(make_weights(&r.columns, host, picture->width, window->width,
                              window->left, size));
    PND_HOST_TRY(make_weights(&r.rows, host, picture->height, window->height,
                              window->top, size));
    r.top = r.rows.first[0];
    r.height = r.rows.first[size - 1] + r.rows.count[size - 1] - r.top;
    r.middle = pnd_host_alloc(host, (size_t)size * picture->channels,
                              r.height);
    if (!r.middle) {
        status = pnd_host_fail_memory(host);
        goto out;
    }
    host->parallel(host, resize_band, &r, (r.height + BAND - 1) / BAND);
    host->parallel(host, combine_rows, &r, size);
    status = pnd_host_check_cancel(host);
out:
    host->free(host, r.middle);
    free_weights(host, &r.columns);
    free_weights(host, &r.rows);
    return status;
}
