/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_INPUT_H
#define PANDAGPT_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include <pandagpt/export.h>
#include <pandagpt/status.h>

/** @file input.h
 *  One item of any modality: a file, the bytes of a file, or raw data.
 *
 *      panda_input picture;
 *      panda_input_init_path(&picture, sizeof picture, PANDA_MODALITY_IMAGE,
 *                            "cat.jpg");
 *      panda_encoder_encode(&embedding, encoder, &picture, NULL);
 *
 *  An input only describes data: it borrows what it points to, which must
 *  stay valid and unchanged during the call that uses it. It owns nothing and
 *  needs no release. Preprocessing is the reference's unless the options of
 *  the modality say otherwise. */

PANDA_BEGIN_DECLS

typedef int32_t panda_modality;

enum {
    PANDA_MODALITY_IMAGE = 1,
    PANDA_MODALITY_VIDEO = 2, /**< seen by the image encoder */
    PANDA_MODALITY_AUDIO = 3,
    PANDA_MODALITY_DEPTH = 4,
    PANDA_MODALITY_THERMAL = 5,
    PANDA_MODALITY_IMU = 6,
    PANDA_MODALITY_TEXT = 7,
    PANDA_MODALITY_COUNT = 8 /**< one above the largest; may grow */
};

/** The bit of a modality in a `modalities` mask. */
#define PANDA_MODALITY_BIT(modality) (UINT32_C(1) << (modality))

/** Name of a modality, such as "audio".
 *  @return borrowed, static storage; NULL for other numbers
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API const char *panda_modality_get_name(panda_modality modality);

/** Find a modality by its name ("image", "video", "audio", "depth",
 *  "thermal", "imu", "text"; exact case).
 *  @param out gives the modality
 *  @return PANDA_OK; PANDA_E_ARGUMENT naming the word and the choices
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_modality_find(panda_modality *out,
                                           const char *name);

typedef int32_t panda_source;

enum {
    PANDA_SOURCE_PATH = 1, /**< `path` names a file */
    PANDA_SOURCE_BYTES = 2, /**< `data` holds an encoded file (text: UTF-8) */
    PANDA_SOURCE_RAW = 3    /**< `data` holds raw elements */
};

typedef int32_t panda_element;

/** Element types of raw data, in the machine's byte order. */
enum {
    PANDA_ELEMENT_U8 = 1,
    PANDA_ELEMENT_U16 = 2,
    PANDA_ELEMENT_I16 = 3,
    PANDA_ELEMENT_I32 = 4,
    PANDA_ELEMENT_F32 = 5
};

typedef int32_t panda_switch;

/** A choice that may be left to the default. */
enum { PANDA_SWITCH_DEFAULT = 0, PANDA_SWITCH_ON = 1, PANDA_SWITCH_OFF = 2 };

typedef struct panda_image_options {
    uint32_t struct_size;
    panda_switch exif_rotation; /**< turn the picture as its EXIF says; default
                                     off, as the reference */
} panda_image_options;

typedef struct panda_video_options {
    uint32_t struct_size;
    uint32_t clips; /**< clips spread over the duration; 1..64, default 5 */
    double clip_seconds; /**< length of a clip in s; (0, 60], default 2 */
} panda_video_options;

typedef struct panda_audio_options {
    uint32_t struct_size;
    uint32_t clips; /**< clips spread over the duration; 1..1024, default 3 */
    double clip_seconds; /**< length of a clip in s; [0.025, 60], default 2; a
                              clip is cut or padded to the model's frames */
} panda_audio_options;

typedef int32_t panda_depth_unit;

enum {
    PANDA_DEPTH_UNIT_DEFAULT = 0, /**< mm for integers, m for floats */
    PANDA_DEPTH_UNIT_MILLIMETRE = 1,
    PANDA_DEPTH_UNIT_METRE = 2
};

typedef int32_t panda_depth_sensor;

/** Sensors with a known stereo baseline (Omnivore's table). */
enum {
    PANDA_DEPTH_SENSOR_DEFAULT = 0,   /**< as KV1 */
    PANDA_DEPTH_SENSOR_KV1 = 1,       /**< 0.075 m */
    PANDA_DEPTH_SENSOR_KV1_B = 2,     /**< 0.075 m */
    PANDA_DEPTH_SENSOR_KV2 = 3,       /**< 0.075 m */
    PANDA_DEPTH_SENSOR_REALSENSE = 4, /**< 0.095 m */
    PANDA_DEPTH_SENSOR_XTION = 5      /**< 0.095 m */
};

typedef struct panda_depth_options {
    uint32_t struct_size;
    panda_depth_unit unit;
    panda_depth_sensor sensor;
    panda_switch sun_rotated; /**< 16-bit values are rotated by 3 bits as in SUN
                                   RGB-D, then mm capped at 8 m; default off */
    double baseline;          /**< metres, > 0; default by `sensor` */
    double focal_length;      /**< pixels, > 0; default 570 */
} panda_depth_options;

typedef struct panda_thermal_options {
    uint32_t struct_size;
    panda_switch normalise; /**< stretch the picture's own range to [0, 1];
                                 default off, as the reference */
} panda_thermal_options;

typedef int32_t panda_imu_order;

enum {
    PANDA_IMU_ORDER_DEFAULT = 0,
    PANDA_IMU_ACCEL_GYRO = 0, /**< accelerometer x y z, gyroscope x y z */
    PANDA_IMU_GYRO_ACCEL = 1  /**< the other way round */
};

typedef struct panda_imu_options {
    uint32_t struct_size;
    panda_imu_order order;
    double scale_accel;    /**< factor on the accelerometer (for example 9.80665
                             from g to m/s^2); default 1 */
    double scale_gyro;     /**< factor on the gyroscope (for example pi/180 from
                             deg/s to rad/s); default 1 */
    panda_switch resample; /**< linear interpolation to the model's sample count
                                when the recording is longer or shorter; default
                                off: another length is an error */
    uint32_t reserved;     /**< 0 */
} panda_imu_options;

typedef int32_t panda_text_cut;

enum {
    PANDA_TEXT_CUT_DEFAULT = 0,
    PANDA_TEXT_CUT_KEEP_END = 0, /**< ImageBind today: 76 tokens + end token */
    PANDA_TEXT_CUT_REFERENCE =
        1 /**< PandaGPT's copy: 77 tokens, end token lost */
};

typedef struct panda_text_options {
    uint32_t struct_size;
    panda_text_cut cut;
    panda_switch repair; /**< ftfy-like repair of wrongly decoded text; default
                              on, as the reference */
} panda_text_options;

/** One item. Fill it with one of the `panda_input_init_*` functions, then set
 *  what differs from the defaults. */
typedef struct panda_input {
    uint32_t struct_size; /**< sizeof(panda_input) */
    panda_modality modality;
    panda_source source;
    panda_element element; /**< RAW: type of one element */
    const char *path;      /**< PATH: borrowed */
    const void *data;      /**< BYTES, RAW: borrowed, first byte; any address,
                                aligned or not */
    uint64_t size;         /**< BYTES, RAW: bytes at `data` */
    uint32_t width;        /**< RAW pixels: columns */
    uint32_t height;       /**< RAW pixels: rows */
    uint32_t channels;     /**< RAW: interleaved values of a pixel or sample
                                (images: 1 gray, 3 RGB, 4 RGBA) */
    uint32_t reserved;     /**< 0 */
    uint64_t row_stride;   /**< RAW pixels: bytes from row to row; 0: tight */
    uint64_t
        frame_stride; /**< RAW video: bytes from frame to frame; 0: tight */
    uint64_t count;   /**< RAW audio and IMU: samples of each channel;
                                video: frames; text: token ids */
    double rate;      /**< RAW audio, IMU: samples/s; video: frames/s */
    /* At most the one of the item's modality; NULL for defaults; borrowed. */
    const panda_image_options *image_options; /**< also for video frames */
    const panda_video_options *video_options;
    const panda_audio_options *audio_options;
    const panda_depth_options *depth_options;
    const panda_thermal_options *thermal_options;
    const panda_imu_options *imu_options;
    const panda_text_options *text_options;
} panda_input;

/** Describe a file. Text files are read as UTF-8.
 *  @param input filled; `struct_size` is sizeof(panda_input) of the caller
 *  @param path borrows until the input was used
 *  @return PANDA_OK, PANDA_E_ARGUMENT, PANDA_E_VERSION
 *  Thread safety: any thread (so for all functions of this header).
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_path(panda_input *input,
                                             uint32_t struct_size,
                                             panda_modality modality,
                                             const char *path);

/** Describe an encoded file in memory (JPEG, PNG, WAV, MP4, CSV...).
 *  @param data borrows `size` bytes until the input was used
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_bytes(panda_input *input,
                                              uint32_t struct_size,
                                              panda_modality modality,
                                              const void *data, uint64_t size);

/** Describe raw pixels, 8 bits each, rows from top to bottom.
 *  @param channels 1 (gray), 3 (RGB) or 4 (RGBA, alpha is dropped)
 *  @param row_stride bytes from row to row; 0 means width * channels
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_image(
    panda_input *input, uint32_t struct_size, const void *pixels,
    uint32_t width, uint32_t height, uint32_t channels, uint64_t row_stride);

/** Describe raw video: `count` frames of tight 8-bit RGB rows.
 *  @param rate frames per second, > 0
 *  @param frame_stride bytes from frame to frame; 0 means tight
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_video(panda_input *input,
                                              uint32_t struct_size,
                                              const void *frames,
                                              uint64_t count, uint32_t width,
                                              uint32_t height, double rate,
                                              uint64_t frame_stride);

/** Describe raw audio: `count` samples of each of `channels` interleaved
 *  channels; f32 in [-1, 1], or i16.
 *  @param rate samples per second, a whole number, 1000..768000
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_audio(
    panda_input *input, uint32_t struct_size, const void *samples,
    uint64_t count, uint32_t channels, double rate, panda_element element);

/** Describe raw depth: u16 or f32, rows from top to bottom; unit, sensor and
 *  focal length through `depth_options`.
 *  @param row_stride bytes from row to row; 0 means tight
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_depth(
    panda_input *input, uint32_t struct_size, const void *depth, uint32_t width,
    uint32_t height, panda_element element, uint64_t row_stride);

/** Describe raw thermal pixels, 8 bits, 1 channel or RGB.
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_thermal(
    panda_input *input, uint32_t struct_size, const void *pixels,
    uint32_t width, uint32_t height, uint32_t channels, uint64_t row_stride);

/** Describe an IMU recording: `count` samples of 6 interleaved f32 values
 *  (accelerometer x y z, gyroscope x y z unless `imu_options` says otherwise).
 *  @param rate samples per second; 0 when unknown
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_imu(panda_input *input,
                                            uint32_t struct_size,
                                            const float *samples,
                                            uint64_t count, double rate);

/** Describe a text.
 *  @param text borrows UTF-8, `length` bytes
 *  @since 0.1 */
PANDA_API panda_status panda_input_init_text(panda_input *input,
                                             uint32_t struct_size,
                                             const char *text, uint64_t length);

PANDA_END_DECLS

#endif
