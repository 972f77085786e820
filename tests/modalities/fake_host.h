/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_FAKE_HOST_H
#define PANDA_TESTS_FAKE_HOST_H

#include <stdatomic.h>
#include <stdbool.h>

#include <pandagpt/sys/frontend.h>

/* A panda_frontend_host for tests of frontends, without the library behind it.
 * It counts and fails allocations, keeps the sentence of the last failure,
 * and can cancel.
 *
 *     struct fake_host f;
 *     fake_host_init(&f, 2);
 *     ops->preprocess(state, &f.host, &input, &tensor, out);
 *     ck_assert_int_eq(fake_host_check(&f), 0); */

#define FAKE_HOST_RESOURCES 4

struct fake_host {
    panda_frontend_host host;     /* pass the address of this one */
    panda_frontend_limits limits; /* as a session's defaults; may be changed */

    atomic_long live;    /* blocks not given back */
    atomic_long count;   /* allocations asked for */
    atomic_long damaged; /* blocks written past their end */
    long fail_at;        /* this one (from 1) and later fail; 0: none */

    int failures;      /* calls of host->fail */
    int misuses;       /* host->fail with a status that is no error, an empty
                          or an overlong message */
    panda_status status; /* of the last host->fail */
    char message[401];   /* of the last host->fail; "" without */
    int logs;            /* calls of host->log */

    atomic_long asked; /* calls of is_cancelled */
    long cancel_at;    /* this question (from 1) and later hear yes; 0: never */

    struct {
        const char *name;
        const void *data;
        size_t size;
    } resources[FAKE_HOST_RESOURCES];
};

/** `threads` is at least 1; `parallel` starts one less. */
void fake_host_init(struct fake_host *f, uint32_t threads);

/** Let get_resource give borrowed data under a role's name. */
void fake_host_set_resource(struct fake_host *f, const char *name,
                            const void *data, size_t size);

/** Forget the last failure and the counts of failures and cancellation. */
void fake_host_clear(struct fake_host *f);

/** Leaked blocks + damaged blocks + misuses: 0 when all is well. */
long fake_host_check(const struct fake_host *f);

#endif
