/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_SYS_FRONTEND_H
#define PANDAGPT_SYS_FRONTEND_H

#include <pandagpt/input.h>
#include <pandagpt/runtime.h>

/** @file frontend.h
 *  Plug-in interface for modalities: how a file, bytes or raw data become the
 *  tensor that an encoder reads. The built-in frontends use this header and
 *  nothing else of the library; a host's own frontends are registered with
 *  panda_runtime_register_frontend and look the same. Stable per minor
 *  release: `abi_version` must equal PANDA_FRONTEND_ABI_VERSION.
 *
 *  A smallest frontend (a sensor that is already an image of the right size):
 *
 *      static panda_status preprocess(const void *state,
 *                                     const panda_frontend_host *host,
 *                                     const panda_input *input,
 *                                     const panda_frontend_tensor *tensor,
 *                                     void *out)
 *      {
 *          if (input->source != PANDA_SOURCE_RAW)
 *              return PANDA_E_UNSUPPORTED;
 *          my_sensor_to_floats(input->data, out);
 *          return PANDA_OK;
 *      }
 *
 *      static const panda_frontend_ops my_sensor = {
 *          .struct_size = sizeof my_sensor,
 *          .abi_version = PANDA_FRONTEND_ABI_VERSION,
 *          .name = "my-sensor",
 *          .modality = PANDA_MODALITY_THERMAL,
 *          .describe = describe_one,
 *          .preprocess = preprocess,
 *      }; */

PANDA_BEGIN_DECLS

#define PANDA_FRONTEND_ABI_VERSION 1

/** What one input becomes: `items` tensors of `shape`, one after the other.
 *
 *  | modality | shape, element | items |
 *  |---|---|---|
 *  | image | 3, 1, size, size; f32 | 1 |
 *  | video | 3, frames, size, size; f32 | clips x 3 crops of each |
 *  | audio | 1, mel bins, frames; f32 | clips |
 *  | depth, thermal | 1, size, size; f32 | 1 |
 *  | IMU | channels, samples; f32 | 1 |
 *  | text | context length; i32 token ids | 1 |
 */
typedef struct panda_frontend_tensor {
    uint32_t struct_size;
    panda_element element; /**< PANDA_ELEMENT_F32 or PANDA_ELEMENT_I32 */
    uint32_t items;        /**< 1..65536 */
    uint32_t rank;         /**< 1..4 */
    uint32_t shape[4];     /**< of one item, row-major; unused entries 0 */
} panda_frontend_tensor;

/** Limits of the session (panda_encoder_options), defaults filled in. */
typedef struct panda_frontend_limits {
    uint32_t struct_size;
    uint32_t reserved; /**< 0 */
    uint64_t max_file_bytes;
    uint64_t max_pixels;
    double max_seconds;
} panda_frontend_limits;

/** Services of the library for the time of one call. All slots are filled.
 *  Thread safety: one thread at a time, the one of the call, except where a
 *  slot says otherwise. */
typedef struct panda_frontend_host panda_frontend_host;
struct panda_frontend_host {
    uint32_t struct_size;
    uint32_t abi_version;

    /** Memory from the runtime's allocator, 64-byte aligned; NULL when there
     *  is none or `size` is 0 (then return PANDA_E_MEMORY; no message is
     *  needed). */
    void *(*alloc)(const panda_frontend_host *host, size_t size);

    /** Give memory back; NULL is allowed. */
    void (*free)(const panda_frontend_host *host, void *memory);

    /** Record the sentence about a failure and return `status`. Name the
     *  thing, the value found and the value expected; the library puts the
     *  file's name in front. `message` is copied, at most 400 bytes. */
    panda_status (*fail)(const panda_frontend_host *host, panda_status status,
                         const char *message);

    /** One line for the host's log. */
    void (*log)(const panda_frontend_host *host, panda_log_level level,
                const char *message);

    /** Nonzero when the call was cancelled: return PANDA_E_CANCELLED soon.
     *  Ask at least every 50 ms of work. */
    int32_t (*is_cancelled)(const panda_frontend_host *host);

    /** Run `count` pieces on the runtime's threads; `worker` is below
     *  `threads`. The pieces may use `alloc`, `free` and `is_cancelled`. */
    void (*parallel)(const panda_frontend_host *host, panda_task_fn task,
                     void *context, uint32_t count);

    /** A file of the model by its role, whole and decompressed. Known:
     *  "clip.merges" (the CLIP merges table as text).
     *  @param data borrowed, valid as long as the frontend's state
     *  @return PANDA_OK; PANDA_E_UNSUPPORTED (message set) when the model has
     *          none */
    panda_status (*get_resource)(const panda_frontend_host *host,
                                 const char *name, const void **data,
                                 size_t *size);

    /** Threads that `parallel` uses. */
    uint32_t threads;

    uint32_t reserved; /**< 0 */

    /** Limits that apply to this call; NULL in `init`. */
    const panda_frontend_limits *limits;

    /** Of the library; not for frontends. */
    void *internal;
};

/** A frontend. The object lives as long as the runtimes it is registered
 *  with, is never written to, and the library holds no lock while it calls
 *  `describe` and `preprocess`. */
typedef struct panda_frontend_ops {
    uint32_t struct_size; /**< sizeof(panda_frontend_ops) */
    uint32_t abi_version; /**< PANDA_FRONTEND_ABI_VERSION */
    const char *name;     /**< short, lower case: "image" */
    panda_modality modality;
    uint32_t state_size; /**< bytes of private state, zeroed and allocated by
                              the library; 0 for none */

    /** Prepare the state; may be NULL. Called once per open model, before the
     *  first use of the modality, on a thread that encodes; may block, which
     *  holds up the first uses of other frontends; may read resources; must
     *  not encode with the same model. On failure `fini` is called all the
     *  same, and the next use tries again. */
    panda_status (*init)(void *state, const panda_frontend_host *host);

    /** Release what the state holds; may be NULL. The host's `alloc` of `init`
     *  pairs with this `free`. Called once, when the model goes. */
    void (*fini)(void *state, const panda_frontend_host *host);

    /** Say what `input` will become. `tensor` comes with the element and the
     *  shape that the encoder wants and `items` = 1; change `items` (and the
     *  second dimension of an image or video), or fail. Must be cheap: no
     *  decoding. Mandatory. May be called by several threads at once. */
    panda_status (*describe)(const void *state, const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor);

    /** Fill `out` with what `describe` promised.
     *
     *  1. `out` holds items * product(shape) elements, 64-byte aligned, not
     *     initialised; fill all of it, nothing more.
     *  2. `input` has passed the library's checks (source, pointers, sizes);
     *     its content is hostile all the same.
     *  3. `state` is shared by sessions: read it only. Scratch comes from
     *     `host->alloc` and is freed before returning, whatever happens.
     *  4. On failure, use `host->fail`; what `out` holds then is ignored.
     *     PANDA_E_UNSUPPORTED declines: the next frontend is asked.
     *  5. Values must be finite.
     *
     *  Mandatory. May block; may be called by several threads at once. */
    panda_status (*preprocess)(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out);
} panda_frontend_ops;

PANDA_END_DECLS

#endif
