/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/loader.h"

#define MAX_KERNEL 256
#define MAX_VOCABULARY (1 << 24)

/* Input of the towers whose tensors do not tell it. */
#define AUDIO_BINS 128
#define AUDIO_FRAMES 204
#define AUDIO_KERNEL 16
#define AUDIO_STRIDE 10
#define IMU_CHANNELS 6
#define IMU_SAMPLES 2000

static void set_shape(struct pnd_tower_dims *dims, uint32_t rank, uint32_t a,
                      uint32_t b, uint32_t c, uint32_t d)
{
    dims->rank = rank;
    dims->shape[0] = a;
    dims->shape[1] = b;
    dims->shape[2] = c;
    dims->shape[3] = d;
}

/* Set the grid of patches, which the number of positions has to agree with. */
static panda_status set_grid(struct pnd_loader *l)
{
    struct pnd_tower_stem *s = &l->tower->stem;
    uint32_t tokens = l->tower->dims.tokens;
    s->grid_height = (s->height - s->kernel_height) / s->stride + 1;
    s->grid_width = (s->width - s->kernel_width) / s->stride + 1;
    if ((uint64_t)s->grid_height * s->grid_width + 1 == tokens)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: the %s tower has %u positions, expected %u x %u "
                    "patches (%ux%u, stride %u, of %ux%u) and a class token",
                    pnd_weights_get_path(l->weights),
                    pnd_tower_get_name(l->id), tokens, s->grid_height,
                    s->grid_width, s->kernel_height, s->kernel_width,
                    s->stride, s->height, s->width);
}

/* Size of a square picture from kernel and positions. */
static panda_status set_square(struct pnd_loader *l,
                               const struct pnd_tensor *kernel)
{
    struct pnd_tower_stem *s = &l->tower->stem;
    const uint32_t patches = l->tower->dims.tokens - 1;
    const int64_t rows = kernel->shape[kernel->rank - 2];
    const int64_t columns = kernel->shape[kernel->rank - 1];
    uint32_t side = 1;
    panda_status status =
        pnd_loader_check(l, "rows of a patch", rows, 1, MAX_KERNEL);
    if (status < 0)
        return status;
    if (rows != columns)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has patches of %lldx%lld, expected "
                        "squares",
                        pnd_weights_get_path(l->weights), l->name,
                        (long long)rows, (long long)columns);
    while (side * side < patches) /* at most PND_MAX_TOKENS */
        side++;
    s->kernel_height = s->kernel_width = s->stride = (uint32_t)rows;
    s->height = s->width = side * s->stride;
    return set_grid(l);
}

static void set_layer(struct pnd_tower *t, const struct pnd_tensor *kernel)
{
    int64_t columns = pnd_tensor_get_count(kernel) / t->dims.width;
    t->stem.proj = (struct pnd_linear){
        .dtype = kernel->dtype, .in = (uint32_t)columns, .out = t->dims.width,
        .weight = kernel->data};
}

/* The kernel of one frame shown twice: the sum of the two time slices. */
static panda_status add_still(struct pnd_loader *l,
                              const struct pnd_tensor *kernel)
{
    struct pnd_tower *t = l->tower;
    size_t area = (size_t)t->stem.kernel_height * t->stem.kernel_width;
    size_t planes = (size_t)t->dims.width * t->stem.channels;
    /* (D, channels, rows, columns) */
    float *sum = pnd_loader_add_copy(l, planes * area);
    if (!sum)
        return pnd_fail_memory();
    for (size_t i = 0; i < planes; i++) {
        for (size_t j = 0; j < area; j++) {
            size_t at = i * 2 * area + j;
            sum[i * area + j] = pnd_tensor_get_f32(kernel, at) +
                                pnd_tensor_get_f32(kernel, at + area);
        }
    }
    t->stem.still = t->stem.proj;
    t->stem.still.dtype = PND_F32;
    t->stem.still.in = t->stem.proj.in / 2;
    t->stem.still.weight = sum;
    return PANDA_OK;
}

static panda_status take_vision(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const struct pnd_tensor *kernel;
    panda_status status;
    PND_TRY(pnd_loader_take(l, &kernel, 5,
                            (int64_t[]){t->dims.width, 3, 2, -1, -1}));
    t->stem.channels = 3;
    PND_TRY(set_square(l, kernel));
    set_layer(t, kernel);
    set_shape(&t->dims, 4, 3, 2, t->stem.height, t->stem.width);
    PND_TRY(add_still(l, kernel));
out:
    return status;
}

static panda_status take_audio(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    struct pnd_tower_stem *s = &t->stem;
    const uint32_t stride = l->config->audio_stride;
    const struct pnd_tensor *kernel;
    panda_status status = pnd_loader_take(
        l, &kernel, 4,
        (int64_t[]){t->dims.width, 1, AUDIO_KERNEL, AUDIO_KERNEL});
    if (status < 0)
        return status;
    s->channels = 1;
    s->kernel_height = s->kernel_width = AUDIO_KERNEL;
    s->stride = stride ? stride : AUDIO_STRIDE;
    s->height = AUDIO_BINS;
    s->width = AUDIO_FRAMES;
    set_layer(t, kernel);
    set_shape(&t->dims, 3, 1, AUDIO_BINS, AUDIO_FRAMES, 0);
    return set_grid(l);
}

static panda_status take_depth_or_thermal(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    const struct pnd_tensor *kernel;
    panda_status status = pnd_loader_take(
        l, &kernel, 4, (int64_t[]){t->dims.width, 1, -1, -1});
    if (status < 0)
        return status;
    t->stem.channels = 1;
    status = set_square(l, kernel);
    if (status < 0)
        return status;
    set_layer(t, kernel);
    set_shape(&t->dims, 3, 1, t->stem.height, t->stem.width, 0);
    return PANDA_OK;
}

/* Windows of samples are patches of one row. */
static panda_status take_imu(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    struct pnd_tower_stem *s = &t->stem;
    const struct pnd_tensor *kernel;
    panda_status status =
        pnd_loader_take(l, &kernel, 2, (int64_t[]){t->dims.width, -1});
    if (status < 0)
        return status;
    const int64_t columns = kernel->shape[1];
    status = pnd_loader_check(l, "columns", columns, IMU_CHANNELS,
                              IMU_CHANNELS * MAX_KERNEL);
    if (status < 0)
        return status;
    if (columns % IMU_CHANNELS != 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has %lld columns, expected a multiple "
                        "of %d channels",
                        pnd_weights_get_path(l->weights), l->name,
                        (long long)columns, IMU_CHANNELS);
    s->channels = IMU_CHANNELS;
    s->height = s->kernel_height = 1;
    s->width = IMU_SAMPLES;
    s->kernel_width = s->stride = (uint32_t)columns / IMU_CHANNELS;
    set_layer(t, kernel);
    set_shape(&t->dims, 2, IMU_CHANNELS, IMU_SAMPLES, 0, 0);
    return set_grid(l);
}

static panda_status take_text(struct pnd_loader *l)
{
    struct pnd_tower *t = l->tower;
    panda_status status = pnd_loader_take(l, &t->stem.table, 2,
                                          (int64_t[]){-1, t->dims.width});
    if (status < 0)
        return status;
    t->dims.token_ids = true;
    set_shape(&t->dims, 1, t->dims.tokens, 0, 0, 0);
    return pnd_loader_check(l, "rows", t->stem.table->shape[0], 1,
                            MAX_VOCABULARY);
}

panda_status pnd_loader_take_stem(struct pnd_loader *l)
{
    static panda_status (*const take[PND_TOWER_COUNT])(struct pnd_loader *) = {
        [PND_TOWER_VISION] = take_vision,
        [PND_TOWER_TEXT] = take_text,
        [PND_TOWER_AUDIO] = take_audio,
        [PND_TOWER_DEPTH] = take_depth_or_thermal,
        [PND_TOWER_THERMAL] = take_depth_or_thermal,
        [PND_TOWER_IMU] = take_imu,
    };
    const struct pnd_tower_spec *spec = l->tower->spec;
    pnd_loader_set_name(l, "preprocessors", "%s", spec->stem);
    panda_status status = take[l->id](l);
    if (status < 0 || !spec->stem_norm)
        return status;
    pnd_loader_set_name(l, "preprocessors", "%s", spec->stem_norm);
    return pnd_loader_take_norm(l, &l->tower->stem.norm, PND_STEM_EPS);
}
