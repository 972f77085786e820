/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_BENCH_H
#define PANDA_CLI_BENCH_H

#include "common.h"

/* What the parts of `panda bench` share. */

struct bench_args {
    uint32_t threads;
    uint64_t cpu_mask;
    panda_precision precision;
    bool json, quick;
    char **works; /* names wanted, `work_count` of them; 0: all */
    int work_count;
    int rows; /* printed so far */
};

/** Seconds of a clock that only goes forward. */
double bench_now(void);

/** The middle one of `count` numbers, which are sorted. */
double bench_median(double *values, size_t count);

/** One row of the table; or a line of JSON. `achieved` and `peak` are of the
 *  same `unit`. */
void bench_print(struct bench_args *args, const char *work,
                 const char *mode, uint32_t threads, double seconds,
                 double achieved, const char *unit, double peak);

/** Whether the command line asks for this row. */
bool bench_wants(const struct bench_args *args, const char *work);

/** GB/s of `threads` threads that read all of `memory` once. */
double bench_read_speed(const void *memory, size_t size, uint32_t threads);

/** Most multiplications and additions of a second, in 1e9, by the instruction
 *  sets `cpu` (PANDA_CPU_*) in registers, of numbers of a mode: "int8", "bf16",
 *  otherwise floats. */
double bench_peak(const char *mode, uint64_t cpu, uint32_t threads);

/** A decoder in memory, as a GGUF file has it: random codes. */
struct bench_decoder {
    const char *name;
    uint32_t layers, hidden, intermediate, heads, kv_heads, vocab;
    uint32_t type, output_type; /* of matrices: GGUF's numbers */
    bool is_first;              /* of those that are measured */
    unsigned char *data;        /* `size` bytes; bench_free_decoder */
    size_t size, weights_at;    /* where the tensors begin */
    uint64_t embedding_bytes;   /* of which a token reads a row */
    double products; /* multiply-adds of a position, without the output's */
};

/** False (said on stderr) when there is no memory. */
bool bench_make_decoder(struct bench_decoder *d);
void bench_free_decoder(struct bench_decoder *d);

/** Rows of decoders; an exit code. */
int bench_run_decoders(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu);

#define BENCH_EMBEDDING 1024 /* ImageBind's */

/** A tower of ImageBind; names as in its file, behind the usual prefixes. */
struct bench_tower {
    const char *name;
    uint32_t width, blocks, tokens;
    const char *positions;
    const char *stem, *stem_norm, *head; /* stem_norm: NULL: none */
    const char *stem_dims; /* of a row of the stem */
    size_t stem_values;    /* their product */
    bool class_token, pre_norm, extra_key, scaled, token_ids;
};

/** The tower with so many blocks as a safetensors file in memory, to be freed;
 *  NULL (said on stderr) when there is none. */
unsigned char *bench_make_imagebind(const struct bench_tower *t,
                                    uint32_t blocks, size_t *size);

/** Rows of encoders; an exit code. */
int bench_run_encoders(struct bench_args *args, panda_runtime *runtime,
                       const panda_cpu_features *cpu);

#endif
