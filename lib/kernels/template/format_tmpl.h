/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_FORMAT_TMPL_H
#define PND_KERNELS_FORMAT_TMPL_H

/* Rows of stored weights, for the vectors of the vec_*.h included before.
 * `load` and `size` (bytes of an element) are constants wherever these are
 * used, so that each type gets its own straight code. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef vf (*load_fn)(const void *p);

/* The first `count` <= VF_LANES elements, then zeros. */
ALWAYS_INLINE vf load_part(load_fn load, size_t size, const void *p,
                           size_t count)
{
    unsigned char bytes[VF_LANES * sizeof(float)] = {0};
    memcpy(bytes, p, count * size);
    return load(bytes);
}

/* As load_part for floats; `count` is nearly always VF_LANES. */
ALWAYS_INLINE vf load_some(const float *p, size_t count)
{
    return count == VF_LANES ? vf_load_f32(p)
                             : load_part(vf_load_f32, sizeof *p, p, count);
}

ALWAYS_INLINE void store_some(float *p, size_t count, vf v)
{
    float part[VF_LANES];
    if (count == VF_LANES) {
        vf_store(p, v);
        return;
    }
    vf_store(part, v);
    memcpy(p, part, count * sizeof *p);
}

ALWAYS_INLINE void row_to_f32(load_fn load, size_t size, size_t count,
                              const unsigned char *row, float *to)
{
    size_t i = 0;
    for (; i + VF_LANES <= count; i += VF_LANES)
        vf_store(to + i, load(row + i * size));
    if (i < count)
        store_some(to + i, count - i,
                   load_part(load, size, row + i * size, count - i));
}

/* Dot products of `rows` (a constant up to 4) rows with x. Two sums for each
 * row hide the latency of the additions, and x is read once for all. */
ALWAYS_INLINE void dot_rows(load_fn load, size_t size, size_t rows, size_t k,
                            const unsigned char *w, size_t row_bytes,
                            const float *x, float *y)
{
    vf even[4] = {{0}}, odd[4] = {{0}};
    size_t i = 0;
    for (; i + 2 * VF_LANES <= k; i += 2 * VF_LANES) {
        vf x0 = vf_load_f32(x + i), x1 = vf_load_f32(x + i + VF_LANES);
        const unsigned char *p = w + i * size;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++, p += row_bytes) {
            even[r] = vf_fma(load(p), x0, even[r]);
            odd[r] = vf_fma(load(p + VF_LANES * size), x1, odd[r]);
        }
    }
    for (; i < k; i += VF_LANES) {
        size_t count = k - i < VF_LANES ? k - i : VF_LANES;
        vf x0 = load_some(x + i, count);
        const unsigned char *p = w + i * size;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++, p += row_bytes)
            even[r] = vf_fma(load_part(load, size, p, count), x0, even[r]);
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
        y[r] = vf_sum(even[r] + odd[r]);
}

ALWAYS_INLINE void dot_all(load_fn load, size_t size, size_t rows, size_t k,
                           const unsigned char *w, size_t row_bytes,
                           const float *x, float *y)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4)
        dot_rows(load, size, 4, k, w + r * row_bytes, row_bytes, x, y + r);
    for (; r < rows; r++)
        dot_rows(load, size, 1, k, w + r * row_bytes, row_bytes, x, y + r);
}

#define FORMAT(type, size)                                                   \
    static void to_f32_##type(size_t count, const void *row, float *to)      \
    {                                                                        \
        row_to_f32(vf_load_##type, size, count, row, to);                    \
    }                                                                        \
    static void matvec_##type(size_t rows, size_t k, const void *w,          \
                              size_t row_bytes, const float *x, float *y)    \
    {                                                                        \
        dot_all(vf_load_##type, size, rows, k, w, row_bytes, x, y);          \
    }

FORMAT(f32, 4)
FORMAT(f16, 2)
FORMAT(bf16, 2)

#define FORMAT_TABLE                             \
    {                                            \
        [PND_F32] = {to_f32_f32, matvec_f32},    \
        [PND_F16] = {to_f32_f16, matvec_f16},    \
        [PND_BF16] = {to_f32_bf16, matvec_bf16}, \
    }

#endif
