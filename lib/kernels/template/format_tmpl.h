/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_FORMAT_TMPL_H
#define PND_KERNELS_FORMAT_TMPL_H

#include "kernels/template/inline.h"

/* Rows of stored weights, for the vectors of the vec_*.h included before.
 * `load` and `size` (bytes of an element) are constants wherever these are
 * used, so that each type gets its own straight code. */

typedef vf (*load_fn)(const void *p);

/* The first `count` <= VF_LANES elements, nearly always all, then zeros. */
ALWAYS_INLINE vf load_part(load_fn load, size_t size, const void *p,
                           size_t count)
{
    unsigned char bytes[VF_LANES * sizeof(float)] = {0};
    if (count == VF_LANES)
        return load(p);
    memcpy(bytes, p, count * size);
    return load(bytes);
}

ALWAYS_INLINE vf load_some(const float *p, size_t count)
{
    return load_part(vf_load_f32, sizeof *p, p, count);
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

/* A row's product with x. One row at a time, so that memory is read in one
 * stream, which processors fetch ahead best; eight sums hide the latency of
 * the additions. */
ALWAYS_INLINE float dot_row(load_fn load, size_t size, size_t k,
                            const unsigned char *row, const float *x)
{
    vf sums[8] = {{0}};
    size_t i = 0;
    for (; i + 8 * VF_LANES <= k; i += 8 * VF_LANES) {
        UNROLL
        for (size_t j = 0; j < 8; j++) {
            size_t at = i + j * VF_LANES;
            sums[j] = vf_fma(load(row + at * size), vf_load_f32(x + at),
                             sums[j]);
        }
    }
    for (; i < k; i += VF_LANES) {
        size_t count = k - i < VF_LANES ? k - i : VF_LANES;
        sums[0] = vf_fma(load_part(load, size, row + i * size, count),
                         load_some(x + i, count), sums[0]);
    }
    UNROLL
    for (size_t j = 0; j < 4; j++)
        sums[j] += sums[j + 4];
    return vf_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

ALWAYS_INLINE void dot_rows(load_fn load, size_t size, size_t rows, size_t k,
                            const unsigned char *w, size_t row_bytes,
                            const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++)
        y[r] = dot_row(load, size, k, w + r * row_bytes, x);
}

/* `vecs` vectors of columns, of all rows; the last has `last` columns. */
ALWAYS_INLINE void weigh_columns(load_fn load, size_t size, size_t vecs,
                                 size_t last, size_t rows,
                                 const unsigned char *w, size_t row_bytes,
                                 const float *x, float *y)
{
    vf sums[8] = {{0}};
    for (size_t r = 0; r < rows; r++, w += row_bytes) {
        const vf factor = vf_set(x[r]);
        UNROLL
        for (size_t j = 0; j < vecs; j++)
            sums[j] = vf_fma(factor,
                             load_part(load, size, w + j * VF_LANES * size,
                                       j + 1 < vecs ? VF_LANES : last),
                             sums[j]);
    }
    UNROLL
    for (size_t j = 0; j < vecs; j++)
        store_some(y + j * VF_LANES, j + 1 < vecs ? VF_LANES : last, sums[j]);
}

ALWAYS_INLINE void weigh_rows(load_fn load, size_t size, size_t rows, size_t k,
                              const unsigned char *w, size_t row_bytes,
                              const float *x, float *y)
{
    size_t i = 0;
    for (; i + 8 * VF_LANES <= k; i += 8 * VF_LANES)
        weigh_columns(load, size, 8, VF_LANES, rows, w + i * size, row_bytes, x,
                      y + i);
    for (; i < k; i += VF_LANES)
        weigh_columns(load, size, 1, k - i < VF_LANES ? k - i : VF_LANES, rows,
                      w + i * size, row_bytes, x, y + i);
}

#define FORMAT(type, size)                                                   \
    static void to_f32_##type(size_t count, const void *row, float *to)      \
    {                                                                        \
        row_to_f32(vf_load_##type, size, count, row, to);                    \
    }                                                                        \
    static void matvec_##type(size_t rows, size_t k, const void *w,          \
                              size_t row_bytes, const float *x, float *y)    \
    {                                                                        \
        dot_rows(vf_load_##type, size, rows, k, w, row_bytes, x, y);         \
    }                                                                        \
    static void weigh_##type(size_t rows, size_t k, const void *w,           \
                             size_t row_bytes, const float *x, float *y)     \
    {                                                                        \
        weigh_rows(vf_load_##type, size, rows, k, w, row_bytes, x, y);       \
    }

FORMAT(f32, 4)
FORMAT(f16, 2)
FORMAT(bf16, 2)

#include "kernels/template/block_tmpl.h"

#define FORMAT_ROW(dtype, type) \
    [dtype] = {to_f32_##type, matvec_##type, weigh_##type},
#define BLOCK_ROW(dtype, type) [dtype] = {to_f32_##type, matvec_##type, NULL},
#define FORMAT_TABLE                    \
    {                                   \
        FORMAT_ROW(PND_F32, f32)        \
        FORMAT_ROW(PND_F16, f16)        \
        FORMAT_ROW(PND_BF16, bf16)      \
        FOR_BLOCK_FORMATS(BLOCK_ROW)    \
    }

#endif
