/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#if defined(__x86_64__)
#  include <immintrin.h>
#endif

/* What the machine can do at best, by loops that do nothing else. */

#define MAX_THREADS 1024

typedef uint64_t words __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

struct share {
    void (*work)(const struct share *share);
    const unsigned char *memory;
    size_t size;
};

static atomic_uint_fast64_t sink; /* so that no work can be left out */

static void read_all(const struct share *share)
{
    words sums[4] = {{0}};
    for (size_t i = 0; i + sizeof sums <= share->size; i += sizeof sums) {
        for (size_t j = 0; j < 4; j++) {
            words w;
            memcpy(&w, share->memory + i + j * sizeof w, sizeof w);
            sums[j] |= w;
        }
    }
    words sum = (sums[0] | sums[1]) | (sums[2] | sums[3]);
    atomic_fetch_xor(&sink, sum[0] ^ sum[3] ^ sum[7]);
}

static void *thread_main(void *argument)
{
    const struct share *share = argument;
    share->work(share);
    return NULL;
}

/* Seconds of `work` on all threads, the caller's included. */
static double run_threads(void (*work)(const struct share *),
                          const unsigned char *memory, size_t size,
                          uint32_t threads)
{
    static struct share shares[MAX_THREADS];
    static pthread_t ids[MAX_THREADS];
    uint32_t started = 1;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    const size_t each = size / threads / 64 * 64;
    double begin = bench_now();
    for (uint32_t i = 0; i < threads; i++)
        shares[i] = (struct share){work, memory + i * each, each};
    for (; started < threads; started++) {
        if (pthread_create(&ids[started], NULL, thread_main,
                           &shares[started]) != 0)
            break;
    }
    for (uint32_t i = started; i < threads; i++)
        work(&shares[i]);
    work(&shares[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(ids[i], NULL);
    return bench_now() - begin;
}

double bench_read_speed(const void *memory, size_t size, uint32_t threads)
{
    return 1e-9 * (double)size / run_threads(read_all, memory, size, threads);
}

#define ROUNDS (1 << 20)
#define CHAINS 12 /* hide the latency of one */


static void f32_portable(const struct share *share)
{
    floats sums[4] = {{0}, {1}, {2}, {3}}, a = {0.5f}, b = {0.25f};
    (void)share;
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < 4; j++)
            sums[j] = sums[j] * a + b; /* a * b would be known before */
    }
    atomic_fetch_xor(&sink, (uint64_t)(sums[0][0] + sums[3][1]));
}

static void int8_portable(const struct share *share)
{
    uint32_t sum = 0;
    (void)share;
    for (uint32_t i = 0; i < ROUNDS; i++)
        sum += (uint32_t)((int8_t)i * (int8_t)(i >> 8));
    atomic_fetch_xor(&sink, sum);
}

#if defined(__x86_64__)

/* Each loop's sums stay in registers: names, as an array would be kept in
 * memory by some compilers. */
#define TWELVE(step)                                                     \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)      \
    step(8) step(9) step(10) step(11)
/* For products that take longer. */
#define TWENTY(step)                                                     \
    TWELVE(step) step(12) step(13) step(14) step(15) step(16) step(17)   \
    step(18) step(19)

#define PEAK_LOOP(name, isa, many, in, type, zero, step, fold) \
    __attribute__((target(isa))) static void name(             \
        const struct share *share)                             \
    {                                                          \
        in a = (zero), b = (zero);                             \
        (void)share;                                           \
        __asm__ volatile("" : "+v"(a), "+v"(b));               \
        many(DECLARE_##name)                                   \
        for (int i = 0; i < ROUNDS; i++) {                     \
            many(step)                                         \
        }                                                      \
        type sum = s0;                                         \
        many(fold)                                             \
        union {                                                \
            type v;                                            \
            uint64_t words[sizeof(type) / 8];                  \
        } u = {sum};                                           \
        atomic_fetch_xor(&sink, u.words[0]);                   \
    }

/* The compiler must not know that all sums are equal, or one stays of them. */
#define DECLARE(type, n)     \
    type s##n = (type)a;     \
    __asm__("" : "+v"(s##n));
#define DECLARE_bf16_avx512(n) DECLARE(__m512, n)
#define DECLARE_f32_avx512(n) DECLARE(__m512, n)
#define DECLARE_f32_avx2(n) DECLARE(__m256, n)
#define DECLARE_int8_vnni(n) DECLARE(__m512i, n)
#define DECLARE_int8_avx2(n) DECLARE(__m256i, n)
#define F32_512(n) s##n = _mm512_fmadd_ps(a, b, s##n);
#define F32_512_FOLD(n) sum = _mm512_add_ps(sum, s##n);
#define BF16_512(n) s##n = _mm512_dpbf16_ps(s##n, a, b);
#define F32_256(n) s##n = _mm256_fmadd_ps(a, b, s##n);
#define F32_256_FOLD(n) sum = _mm256_add_ps(sum, s##n);
#define INT8_512(n) s##n = _mm512_dpbusd_epi32(s##n, a, b);
#define INT8_512_FOLD(n) sum = _mm512_or_si512(sum, s##n);
/* The best there is: sums of products in 16 bits. */
#define INT8_256(n) \
    s##n = _mm256_add_epi16(s##n, _mm256_maddubs_epi16(s##n, b));
#define INT8_256_FOLD(n) sum = _mm256_or_si256(sum, s##n);

PEAK_LOOP(f32_avx512, "avx512f", TWELVE, __m512, __m512, _mm512_setzero_ps(),
          F32_512, F32_512_FOLD)
PEAK_LOOP(bf16_avx512, "avx512f,avx512bf16", TWENTY, __m512bh, __m512,
          (__m512bh)_mm512_setzero_ps(), BF16_512, F32_512_FOLD)
PEAK_LOOP(f32_avx2, "avx2,fma", TWELVE, __m256, __m256, _mm256_setzero_ps(),
          F32_256, F32_256_FOLD)
PEAK_LOOP(int8_vnni, "avx512f,avx512vnni", TWELVE, __m512i, __m512i,
          _mm512_setzero_si512(), INT8_512, INT8_512_FOLD)
PEAK_LOOP(int8_avx2, "avx2", TWELVE, __m256i, __m256i,
          _mm256_setzero_si256(), INT8_256, INT8_256_FOLD)

/* Four tiles of sums, as two by two; the runtime has asked for the system's
 * permission where these bits are in use. */
#define TILES ((size_t)4)
#define TILE_PEAK(name, instruction)                                          \
    static void name(const struct share *share)                               \
    {                                                                         \
        struct {                                                              \
            uint8_t palette, start_row, zeros[14];                            \
            uint16_t row_bytes[16];                                           \
            uint8_t rows[16];                                                 \
        } config = {.palette = 1};                                            \
        (void)share;                                                          \
        for (int i = 0; i < 8; i++) {                                         \
            config.row_bytes[i] = 64;                                         \
            config.rows[i] = 16;                                              \
        }                                                                     \
        __asm__ volatile("ldtilecfg %0" ::"m"(config));                       \
        for (int i = 0; i < ROUNDS / 8; i++)                                  \
            __asm__ volatile(instruction " %tmm6, %tmm4, %tmm0\n\t"           \
                             instruction " %tmm7, %tmm4, %tmm1\n\t"           \
                             instruction " %tmm6, %tmm5, %tmm2\n\t"           \
                             instruction " %tmm7, %tmm5, %tmm3");             \
        __asm__ volatile("tilerelease");                                      \
    }

TILE_PEAK(int8_amx, "tdpbssd")
TILE_PEAK(bf16_amx, "tdpbf16ps")

#endif

/* Best of a few runs of `steps` multiply-adds each. */
static double measure(void (*work)(const struct share *), double steps,
                      uint32_t threads)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double seconds = run_threads(work, NULL, 0, threads);
        double speed = 2e-9 * steps * ROUNDS * threads / seconds;
        best = speed > best ? speed : best;
    }
    return best;
}

static double measure_f32(uint64_t cpu, uint32_t threads)
{
#if defined(__x86_64__)
    if (cpu & PANDA_CPU_AVX512)
        return measure(f32_avx512, 16.0 * CHAINS, threads);
    if (cpu & PANDA_CPU_AVX2)
        return measure(f32_avx2, 8.0 * CHAINS, threads);
#endif
    (void)cpu;
    return measure(f32_portable, 16.0 * 4, threads);
}

static double measure_bf16(uint64_t cpu, uint32_t threads)
{
#if defined(__x86_64__)
    if (cpu & PANDA_CPU_AMX_BF16)
        return measure(bf16_amx, 16 * 16 * 32.0 * TILES / 8, threads);
    if (cpu & PANDA_CPU_AVX512_BF16)
        return measure(bf16_avx512, 32.0 * 20, threads);
#endif
    return measure_f32(cpu, threads);
}

static double measure_int8(uint64_t cpu, uint32_t threads)
{
#if defined(__x86_64__)
    if (cpu & PANDA_CPU_AMX_INT8)
        return measure(int8_amx, 16 * 16 * 64.0 * TILES / 8, threads);
    if (cpu & PANDA_CPU_AVX512_VNNI)
        return measure(int8_vnni, 64.0 * CHAINS, threads);
    if (cpu & PANDA_CPU_AVX2)
        return measure(int8_avx2, 32.0 * CHAINS, threads);
#endif
    (void)cpu;
    return measure(int8_portable, 1, threads);
}

double bench_peak(const char *mode, uint64_t cpu, uint32_t threads)
{
    if (strcmp(mode, "int8") == 0)
        return measure_int8(cpu, threads);
    if (strcmp(mode, "bf16") == 0)
        return measure_bf16(cpu, threads);
    return measure_f32(cpu, threads);
}
