/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/decode.h"

#include <string.h>

#include "pandagpt_config.h"

bool pnd_png_detect(const uint8_t *data, size_t size)
{
    return size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

#if HAVE_PNG

#include <setjmp.h>

#include <png.h>

#include "modalities/shared/exif.h"

#define MAX_CHUNK ((png_alloc_size_t)8 << 20) /* of text, profiles and such */
#define MAX_CHUNKS 100

/* Everything that must survive a longjmp out of libpng is here, not in local
 * variables. */
struct decoder {
    const panda_frontend_host *host;
    const uint8_t *data; /* size bytes */
    size_t size, at;
    png_structp png;
    png_infop info;
    uint32_t width, height;
    int bits, color;   /* as stored */
    uint8_t *pixels;   /* [height, stride] */
    size_t stride;
    bool truncated;    /* a read went past the end */
    bool no_memory;    /* an allocation failed */
    bool cancelled;
    char message[128]; /* libpng's last error */
};

static void on_error(png_structp png, png_const_charp message)
{
    struct decoder *d = png_get_error_ptr(png);
    size_t length = 0;
    while (length < sizeof d->message - 1 && message[length])
        length++;
    memcpy(d->message, message, length);
    d->message[length] = '\0';
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t size)
{
    struct decoder *d = png_get_mem_ptr(png);
    void *memory = d->host->alloc(d->host, size);
    d->no_memory = d->no_memory || !memory;
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    struct decoder *d = png_get_mem_ptr(png);
    d->host->free(d->host, memory);
}

static void on_read(png_structp png, png_bytep out, size_t count)
{
    struct decoder *d = png_get_io_ptr(png);
    if (d->size - d->at < count) {
        d->truncated = true;
        png_error(png, "the data end");
    }
    memcpy(out, d->data + d->at, count);
    d->at += count;
}

static panda_status fail(const struct decoder *d)
{
    if (d->cancelled)
        return pnd_host_fail(d->host, PANDA_E_CANCELLED,
                             "the call was cancelled");
    if (d->no_memory)
        return pnd_host_fail_memory(d->host);
    if (d->truncated)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the PNG image is truncated: more than its %zu "
                             "bytes are needed",
                             d->size);
    return pnd_host_fail(d->host, PANDA_E_FORMAT,
                         "the PNG image is damaged: %s", d->message);
}

/* Chunks that change nothing here: skipped instead of unpacked, since each may
 * hide a decompression bomb. */
static void skip_chunks(png_structp png)
{
    static const png_byte names[] = "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0"
                                    "pCAL\0sCAL\0gAMA\0cHRM\0sRGB\0sBIT";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names,
                                (int)(sizeof names / 5));
    png_set_chunk_malloc_max(png, MAX_CHUNK);
    png_set_chunk_cache_max(png, MAX_CHUNKS);
}

/* Read up to the pixels. */
static panda_status read_header(struct decoder *d)
{
    if (setjmp(png_jmpbuf(d->png)))
        return fail(d);
    /* The library's own limit on pixels is the one that counts. */
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    skip_chunks(d->png);
    png_set_read_fn(d->png, d, on_read);
    png_read_info(d->png, d->info);
    png_get_IHDR(d->png, d->info, &d->width, &d->height, &d->bits, &d->color,
                 NULL, NULL, NULL);
    return pnd_picture_check_size(d->host, d->width, d->height);
}

/* Read all rows into the host's memory, `bytes` to a pixel; the transformations
 * have been set. */
static panda_status read_pixels(struct decoder *d, size_t bytes)
{
    if (setjmp(png_jmpbuf(d->png)))
        return fail(d);
    int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->stride = (size_t)d->width * bytes;
    if (png_get_rowbytes(d->png, d->info) != d->stride)
        return pnd_host_fail(d->host, PANDA_E_INTERNAL,
                             "the PNG image has %zu bytes in a row, expected "
                             "%zu",
                             png_get_rowbytes(d->png, d->info), d->stride);
    d->pixels = pnd_host_alloc(d->host, d->height, d->stride);
    if (!d->pixels)
        return pnd_host_fail_memory(d->host);
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < d->height; y++) {
            d->cancelled = d->host->is_cancelled(d->host) != 0;
            if (d->cancelled)
                return fail(d);
            png_read_row(d->png, d->pixels + y * d->stride, NULL);
        }
    }
    /* What follows the pixels is not looked at: a file that ends there has
     * lost nothing. */
    return d->no_memory ? fail(d) : PANDA_OK;
}

static panda_status begin(struct decoder *d)
{
    d->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, d, on_error,
                                      on_warning, d, on_alloc, on_free);
    if (!d->png)
        return pnd_host_fail_memory(d->host);
    d->info = png_create_info_struct(d->png);
    if (!d->info)
        return pnd_host_fail_memory(d->host);
    return read_header(d);
}

static void end(struct decoder *d)
{
    if (d->png)
        png_destroy_read_struct(&d->png, &d->info, NULL);
    d->host->free(d->host, d->pixels);
}

static bool is_deep_gray(const struct decoder *d)
{
    return d->bits == 16 && d->color == PNG_COLOR_TYPE_GRAY;
}

/* Palette indexes to RGB. Ones past the end of the palette stand for themselves
 * as gray, as in Pillow; libpng would make them black. */
static panda_status read_palette(struct decoder *d)
{
    png_colorp palette = NULL;
    int count = 0;
    if (setjmp(png_jmpbuf(d->png)))
        return fail(d);
    png_set_packing(d->png);
    panda_status status = read_pixels(d, 1);
    if (status < 0)
        return status;
    size_t pixels = (size_t)d->width * d->height;
    uint8_t *rgb = pnd_host_alloc(d->host, pixels, 3);
    if (!rgb)
        return pnd_host_fail_memory(d->host);
    png_get_PLTE(d->png, d->info, &palette, &count);
    for (size_t i = 0; i < pixels; i++) {
        uint8_t index = d->pixels[i];
        bool known = index < count;
        rgb[3 * i] = known ? palette[index].red : index;
        rgb[3 * i + 1] = known ? palette[index].green : index;
        rgb[3 * i + 2] = known ? palette[index].blue : index;
    }
    d->host->free(d->host, d->pixels);
    d->pixels = rgb;
    d->stride = (size_t)d->width * 3;
    return PANDA_OK;
}

/* Bytes of gray or RGB out of every kind of PNG. */
static panda_status read_bytes(struct decoder *d)
{
    bool gray = !(d->color & PNG_COLOR_MASK_COLOR);
    if (is_deep_gray(d))
        return read_pixels(d, 2);
    if (d->color == PNG_COLOR_TYPE_PALETTE)
        return read_palette(d);
    if (setjmp(png_jmpbuf(d->png)))
        return fail(d);
    png_set_expand(d->png);
    png_set_strip_16(d->png);
    png_set_strip_alpha(d->png);
    return read_pixels(d, gray ? 1 : 3);
}

/* 16-bit gray to bytes, in place. Clipped, not scaled, as Pillow does when it
 * converts its mode "I". */
static void clip_deep_gray(struct decoder *d)
{
    size_t count = (size_t)d->width * d->height;
    for (size_t i = 0; i < count; i++)
        d->pixels[i] = d->pixels[2 * i] ? 255 : d->pixels[2 * i + 1];
    d->stride = d->width;
}

static int get_orientation(struct decoder *d)
{
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(d->png, d->info, &size, &exif) && exif)
        return pnd_exif_get_orientation(exif, size);
#endif
    return 1;
}

panda_status pnd_png_decode(struct pnd_picture *out,
                            const panda_frontend_host *host,
                            const uint8_t *data, size_t size)
{
    struct decoder d = {.host = host, .data = data, .size = size};
    *out = (struct pnd_picture){0};
    panda_status status = begin(&d);
    if (status == PANDA_OK)
        status = read_bytes(&d);
    if (status == PANDA_OK) {
        if (is_deep_gray(&d))
            clip_deep_gray(&d);
        uint32_t channels = (uint32_t)(d.stride / d.width);
        *out = (struct pnd_picture){
            .width = d.width, .height = d.height, .channels = channels,
            .step = channels, .stride = d.stride, .pixels = d.pixels,
            .memory = d.pixels, .orientation = get_orientation(&d)};
        d.pixels = NULL;
    }
    end(&d);
    return status;
}

/* Gray values as 16-bit words of this machine. */
static panda_status read_samples(struct decoder *d, struct pnd_samples *out)
{
    if (d->color & PNG_COLOR_MASK_COLOR)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the PNG image has colours, expected one channel "
                             "of depth values");
    if (setjmp(png_jmpbuf(d->png)))
        return fail(d);
    png_set_packing(d->png);
    png_set_strip_alpha(d->png);
    size_t bytes = d->bits == 16 ? 2 : 1;
    panda_status status = read_pixels(d, bytes);
    if (status < 0)
        return status;
    size_t count = (size_t)d->width * d->height;
    out->values = pnd_host_alloc(d->host, count, sizeof *out->values);
    if (!out->values)
        return pnd_host_fail_memory(d->host);
    for (size_t i = 0; i < count; i++)
        out->values[i] = bytes == 1 ? d->pixels[i]
                                    : (uint16_t)(d->pixels[2 * i] << 8 |
                                                 d->pixels[2 * i + 1]);
    out->width = d->width;
    out->height = d->height;
    out->bits = (uint32_t)d->bits;
    return PANDA_OK;
}

panda_status pnd_png_decode_samples(struct pnd_samples *out,
                                    const panda_frontend_host *host,
                                    const uint8_t *data, size_t size)
{
    struct decoder d = {.host = host, .data = data, .size = size};
    *out = (struct pnd_samples){0};
    panda_status status = begin(&d);
    if (status == PANDA_OK)
        status = read_samples(&d, out);
    end(&d);
    return status;
}

#else

static panda_status decline(const panda_frontend_host *host)
{
    return pnd_host_fail(host, PANDA_E_UNSUPPORTED,
                         "is a PNG image, which this build cannot read "
                         "(libpng was not there); expected raw pixels");
}

panda_status pnd_png_decode(struct pnd_picture *out,
                            const panda_frontend_host *host,
                            const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *out = (struct pnd_picture){0};
    return decline(host);
}

panda_status pnd_png_decode_samples(struct pnd_samples *out,
                                    const panda_frontend_host *host,
                                    const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *out = (struct pnd_samples){0};
    return decline(host);
}

#endif
