/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/depth/map.h"

#include <math.h>
#include <string.h>

#include "modalities/shared/decode.h"

#define MILLIMETRE 0.001
#define SUN_MAX 8.0 /* metres; what lies farther is cut to it */

static panda_status open_raw(struct pnd_depth_map *out,
                             const panda_frontend_host *host,
                             const panda_input *input)
{
    out->floats = input->element == PANDA_ELEMENT_F32;
    if (!out->floats && input->element != PANDA_ELEMENT_U16)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "raw depth has element type %d, expected u16 or "
                             "f32",
                             (int)input->element);
    panda_status status = pnd_picture_check_size(host, input->width,
                                                 input->height);
    if (status < 0)
        return status;
    uint64_t row = (uint64_t)input->width * (out->floats ? 4 : 2);
    uint64_t stride = input->row_stride ? input->row_stride : row;
    if (stride < row || input->size < row ||
        (input->height > 1 &&
         stride > (input->size - row) / (input->height - 1)))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "raw depth has %llu bytes, too few for %u rows "
                             "of %llu bytes every %llu bytes",
                             (unsigned long long)input->size, input->height,
                             (unsigned long long)row,
                             (unsigned long long)stride);
    out->raw = input->data;
    out->stride = (size_t)stride;
    out->bits = 16;
    out->width = input->width;
    out->height = input->height;
    return PANDA_OK;
}

static panda_status open_array(struct pnd_depth_map *out,
                               const panda_frontend_host *host)
{
    panda_status status = pnd_npy_parse(&out->array, host, out->source.data,
                                        (size_t)out->source.size);
    if (status < 0)
        return status;
    if (out->array.rank != 2)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy array has %u dimensions, expected 2 "
                             "(rows, columns)",
                             out->array.rank);
    status = pnd_picture_check_size(host, out->array.shape[1],
                                    out->array.shape[0]);
    if (status < 0)
        return status;
    out->floats = out->array.type == PND_NPY_F32 ||
                  out->array.type == PND_NPY_F64;
    out->bits = out->array.type == PND_NPY_U16 ? 16 : 0;
    out->width = (uint32_t)out->array.shape[1];
    out->height = (uint32_t)out->array.shape[0];
    return PANDA_OK;
}

static panda_status open_png(struct pnd_depth_map *out,
                             const panda_frontend_host *host)
{
    struct pnd_samples samples;
    panda_status status = pnd_png_decode_samples(&samples, host,
                                                 out->source.data,
                                                 (size_t)out->source.size);
    if (status < 0)
        return status;
    out->samples = samples.values;
    out->bits = samples.bits;
    out->width = samples.width;
    out->height = samples.height;
    pnd_source_close(&out->source);
    return PANDA_OK;
}

static panda_status open_file(struct pnd_depth_map *out,
                              const panda_frontend_host *host,
                              const panda_input *input)
{
    panda_status status = pnd_source_open(&out->source, host, input);
    if (status < 0)
        return status;
    const uint8_t *data = out->source.data;
    size_t size = (size_t)out->source.size;
    if (pnd_png_detect(data, size))
        return open_png(out, host);
    if (pnd_npy_detect(data, size))
        return open_array(out, host);
    char found[PND_CONTENT_SIZE];
    pnd_source_describe(found, data, size);
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the content is %s, expected a gray PNG image or a "
                         "NumPy array",
                         found);
}

static panda_status set_unit(struct pnd_depth_map *map,
                             const panda_frontend_host *host,
                             const panda_depth_options *options)
{
    panda_depth_unit unit = options ? options->unit : PANDA_DEPTH_UNIT_DEFAULT;
    if (unit < PANDA_DEPTH_UNIT_DEFAULT || unit > PANDA_DEPTH_UNIT_METRE)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the depth unit is %d, expected 0 to 2",
                             (int)unit);
    if (unit == PANDA_DEPTH_UNIT_DEFAULT)
        unit = map->floats ? PANDA_DEPTH_UNIT_METRE
                           : PANDA_DEPTH_UNIT_MILLIMETRE;
    map->unit = unit == PANDA_DEPTH_UNIT_METRE ? 1.0 : MILLIMETRE;
    map->sun_rotated = options && options->sun_rotated == PANDA_SWITCH_ON;
    if (map->sun_rotated && (map->floats || map->bits != 16))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "sun_rotated is on, but the values are not "
                             "16-bit integers as in SUN RGB-D");
    return PANDA_OK;
}

panda_status pnd_depth_map_open(struct pnd_depth_map *out,
                                const panda_frontend_host *host,
                                const panda_input *input)
{
    *out = (struct pnd_depth_map){0};
    panda_status status = input->source == PANDA_SOURCE_RAW
                              ? open_raw(out, host, input)
                              : open_file(out, host, input);
    if (status == PANDA_OK)
        status = set_unit(out, host, input->depth_options);
    if (status < 0)
        pnd_depth_map_close(out, host);
    return status;
}

static double get_value(const struct pnd_depth_map *map, uint32_t x,
                        uint32_t y)
{
    if (map->samples)
        return map->samples[(size_t)y * map->width + x];
    if (!map->raw)
        return pnd_npy_get(&map->array, (uint64_t)y * map->width + x);
    const uint8_t *row = map->raw + y * map->stride;
    if (map->floats) {
        float value;
        memcpy(&value, row + (size_t)x * sizeof value, sizeof value);
        return (double)value;
    }
    uint16_t value;
    memcpy(&value, row + (size_t)x * sizeof value, sizeof value);
    return value;
}

double pnd_depth_map_get(const struct pnd_depth_map *map, uint32_t x,
                         uint32_t y)
{
    double value = get_value(map, x, y);
    if (map->sun_rotated) {
        unsigned bits = (unsigned)value;
        value = ((bits >> 3) | (bits << 13 & 0xffff)) * MILLIMETRE;
        return value < SUN_MAX ? value : SUN_MAX;
    }
    return value > 0 && isfinite(value) ? value * map->unit : 0;
}

void pnd_depth_map_close(struct pnd_depth_map *map,
                         const panda_frontend_host *host)
{
    host->free(host, map->samples);
    pnd_source_close(&map->source);
    *map = (struct pnd_depth_map){0};
}
