/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_CONFORMANCE_H
#define PANDA_TESTS_CONFORMANCE_H

#include <check.h>

#include "modalities/fake_host.h"

/* What every frontend has to keep, built in or a host's own: the rules of
 * <pandagpt/sys/frontend.h>, tried with good, damaged, missing and hostile
 * inputs. A test describes its frontend and adds the suite's tests to its own:
 *
 *     static void make_sample(struct conformance_sample *sample) { ... }
 *
 *     static const struct conformance conformance_image = {
 *         .ops = &pnd_frontend_image,
 *         .tensor = {sizeof(panda_frontend_tensor), PANDA_ELEMENT_F32, 1, 4,
 *                    {3, 1, 32, 32}},
 *         .make_sample = make_sample,
 *     };
 *
 *     suite_add_tcase(suite, PANDA_FRONTEND_TESTS(image)); */

/** A small valid input in the forms that the frontend reads. */
struct conformance_sample {
    const void *bytes;  /* an encoded file, borrowed for the test's time */
    size_t size;        /* 0: this frontend (or build) reads no files */
    const char *suffix; /* of its file name; NULL for "" */
    bool has_raw;
    bool raw_is_same;   /* the raw form must give the same values */
    panda_input raw;    /* used when has_raw; options also apply to `bytes` */
};

enum {
    /** Any content is a valid file (plain text). */
    CONFORMANCE_ANY_CONTENT = 1 << 0,
    /** A file that was cut off may be a valid, shorter one (sound, tables). */
    CONFORMANCE_CUT_IS_VALID = 1 << 1,
    /** Takes far less than 50 ms for any input: need not ask for cancel. */
    CONFORMANCE_BRIEF = 1 << 2
};

struct conformance {
    const panda_frontend_ops *ops;
    panda_frontend_tensor tensor; /* what an encoder would ask for */
    unsigned flags;
    void (*make_sample)(struct conformance_sample *sample);
    /** Resources and limits of the host; NULL for none. */
    void (*set_up_host)(struct fake_host *host);
};

#define PANDA_FRONTEND_TESTS(name) \
    conformance_make_tcase(#name " conforms", &conformance_##name)

/** A test case with all the tests. Up to 8 in one program. */
TCase *conformance_make_tcase(const char *name, const struct conformance *c);

#endif
