/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_DUMP_H
#define PANDA_CLI_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Collects named f32 tensors and writes them as one safetensors file. */

struct dump_tensor {
    char name[128];
    uint32_t rank;
    int64_t shape[8];
    float *values;
    size_t count;
};

struct dump {
    struct dump_tensor *tensors;
    size_t count, capacity;
    bool out_of_memory;
    const char *prefix; /* in front of the names; "" for none */
};

/** A panda_trace_fn with a struct dump as user. */
void dump_take(const char *stage, const float *values, const int64_t *shape,
               uint32_t rank, void *user);

/** Write to a temporary name, then rename. Says on stderr why not. */
bool dump_write(const struct dump *dump, const char *path);

void dump_free(struct dump *dump);

#endif
