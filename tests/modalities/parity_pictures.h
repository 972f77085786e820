/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_PARITY_PICTURES_H
#define PANDA_TESTS_PARITY_PICTURES_H

#include "modalities/fake_host.h"
#include "support/support.h"

/* Shared by the parity tests of pictures. */

#define SIDE 224
#define PIXELS (SIDE * SIDE)

/** Preprocess inputs/`name` into `out`, items * shape floats; must succeed. */
static inline void preprocess_fixture(float *out,
                                      const panda_frontend_ops *ops,
                                      panda_frontend_tensor tensor,
                                      const char *name)
{
    struct fake_host f;
    fake_host_init(&f, 2);
    panda_input input = {.struct_size = sizeof input,
                         .modality = ops->modality,
                         .source = PANDA_SOURCE_PATH};
    char path[64];
    snprintf(path, sizeof path, "inputs/%s", name);
    input.path = test_fixture(path);
    panda_status status = ops->describe(NULL, &f.host, &input, &tensor);
    if (status == PANDA_OK)
        status = ops->preprocess(NULL, &f.host, &input, &tensor, out);
    ck_assert_msg(status == PANDA_OK, "%s gave %d: %s", name, (int)status,
                  f.message);
    ck_assert_int_eq(fake_host_check(&f), 0);
}

#endif
