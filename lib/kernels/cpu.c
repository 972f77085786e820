/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE      /* syscall */
#define _DARWIN_C_SOURCE /* sysctlbyname */
#include "kernels/kernels.h"

#if defined(__x86_64__)
#  include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#  include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#  include <sys/sysctl.h>
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

/* Feature bits, by leaf and register; compilers do not agree on names. */
enum {
    LEAF1_C_FMA = 1 << 12,
    LEAF1_C_OSXSAVE = 1 << 27,
    LEAF1_C_AVX = 1 << 28,
    LEAF1_C_F16C = 1 << 29,
    LEAF7_B_AVX2 = 1 << 5,
    LEAF7_B_AVX512F = 1 << 16,
    LEAF7_B_AVX512DQ = 1 << 17,
    LEAF7_B_AVX512BW = 1 << 30,
    LEAF7_C_AVX512_VNNI = 1 << 11,
    LEAF7_D_AMX_BF16 = 1 << 22,
    LEAF7_D_AMX_TILE = 1 << 24,
    LEAF7_D_AMX_INT8 = 1 << 25,
    LEAF7_1_A_AVX512_BF16 = 1 << 5
};
#define LEAF7_B_AVX512VL (1u << 31)

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tiles also need a permission that Linux (5.16) gives to processes on
 * request: commands of arch_prctl. */
enum {
    ARCH_GET_XCOMP_SUPP = 0x1021,
    ARCH_GET_XCOMP_PERM = 0x1022,
    ARCH_REQ_XCOMP_PERM = 0x1023,
    XFEATURE_TILE_DATA = 18
};

/* Whether the answer to `command` has the register state of tiles. */
static bool get_tiles(int command)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    uint64_t features = 0;
    return syscall(SYS_arch_prctl, command, &features) == 0 &&
           (features & XCR0_TILE) == XCR0_TILE;
#else
    (void)command;
    return false;
#endif
}

bool pnd_cpu_request_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) != 0)
        return false;
#endif
    return get_tiles(ARCH_GET_XCOMP_PERM);
}

static bool has(uint32_t word, uint32_t bits)
{
    return (word & bits) == bits;
}

/* One answer of the processor; zeros where it has none. */
struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf read_leaf(uint32_t number, uint32_t part)
{
    struct leaf l = {0};
    if (!__get_cpuid_count(number, part, &l.a, &l.b, &l.c, &l.d))
        return (struct leaf){0};
    return l;
}

static uint64_t detect_avx512(struct leaf seven)
{
    uint64_t cpu = PANDA_CPU_AVX512;
    struct leaf one = seven.a >= 1 ? read_leaf(7, 1) : (struct leaf){0};
    if (has(seven.c, LEAF7_C_AVX512_VNNI))
        cpu |= PANDA_CPU_AVX512_VNNI;
    if (has(one.a, LEAF7_1_A_AVX512_BF16))
        cpu |= PANDA_CPU_AVX512_BF16;
    return cpu;
}

uint64_t pnd_cpu_detect(void)
{
    uint64_t cpu = PANDA_CPU_GENERIC;
    struct leaf one = read_leaf(1, 0), seven = read_leaf(7, 0);
    if (!has(one.c, LEAF1_C_OSXSAVE | LEAF1_C_AVX | LEAF1_C_FMA | LEAF1_C_F16C))
        return cpu;
    uint64_t xcr0 = read_xcr0(); /* needs OSXSAVE */
    if ((xcr0 & XCR0_AVX) != XCR0_AVX || !has(seven.b, LEAF7_B_AVX2))
        return cpu;
    cpu |= PANDA_CPU_AVX2;
    if ((xcr0 & XCR0_AVX512) == XCR0_AVX512 &&
        has(seven.b, LEAF7_B_AVX512F | LEAF7_B_AVX512BW | LEAF7_B_AVX512DQ |
                         LEAF7_B_AVX512VL))
        cpu |= detect_avx512(seven);
    if ((xcr0 & XCR0_TILE) == XCR0_TILE && has(seven.d, LEAF7_D_AMX_TILE) &&
        get_tiles(ARCH_GET_XCOMP_SUPP)) {
        cpu |= has(seven.d, LEAF7_D_AMX_INT8) ? PANDA_CPU_AMX_INT8 : 0;
        cpu |= has(seven.d, LEAF7_D_AMX_BF16) ? PANDA_CPU_AMX_BF16 : 0;
    }
    return cpu;
}

#elif defined(__aarch64__) && !GENERIC_ONLY

/* NEON is part of the baseline; for the rest only the operating system can be
 * asked. One that is not known here gets NEON. */

#  if defined(__linux__)

static uint64_t detect_extensions(void)
{
    /* The kernel's numbers, which older C libraries do not name. */
    const unsigned long hwcap_asimddp = 1ul << 20, hwcap2_i8mm = 1ul << 13;
    uint64_t cpu = 0;
    cpu |= getauxval(AT_HWCAP) & hwcap_asimddp ? PANDA_CPU_DOTPROD : 0;
    cpu |= getauxval(AT_HWCAP2) & hwcap2_i8mm ? PANDA_CPU_I8MM : 0;
    return cpu;
}

#  elif defined(__APPLE__)

static bool has_feature(const char *name)
{
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}

static uint64_t detect_extensions(void)
{
    uint64_t cpu = 0;
    cpu |= has_feature("hw.optional.arm.FEAT_DotProd") ? PANDA_CPU_DOTPROD : 0;
    cpu |= has_feature("hw.optional.arm.FEAT_I8MM") ? PANDA_CPU_I8MM : 0;
    return cpu;
}

#  else

static uint64_t detect_extensions(void)
{
    return 0;
}

#  endif

uint64_t pnd_cpu_detect(void)
{
    return PANDA_CPU_GENERIC | PANDA_CPU_NEON | detect_extensions();
}

#else

uint64_t pnd_cpu_detect(void)
{
    return PANDA_CPU_GENERIC;
}

bool pnd_cpu_request_tiles(void)
{
    return false;
}

#endif
