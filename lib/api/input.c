/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/input.h>

#include <string.h>

#include "api/check.h"
#include "api/input_check.h"
#include "api/options.h"

static const char *const names[PANDA_MODALITY_COUNT] = {
    [PANDA_MODALITY_IMAGE] = "image",     [PANDA_MODALITY_VIDEO] = "video",
    [PANDA_MODALITY_AUDIO] = "audio",     [PANDA_MODALITY_DEPTH] = "depth",
    [PANDA_MODALITY_THERMAL] = "thermal", [PANDA_MODALITY_IMU] = "imu",
    [PANDA_MODALITY_TEXT] = "text",
};

const char *panda_modality_get_name(panda_modality modality)
{
    return modality > 0 && modality < PANDA_MODALITY_COUNT ? names[modality]
                                                           : NULL;
}

panda_status panda_modality_find(panda_modality *out, const char *name)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = 0;
    PANDA_CHECK_POINTER(name);
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        if (strcmp(names[m], name) == 0) {
            *out = m;
            return PANDA_OK;
        }
    }
    return pnd_fail(PANDA_E_ARGUMENT,
                    "\"%.40s\" is no modality, expected image, video, audio, "
                    "depth, thermal, imu or text",
                    name);
}

/* Every init function fills a local struct and copies what the caller knows.
 * What borrowed data looks like is checked when it is used; only a pointer that
 * is missing would look like a mistake of another call then. */
static panda_status begin(panda_input *input, uint32_t struct_size,
                          const panda_input *filled)
{
    PND_ENTER();
    panda_status status = pnd_options_init(input, struct_size, "panda_input");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(filled->source != PANDA_SOURCE_PATH || filled->path,
                    "panda_input: the path is NULL");
    PANDA_CHECK_ARG(filled->data || filled->size == 0,
                    "panda_input: the data is NULL");
    return pnd_info_write(input, filled, sizeof *filled, "panda_input");
}

panda_status panda_input_init_path(panda_input *input, uint32_t struct_size,
                                   panda_modality modality, const char *path)
{
    return begin(input, struct_size,
                 &(panda_input){.modality = modality,
                                .source = PANDA_SOURCE_PATH,
                                .path = path});
}

panda_status panda_input_init_bytes(panda_input *input, uint32_t struct_size,
                                    panda_modality modality, const void *data,
                                    uint64_t size)
{
    return begin(input, struct_size,
                 &(panda_input){.modality = modality,
                                .source = PANDA_SOURCE_BYTES,
                                .data = data,
                                .size = size});
}

/* Bytes from the first to the last element; 0 when they overflow, which the
 * check before use refuses. */
static uint64_t extent(uint64_t stride, uint64_t count, uint64_t last)
{
    uint64_t bytes;
    if (count == 0 || __builtin_mul_overflow(stride, count - 1, &bytes) ||
        __builtin_add_overflow(bytes, last, &bytes))
        return 0;
    return bytes;
}

static panda_input describe_pixels(panda_modality modality, const void *pixels,
                                   uint32_t width, uint32_t height,
                                   uint32_t channels, panda_element element,
                                   uint64_t row_stride)
{
    uint64_t row = (uint64_t)width * channels * pnd_element_get_size(element);
    uint64_t stride = row_stride ? row_stride : row;
    return (panda_input){
        .modality = modality,
        .source = PANDA_SOURCE_RAW,
        .element = element,
        .data = pixels,
        .size = extent(stride, height, row),
        .width = width,
        .height = height,
        .channels = channels,
        .row_stride = stride,
    };
}

panda_status panda_input_init_image(panda_input *input, uint32_t struct_size,
                                    const void *pixels, uint32_t width,
                                    uint32_t height, uint32_t channels,
                                    uint64_t row_stride)
{
    panda_input filled =
        describe_pixels(PANDA_MODALITY_IMAGE, pixels, width, height, channels,
                        PANDA_ELEMENT_U8, row_stride);
    return begin(input, struct_size, &filled);
}

panda_status panda_input_init_video(panda_input *input, uint32_t struct_size,
                                    const void *frames, uint64_t count,
                                    uint32_t width, uint32_t height,
                                    double rate, uint64_t frame_stride)
{
    panda_input filled = describe_pixels(PANDA_MODALITY_VIDEO, frames, width,
                                         height, 3, PANDA_ELEMENT_U8, 0);
    filled.frame_stride = frame_stride ? frame_stride : filled.size;
    filled.size = extent(filled.frame_stride, count, filled.size);
    filled.count = count;
    filled.rate = rate;
    return begin(input, struct_size, &filled);
}

panda_status panda_input_init_audio(panda_input *input, uint32_t struct_size,
                                    const void *samples, uint64_t count,
                                    uint32_t channels, double rate,
                                    panda_element element)
{
    uint64_t sample = (uint64_t)channels * pnd_element_get_size(element);
    return begin(input, struct_size,
                 &(panda_input){.modality = PANDA_MODALITY_AUDIO,
                                .source = PANDA_SOURCE_RAW,
                                .element = element,
                                .data = samples,
                                .size = extent(sample, count, sample),
                                .channels = channels,
                                .count = count,
                                .rate = rate});
}

panda_status panda_input_init_depth(panda_input *input, uint32_t struct_size,
                                    const void *depth, uint32_t width,
                                    uint32_t height, panda_element element,
                                    uint64_t row_stride)
{
    panda_input filled = describe_pixels(PANDA_MODALITY_DEPTH, depth, width,
                                         height, 1, element, row_stride);
    return begin(input, struct_size, &filled);
}

panda_status panda_input_init_thermal(panda_input *input, uint32_t struct_size,
                                      const void *pixels, uint32_t width,
                                      uint32_t height, uint32_t channels,
                                      uint64_t row_stride)
{
    panda_input filled =
        describe_pixels(PANDA_MODALITY_THERMAL, pixels, width, height, channels,
                        PANDA_ELEMENT_U8, row_stride);
    return begin(input, struct_size, &filled);
}

panda_status panda_input_init_imu(panda_input *input, uint32_t struct_size,
                                  const float *samples, uint64_t count,
                                  double rate)
{
    uint64_t sample = 6 * sizeof(float);
    return begin(input, struct_size,
                 &(panda_input){.modality = PANDA_MODALITY_IMU,
                                .source = PANDA_SOURCE_RAW,
                                .element = PANDA_ELEMENT_F32,
                                .data = samples,
                                .size = extent(sample, count, sample),
                                .channels = 6,
                                .count = count,
                                .rate = rate});
}

panda_status panda_input_init_text(panda_input *input, uint32_t struct_size,
                                   const char *text, uint64_t length)
{
    return panda_input_init_bytes(input, struct_size, PANDA_MODALITY_TEXT, text,
                                  length);
}
