/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TENSOR_QUANTIZE_LANES_H
#define PND_TENSOR_QUANTIZE_LANES_H

#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "tensor/quantize_parts.h"

/* What the searches for scales, and for scales and offsets, share.
 *
 * Four groups are worked on side by side, one in each lane, so that no sum
 * crosses lanes and every compiler can use the smallest vector registers. */

#define LANES 4
#define MOST_GROUPS (PND_SUPER_BLOCK / 16)
#define INLINE static inline __attribute__((always_inline))

typedef float vq __attribute__((vector_size(16)));
typedef int32_t vm __attribute__((vector_size(16)));

/* A piece with its groups in lanes: groups 0 to 3 element by element, then the
 * next four. */
struct lanes {
    vq x[PND_SUPER_BLOCK / LANES], w[PND_SUPER_BLOCK / LANES];
};

/* Four groups of a piece. */
struct groups {
    uint32_t size;   /* elements of each */
    const vq *x, *w; /* (size) */
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

/* SSE has single instructions for these, which gcc does not find. */
#ifdef __SSE__

INLINE vq least(vq a, vq b)
{
    return (vq)_mm_min_ps((__m128)a, (__m128)b);
}

INLINE vq most(vq a, vq b)
{
    return (vq)_mm_max_ps((__m128)a, (__m128)b);
}

#else

INLINE vq least(vq a, vq b)
{
    return choose(a < b, a, b);
}

INLINE vq most(vq a, vq b)
{
    return choose(a > b, a, b);
}

#endif

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

static inline void spread(const struct pnd_piece *p, uint32_t size,
                          struct lanes *to)
{
    for (uint32_t i = 0; i < PND_SUPER_BLOCK / LANES; i++) {
        const uint32_t from = i / size * LANES * size + i % size;
        for (uint32_t lane = 0; lane < LANES; lane++) {
            to->x[i][lane] = p->x[from + lane * size];
            to->w[i][lane] = p->w[from + lane * size];
        }
    }
}

/* Groups [first, first + LANES). */
INLINE struct groups get_groups(const struct lanes *l, uint32_t size,
                                uint32_t first)
{
    return (struct groups){size, l->x + first / LANES * size,
                           l->w + first / LANES * size};
}

/* 16 numbers cut off to whole ones of at most a byte, as their two's
 * complement. */
INLINE void put_codes(const vq *v, uint8_t *to)
{
    typedef float floats __attribute__((vector_size(64)));
    typedef int32_t words __attribute__((vector_size(64)));
    typedef uint8_t bytes __attribute__((vector_size(16)));
    floats all;
    memcpy(&all, v, sizeof all);
    bytes out = __builtin_convertvector(
        __builtin_convertvector(all, words), bytes);
    memcpy(to, &out, sizeof out);
}

static inline float half_of(float v, uint16_t *bits)
{
    *bits = pnd_f32_to_f16(v);
    return pnd_f16_to_f32(*bits);
}

static inline float round_half(float v)
{
    return pnd_f16_to_f32(pnd_f32_to_f16(v));
}

#endif
