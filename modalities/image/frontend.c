/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/resize.h"
#include "modalities/shared/tensor.h"

/* One picture to [3, 1, size, size], as ImageBind's load_and_transform_vision_
 * data: RGB, shorter side resized, centre crop, /255, CLIP's mean and standard
 * deviation. */

static const float means[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float deviations[3] = {0.26862954f, 0.26130258f, 0.27577711f};

static panda_status describe(const void *state,
                             const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state;
    (void)input;
    panda_status status = pnd_tensor_check_square(host, tensor, 4, 3);
    if (status < 0)
        return status;
    tensor->items = 1;
    tensor->shape[1] = 1; /* a still picture; the encoder knows what to do */
    return PANDA_OK;
}

/* bytes [count, channels] to planes out [3, count]. Each channel has 256
 * values; computed once each, in the reference's order and precision. */
static void normalise(float *out, const uint8_t *bytes, size_t count,
                      uint32_t channels)
{
    for (uint32_t c = 0; c < 3; c++) {
        float values[256];
        for (int i = 0; i < 256; i++)
            values[i] = ((float)i / 255.0f - means[c]) / deviations[c];
        const uint8_t *in = bytes + (channels == 3 ? c : 0);
        for (size_t i = 0; i < count; i++)
            *out++ = values[in[i * channels]];
    }
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    uint32_t size = tensor->shape[3];
    size_t count = (size_t)size * size;
    const panda_image_options *options = input->image_options;
    struct pnd_picture picture = {0};
    struct pnd_window window;
    uint8_t *bytes = NULL; /* [size, size, picture.channels] */
    panda_status status;

    PND_HOST_TRY(pnd_picture_open(&picture, host, input));
    if (options && options->exif_rotation == PANDA_SWITCH_ON)
        PND_HOST_TRY(pnd_picture_upright(&picture, host));
    bytes = pnd_host_alloc(host, count, picture.channels);
    if (!bytes) {
        status = pnd_host_fail_memory(host);
        goto out;
    }
    pnd_window_init(&window, picture.width, picture.height, size);
    PND_HOST_TRY(pnd_resize_bicubic(host, bytes, &picture, &window));
    normalise(out, bytes, count, picture.channels);
out:
    host->free(host, bytes);
    pnd_picture_close(&picture, host);
    return status;
}

extern const panda_frontend_ops pnd_frontend_image;
const panda_frontend_ops pnd_frontend_image = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "image",
    .modality = PANDA_MODALITY_IMAGE,
    .describe = describe,
    .preprocess = preprocess,
};
