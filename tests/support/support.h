/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_SUPPORT_H
#define PANDA_TESTS_SUPPORT_H

#include <check.h>

#include "base/context.h"

/* What the tests share. A test file defines a Suite and ends with
 *
 *     int main(void)
 *     {
 *         return test_run(make_suite());
 *     }
 *
 * A parity test, which needs the reference's fixtures, begins its main with
 *
 *     if (!test_have_fixtures())
 *         return TEST_SKIP;
 */

#define TEST_SKIP 77 /* meson's code for a skipped test */

/** Run a suite; returns the exit code. */
int test_run(Suite *suite);

/** Whether the fixture folder is there; otherwise says by name what is
 *  skipped. */
bool test_have_fixtures(void);

/** Path of a file of the fixtures, such as "inputs/rgb.png", or of
 *  tests/golden. Static storage, of the last eight calls. */
const char *test_fixture(const char *name);
const char *test_golden(const char *name);

/** A context with kernels and threads, made once. Environment:
 *  PANDA_TEST_THREADS (default 2), PANDA_TEST_CPU_MASK (default all, a number
 *  of PANDA_CPU_* bits), PANDA_TEST_PROVIDERS (default all, PANDA_PROVIDER_*
 *  bits). */
const struct pnd_context *test_context(void);

/** Demand PANDA_OK; prints the message otherwise. */
#define ck_assert_ok(expression)                                            \
    do {                                                                    \
        panda_status ck_status = (expression);                              \
        ck_assert_msg(ck_status == PANDA_OK, "%s gave %d: %s", #expression, \
                      (int)ck_status, pnd_error_get());                     \
    } while (0)

/** Demand this failure and a message that contains `part`. */
#define ck_assert_fails(expression, expected, part)                          \
    do {                                                                     \
        panda_status ck_status = (expression);                               \
        ck_assert_msg(ck_status == (expected), "%s gave %d (%s), not %d",    \
                      #expression, (int)ck_status, pnd_error_get(),          \
                      (int)(expected));                                      \
        ck_assert_msg(strstr(pnd_error_get(), part) != NULL,                 \
                      "\"%s\" does not contain \"%s\"", pnd_error_get(),     \
                      part);                                                 \
    } while (0)

/* An allocator that counts and can fail. */
struct test_alloc {
    struct pnd_allocator alloc; /* use this one */
    atomic_long live;           /* blocks not freed */
    atomic_long count;          /* allocations asked for */
    long fail_at;               /* this one (from 1) and later fail; 0: none */
};
void test_alloc_init(struct test_alloc *t);

/** A temporary file with this content; unlinked at exit of the process that
 *  made it. Static storage of the path, of the last eight calls. */
const char *test_write_temp(const char *suffix, const void *data, size_t size);

/* A fixture tensor as floats (or its own integers), read by the library's own
 * safetensors reader. */
struct test_tensor {
    uint32_t rank;
    int64_t shape[8];
    size_t count;
    float *values; /* floats; integers are converted */
};

/** Tensor `key` of expected/`file`; aborts the test when missing. */
struct test_tensor test_tensor_read(const char *file, const char *key);
void test_tensor_free(struct test_tensor *t);

/** Largest |a - b|. */
double test_max_difference(const float *a, const float *b, size_t count);

/** Cosine of the angle between two vectors. */
double test_cosine(const float *a, const float *b, size_t count);

/** Demand |a - b| <= tolerance everywhere; says where and what otherwise. */
void test_assert_close(const char *what, const float *a, const float *b,
                       size_t count, double tolerance);

#endif
