/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_ARM_Q8_DOT_H
#define PND_KERNELS_ARM_Q8_DOT_H

#include "kernels/arm/panel.h"
#include "kernels/template/unpack_tmpl.h"

/* Products of block formats with few rows of activations of 8 bits, for the
 * dots_*.h included before: each row of weights is read once, and a block of it
 * used for up to 4 rows when it is unpacked. */

/* The products of group `at` (of 16 elements), or of two with one scale. */
ALWAYS_INLINE vf q8_dot_group(struct cut cut, const int8_t *codes,
                              const struct pnd_q8_block *x, size_t at)
{
    int32x4_t dots = vdupq_n_s32(0);
    UNROLL
    for (size_t i = 0; i < cut.group; i += 16)
        dots = dot_16(dots, vld1q_s8(codes + i),
                      vld1q_s8(x->codes + 16 * at + i));
    return vcvtq_f32_s32(dots);
}

/* A block of 32: its groups are one. */
ALWAYS_INLINE vf q8_add_block(struct cut cut, const struct unpacked *u,
                              const struct pnd_q8_block *x, size_t at, vf sum)
{
    if (cut.has_offset) {
        const float both = x->sums[at] + x->sums[at + 1];
        sum = vfmaq_f32(sum, vsetq_lane_f32(both, vf_set(0), 0),
                        vf_set(u->offsets[0]));
    }
    return vfmaq_n_f32(sum, q8_dot_group(cut, u->codes, x, at),
                       x->scales[at] * u->scales[0]);
}

/* Four values of x that belong to groups 4 i to 4 i + 3 of the weights. */
ALWAYS_INLINE vf q8_load_groups(struct cut cut, const float *x, size_t i,
                                bool add)
{
    if (cut.group == 16)
        return vld1q_f32(x + 4 * i);
    const vf low = vld1q_f32(x + 8 * i), high = vld1q_f32(x + 8 * i + 4);
    return add ? vpaddq_f32(low, high) : vuzp1q_f32(low, high);
}

/* A block of 256. */
ALWAYS_INLINE vf q8_add_super_block(struct cut cut, const struct unpacked *u,
                                    const struct pnd_q8_block *x, vf sum)
{
    for (size_t i = 0; i < 64 / cut.group; i++) {
        const size_t wide = cut.group / 16;
        const int8_t *codes = u->codes + 4 * i * cut.group;
        const vf scales = vld1q_f32(u->scales + 4 * i) *
                          q8_load_groups(cut, x->scales, i, false);
        if (cut.has_offset)
            sum = vf_fma(vld1q_f32(u->offsets + 4 * i),
                         q8_load_groups(cut, x->sums, i, true), sum);
        UNROLL
        for (size_t g = 0; g < 4; g++)
            sum = vfmaq_n_f32(sum,
                              q8_dot_group(cut, codes + g * cut.group, x,
                                           (4 * i + g) * wide),
                              scales[g]);
    }
    return sum;
}

/* y[r] = row r of x times a row of weights; m is a constant. */
ALWAYS_INLINE void q8_dot(struct cut cut, size_t m, size_t k, const uint8_t *w,
                          const struct pnd_q8_block *x, size_t stride,
                          float *y, size_t ldy)
{
    vf sums[4] = {{0}};
    struct unpacked u;
    for (size_t i = 0; i < k; i += cut.block, w += cut.bytes) {
        cut.unpack(w, &u);
        UNROLL
        for (size_t r = 0; r < m; r++) {
            const struct pnd_q8_block *unit = x + r * stride + i / 256;
            sums[r] = cut.block == 32
                          ? q8_add_block(cut, &u, unit, i % 256 / 16, sums[r])
                          : q8_add_super_block(cut, &u, unit, sums[r]);
        }
    }
    UNROLL
    for (size_t r = 0; r < m; r++)
        y[r * ldy] = vf_sum(sums[r]);
}

ALWAYS_INLINE void q8_dots(struct cut cut, size_t m, size_t n, size_t k,
                           const struct pnd_q8_block *a, const uint8_t *w,
                           size_t row_bytes, float *y, size_t ldy)
{
    const size_t stride = pnd_q8_count_blocks(k);
    size_t r = 0;
    for (; m - r >= 4; r += 4) {
        for (size_t j = 0; j < n; j++)
            q8_dot(cut, 4, k, w + j * row_bytes, a + r * stride, stride,
                   y + r * ldy + j, ldy);
    }
    for (; r < m; r++) {
        for (size_t j = 0; j < n; j++)
            q8_dot(cut, 1, k, w + j * row_bytes, a + r * stride, stride,
                   y + r * ldy + j, ldy);
    }
}

#endif
