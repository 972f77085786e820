/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_KERNEL_TEST_H
#define PANDA_TESTS_KERNEL_TEST_H

#include "kernels/kernels.h"
#include "support/support.h"

/* What the kernel tests share. Each runs every implementation that this
 * machine has against a reference in double precision; `--bench` instead
 * prints the speed of each, in the same binary. */

struct implementation {
    const char *name;
    struct pnd_kernels kernels;
};

#define KERNEL_IMPLEMENTATIONS 12 /* at most */

/** The implementations of this build and machine, worst first: generic, one
 *  for each instruction set on top, then OpenBLAS on generic. AMX is emulated
 *  where only the tiles are missing, but not for `--bench`. */
size_t kernel_implementations(const struct implementation **out);

/* Tolerances, one row for each family: a value may differ from the reference
 * by `absolute` + `relative` * scale, where scale is the sum of the magnitudes
 * that were added (1 where nothing is). */
struct tolerance {
    double absolute, relative;
};

enum kernel_family { FAMILY_PRODUCT, FAMILY_BF16, FAMILY_CONVERT, FAMILY_NORM,
                     FAMILY_ADD, FAMILY_GELU, FAMILY_SILU, FAMILY_SOFTMAX };

/** Whether `got` is near `expected`. */
bool kernel_is_near(enum kernel_family family, double got, double expected,
                    double scale);

/** Demand that `got` is near `expected`; `what` names the case. */
void kernel_check(enum kernel_family family, const char *implementation,
                  const char *what, double got, double expected, double scale);

/* Memory with guard values around it, that begins `offset` bytes after a
 * 64-byte boundary. */
struct guarded {
    unsigned char *block, *data;
    size_t bytes;
};

struct guarded guarded_make(size_t bytes, size_t offset);
void guarded_check(const struct guarded *g); /* demand that they are intact */
void guarded_free(struct guarded *g);        /* checks them too */

/** Reproducible numbers in [-1, 1). */
void kernel_fill(float *values, size_t count, uint32_t seed);

/** count stored values of a weight type from floats. */
void kernel_store(enum pnd_dtype dtype, const float *values, size_t count,
                  void *out);

#define KERNEL_BLOCK_FORMATS 12
extern const enum pnd_dtype kernel_block_formats[KERNEL_BLOCK_FORMATS];

/** count blocks of random codes, with scales in [-1, 1). */
void kernel_fill_blocks(enum pnd_dtype dtype, size_t count, uint32_t seed,
                        unsigned char *out);

/** One stored value as double. */
double kernel_value(enum pnd_dtype dtype, const void *stored, size_t index);

/** Processor seconds of the fastest of several calls, each of which does enough
 *  to be measured. */
double kernel_seconds(void (*call)(void *context), void *context);

/** main of a kernel test: `--bench` runs `bench`, otherwise the suite. */
int kernel_main(int argc, char **argv, Suite *(*suite)(void),
                void (*bench)(void));

#endif
