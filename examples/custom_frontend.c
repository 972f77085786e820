/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/pandagpt.h>
#include <pandagpt/sys/frontend.h>

#include <stdio.h>

/* Teach the library a sensor of your own: a thermal camera that gives frames
 * of 32 x 24 temperatures, 16 bits each, in hundredths of a kelvin. */

enum { WIDTH = 32, HEIGHT = 24, SIZE = WIDTH * HEIGHT * 2 };

/* What is not from the camera is left to the built-in frontend. The shape in
 * `tensor` is what the encoder wants; here it stays as it is. */
static panda_status describe(const void *state, const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state, (void)host, (void)tensor;
    if (input->source == PANDA_SOURCE_BYTES && input->size == SIZE)
        return PANDA_OK;
    return PANDA_E_UNSUPPORTED;
}

/* 0..50 degrees to [0, 1], each pixel from the nearest of the camera's. */
static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    const uint16_t *frame = input->data; /* [HEIGHT, WIDTH] */
    uint32_t rows = tensor->shape[1], columns = tensor->shape[2];
    (void)state, (void)host;
    for (uint32_t i = 0; i < rows * columns; i++) {
        uint32_t y = i / columns * HEIGHT / rows;
        uint32_t x = i % columns * WIDTH / columns;
        ((float *)out)[i] = (float)(frame[y * WIDTH + x] - 27315) / 5000;
    }
    return PANDA_OK;
}

static const panda_frontend_ops camera = {
    .struct_size = sizeof camera, .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "camera", .modality = PANDA_MODALITY_THERMAL,
    .describe = describe, .preprocess = preprocess};

int main(int argc, char **argv)
{
    uint16_t frame[WIDTH * HEIGHT];
    panda_runtime *runtime = NULL;
    panda_model *model = NULL;
    panda_encoder *encoder = NULL;
    panda_input input;
    panda_embedding *embedding = NULL;
    int code = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: %s IMAGEBIND\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < WIDTH * HEIGHT; i++) /* made up: warm on the left */
        frame[i] = i % WIDTH < 10 ? 30900 : 29300;
    panda_model_options o = {.struct_size = sizeof o, .imagebind = argv[1]};
    /* The first call that fails ends the row. */
    if (panda_runtime_create(&runtime, NULL) < 0 ||
        panda_runtime_register_frontend(runtime, &camera) < 0 ||
        panda_model_open(&model, runtime, &o) < 0 ||
        panda_encoder_create(&encoder, model, NULL) < 0 ||
        panda_input_init_bytes(&input, sizeof input, PANDA_MODALITY_THERMAL,
                               frame, sizeof frame) < 0 ||
        panda_encoder_encode(&embedding, encoder, &input, NULL) < 0)
        fprintf(stderr, "%s\n", panda_error_get_message());
    else
        code = printf("%u numbers\n", panda_embedding_get_dim(embedding)) < 0;
    panda_embedding_unref(embedding);
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return code;
}
