/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_RUNTIME_H
#define PANDAGPT_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include <pandagpt/export.h>
#include <pandagpt/status.h>
#include <pandagpt/version.h>

/** @file runtime.h
 *  The root object: allocator, logger, threads, instruction sets, frontends.
 *
 *      panda_runtime *runtime = NULL;
 *      if (panda_runtime_create(&runtime, NULL) < 0)
 *          return 1;
 *      ...
 *      panda_runtime_destroy(runtime);
 *
 *  Rules that hold in all headers of this library:
 *
 *  1. Ownership. A pointer written through an `out` parameter is the
 *     caller's to release with the matching destroy, close or unref. A pointer
 *     *returned* by a function is borrowed and lives as long as the object it
 *     came from, unless said otherwise. Comments use three words: the library
 *     **borrows** an argument for the call, **takes** it for good, or **gives**
 *     something to the caller. On failure, `*out` is set to NULL.
 *  2. NULL. Destructors accept NULL. Options pointers may be NULL, which
 *     means all defaults. Every other pointer must be valid unless said
 *     otherwise; NULL there is PANDA_E_ARGUMENT.
 *  3. Threads. Each handle states one of: *shareable* (any number of threads
 *     at once), *one thread at a time*, *any thread*.
 *  4. Options. Every options struct begins with `struct_size`; zero in any
 *     field means the default. Start from the matching `_init` function (or
 *     zero the struct and set `struct_size = sizeof(it)`). Options need only
 *     live until the call returns.
 *  5. Strings are UTF-8 and end with a zero byte unless a length is given;
 *     paths likewise. Objects may be destroyed in any order: sessions hold a
 *     reference on their model, models on their runtime. */

PANDA_BEGIN_DECLS

/** Root object. Thread safety: shareable. */
typedef struct panda_runtime panda_runtime;

typedef int32_t panda_log_level;

enum {
    PANDA_LOG_NONE = 0,  /**< as an option: the default, PANDA_LOG_WARN */
    PANDA_LOG_ERROR = 1, /**< something failed that no status reports */
    PANDA_LOG_WARN = 2,  /**< works, but probably not as meant */
    PANDA_LOG_INFO = 3,  /**< what was loaded and chosen */
    PANDA_LOG_DEBUG = 4  /**< details for finding faults */
};

/** Instruction sets, as bits. A level includes what it needs: AVX2 stands for
 *  AVX2 + FMA + F16C, AVX512 for F + BW + DQ + VL on top of AVX2. Tiles (AMX)
 *  need a permission of the system, which is asked for when a runtime is
 *  created that may use them; it is of the whole process and stays. */
enum {
    PANDA_CPU_GENERIC = 1 << 0, /**< portable C; always there */
    PANDA_CPU_AVX2 = 1 << 1,
    PANDA_CPU_AVX512 = 1 << 2,
    PANDA_CPU_AVX512_VNNI = 1 << 3,
    PANDA_CPU_AVX512_BF16 = 1 << 4,
    PANDA_CPU_AMX_INT8 = 1 << 5,
    PANDA_CPU_AMX_BF16 = 1 << 6,
    PANDA_CPU_NEON = 1 << 16,
    PANDA_CPU_DOTPROD = 1 << 17,
    PANDA_CPU_I8MM = 1 << 18
};

/** External compute libraries, as bits. */
enum {
    PANDA_PROVIDER_NONE = 1 << 0, /**< own kernels; always there */
    PANDA_PROVIDER_OPENBLAS = 1 << 1,
    PANDA_PROVIDER_ONEDNN = 1 << 2
};

enum {
    /** Allow the library to set OpenBLAS's process-wide thread count to 1.
     *  Without it, OpenBLAS is used only where it is single-threaded already
     *  (built so, or OPENBLAS_NUM_THREADS=1), because a library must not
     *  change its host's settings. Programs that use OpenBLAS for nothing
     *  else should set it. */
    PANDA_RUNTIME_SET_BLAS_THREADS = 1 << 0
};

/** Gives `size` bytes aligned to `alignment` (a power of two, at most 64), or
 *  NULL. May be called from any thread, several at once; must not call back
 *  into the library. */
typedef void *(*panda_alloc_fn)(size_t size, size_t alignment, void *user);

/** Takes back what the panda_alloc_fn beside it gave; never NULL. Same
 *  threads. */
typedef void (*panda_free_fn)(void *memory, void *user);

/** Receives one line of log without a line break; `message` is borrowed. May
 *  be called from any thread, several at once; must not call back into the
 *  library. */
typedef void (*panda_log_fn)(panda_log_level level, const char *message,
                             void *user);

/** Reports progress of a long call: `fraction` in [0, 1]. Called on the
 *  thread that made the call; must not call back into the same object. Return
 *  0 to go on, anything else to stop the call with PANDA_E_CALLBACK. */
typedef int32_t (*panda_progress_fn)(double fraction, void *user);

/** One piece of a parallel loop. */
typedef void (*panda_task_fn)(void *context, uint32_t index, uint32_t worker);

/** Runs task(context, i, worker) once for each i in [0, count) and returns
 *  when all are done; order and threads are free. `worker` must be below the
 *  runtime's `threads`, and no two calls that run at the same time may have
 *  the same. May be called from any thread that uses the library. A
 *  complete single-threaded example:
 *
 *      static void run(panda_task_fn task, void *context, uint32_t count,
 *                      void *user)
 *      {
 *          for (uint32_t i = 0; i < count; i++)
 *              task(context, i, 0);
 *      }
 */
typedef void (*panda_parallel_fn)(panda_task_fn task, void *context,
                                  uint32_t count, void *user);

typedef struct panda_runtime_options {
    uint32_t struct_size; /**< sizeof(panda_runtime_options) */
    uint32_t api_version; /**< PANDA_API_VERSION of the caller's headers;
                               0 skips the check */
    panda_alloc_fn alloc; /**< with `free`, or neither; default: the C heap */
    panda_free_fn free;
    void *alloc_user;           /**< passed to both */
    panda_log_fn log;           /**< default: silence */
    void *log_user;             /**< passed to `log` */
    panda_log_level log_level;  /**< most detailed level wanted; default WARN */
    uint32_t threads;           /**< threads to compute with, the caller's
                                     included; range 1..1024; default: the
                                     processors this process may use */
    panda_parallel_fn parallel; /**< the host's own thread pool; default: a
                                     pool owned by the runtime */
    void *parallel_user;        /**< passed to `parallel` */
    uint64_t cpu_mask;          /**< PANDA_CPU_* bits that may be used; default
                                     all that the machine has */
    uint32_t provider_mask;     /**< PANDA_PROVIDER_* bits that may be used;
                                     without PANDA_PROVIDER_NONE they do all
                                     they can, not only what they are faster
                                     at; default all in the build */
    uint32_t flags;             /**< PANDA_RUNTIME_* bits */
} panda_runtime_options;

/** Fill `options` with defaults, `struct_size` and `api_version`.
 *  @param struct_size sizeof(panda_runtime_options) of the caller
 *  @return PANDA_OK, or PANDA_E_VERSION when the struct is not of this family
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_runtime_options_init(
    panda_runtime_options *options, uint32_t struct_size);

/** Create a runtime. Starts `threads - 1` threads unless `parallel` is given.
 *  @param out gives the runtime; release with panda_runtime_destroy
 *  @param options borrows; NULL for defaults
 *  @return PANDA_OK; PANDA_E_VERSION when `api_version` is newer than the
 *          library; PANDA_E_ARGUMENT; PANDA_E_MEMORY
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status
panda_runtime_create(panda_runtime **out, const panda_runtime_options *options);

/** Drop the caller's reference. Models and sessions made from the runtime keep
 *  it alive until they are gone. NULL is allowed.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API void panda_runtime_destroy(panda_runtime *runtime);

typedef struct panda_cpu_features {
    uint32_t struct_size; /**< sizeof(panda_cpu_features), set by the caller */
    uint32_t threads;     /**< threads in use, the caller's included */
    uint64_t detected;    /**< PANDA_CPU_* bits of this machine */
    uint64_t used;        /**< of `detected`, what the mask and the system allow
                               and kernels are there for */
    uint32_t providers;   /**< PANDA_PROVIDER_* bits in use */
    uint32_t f32_provider;  /**< the PANDA_PROVIDER_* bit of what multiplies f32
                                 matrices by many rows */
    uint32_t int8_provider; /**< int8 matrices; all else is
                                 PANDA_PROVIDER_NONE's: few rows, f16, bf16,
                                 block formats, attention */
    uint32_t provider_rows; /**< so many rows are many for oneDNN; 0: it is not
                                 used */
} panda_cpu_features;

/** What was detected and what is in use.
 *  @param out borrows; `struct_size` set by the caller, the rest is filled
 *  @return PANDA_OK, PANDA_E_ARGUMENT, PANDA_E_VERSION
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_runtime_get_cpu_features(
    const panda_runtime *runtime, panda_cpu_features *out);

struct panda_frontend_ops;

/** Add a frontend (sys/frontend.h). It is asked before the built-in ones of
 *  its modality; one that answers PANDA_E_UNSUPPORTED passes the input on.
 *  Must precede the first panda_model_open on this runtime, and is not
 *  thread-safe.
 *  @param ops borrows for the life of the runtime
 *  @return PANDA_OK; PANDA_E_ARGUMENT naming an empty slot; PANDA_E_VERSION
 *          with both numbers; PANDA_E_STATE after a model was opened
 *  Thread safety: one thread at a time.
 *  @since 0.1 */
PANDA_API panda_status panda_runtime_register_frontend(
    panda_runtime *runtime, const struct panda_frontend_ops *ops);

PANDA_END_DECLS

#endif
