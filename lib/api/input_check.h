/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_INPUT_CHECK_H
#define PND_API_INPUT_CHECK_H

#include <pandagpt/input.h>

/** Bytes of an element; 0 for an unknown type. */
uint32_t pnd_element_get_size(panda_element element);

/* A caller's input with everything the library's own size. */
struct pnd_input {
    panda_input input; /* options pointers lead to the structs below, or NULL */
    panda_image_options image;
    panda_video_options video;
    panda_audio_options audio;
    panda_depth_options depth;
    panda_thermal_options thermal;
    panda_imu_options imu;
    panda_text_options text;
};

/** Copy and check a caller's input: known modality and source, pointers there,
 *  raw data of a type and size that fit its description. A frontend may rely on
 *  it. The copy is used in place: it points into itself. */
panda_status pnd_input_read(struct pnd_input *to, const panda_input *from);

#endif
