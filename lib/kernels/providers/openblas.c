/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <cblas.h>

#include <stdbool.h>

#include "kernels/layers.h"

/* f32 products by OpenBLAS, single-threaded: the pool splits the work. */

/* The most that a blasint holds, whichever of its two widths it has. */
static const size_t most = sizeof(blasint) == 4 ? INT32_MAX : INT64_MAX;

static bool fits(size_t m, size_t n, size_t k, size_t lda, size_t ldb,
                 size_t ldc)
{
    return m <= most && n <= most && k <= most && lda <= most && ldb <= most &&
           ldc <= most;
}

/* Whether OpenBLAS takes it; it wants leading dimensions of at least the
 * width, also of matrices with a single row, and floats at their own
 * alignment. */
static bool supports(size_t m, size_t n, size_t k, size_t lda, const void *b,
                     size_t b_width, size_t ldb, size_t ldc)
{
    return m > 0 && n > 0 && k > 0 && lda >= k && ldb >= b_width && ldc >= n &&
           fits(m, n, k, lda, ldb, ldc) && (uintptr_t)b % sizeof(float) == 0;
}

static void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda,
                    const void *b, size_t ldb, float *c, size_t ldc,
                    float *scratch)
{
    if (!supports(m, n, k, lda, b, k, ldb, ldc)) {
        pnd_generic_gemm.nt[PND_F32](m, n, k, a, lda, b, ldb, c, ldc, scratch);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m,
                (blasint)n, (blasint)k, 1, a, (blasint)lda, b, (blasint)ldb, 0,
                c, (blasint)ldc);
}

static void gemm_nn(size_t m, size_t n, size_t k, const float *a, size_t lda,
                    const void *b, size_t ldb, float *c, size_t ldc,
                    float *scratch)
{
    if (!supports(m, n, k, lda, b, n, ldb, ldc)) {
        pnd_generic_gemm.f32_nn(m, n, k, a, lda, b, ldb, c, ldc, scratch);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m,
                (blasint)n, (blasint)k, 1, a, (blasint)lda, b, (blasint)ldb, 0,
                c, (blasint)ldc);
}

void pnd_kernels_add_openblas(struct pnd_kernels *k, uint32_t flags)
{
    /* A library must not change its host's settings unless it is told to.
     * openblas_set_num_threads_local is no way out: despite its name it sets
     * the number of the whole process. */
    if (openblas_get_num_threads() != 1) {
        if (!(flags & PANDA_RUNTIME_SET_BLAS_THREADS))
            return;
        openblas_set_num_threads(1);
    }
    k->gemm.nt[PND_F32] = gemm_nt;
    k->gemm.f32_nn = gemm_nn;
    k->providers_used |= PANDA_PROVIDER_OPENBLAS;
}
