/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/decode.h"

#include "pandagpt_config.h"

bool pnd_jpeg_detect(const uint8_t *data, size_t size)
{
    return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

#if HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

#include "modalities/shared/exif.h"

#define MAX_SCANS 500 /* more only keep the processor busy */

/* Everything that must survive a longjmp out of libjpeg is here, not in local
 * variables. libjpeg has no hook for its own memory, so its tables (and a
 * progressive picture's coefficients) come from the C heap; the pixels come
 * from the host. */
struct decoder {
    struct jpeg_decompress_struct info; /* first: the callbacks get this */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const panda_frontend_host *host;
    struct pnd_picture *out;
    panda_status status;            /* why it jumped */
    JSAMPARRAY row;                 /* CMYK only: 1 row */
    char warning[JMSG_LENGTH_MAX];  /* the first; "" without */
};

static struct decoder *get_decoder(j_common_ptr info)
{
    return (struct decoder *)(void *)info;
}

static _Noreturn void leave(struct decoder *d, panda_status status)
{
    d->status = status;
    longjmp(d->jump, 1);
}

static void on_error(j_common_ptr info)
{
    struct decoder *d = get_decoder(info);
    char message[JMSG_LENGTH_MAX];
    if (info->err->msg_code == JERR_OUT_OF_MEMORY)
        leave(d, pnd_host_fail_memory(d->host));
    info->err->format_message(info, message);
    leave(d, pnd_host_fail(d->host, PANDA_E_FORMAT,
                           "the JPEG image is damaged: %s", message));
}

static void on_message(j_common_ptr info, int level)
{
    struct decoder *d = get_decoder(info);
    if (level >= 0)
        return;
    if (info->err->num_warnings++ == 0)
        info->err->format_message(info, d->warning);
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

/* Also called in the long run over the scans of a progressive picture. */
static void on_progress(j_common_ptr info)
{
    struct decoder *d = get_decoder(info);
    panda_status status = pnd_host_check_cancel(d->host);
    if (status < 0)
        leave(d, status);
    if (d->info.input_scan_number > MAX_SCANS)
        leave(d, pnd_host_fail(d->host, PANDA_E_FORMAT,
                               "the JPEG image has more than %d scans",
                               MAX_SCANS));
}

static void source_begin(j_decompress_ptr info)
{
    (void)info;
}

/* All bytes are there from the start: needing more means that the file was cut
 * off, which is an error as in Pillow, not a gray rest. */
static boolean source_fill(j_decompress_ptr info)
{
    struct decoder *d = get_decoder((j_common_ptr)info);
    leave(d, pnd_host_fail(d->host, PANDA_E_FORMAT,
                           "the JPEG image is truncated: its data end at row "
                           "%u of %u",
                           (unsigned)info->output_scanline,
                           (unsigned)info->image_height));
}

static void source_skip(j_decompress_ptr info, long count)
{
    struct jpeg_source_mgr *source = info->src;
    if (count <= 0)
        return;
    size_t left = source->bytes_in_buffer;
    size_t skip = (unsigned long)count < left ? (size_t)count : left;
    source->next_input_byte += skip;
    source->bytes_in_buffer -= skip;
}

static void set_up(struct decoder *d, const uint8_t *data, size_t size)
{
    d->source = (struct jpeg_source_mgr){
        .next_input_byte = data,
        .bytes_in_buffer = size,
        .init_source = source_begin,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_begin,
    };
    d->progress.progress_monitor = on_progress;
    d->info.src = &d->source;
    d->info.progress = &d->progress;
    jpeg_save_markers(&d->info, JPEG_APP0 + 1, 0xffff);
}

/* Read the header and choose Pillow's settings: the exact integer IDCT and
 * smooth chroma, which are libjpeg's defaults but not its promise. */
static panda_status read_header(struct decoder *d)
{
    struct jpeg_decompress_struct *info = &d->info;
    jpeg_read_header(info, TRUE);
    panda_status status = pnd_picture_check_size(d->host, info->image_width,
                                                 info->image_height);
    if (status < 0)
        return status;
    switch (info->num_components) {
    case 1:
        info->out_color_space = JCS_GRAYSCALE;
        break;
    case 3:
        info->out_color_space = JCS_RGB;
        break;
    case 4:
        info->out_color_space = JCS_CMYK;
        break;
    default:
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the JPEG image has %d components, expected 1, 3 "
                             "or 4",
                             info->num_components);
    }
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    return pnd_picture_alloc(d->out, d->host, info->image_width,
                             info->image_height,
                             info->num_components == 1 ? 1 : 3);
}

/* a * b / 255 of bytes, rounded to nearest. */
static unsigned multiply_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Four inks, stored inverted as Adobe does: 255 is none. */
static void convert_inks(uint8_t *rgb, const uint8_t *inks, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++, rgb += 3, inks += 4)
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(inks[3] -
                               multiply_255(255u - inks[c], inks[3]));
}

static void read_rows(struct decoder *d)
{
    struct jpeg_decompress_struct *info = &d->info;
    bool inks = info->out_color_space == JCS_CMYK;
    jpeg_start_decompress(info);
    if (inks)
        d->row = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE,
                                         info->output_width * 4, 1);
    while (info->output_scanline < info->output_height) {
        uint8_t *pixels = (uint8_t *)d->out->memory +
                          (size_t)info->output_scanline * d->out->stride;
        JSAMPROW row = inks ? d->row[0] : pixels;
        jpeg_read_scanlines(info, &row, 1);
        if (inks)
            convert_inks(pixels, row, info->output_width);
    }
}

static void note_orientation(struct decoder *d)
{
    for (jpeg_saved_marker_ptr m = d->info.marker_list; m; m = m->next)
        if (m->data_length >= 6 && m->data[0] == 'E' && m->data[1] == 'x') {
            d->out->orientation =
                pnd_exif_get_orientation(m->data, m->data_length);
            return;
        }
}

static panda_status decode(struct decoder *d, const uint8_t *data, size_t size)
{
    if (setjmp(d->jump))
        return d->status;
    jpeg_create_decompress(&d->info);
    set_up(d, data, size);
    panda_status status = read_header(d);
    if (status < 0)
        return status;
    read_rows(d);
    note_orientation(d);
    return PANDA_OK;
}

panda_status pnd_jpeg_decode(struct pnd_picture *out,
                             const panda_frontend_host *host,
                             const uint8_t *data, size_t size)
{
    struct decoder d = {.host = host, .out = out};
    *out = (struct pnd_picture){0};
    d.info.err = jpeg_std_error(&d.errors);
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    d.errors.output_message = on_output;
    panda_status status = decode(&d, data, size);
    jpeg_destroy_decompress(&d.info);
    if (status < 0) {
        pnd_picture_close(out, host);
        return status;
    }
    if (d.warning[0]) {
        char line[JMSG_LENGTH_MAX + 64];
        snprintf(line, sizeof line, "a JPEG image is damaged but readable: %s",
                 d.warning);
        host->log(host, PANDA_LOG_WARN, line);
    }
    return PANDA_OK;
}

#else

panda_status pnd_jpeg_decode(struct pnd_picture *out,
                             const panda_frontend_host *host,
                             const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *out = (struct pnd_picture){0};
    return pnd_host_fail(host, PANDA_E_UNSUPPORTED,
                         "is a JPEG image, which this build cannot read "
                         "(libjpeg was not there); expected raw pixels");
}

#endif
