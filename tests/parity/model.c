/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "parity/model.h"

#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pandagpt_config.h"

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
    if (parity_can_read_text())
        options.clip_vocab =
            test_fixture("weights/bpe_simple_vocab_16e6.txt.gz");
    options.decoder = test_fixture("weights/vicuna_tiny");
    options.adapter = test_fixture("weights/pandagpt_tiny_delta.pt");
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    return model;
}

panda_model *parity_golden_model(panda_runtime *runtime,
                                 panda_lora_mode lora_mode)
{
    panda_model *model;
    panda_model_options options;
    ck_assert_ok(panda_model_options_init(&options, sizeof options));
    options.imagebind = test_golden("imagebind_tiny.pth");
    options.decoder = test_golden("vicuna_tiny");
    options.adapter = test_golden("pandagpt_tiny.pt");
    options.lora_mode = lora_mode;
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    return model;
}

bool parity_can_read_text(void)
{
    return HAVE_ZLIB && HAVE_UTF8PROC;
}

bool parity_can_read(const panda_model *model, panda_modality modality,
                     const char *name)
{
    static const struct {
        const char *ending;
        bool has_decoder;
    } kinds[] = {
        {".jpg", HAVE_JPEG}, {".png", HAVE_PNG}, {".mp4", HAVE_FFMPEG},
        {".wav", HAVE_SNDFILE}, {".flac", HAVE_SNDFILE},
    };
    bool can = panda_model_has_modality(model, modality);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *ending = strrchr(name, '.');
        if (ending && strcmp(ending, kinds[i].ending) == 0)
            can = can && kinds[i].has_decoder;
    }
    if (!can)
        printf("SKIP: this build does not read %s\n", name);
    return can;
}
