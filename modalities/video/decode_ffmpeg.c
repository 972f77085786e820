/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/video/packets.h"
#include "modalities/video/video.h"

#include "pandagpt_config.h"

#if HAVE_FFMPEG

#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define IO_BYTES (1 << 16)
#define MAX_THREADS 16
#define PACKETS_BETWEEN_CANCEL 256
#define ALIGN 64 /* of pixel rows; the converter may write a little past them */

/* Containers that hold video of their own. FFmpeg also knows formats that name
 * other files (playlists) or draw text; these are refused. */
#define CONTAINERS                                                            \
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,"    \
    "asf,ogg,h264,hevc,m4v,ivf,obu,av1,gif,apng,mxf,nut,rm,wtv,dv,"           \
    "yuv4mpegpipe,mjpeg"

/* FFmpeg writes its messages to stderr unless the host sets a process-wide
 * callback. A library must not print and must not touch that callback, so each
 * context is told to lower the rank of its messages by this much, which leaves
 * them to hosts that ask for everything. */
#define QUIET 100

struct decoder {
    struct pnd_video *video;
    const panda_frontend_host *host;
    uint64_t offset; /* in the source: the byte that comes next */

    AVIOContext *io;
    AVFormatContext *format;
    AVClass quiet_class; /* of `format` */
    int stream;          /* number of the video in the file */
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *converter;
    uint8_t *pixels; /* (height, stride) RGB */
    size_t stride;

    struct pnd_packets packets;
    size_t fed;         /* packets that were given to the codec or dropped */
    size_t start;       /* drop those before this one: a key frame */
    int64_t start_time; /* and later ones that are shown before it */
    uint64_t shown;     /* frames that came out */
    int64_t time;       /* of the last of them */
};

/* The causes that are not the file's fault. */
static panda_status check_cause(const struct decoder *d, int error)
{
    if (error == AVERROR(ENOMEM))
        return pnd_host_fail_memory(d->host);
    return pnd_host_check_cancel(d->host);
}

static panda_status fail_ffmpeg(const struct decoder *d, const char *what,
                                int error)
{
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    panda_status status = check_cause(d, error);
    if (status < 0)
        return status;
    av_strerror(error, reason, sizeof reason);
    return pnd_host_fail(d->host, PANDA_E_FORMAT, "%s: %s", what, reason);
}

static int read_bytes(void *user, uint8_t *buffer, int size)
{
    struct decoder *d = user;
    int64_t got = pnd_source_read(&d->video->source, d->offset, buffer,
                                  (size_t)size);
    if (got < 0)
        return AVERROR(EIO);
    if (got == 0)
        return AVERROR_EOF;
    d->offset += (uint64_t)got;
    return (int)got;
}

static int64_t seek(void *user, int64_t offset, int whence)
{
    struct decoder *d = user;
    int64_t size = (int64_t)d->video->source.size;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return size;
    if (whence == SEEK_CUR)
        offset += (int64_t)d->offset;
    else if (whence == SEEK_END)
        offset += size;
    else if (whence != SEEK_SET)
        return AVERROR(EINVAL);
    if (offset < 0)
        return AVERROR(EINVAL);
    d->offset = (uint64_t)offset;
    return offset;
}

/* A file that names others must not make us read them. */
static int refuse_open(AVFormatContext *format, AVIOContext **io,
                       const char *url, int flags, AVDictionary **options)
{
    (void)format;
    (void)url;
    (void)flags;
    (void)options;
    *io = NULL;
    return AVERROR(EPERM);
}

static int is_interrupted(void *user)
{
    const struct decoder *d = user;
    return d->host->is_cancelled(d->host) != 0;
}

/* The class of a format context has no place for a message offset; a copy of
 * the class points it at a field that only muxers use. */
static void make_quiet(struct decoder *d)
{
    d->quiet_class = *d->format->av_class;
    d->quiet_class.log_level_offset_offset =
        offsetof(AVFormatContext, metadata_header_padding);
    d->format->metadata_header_padding = QUIET;
    d->format->av_class = &d->quiet_class;
}

static void close_format(struct decoder *d)
{
    avformat_close_input(&d->format);
    if (d->io)
        av_freep(&d->io->buffer);
    avio_context_free(&d->io);
}

/* Decoders that probe the streams obey the limits, and are quiet. */
static panda_status probe_streams(struct decoder *d)
{
    unsigned count = d->format->nb_streams;
    AVDictionary **options = NULL;
    if (count > 0) {
        options = pnd_host_alloc(d->host, count, sizeof(AVDictionary *));
        if (!options)
            return pnd_host_fail_memory(d->host);
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t pixels = d->host->limits->max_pixels;
        options[i] = NULL;
        av_dict_set_int(&options[i], "log_level_offset", QUIET, 0);
        av_dict_set_int(&options[i], "max_pixels",
                        pixels < INT_MAX ? (int64_t)pixels : INT_MAX, 0);
    }
    int found = avformat_find_stream_info(d->format, options);
    for (unsigned i = 0; i < count; i++)
        av_dict_free(&options[i]);
    d->host->free(d->host, options);
    /* An interrupted probe is no failure to FFmpeg. */
    return found < 0 ? fail_ffmpeg(d, "the streams cannot be read", found)
                     : pnd_host_check_cancel(d->host);
}

/* Sizes in the container's header, before a decoder sees them. */
static panda_status check_sizes(const struct decoder *d)
{
    panda_status status = PANDA_OK;
    for (unsigned i = 0; i < d->format->nb_streams && status == PANDA_OK; i++) {
        const AVCodecParameters *p = d->format->streams[i]->codecpar;
        if (p->codec_type == AVMEDIA_TYPE_VIDEO && p->width > 0 &&
            p->height > 0)
            status = pnd_picture_check_size(d->host, (uint64_t)p->width,
                                            (uint64_t)p->height);
    }
    return status;
}

static panda_status fail_container(const struct decoder *d, int error)
{
    uint8_t head[64];
    char content[PND_CONTENT_SIZE];
    panda_status status = check_cause(d, error);
    if (status < 0)
        return status;
    int64_t got = pnd_source_read(&d->video->source, 0, head, sizeof head);
    pnd_source_describe(content, head, got > 0 ? (size_t)got : 0);
    return pnd_host_fail(d->host, PANDA_E_FORMAT,
                         "holds %s that FFmpeg cannot open, expected a whole "
                         "video file (MP4, Matroska, AVI...)",
                         content);
}

static panda_status open_format(struct decoder *d)
{
    d->offset = 0;
    uint8_t *buffer = av_malloc(IO_BYTES);
    if (!buffer)
        return pnd_host_fail_memory(d->host);
    d->io = avio_alloc_context(buffer, IO_BYTES, 0, d, read_bytes, NULL, seek);
    if (!d->io)
        av_free(buffer);
    d->format = avformat_alloc_context();
    if (!d->io || !d->format)
        return pnd_host_fail_memory(d->host);
    make_quiet(d);
    d->format->pb = d->io;
    d->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    d->format->io_open = refuse_open;
    d->format->interrupt_callback.callback = is_interrupted;
    d->format->interrupt_callback.opaque = d;
    AVDictionary *options = NULL;
    av_dict_set(&options, "format_whitelist", CONTAINERS, 0);
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int opened = avformat_open_input(&d->format, "", NULL, &options);
    av_dict_free(&options);
    if (opened < 0)
        return fail_container(d, opened);
    panda_status status = check_sizes(d);
    if (status == PANDA_OK)
        status = probe_streams(d);
    if (status < 0)
        return status;
    d->stream = av_find_best_stream(d->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL,
                                    0);
    bool is_video = d->stream >= 0 &&
                    !(d->format->streams[d->stream]->disposition &
                      AV_DISPOSITION_ATTACHED_PIC);
    if (!is_video)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "no video among the %u streams of the file, "
                             "expected one",
                             d->format->nb_streams);
    for (unsigned i = 0; i < d->format->nb_streams; i++)
        if ((int)i != d->stream)
            d->format->streams[i]->discard = AVDISCARD_ALL;
    return PANDA_OK;
}

/* What the header says, before anything is spent on it. */
static panda_status check_header(struct decoder *d)
{
    const AVStream *stream = d->format->streams[d->stream];
    const AVCodecParameters *parameters = stream->codecpar;
    struct pnd_video *video = d->video;
    if (parameters->width <= 0 || parameters->height <= 0)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the size of the video cannot be found, expected "
                             "at most %" PRIu64 " pixels (max_pixels)",
                             d->host->limits->max_pixels);
    video->width = (uint32_t)parameters->width;
    video->height = (uint32_t)parameters->height;
    panda_status status =
        pnd_picture_check_size(d->host, video->width, video->height);
    if (status < 0)
        return status;
    AVRational rate = stream->avg_frame_rate;
    if (rate.num <= 0 || rate.den <= 0)
        rate = stream->r_frame_rate;
    if (rate.num <= 0 || rate.den <= 0)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the video has no frame rate, expected frames at "
                             "known times");
    video->fps = (double)rate.num / rate.den;
    if (d->format->duration > 0)
        return pnd_video_check_seconds(
            d->host, (double)d->format->duration / AV_TIME_BASE);
    return PANDA_OK;
}

static panda_status add_packet(struct decoder *d)
{
    const AVPacket *packet = d->packet;
    if (packet->flags & AV_PKT_FLAG_CORRUPT)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the video is damaged or cut off after frame "
                             "%zu",
                             d->packets.count);
    if (packet->flags & AV_PKT_FLAG_DISCARD) /* outside the edit list */
        return PANDA_OK;
    panda_status status = pnd_packets_add(
        &d->packets, packet->pts != AV_NOPTS_VALUE, packet->pts,
        (packet->flags & AV_PKT_FLAG_KEY) != 0);
    if (status == PANDA_OK && d->packets.count % PACKETS_BETWEEN_CANCEL == 0)
        status = pnd_video_check_seconds(
            d->host, (double)d->packets.count / d->video->fps);
    return status;
}

/* Read the whole file once: the number of frames in the header may be wrong,
 * and the reference counts packets, too. */
static panda_status count_frames(struct decoder *d)
{
    AVStream *stream = d->format->streams[d->stream];
    panda_status status = PANDA_OK;
    int read = 0;
    int found = 0;
    while (status == PANDA_OK &&
           (read = av_read_frame(d->format, d->packet)) >= 0) {
        if (d->packet->stream_index == d->stream) {
            status = found++ % PACKETS_BETWEEN_CANCEL == 0
                         ? pnd_host_check_cancel(d->host)
                         : PANDA_OK;
            if (status == PANDA_OK)
                status = add_packet(d);
        }
        av_packet_unref(d->packet);
    }
    if (status == PANDA_OK)
        status = pnd_host_check_cancel(d->host);
    if (status < 0)
        return status;
    if (read != AVERROR_EOF)
        return fail_ffmpeg(d, "the video is damaged", read);
    /* A file that was cut off may simply end, with frames announced. */
    int announced = avformat_index_get_entries_count(stream);
    if (announced > found)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "the video ends after frame %d, expected %d "
                             "frames as its index says",
                             found, announced);
    d->video->frames = d->packets.count;
    return pnd_packets_finish(&d->packets);
}

static panda_status open_codec(struct decoder *d)
{
    const AVStream *stream = d->format->streams[d->stream];
    enum AVCodecID id = stream->codecpar->codec_id;
    const AVCodec *codec = avcodec_find_decoder(id);
    if (!codec)
        return pnd_host_fail(d->host, PANDA_E_UNSUPPORTED,
                             "this FFmpeg cannot decode %s video",
                             avcodec_get_name(id));
    d->codec = avcodec_alloc_context3(codec);
    if (!d->codec)
        return pnd_host_fail_memory(d->host);
    int done = avcodec_parameters_to_context(d->codec, stream->codecpar);
    if (done < 0)
        return fail_ffmpeg(d, "the codec's header cannot be read", done);
    uint64_t pixels = d->host->limits->max_pixels;
    d->codec->log_level_offset = QUIET;
    d->codec->max_pixels = pixels < INT_MAX ? (int64_t)pixels : INT_MAX;
    d->codec->pkt_timebase = stream->time_base;
    d->codec->thread_count =
        d->host->threads < MAX_THREADS ? (int)d->host->threads : MAX_THREADS;
    done = avcodec_open2(d->codec, codec, NULL);
    return done < 0 ? fail_ffmpeg(d, "the codec cannot be started", done)
                    : PANDA_OK;
}

/* Give the codec its next packet, or the end. */
static panda_status feed(struct decoder *d)
{
    int sent = 0;
    bool given = false;
    while (!given) {
        int read = av_read_frame(d->format, d->packet);
        if (read == AVERROR_EOF) {
            sent = avcodec_send_packet(d->codec, NULL);
            return sent < 0 ? fail_ffmpeg(d, "the video cannot be decoded",
                                          sent)
                            : PANDA_OK;
        }
        if (read < 0)
            return fail_ffmpeg(d, "the video is damaged", read);
        bool early = d->fed < d->start ||
                     (d->start > 0 && d->packet->pts < d->start_time);
        bool ours = d->packet->stream_index == d->stream;
        if (ours && !(d->packet->flags & AV_PKT_FLAG_DISCARD))
            d->fed++;
        if (ours && !early) {
            sent = avcodec_send_packet(d->codec, d->packet);
            given = true;
        }
        av_packet_unref(d->packet);
    }
    return sent < 0 ? fail_ffmpeg(d, "the video cannot be decoded", sent)
                    : PANDA_OK;
}

/* Decode the next frame in the order of showing. */
static panda_status decode_frame(struct decoder *d)
{
    for (;;) {
        int got = avcodec_receive_frame(d->codec, d->frame);
        if (got == 0)
            break;
        panda_status status = pnd_host_check_cancel(d->host);
        if (status < 0)
            return status;
        if (got == AVERROR_EOF)
            return pnd_host_fail(d->host, PANDA_E_FORMAT,
                                 "the video ends after %" PRIu64 " decoded "
                                 "frames, expected %" PRIu64 " in the file",
                                 d->shown, d->video->frames);
        if (got != AVERROR(EAGAIN))
            return fail_ffmpeg(d, "the video cannot be decoded", got);
        status = feed(d);
        if (status < 0)
            return status;
    }
    d->shown++;
    d->time = d->frame->pts != AV_NOPTS_VALUE
                  ? d->frame->pts
                  : d->frame->best_effort_timestamp;
    if (d->frame->decode_error_flags != 0 ||
        (d->frame->flags & AV_FRAME_FLAG_CORRUPT))
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "frame %" PRIu64 " is damaged", d->shown - 1);
    return PANDA_OK;
}

/* Make `frame` the one with this number. Where times are known, decoding
 * begins at the key frame before it, and a frame that is never shown gives way
 * to the next one that is. */
static panda_status decode_until(struct decoder *d, uint64_t index)
{
    panda_status status = PANDA_OK;
    if (!d->packets.timed) {
        while (status == PANDA_OK && d->shown <= index)
            status = decode_frame(d);
        return status;
    }
    int64_t time = d->packets.times[index];
    size_t key = pnd_packets_find_key(&d->packets, time);
    if (key > d->fed && (d->shown == 0 || d->time < time)) {
        avcodec_flush_buffers(d->codec);
        d->start = key;
        d->start_time = d->packets.list[key].time;
    }
    while (status == PANDA_OK && (d->shown == 0 || d->time < time))
        status = decode_frame(d);
    return status;
}

/* The range of these is in their name; their use makes the converter warn. */
static enum AVPixelFormat get_plain_format(int format, bool *full)
{
    static const struct {
        enum AVPixelFormat full, plain;
    } pairs[] = {
        {AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P},
        {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
        {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P},
        {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
        {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (format == (int)pairs[i].full) {
            *full = true;
            return pairs[i].plain;
        }
    }
    return (enum AVPixelFormat)format;
}

/* As the scale filter that decord relies on: bicubic, the matrix and range that
 * the frame names, BT.601 otherwise. */
static panda_status prepare_converter(struct decoder *d)
{
    const AVFrame *frame = d->frame;
    bool full = frame->color_range == AVCOL_RANGE_JPEG;
    enum AVPixelFormat format = get_plain_format(frame->format, &full);
    const char *name = av_get_pix_fmt_name(format);
    if (!sws_isSupportedInput(format))
        return pnd_host_fail(d->host, PANDA_E_UNSUPPORTED,
                             "this FFmpeg cannot convert %s pixels to RGB",
                             name ? name : "unknown");
    d->converter = sws_getCachedContext(
        d->converter, frame->width, frame->height, format, frame->width,
        frame->height, AV_PIX_FMT_RGB24, SWS_BICUBIC, NULL, NULL, NULL);
    if (!d->converter)
        return pnd_host_fail_memory(d->host);
    int *unused, in_full, out_full, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(d->converter, &unused, &in_full, &unused,
                                 &out_full, &brightness, &contrast,
                                 &saturation) < 0)
        return PANDA_OK; /* not YUV: nothing to choose */
    const int *matrix = sws_getCoefficients((int)frame->colorspace);
    sws_setColorspaceDetails(d->converter, matrix, full || in_full, matrix,
                             out_full, brightness, contrast, saturation);
    return PANDA_OK;
}

static panda_status convert(struct decoder *d, struct pnd_picture *out)
{
    const AVFrame *frame = d->frame;
    const struct pnd_video *video = d->video;
    if (frame->width != (int)video->width ||
        frame->height != (int)video->height)
        return pnd_host_fail(d->host, PANDA_E_FORMAT,
                             "frame %" PRIu64 " is %d x %d pixels, expected "
                             "%u x %u as the header says",
                             d->shown - 1, frame->width, frame->height,
                             video->width, video->height);
    panda_status status = prepare_converter(d);
    if (status < 0)
        return status;
    if (!d->pixels) {
        d->stride = ((size_t)video->width * 3 / ALIGN + 2) * ALIGN;
        d->pixels = pnd_host_alloc(d->host, video->height, d->stride);
        if (!d->pixels)
            return pnd_host_fail_memory(d->host);
    }
    uint8_t *rows[4] = {d->pixels};
    int strides[4] = {(int)d->stride};
    int done = sws_scale(d->converter, (const uint8_t *const *)frame->data,
                         frame->linesize, 0, frame->height, rows, strides);
    if (done != frame->height)
        return fail_ffmpeg(d, "a frame cannot be converted to RGB",
                           done < 0 ? done : AVERROR_UNKNOWN);
    *out = (struct pnd_picture){
        .width = video->width,
        .height = video->height,
        .channels = 3,
        .step = 3,
        .stride = d->stride,
        .pixels = d->pixels,
        .orientation = 1,
    };
    return PANDA_OK;
}

static panda_status get_frame(struct pnd_video *video, uint64_t index,
                              struct pnd_picture *out)
{
    struct decoder *d = video->decoder;
    panda_status status = decode_until(d, index);
    return status < 0 ? status : convert(d, out);
}

static void close_decoder(struct pnd_video *video)
{
    struct decoder *d = video->decoder;
    if (!d)
        return;
    sws_freeContext(d->converter);
    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->codec);
    close_format(d);
    pnd_packets_free(&d->packets);
    d->host->free(d->host, d->pixels);
    d->host->free(d->host, d);
    video->decoder = NULL;
}

static const struct pnd_video_ops ffmpeg_ops = {get_frame, close_decoder};

panda_status pnd_video_open_file(struct pnd_video *video)
{
    const panda_frontend_host *host = video->host;
    panda_status status = PANDA_OK;
    struct decoder *d = host->alloc(host, sizeof *d);
    if (!d)
        return pnd_host_fail_memory(host);
    *d = (struct decoder){.video = video, .host = host, .stream = -1};
    video->decoder = d;
    video->ops = &ffmpeg_ops;
    pnd_packets_init(&d->packets, host);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->packet || !d->frame)
        return pnd_host_fail_memory(host);
    PND_HOST_TRY(open_format(d));
    PND_HOST_TRY(check_header(d));
    PND_HOST_TRY(count_frames(d));
    /* From the start again: not every container can seek. */
    close_format(d);
    PND_HOST_TRY(open_format(d));
    status = open_codec(d);
out:
    return status;
}

#else

panda_status pnd_video_open_file(struct pnd_video *video)
{
    return pnd_host_fail(video->host, PANDA_E_UNSUPPORTED,
                         "this build reads no video files (no FFmpeg); give "
                         "the frames as raw input");
}

#endif
