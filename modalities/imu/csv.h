/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_IMU_CSV_H
#define PND_IMU_CSV_H

#include <stdbool.h>

#include "modalities/shared/fail.h"

/* A recording as a table of text: lines of fields between commas (or
 * semicolons, or tabs, whichever the first line has), one line per sample. The
 * first line names the columns; those named ax, ay, az, gx, gy and gz are read,
 * in whatever order and whatever lies between them. Without names, there must
 * be exactly six columns. */

#define PND_IMU_CHANNELS 6

struct pnd_csv {
    const panda_frontend_host *host;
    const char *rows, *end; /* the lines below the names */
    uint64_t first_line;    /* number of the first of them, from 1 */
    uint64_t samples;       /* lines that are not empty */
    uint32_t columns;
    uint32_t places[PND_IMU_CHANNELS]; /* column of ax, ay, az, gx, gy, gz */
    bool named;
    char separator;
};

/** Understand the first line and count the others.
 *  @param data borrowed as long as `csv` is used */
panda_status pnd_csv_open(struct pnd_csv *csv, const panda_frontend_host *host,
                          const uint8_t *data, size_t size);

/** Read all samples. Values may be infinite or not numbers where the file
 *  says so.
 *  @param out (samples, PND_IMU_CHANNELS) in the order of `places` */
panda_status pnd_csv_read(const struct pnd_csv *csv, float *out);

/** "ax", "ay", "az", "gx", "gy", "gz" */
extern const char pnd_imu_names[PND_IMU_CHANNELS][3];

#endif
