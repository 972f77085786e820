/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tensor/quantize_parts.h"

/* The search for scales and offsets with the least weighted squared error.
 *
 * Given the codes, the best scale (and offset) is a least-squares solution;
 * given the scale, the best codes are the nearest. So: start from several
 * scales, take the codes and the solution of each, keep the best, and turn the
 * wheel a few more times. Where the scales themselves are stored as whole
 * numbers, their neighbours are tried with the real unit, and the unit is
 * solved for once more.
 *
 * Four groups are worked on side by side, one in each lane, so that no sum
 * crosses lanes and every compiler can use the smallest vector registers. */

#define LANES 4
#define MOST_GROUPS (PND_SUPER_BLOCK / 16)
#define INLINE static inline __attribute__((always_inline))

typedef float vq __attribute__((vector_size(16)));
typedef int32_t vm __attribute__((vector_size(16)));

struct groups {
    uint32_t size; /* elements of each */
    vq x[32], w[32];
};

INLINE vq set(float v)
{
    return (vq){v, v, v, v};
}

INLINE vq choose(vm mask, vq yes, vq no)
{
    return (vq)((mask & (vm)yes) | (~mask & (vm)no));
}

INLINE vq magnitude(vq v)
{
    return (vq)((vm)v & 0x7fffffff);
}

INLINE vq least(vq a, vq b)
{
    return choose(a < b, a, b);
}

INLINE vq most(vq a, vq b)
{
    return choose(a > b, a, b);
}

/* To the nearest whole number, |v| < 2^22: the adder rounds. */
INLINE vq nearest(vq v)
{
    return v + set(0x1.8p23f) - set(0x1.8p23f);
}

/* 1 / v; 0 for what is too small for any scale to matter. */
INLINE vq invert(vq v)
{
    return (vq)((vm)(set(1) / v) & (magnitude(v) > set(1e-30f)));
}

static const float table[16] = PND_IQ4_VALUES;

INLINE vq nearest_in_table(vq v)
{
    vq sum = set(table[0]);
    for (int i = 0; i < 15; i++) {
        vm above = v > set((table[i] + table[i + 1]) / 2);
        sum += (vq)((vm)set(table[i + 1] - table[i]) & above);
    }
    return sum;
}

INLINE vq nearest_code(vq v, const struct pnd_code_set *s)
{
    if (s->table)
        return nearest_in_table(v);
    return nearest(least(most(v, set(s->low)), set(s->high)));
}

/* Groups [first, first + LANES) of the piece. */
static void gather(const struct pnd_piece *p, uint32_t size, uint32_t first,
                   struct groups *g)
{
    g->size = size;
    for (uint32_t i = 0; i < size; i++) {
        for (uint32_t lane = 0; lane < LANES; lane++) {
            g->x[i][lane] = p->x[(first + lane) * size + i];
            g->w[i][lane] = p->w[(first + lane) * size + i];
        }
    }
}

static float half_of(float v, uint16_t *bits)
{
    *bits = pnd_f32_to_f16(v);
    return pnd_f16_to_f32(*bits);
}

static float round_half(float v)
{
    return pnd_f16_to_f32(pnd_f32_to_f16(v));
}

/* ------------------------------------------------------- scale * code ---- */

/* The solution for the codes that `inverse` gives, and how much squared error
 * it takes away, in *gain. */
INLINE vq solve_scale(const struct groups *g, const struct pnd_code_set *s,
                      vq inverse, vq *gain)
{
    vq xc = {0}, cc = {0};
    for (uint32_t i = 0; i < g->size; i++) {
        vq code = nearest_code(g->x[i] * inverse, s);
        vq wc = g->w[i] * code;
        xc += wc * g->x[i];
        cc += wc * code;
    }
    vq scale = xc * invert(cc);
    *gain = scale * xc;
    return scale;
}

INLINE vq find_scale(const struct groups *g, const struct pnd_code_set *s)
{
    vq peak = {0}, best = {0}, scale = {0}, gain;
    for (uint32_t i = 0; i < g->size; i++)
        peak = choose(magnitude(g->x[i]) > magnitude(peak), g->x[i], peak);
    vq inverse = invert(peak);
    for (uint32_t i = 0; i < s->steps; i++) {
        float end = s->first + s->step * (float)i;
        vq found = solve_scale(g, s, set(end) * inverse, &gain);
        scale = choose(gain > best, found, scale);
        best = most(gain, best);
    }
    for (int round = 0; round < 2; round++) {
        vq found = solve_scale(g, s, invert(scale), &gain);
        scale = choose(gain > best, found, scale);
        best = most(gain, best);
    }
    return scale;
}

static void find_scales(const struct pnd_piece *piece, uint32_t size,
                        const struct pnd_code_set *s, float *scales)
{
    struct groups g;
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        gather(piece, size, first, &g);
        vq scale = find_scale(&g, s);
        memcpy(scales + first, &scale, sizeof scale);
    }
}

/* codes[i] = nearest to x[i] / scale */
static void take_codes(const struct pnd_piece *piece, uint32_t size,
                       const struct pnd_code_set *s, const float *scales,
                       int8_t *codes)
{
    for (uint32_t i = 0; i < PND_SUPER_BLOCK; i += LANES) {
        vq x;
        memcpy(&x, piece->x + i, sizeof x);
        vq code = nearest_code(x * invert(set(scales[i / size])), s);
        for (uint32_t lane = 0; lane < LANES; lane++)
            codes[i + lane] = (int8_t)code[lane];
    }
}

void pnd_search_scales(const struct pnd_piece *piece, uint32_t size,
                       const struct pnd_code_set *set, struct pnd_scales *out)
{
    find_scales(piece, size, set, out->scales);
    for (uint32_t i = 0; i < PND_SUPER_BLOCK / size; i++)
        out->scales[i] = round_half(out->scales[i]);
    take_codes(piece, size, set, out->scales, out->codes);
}

/* Weighted squared error with the scales given. */
INLINE vq measure_scale(const struct groups *g, const struct pnd_code_set *s,
                        vq scale)
{
    vq inverse = invert(scale), sum = {0};
    for (uint32_t i = 0; i < g->size; i++) {
        vq e = g->x[i] - scale * nearest_code(g->x[i] * inverse, s);
        sum += g->w[i] * e * e;
    }
    return sum;
}

/* The whole number for each group's scale in units of d: the nearest, or one of
 * its neighbours. */
static void choose_whole(const struct pnd_piece *piece, uint32_t size,
                         const struct pnd_code_set *s, int32_t end, float d,
                         const float *scales, float *whole)
{
    struct groups g;
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        vq middle, best, chosen;
        gather(piece, size, first, &g);
        memcpy(&middle, scales + first, sizeof middle);
        middle = nearest(middle * invert(set(d)));
        middle = least(most(middle, set((float)end)), set((float)(-end - 1)));
        chosen = middle;
        best = measure_scale(&g, s, set(d) * middle);
        for (int step = -1; step <= 1; step += 2) {
            vq next = middle + set((float)step);
            next = least(most(next, set((float)end)), set((float)(-end - 1)));
            vq error = measure_scale(&g, s, set(d) * next);
            chosen = choose(error < best, next, chosen);
            best = least(error, best);
        }
        memcpy(whole + first, &chosen, sizeof chosen);
    }
}

/* The unit that fits the codes best. */
static float solve_unit(const struct pnd_piece *piece, uint32_t size,
                        const float *whole, const int8_t *codes, float d)
{
    vq xv = {0}, vv = {0};
    for (uint32_t i = 0; i < PND_SUPER_BLOCK; i += LANES) {
        vq x, w, v = {codes[i], codes[i + 1], codes[i + 2], codes[i + 3]};
        memcpy(&x, piece->x + i, sizeof x);
        memcpy(&w, piece->w + i, sizeof w);
        v *= set(whole[i / size]);
        xv += w * v * x;
        vv += w * v * v;
    }
    float below = vv[0] + vv[1] + vv[2] + vv[3];
    return below > 1e-30f ? (xv[0] + xv[1] + xv[2] + xv[3]) / below : d;
}

void pnd_search_whole_scales(const struct pnd_piece *piece, uint32_t size,
                             const struct pnd_code_set *set, int32_t least,
                             struct pnd_whole_scales *out)
{
    float scales[MOST_GROUPS] = {0}, whole[MOST_GROUPS], peak = 0;
    const uint32_t groups = PND_SUPER_BLOCK / size;
    find_scales(piece, size, set, scales);
    for (uint32_t i = 0; i < groups; i++) {
        if (scales[i] * scales[i] > peak * peak)
            peak = scales[i];
    }
    float d = half_of(peak / (float)least, &out->d);
    for (int round = 0;; round++) {
        choose_whole(piece, size, set, least, d, scales, whole);
        for (uint32_t i = 0; i < groups; i++)
            scales[i] = d * whole[i];
        take_codes(piece, size, set, scales, out->codes);
        if (round == 1)
            break;
        d = half_of(solve_unit(piece, size, whole, out->codes, d), &out->d);
        for (uint32_t i = 0; i < groups; i++)
            scales[i] = d * whole[i];
    }
    for (uint32_t i = 0; i < groups; i++)
        out->scales[i] = (int8_t)whole[i];
}

/* ---------------------------------------------- scale * code - offset ---- */

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

static void find_offsets(const struct pnd_piece *piece, uint32_t size,
                         uint32_t top, bool any_sign, float *scales,
                         float *offsets)
{
    struct groups g;
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        vq scale, offset;
        gather(piece, size, first, &g);
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
    for (uint32_t i = 0; i < PND_SUPER_BLOCK; i += LANES) {
        vq v;
        memcpy(&v, piece->x + i, sizeof v);
        v = (v + set(offsets[i / size])) * invert(set(scales[i / size]));
        v = nearest(least(most(v, set(0)), set((float)top)));
        for (uint32_t lane = 0; lane < LANES; lane++)
            codes[i + lane] = (uint8_t)v[lane];
    }
}

void pnd_search_offsets(const struct pnd_piece *piece, uint32_t size,
                        uint32_t top, struct pnd_offsets *out)
{
    find_offsets(piece, size, top, true, out->scales, out->offsets);
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

static void choose_whole_offsets(const struct pnd_piece *piece, uint32_t size,
                                 uint32_t top, uint32_t end, float d,
                                 float dmin, float *scales, float *offsets)
{
    struct groups g;
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        vq scale, offset;
        gather(piece, size, first, &g);
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
    find_offsets(piece, size, top, false, real_scales, real_offsets);
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
        choose_whole_offsets(piece, size, top, most, d, dmin, scales, offsets);
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
