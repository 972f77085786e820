/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "kernels/kernels.h"

/* A piece of a layer, as large as they often are: about a millisecond where
 * registers are wide. */
#define ROWS ((size_t)192)
#define COLUMNS ((size_t)256)
#define DEPTH ((size_t)1024)

/* Each product once to warm up, then so many times in turn; the fastest count,
 * as whatever else runs only slows down. */
#define ROUNDS 5

/* Sums of another library have another order, and its calls more to go wrong:
 * only for this are they chosen. */
#define WORTH 1.1

struct trial {
    const struct pnd_kernels *kernels;
    float *a, *b; /* (ROWS, DEPTH), (COLUMNS, DEPTH): zeros of any type */
    float *c;     /* (ROWS, COLUMNS) */
    float *scratch;
};

/* False where the library failed. */
typedef bool (*run_fn)(const struct trial *t);

static bool run_own_f32(const struct trial *t)
{
    t->kernels->gemm.nt[PND_F32](ROWS, COLUMNS, DEPTH, t->a, DEPTH, t->b,
                                 DEPTH, t->c, COLUMNS, t->scratch);
    return true;
}

static bool run_large_f32(const struct trial *t)
{
    return t->kernels->large.f32_nt(ROWS, COLUMNS, DEPTH, t->a, DEPTH, t->b,
                                    DEPTH, t->c, COLUMNS,
                                    t->scratch) == COLUMNS;
}

static bool run_own_i8(const struct trial *t)
{
    t->kernels->i8.product(ROWS, COLUMNS, DEPTH, (const int8_t *)t->a, DEPTH,
                           t->a, (const int8_t *)t->b, DEPTH, t->b, t->c,
                           COLUMNS, t->scratch);
    return true;
}

static bool run_large_i8(const struct trial *t)
{
    return t->kernels->large.i8_product(
               ROWS, COLUMNS, DEPTH, (const int8_t *)t->a, DEPTH, t->a,
               (const int8_t *)t->b, DEPTH, t->b, t->c, COLUMNS,
               t->scratch) == COLUMNS;
}

/* How many times as fast as `own`; 0 where it failed. */
static double compare(const struct trial *t, run_fn own, run_fn large)
{
    const run_fn runs[2] = {own, large};
    double least[2] = {0, 0};
    for (int i = 0; i < 2 * (ROUNDS + 1); i++) {
        const double start = pnd_clock_now();
        if (!runs[i % 2](t))
            return 0;
        const double seconds = pnd_clock_now() - start;
        if (i >= 2 && (i < 4 || seconds < least[i % 2]))
            least[i % 2] = seconds;
    }
    return least[1] > 0 ? least[0] / least[1] : 0;
}

static bool is_chosen(const struct pnd_context *ctx, const struct trial *t,
                      const char *name, run_fn own, run_fn large)
{
    const double speed = compare(t, own, large);
    const bool chosen = speed > WORTH;
    pnd_log(ctx, PANDA_LOG_INFO,
            "%s products by oneDNN are %.2f times as fast as own: %s", name,
            speed, chosen ? "used" : "not used");
    return chosen;
}

panda_status pnd_kernels_choose(struct pnd_kernels *k,
                                const struct pnd_context *ctx)
{
    struct pnd_large_kernels *large = &k->large;
    if (!large->f32_nt && !large->i8_product)
        return PANDA_OK;
    const size_t floats =
        (ROWS + COLUMNS) * DEPTH + ROWS * COLUMNS + PND_GEMM_SCRATCH;
    float *memory = pnd_alloc_zero(&ctx->alloc, floats * sizeof *memory);
    if (!memory)
        return pnd_fail_memory();
    struct trial t = {.kernels = k, .a = memory};
    t.b = t.a + ROWS * DEPTH;
    t.c = t.b + COLUMNS * DEPTH;
    t.scratch = t.c + ROWS * COLUMNS;
    if (large->f32_nt &&
        !is_chosen(ctx, &t, "f32", run_own_f32, run_large_f32))
        large->f32_nt = NULL;
    if (large->i8_product &&
        !is_chosen(ctx, &t, "int8", run_own_i8, run_large_i8))
        large->i8_product = NULL;
    if (!large->f32_nt && !large->i8_product)
        k->providers_used &= ~(uint32_t)PANDA_PROVIDER_ONEDNN;
    pnd_free(&ctx->alloc, memory);
    return PANDA_OK;
}
