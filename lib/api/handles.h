/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_HANDLES_H
#define PND_API_HANDLES_H

#include <stdatomic.h>

#include <pandagpt/embedding.h>
#include <pandagpt/projector.h>
#include <pandagpt/sys/frontend.h>

#include "base/context.h"
#include "kernels/kernels.h"

/* The handles that several files of this folder look into. */

#define PND_MAX_FRONTENDS 32

struct panda_runtime {
    atomic_uint references;
    struct pnd_context context;
    struct pnd_kernels kernels; /* context.kernels points here */
    uint64_t cpu_detected;
    atomic_bool has_opened; /* a model was opened: frontends are fixed */
    uint32_t frontend_count;
    const panda_frontend_ops *frontends[PND_MAX_FRONTENDS];
};

panda_runtime *pnd_runtime_ref(panda_runtime *runtime);

struct panda_embedding {
    atomic_uint references;
    panda_runtime *runtime;
    uint32_t dim;
    panda_modality modality;
    panda_output output;
    float values[]; /* (dim) */
};

/** A new embedding with uninitialised values. */
panda_status pnd_embedding_new(panda_embedding **out, panda_runtime *runtime,
                               uint32_t dim, panda_modality modality,
                               panda_output output);

struct panda_prefix {
    atomic_uint references;
    panda_runtime *runtime;
    uint32_t length;
    uint32_t hidden;
    float values[]; /* (length, hidden) */
};

#endif
