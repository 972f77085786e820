/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_FUZZ_H
#define PANDA_TESTS_FUZZ_H

#include "base/context.h"

/* What the fuzz targets share. A target is one file with
 * LLVMFuzzerTestOneInput; it is built twice: with libFuzzer, and with replay.c
 * for the ordinary test run. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A heap that ends the program when the reader takes more memory than the
 * input's size justifies, or leaves some behind. */
struct fuzz_heap {
    struct pnd_allocator alloc;
    size_t live, limit; /* bytes */
};

void fuzz_heap_init(struct fuzz_heap *heap, size_t input_size);
void fuzz_heap_check(const struct fuzz_heap *heap);

/** Ends the program, as a sanitizer would, unless `condition` holds. */
void fuzz_demand(bool condition, const char *what);

#endif
