/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/picture.h"

#include <string.h>

#include "modalities/shared/decode.h"
#include "modalities/shared/source.h"

panda_status pnd_picture_check_size(const panda_frontend_host *host,
                                    uint64_t width, uint64_t height)
{
    uint64_t most = host->limits->max_pixels;
    if (width > 0 && width <= UINT32_MAX && height > 0 &&
        height <= UINT32_MAX && width <= most / height)
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the picture is %llu x %llu pixels, expected 1 to "
                         "%llu in all (max_pixels)",
                         (unsigned long long)width, (unsigned long long)height,
                         (unsigned long long)most);
}

panda_status pnd_picture_alloc(struct pnd_picture *out,
                               const panda_frontend_host *host,
                               uint32_t width, uint32_t height,
                               uint32_t channels)
{
    *out = (struct pnd_picture){
        .width = width,
        .height = height,
        .channels = channels,
        .step = channels,
        .stride = (size_t)width * channels,
        .orientation = 1,
    };
    out->memory = pnd_host_alloc(host, height, out->stride);
    out->pixels = out->memory;
    return out->memory ? PANDA_OK : pnd_host_fail_memory(host);
}

void pnd_picture_close(struct pnd_picture *picture,
                       const panda_frontend_host *host)
{
    host->free(host, picture->memory);
    *picture = (struct pnd_picture){0};
}

static panda_status borrow_raw(struct pnd_picture *out,
                               const panda_frontend_host *host,
                               const panda_input *input)
{
    uint64_t row = (uint64_t)input->width * input->channels;
    uint64_t stride = input->row_stride ? input->row_stride : row;
    if (input->element != PANDA_ELEMENT_U8 ||
        (input->channels != 1 && input->channels != 3 && input->channels != 4))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "raw pixels have element type %d and %u channels, "
                             "expected 8-bit values and 1, 3 or 4 channels",
                             (int)input->element, input->channels);
    panda_status status = pnd_picture_check_size(host, input->width,
                                                 input->height);
    if (status < 0)
        return status;
    if (stride < row || input->size < row ||
        (input->height > 1 &&
         stride > (input->size - row) / (input->height - 1)))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "raw pixels have %llu bytes, too few for %u rows "
                             "of %llu bytes every %llu bytes",
                             (unsigned long long)input->size, input->height,
                             (unsigned long long)row,
                             (unsigned long long)stride);
    *out = (struct pnd_picture){
        .width = input->width,
        .height = input->height,
        .channels = input->channels == 1 ? 1 : 3,
        .step = input->channels,
        .stride = (size_t)stride,
        .pixels = input->data,
        .orientation = 1,
    };
    return PANDA_OK;
}

static panda_status decode(struct pnd_picture *out,
                           const panda_frontend_host *host,
                           const uint8_t *data, size_t size)
{
    if (pnd_jpeg_detect(data, size))
        return pnd_jpeg_decode(out, host, data, size);
    if (pnd_png_detect(data, size))
        return pnd_png_decode(out, host, data, size);
    char found[PND_CONTENT_SIZE];
    pnd_source_describe(found, data, size);
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the content is %s, expected a JPEG or PNG image",
                         found);
}

panda_status pnd_picture_open(struct pnd_picture *out,
                              const panda_frontend_host *host,
                              const panda_input *input)
{
    *out = (struct pnd_picture){0};
    if (input->source == PANDA_SOURCE_RAW)
        return borrow_raw(out, host, input);
    struct pnd_source source;
    panda_status status = pnd_source_open(&source, host, input);
    if (status < 0)
        return status;
    status = decode(out, host, source.data, (size_t)source.size);
    pnd_source_close(&source);
    return status;
}

static const uint8_t *get_pixel(const struct pnd_picture *picture, uint32_t x,
                                uint32_t y)
{
    return picture->pixels + y * picture->stride + (size_t)x * picture->step;
}

/* What EXIF's numbers mean: from 5 on, rows and columns change places; then
 * the picture is read from the right, from the bottom, or both. */
static const struct turn {
    bool swap, right, bottom;
} turns[9] = {
    [2] = {false, true, false}, [3] = {false, true, true},
    [4] = {false, false, true}, [5] = {true, false, false},
    [6] = {true, false, true},  [7] = {true, true, true},
    [8] = {true, true, false},
};

panda_status pnd_picture_upright(struct pnd_picture *picture,
                                 const panda_frontend_host *host)
{
    if (picture->orientation <= 1 || picture->orientation > 8)
        return PANDA_OK;
    struct turn turn = turns[picture->orientation];
    uint32_t width = picture->width, height = picture->height;
    struct pnd_picture turned;
    panda_status status =
        pnd_picture_alloc(&turned, host, turn.swap ? height : width,
                          turn.swap ? width : height, picture->channels);
    uint8_t *out = turned.memory;
    for (uint32_t y = 0; status == PANDA_OK && y < turned.height; y++) {
        status = pnd_host_check_cancel(host);
        for (uint32_t x = 0; x < turned.width; x++) {
            uint32_t column = turn.swap ? y : x, row = turn.swap ? x : y;
            if (turn.right)
                column = width - 1 - column;
            if (turn.bottom)
                row = height - 1 - row;
            const uint8_t *in = get_pixel(picture, column, row);
            for (uint32_t c = 0; c < turned.channels; c++)
                *out++ = in[c];
        }
    }
    if (status < 0) {
        pnd_picture_close(&turned, host);
        return status;
    }
    pnd_picture_close(picture, host);
    *picture = turned;
    return PANDA_OK;
}

panda_status pnd_picture_to_gray(struct pnd_picture *picture,
                                 const panda_frontend_host *host)
{
    if (picture->channels == 1)
        return PANDA_OK;
    struct pnd_picture gray;
    panda_status status = pnd_picture_alloc(&gray, host, picture->width,
                                            picture->height, 1);
    uint8_t *out = gray.memory;
    for (uint32_t y = 0; status == PANDA_OK && y < gray.height; y++) {
        status = pnd_host_check_cancel(host);
        for (uint32_t x = 0; x < gray.width; x++) {
            const uint8_t *p = get_pixel(picture, x, y);
            *out++ = (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u +
                                0x8000u) >> 16);
        }
    }
    if (status < 0) {
        pnd_picture_close(&gray, host);
        return status;
    }
    gray.orientation = picture->orientation;
    pnd_picture_close(picture, host);
    *picture = gray;
    return PANDA_OK;
}
