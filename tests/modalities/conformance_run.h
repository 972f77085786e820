/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_CONFORMANCE_RUN_H
#define PANDA_TESTS_CONFORMANCE_RUN_H

#include "modalities/conformance.h"

/* Running a frontend as the library would, with the checks that hold for every
 * input. The functions abort the test when a rule is broken. */

/* One frontend at work: host, state, sample. */
struct subject {
    const struct conformance *c;
    struct fake_host host;
    void *state;
    struct conformance_sample sample;
    char *bytes; /* exactly sample.size bytes, so that tools see overreads */
};

/* What a run gave. */
struct result {
    panda_status status;
    panda_frontend_tensor tensor;
    size_t size;    /* bytes of `values` */
    void *values;   /* on PANDA_OK; release with result_free */
    unsigned char *block;
};

/** A host as the frontend's test wants it. */
void subject_set_up_host(const struct conformance *c, struct fake_host *f,
                         uint32_t threads);

/** Set up a host of `threads`, make the sample, initialise the state. */
void subject_open(struct subject *s, const struct conformance *c,
                  uint32_t threads);

/** As subject_open, with allocation `fail_at` and later ones failing; what init
 *  gave is returned. */
panda_status subject_try_open(struct subject *s, const struct conformance *c,
                              uint32_t threads, long fail_at);

/** Demands that nothing leaked. */
void subject_close(struct subject *s);

/** An input with the sample's options. */
panda_input subject_make_bytes(const struct subject *s, const void *data,
                               size_t size);
panda_input subject_make_path(const struct subject *s, const char *path);
panda_input subject_make_raw(const struct subject *s);

/** The sample in its first form that exists. */
panda_input subject_make_any(const struct subject *s);

/** Describe and preprocess into guarded memory. */
struct result result_run(const struct subject *s, struct fake_host *f,
                         const panda_input *input);

/** As result_run on the subject's own host; must succeed. */
struct result result_run_good(struct subject *s, const panda_input *input);

void result_free(struct result *r);
bool result_is_same(const struct result *a, const struct result *b);

#endif
