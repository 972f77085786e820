/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/make_png.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    uint8_t *data;
    size_t size;
};

static void put(struct writer *w, const void *data, size_t size)
{
    w->data = realloc(w->data, w->size + size + 1);
    if (!w->data)
        abort();
    if (size > 0)
        memcpy(w->data + w->size, data, size);
    w->size += size;
}

static void put_be32(struct writer *w, uint32_t n)
{
    put(w, (uint8_t[]){(uint8_t)(n >> 24), (uint8_t)(n >> 16),
                       (uint8_t)(n >> 8), (uint8_t)n}, 4);
}

static uint32_t get_crc(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_chunk(struct writer *w, const char *name, const void *data,
                      size_t size)
{
    put_be32(w, (uint32_t)size);
    size_t start = w->size;
    put(w, name, 4);
    put(w, data, size);
    put_be32(w, get_crc(w->data + start, w->size - start));
}

/* zlib's format with stored blocks only. */
static void put_stored(struct writer *w, const uint8_t *data, size_t size)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < size; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    put(w, "\x78\x01", 2);
    size_t at = 0;
    do {
        size_t n = size - at < 65535 ? size - at : 65535;
        put(w, (uint8_t[]){at + n == size, (uint8_t)n, (uint8_t)(n >> 8),
                           (uint8_t)~n, (uint8_t)(~n >> 8)}, 5);
        put(w, data + at, n);
        at += n;
    } while (at < size);
    put_be32(w, b << 16 | a);
}

static void put_rows(struct writer *out, const uint8_t **rows,
                     const struct png_recipe *r, uint32_t width,
                     uint32_t height)
{
    static const uint8_t channels[] = {1, 0, 3, 1, 2, 0, 4};
    size_t bytes = ((size_t)width * channels[r->color] * r->bits + 7) / 8;
    for (uint32_t y = 0; width > 0 && y < height; y++) {
        put(out, "", 1);
        put(out, *rows, bytes);
        *rows += bytes;
    }
}

static void put_pixels(struct writer *w, const struct png_recipe *r)
{
    static const uint8_t passes[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8},
                                         {0, 4, 4, 8}, {2, 0, 4, 4},
                                         {0, 2, 2, 4}, {1, 0, 2, 2},
                                         {0, 1, 1, 2}};
    struct writer raw = {0}, packed = {0};
    const uint8_t *rows = r->rows;
    for (int i = 0; rows && i < (r->interlaced ? 7 : 1); i++) {
        const uint8_t *p = passes[i];
        if (r->interlaced)
            put_rows(&raw, &rows, r, (r->width + p[2] - 1 - p[0]) / p[2],
                     (r->height + p[3] - 1 - p[1]) / p[3]);
        else
            put_rows(&raw, &rows, r, r->width, r->height);
    }
    put_stored(&packed, raw.data, raw.size);
    put_chunk(w, "IDAT", packed.data, packed.size);
    free(raw.data);
    free(packed.data);
}

uint8_t *make_png(size_t *size, const struct png_recipe *r)
{
    struct writer w = {0}, header = {0};
    put(&w, "\x89PNG\r\n\x1a\n", 8);
    put_be32(&header, r->width);
    put_be32(&header, r->height);
    put(&header, (uint8_t[]){r->bits, r->color, 0, 0, r->interlaced}, 5);
    put_chunk(&w, "IHDR", header.data, header.size);
    free(header.data);
    if (r->palette)
        put_chunk(&w, "PLTE", r->palette, r->palette_count * 3);
    if (r->trns)
        put_chunk(&w, "tRNS", r->trns, r->trns_size);
    if (r->exif)
        put_chunk(&w, "eXIf", r->exif, r->exif_size);
    put_pixels(&w, r);
    put_chunk(&w, "IEND", "", 0);
    *size = w.size;
    return w.data;
}
