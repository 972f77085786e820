/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "modalities/imu/csv.h"
#include "modalities/shared/npy.h"
#include "modalities/shared/source.h"

#define CHANNELS PND_IMU_CHANNELS
#define SENSOR 3 /* channels of the accelerometer, and of the gyroscope */

/* Samples as the input has them: value (i, c) is at
 * i * sample_step + c * channel_step. */
struct recording {
    const float *values;
    uint64_t samples;
    uint64_t sample_step, channel_step;
    float *memory; /* what `values` points to, when owned */
    bool named;    /* columns had names: their order is known */
};

static panda_status get_options(const panda_frontend_host *host,
                                const panda_input *input,
                                panda_imu_options *out)
{
    *out = (panda_imu_options){0};
    if (input->imu_options) {
        size_t size = input->imu_options->struct_size;
        memcpy(out, input->imu_options, size < sizeof *out ? size
                                                           : sizeof *out);
    }
    if (out->scale_accel == 0)
        out->scale_accel = 1;
    if (out->scale_gyro == 0)
        out->scale_gyro = 1;
    if (!isfinite(out->scale_accel) || !isfinite(out->scale_gyro))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "IMU scales %g and %g given, expected finite "
                             "numbers",
                             out->scale_accel, out->scale_gyro);
    if (out->order < PANDA_IMU_ACCEL_GYRO || out->order > PANDA_IMU_GYRO_ACCEL)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "IMU order %d given, expected "
                             "PANDA_IMU_ACCEL_GYRO or PANDA_IMU_GYRO_ACCEL",
                             (int)out->order);
    if (out->resample < PANDA_SWITCH_DEFAULT ||
        out->resample > PANDA_SWITCH_OFF)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "IMU resample switch %d given, expected 0..2",
                             (int)out->resample);
    return PANDA_OK;
}

static panda_status describe(const void *state,
                             const panda_frontend_host *host,
                             const panda_input *input,
                             panda_frontend_tensor *tensor)
{
    (void)state;
    panda_imu_options options;
    panda_status status = get_options(host, input, &options);
    if (status < 0)
        return status;
    if (tensor->element != PANDA_ELEMENT_F32 || tensor->rank != 2 ||
        tensor->shape[0] != CHANNELS || tensor->shape[1] == 0)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "the encoder wants %u dimensions of %u x %u, "
                             "expected 2 dimensions of floats, 6 x samples",
                             tensor->rank, tensor->shape[0], tensor->shape[1]);
    tensor->items = 1;
    return PANDA_OK;
}

/* Before anything is read: a wrong length makes the values worthless. */
static panda_status check_samples(const panda_frontend_host *host,
                                  uint64_t found, uint32_t expected,
                                  const panda_imu_options *options)
{
    if (found == 0)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "no samples found, expected %u", expected);
    if (found != expected && options->resample != PANDA_SWITCH_ON)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "%" PRIu64 " samples found, expected %u (or "
                             "resampling switched on)",
                             found, expected);
    return PANDA_OK;
}

static panda_status alloc_values(struct recording *r,
                                 const panda_frontend_host *host)
{
    if (r->samples <= SIZE_MAX / (CHANNELS * sizeof(float)))
        r->memory = pnd_host_alloc(host, (size_t)r->samples,
                                   CHANNELS * sizeof(float));
    r->values = r->memory;
    return r->memory ? PANDA_OK : pnd_host_fail_memory(host);
}

static panda_status read_npy(struct recording *r,
                             const panda_frontend_host *host,
                             const struct pnd_source *source,
                             const panda_imu_options *options,
                             uint32_t expected)
{
    struct pnd_npy npy;
    panda_status status =
        pnd_npy_parse(&npy, host, source->data, (size_t)source->size);
    if (status < 0)
        return status;
    if (npy.type != PND_NPY_F32 && npy.type != PND_NPY_F64)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy array holds integers, expected floats "
                             "of 4 or 8 bytes");
    if (npy.rank != 2 || (npy.shape[0] != CHANNELS && npy.shape[1] != CHANNELS))
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy array has %u dimensions, the first two "
                             "%" PRIu64 " and %" PRIu64 ", expected [6, "
                             "samples] or [samples, 6]",
                             npy.rank, npy.shape[0], npy.shape[1]);
    bool by_channel = npy.shape[0] == CHANNELS;
    r->samples = npy.shape[by_channel];
    r->sample_step = by_channel ? 1 : CHANNELS;
    r->channel_step = by_channel ? r->samples : 1;
    status = check_samples(host, r->samples, expected, options);
    if (status == PANDA_OK)
        status = alloc_values(r, host);
    if (status == PANDA_OK)
        pnd_npy_read_f32(&npy, 0, (size_t)npy.count, r->memory);
    return status;
}

static panda_status read_csv(struct recording *r,
                             const panda_frontend_host *host,
                             const struct pnd_source *source,
                             const panda_imu_options *options,
                             uint32_t expected)
{
    struct pnd_csv csv;
    panda_status status =
        pnd_csv_open(&csv, host, source->data, (size_t)source->size);
    if (status < 0)
        return status;
    r->samples = csv.samples;
    r->sample_step = CHANNELS;
    r->channel_step = 1;
    r->named = csv.named;
    status = check_samples(host, r->samples, expected, options);
    if (status == PANDA_OK)
        status = alloc_values(r, host);
    if (status == PANDA_OK)
        status = pnd_csv_read(&csv, r->memory);
    return status;
}

static panda_status borrow_raw(struct recording *r,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_imu_options *options,
                               uint32_t expected)
{
    if (input->element != PANDA_ELEMENT_F32 || input->channels != CHANNELS)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "%u channels of element type %d given, expected 6 "
                             "of PANDA_ELEMENT_F32",
                             input->channels, (int)input->element);
    if (input->count > input->size / (CHANNELS * sizeof(float)))
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "%" PRIu64 " bytes hold fewer than the %" PRIu64
                             " samples of 6 channels",
                             input->size, input->count);
    *r = (struct recording){.values = input->data, .samples = input->count,
                            .sample_step = CHANNELS, .channel_step = 1};
    panda_status status = check_samples(host, r->samples, expected, options);
    if (status < 0 || (uintptr_t)input->data % sizeof(float) == 0)
        return status;
    status = alloc_values(r, host); /* at an address that floats may have */
    if (status == PANDA_OK)
        memcpy(r->memory, input->data,
               (size_t)r->samples * CHANNELS * sizeof(float));
    return status;
}

static panda_status open_recording(struct recording *r,
                                   const panda_frontend_host *host,
                                   const panda_input *input,
                                   const panda_imu_options *options,
                                   uint32_t expected)
{
    if (input->source == PANDA_SOURCE_RAW)
        return borrow_raw(r, host, input, options, expected);
    struct pnd_source source;
    panda_status status = pnd_source_open(&source, host, input);
    if (status < 0)
        return status;
    if (pnd_npy_detect(source.data, (size_t)source.size))
        status = read_npy(r, host, &source, options, expected);
    else
        status = read_csv(r, host, &source, options, expected);
    pnd_source_close(&source);
    return status;
}

/* Value `i` of `count` samples spread evenly from the first to the last sample
 * of the recording, between two of them by linear interpolation. */
static float get_value(const struct recording *r, uint64_t channel, uint32_t i,
                       uint32_t count)
{
    const float *values = r->values + channel * r->channel_step;
    if (r->samples == count)
        return values[i * r->sample_step];
    double at = count > 1 ? (double)(r->samples - 1) * i / (count - 1) : 0;
    uint64_t first = (uint64_t)at;
    uint64_t second = first + (first + 1 < r->samples);
    double share = at - (double)first;
    double low = values[first * r->sample_step];
    double high = values[second * r->sample_step];
    return (float)(low + (high - low) * share);
}

static panda_status fail_value(const panda_frontend_host *host, uint64_t sample,
                               uint32_t channel)
{
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "sample %" PRIu64 " of %s is not a finite number",
                         sample, pnd_imu_names[channel]);
}

static panda_status fill_channel(const panda_frontend_host *host,
                                 const struct recording *r, uint32_t channel,
                                 uint64_t place, double scale, float *out,
                                 uint32_t count)
{
    for (uint64_t i = 0; i < r->samples; i++)
        if (!isfinite(r->values[i * r->sample_step + place * r->channel_step]))
            return fail_value(host, i, channel);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = get_value(r, place, i, count);
        if (scale != 1)
            out[i] = (float)(out[i] * scale);
        if (!isfinite(out[i]))
            return pnd_host_fail(host, PANDA_E_FORMAT,
                                 "value %u of %s is too large when scaled by "
                                 "%g",
                                 i, pnd_imu_names[channel], scale);
    }
    return PANDA_OK;
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    uint32_t count = tensor->shape[1];
    float *values = out; /* (CHANNELS, count) */
    panda_imu_options options;
    struct recording r = {0};
    panda_status status = get_options(host, input, &options);
    if (status == PANDA_OK)
        status = open_recording(&r, host, input, &options, count);
    bool swapped = options.order == PANDA_IMU_GYRO_ACCEL && !r.named;
    for (uint32_t c = 0; c < CHANNELS && status == PANDA_OK; c++) {
        double scale = c < SENSOR ? options.scale_accel : options.scale_gyro;
        uint32_t place = swapped ? (c + SENSOR) % CHANNELS : c;
        status = pnd_host_check_cancel(host);
        if (status == PANDA_OK)
            status = fill_channel(host, &r, c, place, scale,
                                  values + (size_t)c * count, count);
    }
    host->free(host, r.memory);
    return status;
}

extern const panda_frontend_ops pnd_frontend_imu;
const panda_frontend_ops pnd_frontend_imu = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "imu",
    .modality = PANDA_MODALITY_IMU,
    .describe = describe,
    .preprocess = preprocess,
};
