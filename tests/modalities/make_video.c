/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/make_video.h"

#include "pandagpt_config.h"

uint8_t video_get_gray(int frame)
{
    /* Neighbours differ by much, so that no codec blurs them together. */
    return (uint8_t)(24 + frame * 37 % 200);
}

#if HAVE_FFMPEG

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

#define MAX_FILE (1 << 24)

struct writer {
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVFrame *frame;
    AVPacket *packet;
};

static int open_encoder(struct writer *w, const struct video_recipe *r)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(r->codec);
    if (!codec)
        return -1;
    w->codec = avcodec_alloc_context3(codec);
    w->codec->width = r->width;
    w->codec->height = r->height;
    w->codec->time_base = (AVRational){r->rate_den, r->rate_num};
    w->codec->framerate = (AVRational){r->rate_num, r->rate_den};
    w->codec->gop_size = r->key_distance;
    w->codec->max_b_frames = r->b_frames;
    w->codec->pix_fmt = strcmp(r->codec, "mjpeg") == 0 ? AV_PIX_FMT_YUVJ420P
                                                       : AV_PIX_FMT_YUV420P;
    w->codec->flags |= AV_CODEC_FLAG_QSCALE;
    w->codec->global_quality = FF_QP2LAMBDA;
    w->codec->thread_count = 1;
    if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
        w->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    return avcodec_open2(w->codec, codec, NULL);
}

static void write_packets(struct writer *w)
{
    while (avcodec_receive_packet(w->codec, w->packet) == 0) {
        av_packet_rescale_ts(w->packet, w->codec->time_base,
                             w->stream->time_base);
        w->packet->duration = 0;
        ck_assert_int_ge(av_interleaved_write_frame(w->format, w->packet), 0);
    }
}

static void write_frame(struct writer *w, int index)
{
    AVFrame *frame = w->frame;
    ck_assert_int_ge(av_frame_make_writable(frame), 0);
    int gray = video_get_gray(index);
    if (w->codec->pix_fmt == AV_PIX_FMT_YUVJ420P)
        gray = (gray - 16) * 255 / 219; /* the same gray in the full range */
    memset(frame->data[0], gray, (size_t)frame->linesize[0] *
                                     (size_t)frame->height);
    for (int p = 1; p < 3; p++)
        memset(frame->data[p], 128, (size_t)frame->linesize[p] *
                                        (size_t)(frame->height / 2));
    frame->pts = index;
    frame->quality = w->codec->global_quality;
    ck_assert_int_ge(avcodec_send_frame(w->codec, frame), 0);
    write_packets(w);
}

uint8_t *make_video(size_t *size, const struct video_recipe *r)
{
    struct writer w = {0};
    uint8_t *buffer = NULL;
    ck_assert_int_ge(avformat_alloc_output_context2(&w.format, NULL,
                                                    r->container, NULL), 0);
    if (open_encoder(&w, r) < 0) {
        avcodec_free_context(&w.codec);
        avformat_free_context(w.format);
        return NULL;
    }
    /* MP4's writer goes back, so a real file is needed. */
    const char *path = test_write_temp(".video", "", 0);
    w.stream = avformat_new_stream(w.format, NULL);
    w.stream->time_base = w.codec->time_base;
    w.stream->avg_frame_rate = w.codec->framerate;
    avcodec_parameters_from_context(w.stream->codecpar, w.codec);
    ck_assert_int_ge(avio_open(&w.format->pb, path, AVIO_FLAG_WRITE), 0);
    ck_assert_int_ge(avformat_write_header(w.format, NULL), 0);
    w.packet = av_packet_alloc();
    w.frame = av_frame_alloc();
    w.frame->format = w.codec->pix_fmt;
    w.frame->width = r->width;
    w.frame->height = r->height;
    ck_assert_int_ge(av_frame_get_buffer(w.frame, 0), 0);
    for (int i = 0; i < r->frames; i++)
        write_frame(&w, i);
    ck_assert_int_ge(avcodec_send_frame(w.codec, NULL), 0);
    write_packets(&w);
    ck_assert_int_ge(av_write_trailer(w.format), 0);
    avio_closep(&w.format->pb);
    av_frame_free(&w.frame);
    av_packet_free(&w.packet);
    avcodec_free_context(&w.codec);
    avformat_free_context(w.format);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    buffer = malloc(MAX_FILE);
    *size = fread(buffer, 1, MAX_FILE, file);
    ck_assert_uint_lt(*size, MAX_FILE);
    fclose(file);
    return buffer;
}

#else

uint8_t *make_video(size_t *size, const struct video_recipe *recipe)
{
    (void)recipe;
    *size = 0;
    return NULL;
}

#endif
