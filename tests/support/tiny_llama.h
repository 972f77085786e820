/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_TINY_LLAMA_H
#define PANDA_TESTS_TINY_LLAMA_H

#include "format/config.h"
#include "tensor/tensor.h"

/* Random decoders of any size, and adapters for them, as the files that the
 * library opens:
 *
 *     struct tiny_llama tiny;
 *     struct tiny_file weights;
 *     tiny_llama_init(&tiny);
 *     tiny.config.kv_heads = 2;
 *     tiny_llama_fill(&weights, &tiny);
 *     const char *folder = tiny_llama_write(&tiny, &weights);
 *
 * Equal settings give equal values. */

struct tiny_tensor {
    char name[128];
    enum pnd_dtype dtype; /* PND_F32, PND_F16 or PND_BF16 */
    uint32_t rank;        /* 1 or 2 */
    int64_t shape[2];
    float *values;        /* what the file will hold, rounded to `dtype` */
};

/* Tensors of a file in the making; tests change them before writing. */
struct tiny_file {
    struct tiny_tensor *tensors;
    size_t count;
    uint64_t random;
};

/** Append a tensor of random values, normally distributed. */
void tiny_file_add(struct tiny_file *f, const char *name, enum pnd_dtype dtype,
                   uint32_t rank, const int64_t *shape, float mean,
                   float deviation);

/** The tensor; fails the test when it is not there. */
struct tiny_tensor *tiny_file_find(const struct tiny_file *f, const char *name);
void tiny_file_remove(struct tiny_file *f, const char *name);

/** Write a temporary .safetensors file, removed at exit; static storage. */
const char *tiny_file_write(const struct tiny_file *f);
void tiny_file_free(struct tiny_file *f);

struct tiny_llama {
    struct pnd_llama_config config;
    enum pnd_dtype dtype; /* of all tensors */
    uint64_t seed;
};

/** A small one: f32, width 32, 2 layers, 4 heads, vocabulary 61. */
void tiny_llama_init(struct tiny_llama *t);

/** All tensors of the decoder, or of a LoRA adapter for it; free with
 *  tiny_file_free. */
void tiny_llama_fill(struct tiny_file *f, const struct tiny_llama *t);
void tiny_lora_fill(struct tiny_file *f, const struct tiny_llama *t,
                    uint32_t rank);

/** Write a temporary HF folder with config.json and model.safetensors, removed
 *  at exit with all that is in it; static storage. */
const char *tiny_llama_write(const struct tiny_llama *t,
                             const struct tiny_file *f);

#endif
