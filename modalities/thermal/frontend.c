/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/resize.h"
#include "modalities/shared/tensor.h"

/* One thermal picture to [1, size, size], as ImageBind's load_and_transform_
 * thermal_data: luma, shorter side resized, centre crop, /255. */

static panda_status describe(const void *state,
                             const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state;
    (void)input;
    panda_status status = pnd_tensor_check_square(host, tensor, 3, 1);
    if (status < 0)
        return status;
    tensor->items = 1;
    return PANDA_OK;
}

static void scale(float *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)bytes[i] / 255.0f;
}

/* The darkest of the pixels that the encoder sees becomes 0, the brightest 1; a
 * picture of one value only becomes 0. */
static void stretch(float *out, const uint8_t *bytes, size_t count)
{
    uint8_t low = bytes[0], high = bytes[0];
    for (size_t i = 1; i < count; i++) {
        low = bytes[i] < low ? bytes[i] : low;
        high = bytes[i] > high ? bytes[i] : high;
    }
    float range = high > low ? (float)(high - low) : 1.0f;
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(bytes[i] - low) / range;
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    uint32_t size = tensor->shape[2];
    size_t count = (size_t)size * size;
    const panda_thermal_options *options = input->thermal_options;
    struct pnd_picture picture = {0};
    struct pnd_window window;
    uint8_t *bytes = NULL; /* [size, size] */
    panda_status status;

    PND_HOST_TRY(pnd_picture_open(&picture, host, input));
    PND_HOST_TRY(pnd_picture_to_gray(&picture, host));
    bytes = pnd_host_alloc(host, count, 1);
    if (!bytes) {
        status = pnd_host_fail_memory(host);
        goto out;
    }
    pnd_window_init(&window, picture.width, picture.height, size);
    PND_HOST_TRY(pnd_resize_bicubic(host, bytes, &picture, &window));
    if (options && options->normalise == PANDA_SWITCH_ON)
        stretch(out, bytes, count);
    else
        scale(out, bytes, count);
out:
    host->free(host, bytes);
    pnd_picture_close(&picture, host);
    return status;
}

extern const panda_frontend_ops pnd_frontend_thermal;
const panda_frontend_ops pnd_frontend_thermal = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "thermal",
    .modality = PANDA_MODALITY_THERMAL,
    .describe = describe,
    .preprocess = preprocess,
};
