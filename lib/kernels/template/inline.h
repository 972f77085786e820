/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_INLINE_H
#define PND_KERNELS_INLINE_H

/* The templates are written as loops over small constant counts, and rely on
 * these to become straight code that keeps its arrays in registers. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Before a loop of at most 16 rounds. */
#if defined(__clang__)
#  define UNROLL _Pragma("clang loop unroll(full)")
#else
#  define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
