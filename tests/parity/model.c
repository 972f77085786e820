/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "parity/model.h"

#include "support/support.h"

#include <stdlib.h>

static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 0) : 0;
}

panda_runtime *parity_runtime(void)
{
    panda_runtime *runtime;
    panda_runtime_options options;
    ck_assert_ok(panda_runtime_options_init(&options, sizeof options));
    options.threads = (uint32_t)number_in("PANDA_TEST_THREADS");
    options.cpu_mask = number_in("PANDA_TEST_CPU_MASK");
    options.provider_mask = (uint32_t)number_in("PANDA_TEST_PROVIDERS");
    options.flags = PANDA_RUNTIME_SET_BLAS_THREADS;
    ck_assert_ok(panda_runtime_create(&runtime, &options));
    return runtime;
}

panda_model *parity_model(panda_runtime *runtime)
{
    panda_model *model;
    panda_model_options options;
    ck_assert_ok(panda_model_options_init(&options, sizeof options));
    options.imagebind = test_fixture("weights/imagebind_tiny.pth");
    options.clip_vocab = test_fixture("weights/bpe_simple_vocab_16e6.txt.gz");
    options.decoder = test_fixture("weights/vicuna_tiny");
    options.adapter = test_fixture("weights/pandagpt_tiny_delta.pt");
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    return model;
}
