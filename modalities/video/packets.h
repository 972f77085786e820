/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_VIDEO_PACKETS_H
#define PND_VIDEO_PACKETS_H

#include <stdbool.h>

#include "modalities/shared/fail.h"

/* The table of contents of a video: when each packet, in the order of the
 * file, is shown, and where decoding may begin. With it, a frame is found by
 * decoding from the key frame before it instead of from the start. */

struct pnd_packet {
    int64_t time; /* of its frame, in any unit */
    bool is_key;
};

struct pnd_packets {
    const panda_frontend_host *host;
    struct pnd_packet *list; /* (count) in the order of the file */
    int64_t *times;          /* (count) ascending; after pnd_packets_finish */
    size_t count, capacity;
    bool timed;  /* all times are known and differ */
    size_t key;  /* pnd_packets_find_key: the last answer */
    size_t seen; /* and how far it has looked */
};

void pnd_packets_init(struct pnd_packets *p, const panda_frontend_host *host);

void pnd_packets_free(struct pnd_packets *p);

/** Append the next packet of the file.
 *  @param has_time whether `time` is known */
panda_status pnd_packets_add(struct pnd_packets *p, bool has_time, int64_t time,
                             bool is_key);

/** After the last packet: put the times into order. */
panda_status pnd_packets_finish(struct pnd_packets *p);

/** The last packet of the file from which the frame shown at `time` can be
 *  decoded: a key frame that is shown no later. Times asked for must ascend. */
size_t pnd_packets_find_key(struct pnd_packets *p, int64_t time);

#endif
