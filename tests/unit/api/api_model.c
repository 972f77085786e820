/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_model.h"

#include <stdio.h>
#include <string.h>

#include "support/tiny_imagebind.h"
#include "support/tiny_llama.h"
#include "text/tokenizer.h"

static uint32_t count_pieces(const char *path)
{
    struct pnd_tokenizer *tokenizer;
    ck_assert_ok(pnd_tokenizer_open(&tokenizer, test_context(), path, NULL));
    uint32_t count = pnd_tokenizer_get_size(tokenizer);
    pnd_tokenizer_close(tokenizer);
    return count;
}

struct api_files api_files_write(uint32_t hidden)
{
    struct api_files files = {.tokenizer = test_golden("tokenizer.model")};
    struct tiny_imagebind towers;
    tiny_imagebind_init(&towers);
    towers.towers &= ~(1u << PND_TOWER_TEXT);
    files.imagebind = tiny_imagebind_write(&towers);
    files.config = tiny_imagebind_write_config(&towers);

    struct tiny_llama llama;
    struct tiny_file weights, delta;
    tiny_llama_init(&llama);
    llama.config.hidden = hidden;
    llama.config.head_dim = hidden / llama.config.heads;
    llama.config.vocab_size = count_pieces(files.tokenizer);
    llama.config.context_length = 512;
    tiny_llama_fill(&weights, &llama);
    files.decoder = tiny_llama_write(&llama, &weights);
    tiny_file_free(&weights);

    tiny_lora_fill(&delta, &llama, 4);
    tiny_file_add(&delta, "llama_proj.weight", PND_F32, 2,
                  (int64_t[]){hidden, towers.embedding_dim}, 0, 0.3f);
    tiny_file_add(&delta, "llama_proj.bias", PND_F32, 1, (int64_t[]){hidden}, 0,
                  0.3f);
    files.adapter = tiny_file_write(&delta);
    tiny_file_free(&delta);
    return files;
}

panda_model_options api_options(const struct api_files *files)
{
    panda_model_options options;
    ck_assert_ok(panda_model_options_init(&options, sizeof options));
    options.imagebind = files->imagebind;
    options.imagebind_config = files->config;
    options.decoder = files->decoder;
    options.tokenizer = files->tokenizer;
    options.adapter = files->adapter;
    return options;
}

panda_runtime *api_runtime(const struct test_alloc *alloc, uint32_t threads)
{
    panda_runtime *runtime;
    panda_runtime_options options;
    ck_assert_ok(panda_runtime_options_init(&options, sizeof options));
    options.threads = threads;
    options.flags = PANDA_RUNTIME_SET_BLAS_THREADS;
    if (alloc) {
        options.alloc = alloc->alloc.alloc;
        options.free = alloc->alloc.free;
        options.alloc_user = alloc->alloc.user;
    }
    ck_assert_ok(panda_runtime_create(&runtime, &options));
    return runtime;
}

panda_model *api_model(void)
{
    panda_model *model;
    struct api_files files = api_files_write(32);
    panda_model_options options = api_options(&files);
    panda_runtime *runtime = api_runtime(NULL, 2);
    ck_assert_ok(panda_model_open(&model, runtime, &options));
    panda_runtime_destroy(runtime);
    return model;
}

panda_input api_picture(uint32_t seed)
{
    enum { SIDE = 40 };
    static uint8_t pixels[SIDE * SIDE * 3];
    panda_input input;
    for (size_t i = 0; i < sizeof pixels; i++) {
        seed = seed * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(seed >> 24);
    }
    ck_assert_ok(
        panda_input_init_image(&input, sizeof input, pixels, SIDE, SIDE, 3, 0));
    return input;
}
