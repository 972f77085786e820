/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "modalities/depth/map.h"
#include "modalities/shared/resize.h"
#include "modalities/shared/tensor.h"

/* One depth picture to [1, size, size] of disparity. ImageBind itself has no
 * loader for it; this is the recipe its authors and Omnivore describe. */

#define DEPTH_MIN 0.01 /* metres; a hole counts as this near */
#define DEPTH_MAX 50.0
#define DISPARITY_MIN 0.01
#define DISPARITY_MAX 75.0
#define MEAN 0.0418f
#define DEVIATION 0.0295f
#define FOCAL_LENGTH 570.0

/* What get_row needs. */
struct disparity {
    const struct pnd_depth_map *map;
    double factor; /* baseline * focal length: m * pixels */
};

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

static panda_status read_positive(double *out, const panda_frontend_host *host,
                                  const char *name, double value,
                                  double otherwise)
{
    *out = value == 0 ? otherwise : value;
    if (*out > 0 && isfinite(*out))
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_ARGUMENT,
                         "the depth option %s is %g, expected a number above "
                         "0",
                         name, value);
}

static panda_status read_factor(double *out, const panda_frontend_host *host,
                                const panda_depth_options *options)
{
    static const double baselines[] = {
        [PANDA_DEPTH_SENSOR_DEFAULT] = 0.075,
        [PANDA_DEPTH_SENSOR_KV1] = 0.075,
        [PANDA_DEPTH_SENSOR_KV1_B] = 0.075,
        [PANDA_DEPTH_SENSOR_KV2] = 0.075,
        [PANDA_DEPTH_SENSOR_REALSENSE] = 0.095,
        [PANDA_DEPTH_SENSOR_XTION] = 0.095,
    };
    const panda_depth_sensor count = sizeof baselines / sizeof *baselines;
    const panda_depth_options defaults = {0};
    if (!options)
        options = &defaults;
    if (options->sensor < 0 || options->sensor >= count)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the depth sensor is %d, expected 0 to %d",
                             (int)options->sensor, (int)count - 1);
    double baseline, focal_length;
    panda_status status = read_positive(&baseline, host, "baseline",
                                        options->baseline,
                                        baselines[options->sensor]);
    if (status == PANDA_OK)
        status = read_positive(&focal_length, host, "focal_length",
                               options->focal_length, FOCAL_LENGTH);
    if (status == PANDA_OK)
        *out = baseline * focal_length;
    return status;
}

/* A picture without any depth would become a plain, confident embedding. */
static panda_status check_any(const struct pnd_depth_map *map,
                              const panda_frontend_host *host)
{
    for (uint32_t y = 0; y < map->height; y++) {
        panda_status status = pnd_host_check_cancel(host);
        if (status < 0)
            return status;
        for (uint32_t x = 0; x < map->width; x++)
            if (pnd_depth_map_get(map, x, y) > 0)
                return PANDA_OK;
    }
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "none of the %u x %u depth values is above 0 and "
                         "finite",
                         map->width, map->height);
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static void get_row(const void *context, uint32_t y, uint32_t first,
                    uint32_t count, float *row)
{
    const struct disparity *d = context;
    for (uint32_t x = 0; x < count; x++) {
        double depth = clamp(pnd_depth_map_get(d->map, first + x, y),
                             DEPTH_MIN, DEPTH_MAX);
        double disparity = clamp(d->factor / depth, DISPARITY_MIN,
                                 DISPARITY_MAX);
        row[x] = (float)(disparity / DISPARITY_MAX);
    }
}

static panda_status preprocess(const void *state,
                               const panda_frontend_host *host,
                               const panda_input *input,
                               const panda_frontend_tensor *tensor, void *out)
{
    (void)state;
    uint32_t size = tensor->shape[2];
    float *values = out;
    struct pnd_depth_map map = {0};
    struct pnd_window window;
    struct disparity disparity = {.map = &map};
    panda_status status;

    PND_HOST_TRY(read_factor(&disparity.factor, host, input->depth_options));
    PND_HOST_TRY(pnd_depth_map_open(&map, host, input));
    PND_HOST_TRY(check_any(&map, host));
    pnd_window_init(&window, map.width, map.height, size);
    PND_HOST_TRY(pnd_resize_bilinear(host, values, map.width, map.height,
                                     &window, get_row, &disparity));
    for (size_t i = 0; i < (size_t)size * size; i++)
        values[i] = (values[i] - MEAN) / DEVIATION;
out:
    pnd_depth_map_close(&map, host);
    return status;
}

extern const panda_frontend_ops pnd_frontend_depth;
const panda_frontend_ops pnd_frontend_depth = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "depth",
    .modality = PANDA_MODALITY_DEPTH,
    .describe = describe,
    .preprocess = preprocess,
};
