/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <oneapi/dnnl/dnnl.h>

#include <stdbool.h>
#include <string.h>

#include "kernels/layers.h"

/* Products by oneDNN (2.6 and 3.x), single-threaded: the pool splits the work.
 *
 * In builds with OpenMP a product takes as many threads as the calling thread's
 * setting says, which belongs to that thread alone: it is 1 during the call and
 * then what it was. The functions are those that oneDNN itself has found; this
 * library does not need OpenMP, and with a build of other threads, whose number
 * nobody can say, oneDNN is not used. */
__attribute__((weak)) int omp_get_max_threads(void);
__attribute__((weak)) void omp_set_num_threads(int count);

static bool has_threads(void)
{
    return dnnl_version()->cpu_runtime == DNNL_RUNTIME_OMP;
}

/* What stop_using_one_thread gives back. */
static int use_one_thread(void)
{
    if (!has_threads())
        return 1;
    const int before = omp_get_max_threads();
    if (before != 1)
        omp_set_num_threads(1);
    return before;
}

static void stop_using_one_thread(int before)
{
    if (before != 1)
        omp_set_num_threads(before);
}

static bool can_use_one_thread(void)
{
    return dnnl_version()->cpu_runtime == DNNL_RUNTIME_SEQ ||
           (has_threads() && omp_get_max_threads && omp_set_num_threads);
}

/* Leading dimensions are at least the width, also of a single row. */
static bool supports(size_t m, size_t n, size_t k, size_t lda, size_t ldb,
                     size_t ldc)
{
    return m > 0 && n > 0 && k > 0 && lda >= k && ldb >= k && ldc >= n;
}

static size_t f32_nt(size_t m, size_t n, size_t k, const float *a, size_t lda,
                     const void *b, size_t ldb, float *c, size_t ldc,
                     float *scratch)
{
    (void)scratch; /* it has an allocator of its own */
    if (!supports(m, n, k, lda, ldb, ldc) ||
        (uintptr_t)b % sizeof(float) != 0)
        return 0;
    const int threads = use_one_thread();
    dnnl_status_t status =
        dnnl_sgemm('N', 'T', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1, a,
                   (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, 0, c, (dnnl_dim_t)ldc);
    stop_using_one_thread(threads);
    return status == dnnl_success ? n : 0;
}

/* oneDNN knows no scales of groups, so each group is a product of its own,
 * whose integers are then added as floats. Wider than the registers of any
 * baseline: several at a time. */
#define LANES 16
typedef float floats __attribute__((vector_size(LANES * 4)));
typedef int32_t integers __attribute__((vector_size(LANES * 4)));

/* totals[m, width] += scales[r] * sums[m, width], scales `stride` apart */
static void add_group(size_t m, size_t width, const int32_t *sums,
                      const float *scales, size_t stride, float *totals)
{
    for (size_t r = 0; r < m; r++) {
        const float scale = scales[r * stride];
        for (size_t j = 0; j < width; j += LANES) {
            integers sum;
            floats total;
            memcpy(&sum, sums + r * width + j, sizeof sum);
            memcpy(&total, totals + r * width + j, sizeof total);
            total += __builtin_convertvector(sum, floats) * scale;
            memcpy(totals + r * width + j, &total, sizeof total);
        }
    }
}

/* totals[m, width] = the products of all groups with n columns of b, of which
 * there are at most `width` */
static bool sum_groups(size_t m, size_t n, size_t width, size_t k,
                       const int8_t *a, size_t lda, const float *a_scales,
                       const int8_t *b, size_t ldb, int32_t *sums,
                       float *totals)
{
    const int32_t no_offset = 0;
    memset(totals, 0, m * width * sizeof *totals);
    for (size_t at = 0; at < k; at += PND_I8_GROUP) {
        const size_t count = k - at < PND_I8_GROUP ? k - at : PND_I8_GROUP;
        if (dnnl_gemm_s8s8s32('N', 'T', 'F', (dnnl_dim_t)m, (dnnl_dim_t)n,
                              (dnnl_dim_t)count, 1, a + at, (dnnl_dim_t)lda, 0,
                              b + at, (dnnl_dim_t)ldb, 0, 0, sums,
                              (dnnl_dim_t)width, &no_offset) != dnnl_success)
            return false;
        add_group(m, width, sums, a_scales + at / PND_I8_GROUP,
                  pnd_i8_count_groups(k), totals);
    }
    return true;
}

static size_t i8_product(size_t m, size_t n, size_t k, const int8_t *a,
                         size_t lda, const float *a_scales, const int8_t *b,
                         size_t ldb, const float *b_scales, float *c,
                         size_t ldc, float *scratch)
{
    if (!supports(m, n, k, lda, ldb, ldc))
        return 0;
    /* Scratch: [sums] [totals], (m, most) each. */
    const size_t most = PND_GEMM_SCRATCH / 2 / m / LANES * LANES;
    const int threads = use_one_thread();
    size_t done = 0, columns = 0;
    for (; done < n && most > 0; done += columns) {
        columns = n - done < most ? n - done : most;
        const size_t width = (columns + LANES - 1) / LANES * LANES;
        float *totals = scratch + m * width;
        memset(scratch, 0, m * width * sizeof *scratch);
        if (!sum_groups(m, columns, width, k, a, lda, a_scales, b + done * ldb,
                        ldb, (int32_t *)(void *)scratch, totals))
            break;
        for (size_t r = 0; r < m; r++) {
            for (size_t j = 0; j < columns; j++)
                c[r * ldc + done + j] +=
                    totals[r * width + j] * b_scales[done + j];
        }
    }
    stop_using_one_thread(threads);
    return done;
}

void pnd_kernels_add_onednn(struct pnd_kernels *k)
{
    if (!can_use_one_thread())
        return;
    k->large.f32_nt = f32_nt;
    /* Without VNNI its sums of pairs saturate at 16 bits. */
    if ((dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_vnni) ==
        dnnl_cpu_isa_avx512_core_vnni)
        k->large.i8_product = i8_product;
    k->providers_used |= PANDA_PROVIDER_ONEDNN;
}
