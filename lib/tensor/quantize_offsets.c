/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quantize_lanes.h"

/* The search of quantize_search.c for scale * code - offset. */

struct sums {
    vq w, c, cc, xc; /* of w times: 1, code, code^2, (x - mean) code */
};

INLINE struct sums sum_codes(const struct groups *g, vq mean, vq scale,
                             vq offset, vq top)
{
    struct sums s = {{0}, {0}, {0}, {0}};
    vq inverse = invert(scale), add = offset * inverse;
    for (uint32_t i = 0; i < g->size; i++) {
        vq v = g->x[i] * inverse + add;
        vq code = nearest(least(most(v, set(0)), top));
        vq wc = g->w[i] * code;
        s.w += g->w[i];
        s.c += wc;
        s.cc += wc * code;
        s.xc += wc * (g->x[i] - mean);
    }
    return s;
}

/* Best scale and offset for these codes, and the squared error that they take
 * away from that of the mean. */
INLINE void solve_offset(const struct sums *s, vq mean, bool any_sign,
                         vq *scale, vq *offset, vq *gain)
{
    vq average = s->c * invert(s->w);
    *scale = s->xc * invert(s->cc - s->c * average);
    *offset = *scale * average - mean;
    *gain = *scale * s->xc;
    if (!any_sign) {
        vm negative = *offset < set(0);
        vq alone = (s->xc + mean * s->c) * invert(s->cc);
        vq rest = set(2) * alone * (s->xc + mean * s->c) -
                  alone * alone * s->cc - mean * mean * s->w;
        *scale = choose(negative, alone, *scale);
        *gain = choose(negative, rest, *gain);
        *offset = choose(negative, set(0), *offset);
    }
}

/* The ends of the range are tried as codes from `top - 1` to `top + 1`. */
#define TRIES 10

INLINE void find_offset(const struct groups *g, vq top, bool any_sign,
                        vq *scale, vq *offset)
{
    vq low = g->x[0], high = g->x[0], sum = {0}, sum_w = {0}, best, found_scale,
       found_offset, gain;
    for (uint32_t i = 0; i < g->size; i++) {
        low = least(low, g->x[i]);
        high = most(high, g->x[i]);
        sum += g->w[i] * g->x[i];
        sum_w += g->w[i];
    }
    if (!any_sign)
        low = least(low, set(0));
    vq mean = sum * invert(sum_w), range = high - low;
    best = set(-1e30f);
    *scale = set(0);
    *offset = any_sign ? -mean : -low;
    for (int i = 0; i < TRIES + 3; i++) {
        vq from = range * invert(top - set(1) + set(2.0f / TRIES * (float)i));
        vq minus = -low;
        if (i >= TRIES) { /* go on from the best one */
            from = *scale;
            minus = *offset;
        }
        struct sums s = sum_codes(g, mean, from, minus, top);
        solve_offset(&s, mean, any_sign, &found_scale, &found_offset, &gain);
        vm better = (gain > best) & (found_scale > set(0));
        *scale = choose(better, found_scale, *scale);
        *offset = choose(better, found_offset, *offset);
        best = choose(better, gain, best);
    }
}

static void find_offsets(const struct lanes *l, uint32_t size,
                         uint32_t top, bool any_sign, float *scales,
                         float *offsets)
{
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        const struct groups g = get_groups(l, size, first);
        vq scale, offset;
        if (any_sign)
            find_offset(&g, set((float)top), true, &scale, &offset);
        else
            find_offset(&g, set((float)top), false, &scale, &offset);
        memcpy(scales + first, &scale, sizeof scale);
        memcpy(offsets + first, &offset, sizeof offset);
    }
}

static void take_offset_codes(const struct pnd_piece *piece, uint32_t size,
                              uint32_t top, const float *scales,
                              const float *offsets, uint8_t *codes)
{
    for (uint32_t i = 0; i < PND_SUPER_BLOCK; i += 16) {
        const vq add = set(offsets[i / size]);
        const vq inverse = invert(set(scales[i / size]));
        vq v[16 / LANES];
        memcpy(v, piece->x + i, sizeof v);
        for (int k = 0; k < 16 / LANES; k++) {
            v[k] = (v[k] + add) * inverse;
            v[k] = nearest(least(most(v[k], set(0)), set((float)top)));
        }
        put_codes(v, codes + i);
    }
}

void pnd_search_offsets(const struct pnd_piece *piece, uint32_t size,
                        uint32_t top, struct pnd_offsets *out)
{
    struct lanes l;
    spread(piece, size, &l);
    find_offsets(&l, size, top, true, out->scales, out->offsets);
    for (uint32_t i = 0; i < PND_SUPER_BLOCK / size; i++) {
        out->scales[i] = round_half(out->scales[i]);
        out->offsets[i] = round_half(out->offsets[i]);
    }
    take_offset_codes(piece, size, top, out->scales, out->offsets, out->codes);
}

/* Squared error of scale * code - offset, but for a constant. */
INLINE vq measure_sums(const struct sums *s, vq mean, vq scale, vq offset)
{
    vq shift = offset + mean;
    return scale * (scale * s->cc - set(2) * (shift * s->c + s->xc)) +
           shift * shift * s->w;
}

/* Whole numbers near to scale and offset, in units of d and dmin. */
INLINE void choose_whole_pair(const struct groups *g, vq top, vq end, float d,
                              float dmin, vq *scale, vq *offset)
{
    vq sum = {0}, sum_w = {0}, best = {0}, chosen = {0}, chosen_offset = {0};
    for (uint32_t i = 0; i < g->size; i++) {
        sum += g->w[i] * g->x[i];
        sum_w += g->w[i];
    }
    const vq mean = sum * invert(sum_w), per = invert(set(dmin));
    vq middle = nearest(least(*scale * invert(set(d)), end));
    vq whole_offset = nearest(least(*offset * per, end));
    for (int step = -1; step <= 1; step++) {
        vq whole = least(most(middle + set((float)step), set(0)), end);
        vq s = set(d) * whole;
        struct sums sums = sum_codes(g, mean, s, set(dmin) * whole_offset, top);
        vq fit = (s * sums.c * invert(sums.w) - mean) * per;
        fit = nearest(least(most(fit, set(0)), end));
        vq error = measure_sums(&sums, mean, s, set(dmin) * fit);
        vm better = step < 0 ? (vm){-1, -1, -1, -1} : error < best;
        best = choose(better, error, best);
        chosen = choose(better, whole, chosen);
        chosen_offset = choose(better, fit, chosen_offset);
    }
    *scale = chosen;
    *offset = chosen_offset;
}

static void choose_whole_offsets(const struct lanes *l, uint32_t size,
                                 uint32_t top, uint32_t end, float d,
                                 float dmin, float *scales, float *offsets)
{
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        const struct groups g = get_groups(l, size, first);
        vq scale, offset;
        memcpy(&scale, scales + first, sizeof scale);
        memcpy(&offset, offsets + first, sizeof offset);
        choose_whole_pair(&g, set((float)top), set((float)end), d, dmin,
                          &scale, &offset);
        memcpy(scales + first, &scale, sizeof scale);
        memcpy(offsets + first, &offset, sizeof offset);
    }
}

/* Both units that fit the codes best; unchanged where that is not clear. */
static void solve_units(const struct pnd_piece *p, uint32_t size,
                        const float *scales, const float *offsets,
                        const uint8_t *codes, float *d, float *dmin)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (uint32_t first = 0; first < PND_SUPER_BLOCK; first += size) {
        const float scale = scales[first / size], b = offsets[first / size];
        float saa = 0, sa = 0, sw = 0, sax = 0, sx = 0;
        for (uint32_t i = first; i < first + size; i++) {
            float a = scale * (float)codes[i], wa = p->w[i] * a;
            saa += wa * a;
            sa += wa;
            sw += p->w[i];
            sax += wa * p->x[i];
            sx += p->w[i] * p->x[i];
        }
        aa += (double)saa;
        ab += (double)(sa * b);
        bb += (double)(sw * b * b);
        ax += (double)sax;
        bx += (double)(sx * b);
    }
    double det = aa * bb - ab * ab;
    if (det <= 1e-6 * aa * bb)
        return;
    double new_d = (ax * bb - bx * ab) / det;
    double new_dmin = (ax * ab - bx * aa) / det;
    if (new_d <= 0 || new_dmin < 0)
        return;
    *d = (float)new_d;
    *dmin = (float)new_dmin;
}

void pnd_search_whole_offsets(const struct pnd_piece *piece, uint32_t size,
                              uint32_t top, uint32_t most,
                              struct pnd_whole_offsets *out)
{
    float scales[MOST_GROUPS] = {0}, offsets[MOST_GROUPS] = {0};
    float real_scales[MOST_GROUPS], real_offsets[MOST_GROUPS];
    const uint32_t groups = PND_SUPER_BLOCK / size;
    float d = 0, dmin = 0;
    struct lanes l;
    spread(piece, size, &l);
    find_offsets(&l, size, top, false, real_scales, real_offsets);
    for (uint32_t i = 0; i < groups; i++) {
        d = real_scales[i] > d ? real_scales[i] : d;
        dmin = real_offsets[i] > dmin ? real_offsets[i] : dmin;
    }
    d /= (float)most;
    dmin /= (float)most;
    for (int round = 0;; round++) {
        d = half_of(d, &out->d);
        dmin = half_of(dmin, &out->dmin);
        memcpy(scales, real_scales, sizeof scales);
        memcpy(offsets, real_offsets, sizeof offsets);
        choose_whole_offsets(&l, size, top, most, d, dmin, scales, offsets);
        for (uint32_t i = 0; i < groups; i++) {
            real_scales[i] = d * scales[i];
            real_offsets[i] = dmin * offsets[i];
        }
        take_offset_codes(piece, size, top, real_scales, real_offsets,
                          out->codes);
        if (round == 1)
            break;
        solve_units(piece, size, scales, offsets, out->codes, &d, &dmin);
    }
    for (uint32_t i = 0; i < groups; i++) {
        out->scales[i] = (uint8_t)scales[i];
        out->offsets[i] = (uint8_t)offsets[i];
    }
}
