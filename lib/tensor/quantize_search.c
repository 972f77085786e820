/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quantize_lanes.h"

/* The search for scales and offsets with the least weighted squared error.
 *
 * Given the codes, the best scale (and offset) is a least-squares solution;
 * given the scale, the best codes are the nearest. So: start from several
 * scales, take the codes and the solution of each, keep the best, and turn the
 * wheel a few more times. Where the scales themselves are stored as whole
 * numbers, their neighbours are tried with the real unit, and the unit is
 * solved for once more. */

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

static void find_scales(const struct lanes *l, uint32_t size,
                        const struct pnd_code_set *s, float *scales)
{
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        const struct groups g = get_groups(l, size, first);
        vq scale = find_scale(&g, s);
        memcpy(scales + first, &scale, sizeof scale);
    }
}

/* codes[i] = nearest to x[i] / scale */
static void take_codes(const struct pnd_piece *piece, uint32_t size,
                       const struct pnd_code_set *s, const float *scales,
                       int8_t *codes)
{
    for (uint32_t i = 0; i < PND_SUPER_BLOCK; i += 16) {
        const vq inverse = invert(set(scales[i / size]));
        vq v[16 / LANES];
        memcpy(v, piece->x + i, sizeof v);
        for (int k = 0; k < 16 / LANES; k++)
            v[k] = nearest_code(v[k] * inverse, s);
        put_codes(v, (uint8_t *)codes + i);
    }
}

void pnd_search_scales(const struct pnd_piece *piece, uint32_t size,
                       const struct pnd_code_set *set, struct pnd_scales *out)
{
    struct lanes l;
    spread(piece, size, &l);
    find_scales(&l, size, set, out->scales);
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
static void choose_whole(const struct lanes *l, uint32_t size,
                         const struct pnd_code_set *s, int32_t end, float d,
                         const float *scales, float *whole)
{
    for (uint32_t first = 0; first < PND_SUPER_BLOCK / size; first += LANES) {
        const struct groups g = get_groups(l, size, first);
        vq middle, best, chosen;
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
    struct lanes l;
    spread(piece, size, &l);
    find_scales(&l, size, set, scales);
    for (uint32_t i = 0; i < groups; i++) {
        if (scales[i] * scales[i] > peak * peak)
            peak = scales[i];
    }
    float d = half_of(peak / (float)least, &out->d);
    for (int round = 0;; round++) {
        choose_whole(&l, size, set, least, d, scales, whole);
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
