/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "kernels/arm/vec_neon.h"
#include "kernels/layers.h"

#define TILE_ROWS 10 /* 20 sums, 8 vectors of b, 2 of a: 30 registers of 32 */
#define TILE_RUN tile_by_lanes

/* sum + right * left[lane]; lane is a constant. */
ALWAYS_INLINE vf fma_lane(vf sum, vf right, vf left, size_t lane)
{
    switch (lane) {
    case 0:
        return vfmaq_laneq_f32(sum, right, left, 0);
    case 1:
        return vfmaq_laneq_f32(sum, right, left, 1);
    case 2:
        return vfmaq_laneq_f32(sum, right, left, 2);
    default:
        return vfmaq_laneq_f32(sum, right, left, 3);
    }
}

/* One or two rows of a tile, four steps of k. Two rows in turn, so that
 * a sum is not needed again at once. */
ALWAYS_INLINE void add_four(size_t count, size_t vecs, const float *a,
                            size_t lda, vf (*right)[2], vf (*sums)[2])
{
    vf left[2];
    UNROLL
    for (size_t r = 0; r < count; r++)
        left[r] = vf_load_f32(a + r * lda);
    UNROLL
    for (size_t lane = 0; lane < 4; lane++) {
        UNROLL
        for (size_t r = 0; r < count; r++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                sums[r][v] =
                    fma_lane(sums[r][v], right[lane][v], left[r], lane);
        }
    }
}

/* As tile_run. Instructions multiply with one lane of a register: four values
 * of a row of a come with one load, and none has to be spread over a register
 * first. */
ALWAYS_INLINE void tile_by_lanes(size_t rows, size_t vecs, size_t k,
                                 const float *a, size_t lda, const float *b,
                                 size_t ldb, float *c, size_t ldc, bool add)
{
    vf sums[TILE_ROWS][2] = {{{0}}};
    size_t i = 0;
    for (; i + 4 <= k; i += 4, b += 4 * ldb) {
        vf right[4][2];
        UNROLL
        for (size_t l = 0; l < 4; l++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                right[l][v] = vf_load_f32(b + l * ldb + v * VF_LANES);
        }
        UNROLL
        for (size_t r = 0; r < rows; r += 2)
            add_four(rows - r < 2 ? 1 : 2, vecs, a + r * lda + i, lda, right,
                     sums + r);
    }
    for (; i < k; i++, b += ldb) {
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++)
                sums[r][v] =
                    vfmaq_n_f32(sums[r][v], vf_load_f32(b + v * VF_LANES),
                                a[r * lda + i]);
        }
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            float *to = c + r * ldc + v * VF_LANES;
            vf_store(to, add ? vf_load_f32(to) + sums[r][v] : sums[r][v]);
        }
    }
}

#include "kernels/template/gemm_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/vector_tmpl.h"

void pnd_kernels_add_neon(struct pnd_kernels *k)
{
    static const struct pnd_format_kernels format[PND_DTYPE_COUNT] =
        FORMAT_TABLE;
    k->gemm = (struct pnd_gemm_kernels)GEMM_TABLE;
    memcpy(k->format, format, sizeof k->format);
    k->norm = (struct pnd_norm_kernels){layer_norm, rms_norm};
    k->vector = (struct pnd_vector_kernels){add, gelu, silu_mul, softmax,
                                            to_f16};
}
