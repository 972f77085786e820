/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_TINY_IMAGEBIND_H
#define PANDA_TESTS_TINY_IMAGEBIND_H

#include "format/config.h"
#include "tensor/tensor.h"

/* Small ImageBind weights with the names and shapes of imagebind_huge.pth,
 * drawn from a seed and written as a safetensors file. Every value is exact in
 * f32, f16 and bf16, and depends on the seed and its tensor's name only, so
 * that files of different types or with different faults hold the same
 * numbers. */

struct tiny_tower {
    uint32_t width, heads, blocks;
};

struct tiny_imagebind {
    uint64_t seed;
    uint32_t towers; /* bits 1 << PND_TOWER_* */
    struct tiny_tower tower[PND_TOWER_COUNT];
    uint32_t embedding_dim;
    uint32_t image_size;   /* of vision, depth, thermal; divides by 14, 16 */
    uint32_t vocabulary;   /* rows of the text tower's table */
    enum pnd_dtype dtype;  /* of all tensors: f32, f16, bf16 */

    bool int8;             /* matrices of the trunks, with their scales */
    bool calm;             /* attention is not sharp, which rounding upsets */
    bool outliers;         /* norms of the trunks have some large channels */

    /* Faults; NULL for none. */
    const char *without;   /* leave this tensor out */
    const char *extra;     /* add a vector of this name */
    const char *misshapen; /* one more row in this tensor */
};

/** All towers, a few blocks each, 224 pixels, the CLIP vocabulary, f32. */
void tiny_imagebind_init(struct tiny_imagebind *m);

/** Write the weights; path as from test_write_temp. */
const char *tiny_imagebind_write(const struct tiny_imagebind *m);

/** Write the JSON with the head counts. */
const char *tiny_imagebind_write_config(const struct tiny_imagebind *m);

/** What that JSON says. */
struct pnd_imagebind_config tiny_imagebind_get_config(
    const struct tiny_imagebind *m);

#endif
