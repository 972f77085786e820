/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DEPTH_MAP_H
#define PND_DEPTH_MAP_H

#include "modalities/shared/npy.h"
#include "modalities/shared/source.h"

/* A depth picture of any source: values that become metres one by one, so that
 * no second picture of floats is needed. */

struct pnd_depth_map {
    uint32_t width, height; /* at least 1 */
    bool floats;            /* values are floats, not integers */
    uint32_t bits;          /* of an integer value in its source */
    double unit;            /* metres for one step of a value */
    bool sun_rotated;       /* undo SUN RGB-D's rotation of the bits */

    /* The values: exactly one of these. */
    const uint8_t *raw;     /* rows of u16 or f32, not aligned */
    size_t stride;          /* of raw: bytes from row to row */
    uint16_t *samples;      /* [height, width], owned */
    struct pnd_npy array;   /* [height, width]; used when the others are NULL */

    struct pnd_source source;
};

/** Open a 16- or 8-bit gray PNG, a two-dimensional .npy file or raw values, and
 *  apply the unit of the options.
 *  @param out release with pnd_depth_map_close; needs none on failure */
panda_status pnd_depth_map_open(struct pnd_depth_map *out,
                                const panda_frontend_host *host,
                                const panda_input *input);

/** Depth in metres at a pixel; 0 for a hole (0, negative or not finite). */
double pnd_depth_map_get(const struct pnd_depth_map *map, uint32_t x,
                         uint32_t y);

void pnd_depth_map_close(struct pnd_depth_map *map,
                         const panda_frontend_host *host);

#endif
