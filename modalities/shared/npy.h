/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_SHARED_NPY_H
#define PND_SHARED_NPY_H

#include <stdbool.h>

#include "modalities/shared/fail.h"

/* NumPy's .npy files: "\x93NUMPY", version (1, 0), (2, 0) or (3, 0), the length
 * of the header (u16; from version 2 on u32), a Python dictionary
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (6, 2000), }
 *
 * and the values. Read here: little-endian numbers in C order, at most four
 * dimensions. What follows the values is ignored, as NumPy does. */

enum pnd_npy_type {
    PND_NPY_U8, PND_NPY_I8, PND_NPY_U16, PND_NPY_I16, PND_NPY_U32, PND_NPY_I32,
    PND_NPY_F32, PND_NPY_F64
};

struct pnd_npy {
    enum pnd_npy_type type;
    uint32_t rank;         /* 0..4 */
    uint64_t shape[4];     /* unused entries 1 */
    uint64_t count;        /* product of the shape, at least 1 */
    const uint8_t *values; /* borrowed, count values, not aligned */
};

/** Whether a content begins as an .npy file does. */
bool pnd_npy_detect(const uint8_t *data, size_t size);

/** Understand the file's content, which `out` then borrows.
 *  @return PANDA_OK; PANDA_E_FORMAT */
panda_status pnd_npy_parse(struct pnd_npy *out,
                           const panda_frontend_host *host,
                           const uint8_t *data, size_t size);

/** Values [first, first + count) as floats; large integers are rounded. */
void pnd_npy_read_f32(const struct pnd_npy *npy, uint64_t first, size_t count,
                      float *out);

/** One value. */
double pnd_npy_get(const struct pnd_npy *npy, uint64_t index);

#endif
