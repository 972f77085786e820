/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* syscall */
#include "kernels/kernels.h"

#include <pandagpt/runtime.h>

#if defined(__x86_64__)
#  include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#  include <sys/auxv.h>
#endif
#if defined(__linux__)
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

/* The memory sanitizer does not understand vector instructions. */
#if defined(__has_feature)
#  if __has_feature(memory_sanitizer)
#    define GENERIC_ONLY 1
#  endif
#endif
#ifndef GENERIC_ONLY
#  define GENERIC_ONLY 0
#endif

#if defined(__x86_64__) && !GENERIC_ONLY

/* Bits of XCR0: register state that the operating system saves. */
#define XCR0_AVX 0x6u      /* SSE, upper halves of ymm */
#define XCR0_AVX512 0xe6u  /* these, masks, upper halves of zmm, zmm16-31 */
#define XCR0_TILE (3u << 17)

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tiles also need a permission that Linux gives to processes on request. */
static bool can_request_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    const int arch_get_xcomp_supp = 0x1021;
    uint64_t features = 0;
    return syscall(SYS_arch_prctl, arch_get_xcomp_supp, &features) == 0 &&
           (features & XCR0_TILE) == XCR0_TILE;
#else
    return false;
#endif
}

static bool has(uint32_t word, uint32_t bits)
{
    return (word & bits) == bits;
}

uint64_t pnd_cpu_detect(void)
{
    uint64_t cpu = PANDA_CPU_GENERIC;
    uint32_t a, b, c, d, c1;
    if (!__get_cpuid(1, &a, &b, &c1, &d) || !has(c1, bit_OSXSAVE))
        return cpu;
    uint64_t xcr0 = read_xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return cpu;
    if ((xcr0 & XCR0_AVX) != XCR0_AVX ||
        !has(c1, bit_AVX | bit_FMA | bit_F16C) || !has(b, bit_AVX2))
        return cpu;
    cpu |= PANDA_CPU_AVX2;

    uint32_t ignored, a71 = 0;
    if (a >= 1)
        __get_cpuid_count(7, 1, &a71, &ignored, &ignored, &ignored);
    if ((xcr0 & XCR0_AVX512) == XCR0_AVX512 &&
        has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL)) {
        cpu |= PANDA_CPU_AVX512;
        if (has(c, bit_AVX512VNNI))
            cpu |= PANDA_CPU_AVX512_VNNI;
        if (has(a71, bit_AVX512BF16))
            cpu |= PANDA_CPU_AVX512_BF16;
    }
    if ((xcr0 & XCR0_TILE) == XCR0_TILE && can_request_tiles() &&
        has(d, bit_AMX_TILE)) {
        cpu |= has(d, bit_AMX_INT8) ? PANDA_CPU_AMX_INT8 : 0;
        cpu |= has(d, bit_AMX_BF16) ? PANDA_CPU_AMX_BF16 : 0;
    }
    return cpu;
}

#elif defined(__aarch64__) && !GENERIC_ONLY

uint64_t pnd_cpu_detect(void)
{
    uint64_t cpu = PANDA_CPU_GENERIC | PANDA_CPU_NEON; /* of the baseline */
#if defined(__linux__)
    /* The kernel's numbers, which older C libraries do not name. */
    const unsigned long hwcap_asimddp = 1ul << 20, hwcap2_i8mm = 1ul << 13;
    cpu |= getauxval(AT_HWCAP) & hwcap_asimddp ? PANDA_CPU_DOTPROD : 0;
    cpu |= getauxval(AT_HWCAP2) & hwcap2_i8mm ? PANDA_CPU_I8MM : 0;
#endif
    return cpu;
}

#else

uint64_t pnd_cpu_detect(void)
{
    return PANDA_CPU_GENERIC;
}

#endif
