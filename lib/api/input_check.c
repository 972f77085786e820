/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/input_check.h"

#include <math.h>
#include <stdbool.h>

#include "api/check.h"
#include "api/options.h"

uint32_t pnd_element_get_size(panda_element element)
{
    switch (element) {
    case PANDA_ELEMENT_U8:
        return 1;
    case PANDA_ELEMENT_U16:
    case PANDA_ELEMENT_I16:
        return 2;
    case PANDA_ELEMENT_I32:
    case PANDA_ELEMENT_F32:
        return 4;
    default:
        return 0;
    }
}

/* size bytes must hold `count` pieces of `last` bytes, `stride` apart. */
static panda_status check_extent(const panda_input *in, const char *what,
                                 uint64_t stride, uint64_t count, uint64_t last)
{
    uint64_t needed;
    PANDA_CHECK_ARG(count > 0, "raw input has no %s", what);
    PANDA_CHECK_ARG(last > 0 && stride >= last,
                    "raw input: %s are %llu bytes apart, expected at least "
                    "%llu",
                    what, (unsigned long long)stride, (unsigned long long)last);
    PANDA_CHECK_ARG(!__builtin_mul_overflow(stride, count - 1, &needed) &&
                        !__builtin_add_overflow(needed, last, &needed) &&
                        needed <= in->size && needed <= SIZE_MAX,
                    "raw input: %llu bytes of data do not hold %llu %s of %llu "
                    "bytes",
                    (unsigned long long)in->size, (unsigned long long)count,
                    what, (unsigned long long)stride);
    return PANDA_OK;
}

static panda_status check_element(const panda_input *in, panda_element a,
                                  panda_element b)
{
    PANDA_CHECK_ARG(in->element == a || in->element == b,
                    "raw %s input: element type %d does not fit, expected %d "
                    "or %d",
                    panda_modality_get_name(in->modality), in->element, a, b);
    return PANDA_OK;
}

static panda_status check_pixels(panda_input *in)
{
    uint32_t channels = in->channels;
    PANDA_CHECK_ARG(in->width > 0 && in->height > 0,
                    "raw %s input: size is %u x %u, expected at least 1 x 1",
                    panda_modality_get_name(in->modality), in->width,
                    in->height);
    PANDA_CHECK_ARG(channels == 1 || channels == 3 || channels == 4,
                    "raw %s input: %u channels, expected 1, 3 or 4",
                    panda_modality_get_name(in->modality), channels);
    uint64_t row =
        (uint64_t)in->width * channels * pnd_element_get_size(in->element);
    if (in->row_stride == 0)
        in->row_stride = row;
    return check_extent(in, "rows", in->row_stride, in->height, row);
}

static panda_status check_frames(panda_input *in)
{
    PANDA_CHECK_ARG(in->channels == 3,
                    "raw video input: %u channels, expected 3", in->channels);
    PANDA_CHECK_ARG(isfinite(in->rate) && in->rate > 0,
                    "raw video input: rate is %g frames/s, expected above 0",
                    in->rate);
    panda_status status = check_pixels(in);
    if (status < 0)
        return status;
    /* check_pixels keeps this from overflowing. */
    uint64_t frame =
        in->row_stride * (in->height - 1) + (uint64_t)in->width * in->channels;
    if (in->frame_stride == 0)
        in->frame_stride = frame;
    return check_extent(in, "frames", in->frame_stride, in->count, frame);
}

static panda_status check_samples(const panda_input *in)
{
    bool audio = in->modality == PANDA_MODALITY_AUDIO;
    if (audio)
        PANDA_CHECK_ARG(in->rate >= 1000 && in->rate <= 768000,
                        "raw audio input: rate is %g samples/s, expected "
                        "1000..768000",
                        in->rate);
    else
        PANDA_CHECK_ARG(in->channels == 6,
                        "raw imu input: %u channels, expected 6", in->channels);
    PANDA_CHECK_ARG(in->channels >= 1 && in->channels <= 1024,
                    "raw %s input: %u channels, expected 1..1024",
                    panda_modality_get_name(in->modality), in->channels);
    uint64_t sample =
        (uint64_t)in->channels * pnd_element_get_size(in->element);
    return check_extent(in, "samples", sample, in->count, sample);
}

static panda_status check_raw(panda_input *in)
{
    panda_status status;
    switch (in->modality) {
    case PANDA_MODALITY_IMAGE:
    case PANDA_MODALITY_THERMAL:
        status = check_element(in, PANDA_ELEMENT_U8, PANDA_ELEMENT_U8);
        return status < 0 ? status : check_pixels(in);
    case PANDA_MODALITY_DEPTH:
        status = check_element(in, PANDA_ELEMENT_U16, PANDA_ELEMENT_F32);
        if (status < 0)
            return status;
        PANDA_CHECK_ARG(in->channels == 1,
                        "raw depth input: %u channels, expected 1",
                        in->channels);
        return check_pixels(in);
    case PANDA_MODALITY_VIDEO:
        status = check_element(in, PANDA_ELEMENT_U8, PANDA_ELEMENT_U8);
        return status < 0 ? status : check_frames(in);
    case PANDA_MODALITY_AUDIO:
        status = check_element(in, PANDA_ELEMENT_F32, PANDA_ELEMENT_I16);
        return status < 0 ? status : check_samples(in);
    case PANDA_MODALITY_IMU:
        status = check_element(in, PANDA_ELEMENT_F32, PANDA_ELEMENT_F32);
        return status < 0 ? status : check_samples(in);
    default:
        status = check_element(in, PANDA_ELEMENT_I32, PANDA_ELEMENT_I32);
        if (status < 0)
            return status;
        return check_extent(in, "token ids", 4, in->count, 4);
    }
}

/* Copy the options of one modality, or leave its pointer NULL. */
#define READ_OPTIONS(field)                                                    \
  do {                                                                         \
    if (in->field##_options) {                                                 \
      PND_TRY(pnd_options_read(&to->field, sizeof to->field,                   \
                               in->field##_options,                            \
                               "panda_" #field "_options"));                   \
      in->field##_options = &to->field;                                        \
    }                                                                          \
  } while (0)

static panda_status read_options(struct pnd_input *to)
{
    panda_status status = PANDA_OK;
    panda_input *in = &to->input;
    READ_OPTIONS(image);
    READ_OPTIONS(video);
    READ_OPTIONS(audio);
    READ_OPTIONS(depth);
    READ_OPTIONS(thermal);
    READ_OPTIONS(imu);
    READ_OPTIONS(text);
out:
    return status;
}

panda_status pnd_input_read(struct pnd_input *to, const panda_input *from)
{
    panda_input *in = &to->input;
    PANDA_CHECK_ARG(from, "the input is NULL");
    panda_status status = pnd_options_read(in, sizeof *in, from, "panda_input");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(panda_modality_get_name(in->modality),
                    "the input's modality is %d, expected 1..%d", in->modality,
                    PANDA_MODALITY_COUNT - 1);
    switch (in->source) {
    case PANDA_SOURCE_PATH:
        PANDA_CHECK_ARG(in->path && *in->path, "the input's path is empty");
        break;
    case PANDA_SOURCE_BYTES:
        PANDA_CHECK_ARG(in->data || in->size == 0, "the input's data is NULL");
        PANDA_CHECK_ARG(in->size <= SIZE_MAX / 2,
                        "the input's size is %llu bytes, too large",
                        (unsigned long long)in->size);
        break;
    case PANDA_SOURCE_RAW:
        PANDA_CHECK_ARG(in->data, "the input's data is NULL");
        status = check_raw(in);
        break;
    default:
        return pnd_fail(PANDA_E_ARGUMENT,
                        "the input's source is %d, expected 1..3", in->source);
    }
    return status < 0 ? status : read_options(to);
}
