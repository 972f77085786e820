/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/resize.h"

/* Two neighbours of the source and the second one's weight. */
struct tap {
    uint32_t first, second;
    float weight;
};

/* The scale is a float, as in torch; its compiled kernel carries the position
 * and the weight further than float, so these are computed in double. Either
 * one the other way moves weights by 1e-5. */
static struct tap get_tap(uint64_t at, uint64_t resized, uint32_t length)
{
    double scale = (double)((float)length / (float)resized);
    double source = scale * ((double)at + 0.5) - 0.5;
    if (source < 0)
        source = 0;
    struct tap tap = {.first = length - 1};
    if (source < (double)(length - 1))
        tap.first = (uint32_t)source;
    else
        source = (double)(length - 1); /* the float may round up past it */
    tap.second = tap.first + (tap.first < length - 1);
    tap.weight = (float)(source - (double)tap.first);
    return tap;
}

struct bilinear {
    uint32_t size;
    uint32_t first, count;  /* columns of the source in use */
    struct tap *taps;       /* [size] for the columns, relative to `first` */
    float *rows[2];         /* [size]: two source rows, resized in width */
    uint32_t held[2];       /* their numbers; UINT32_MAX: none */
    float *source;          /* [count] */
    pnd_row_fn get_row;
    const void *context;
};

/* The source row `y`, resized in width; one of the two rows held. */
static const float *hold_row(struct bilinear *b, uint32_t y, uint32_t other)
{
    for (int i = 0; i < 2; i++)
        if (b->held[i] == y)
            return b->rows[i];
    int slot = b->held[0] == other ? 1 : 0;
    b->get_row(b->context, y, b->first, b->count, b->source);
    for (uint32_t x = 0; x < b->size; x++) {
        struct tap t = b->taps[x];
        b->rows[slot][x] = (1.0f - t.weight) * b->source[t.first] +
                           t.weight * b->source[t.second];
    }
    b->held[slot] = y;
    return b->rows[slot];
}

static panda_status fill_rows(struct bilinear *b,
                              const panda_frontend_host *host, float *out,
                              uint32_t height, const struct pnd_window *window)
{
    for (uint32_t y = 0; y < b->size; y++) {
        panda_status status = pnd_host_check_cancel(host);
        if (status < 0)
            return status;
        struct tap t = get_tap(window->top + y, window->height, height);
        const float *upper = hold_row(b, t.first, t.second);
        const float *lower = hold_row(b, t.second, t.first);
        float *row = out + (size_t)y * b->size;
        for (uint32_t x = 0; x < b->size; x++)
            row[x] = (1.0f - t.weight) * upper[x] + t.weight * lower[x];
    }
    return PANDA_OK;
}

panda_status pnd_resize_bilinear(const panda_frontend_host *host, float *out,
                                 uint32_t width, uint32_t height,
                                 const struct pnd_window *window,
                                 pnd_row_fn get_row, const void *context)
{
    uint32_t size = window->size;
    struct bilinear b = {.size = size, .held = {UINT32_MAX, UINT32_MAX},
                         .get_row = get_row, .context = context};
    panda_status status = PANDA_OK;
    b.taps = pnd_host_alloc(host, size, sizeof *b.taps);
    b.rows[0] = pnd_host_alloc(host, size, 2 * sizeof(float));
    if (!b.taps || !b.rows[0]) {
        status = pnd_host_fail_memory(host);
        goto out;
    }
    b.rows[1] = b.rows[0] + size;
    for (uint32_t x = 0; x < size; x++)
        b.taps[x] = get_tap(window->left + x, window->width, width);
    b.first = b.taps[0].first;
    b.count = b.taps[size - 1].second - b.first + 1;
    for (uint32_t x = 0; x < size; x++) {
        b.taps[x].first -= b.first;
        b.taps[x].second -= b.first;
    }
    b.source = pnd_host_alloc(host, b.count, sizeof(float));
    status = b.source ? fill_rows(&b, host, out, height, window)
                      : pnd_host_fail_memory(host);
out:
    host->free(host, b.source);
    host->free(host, b.rows[0]);
    host->free(host, b.taps);
    return status;
}
