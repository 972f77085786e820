/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/audio/riff.h"

#include <string.h>

/* Chunks in front of the samples; a file with more is not a recording. */
#define MAX_CHUNKS 4096

/* Who writes to a pipe cannot know the size: ffmpeg then says 2^32 - 1, sox
 * this. */
#define OPEN_SIZE UINT32_C(0x7ffff000)

static uint32_t read_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static bool read_at(const struct pnd_source *source, uint64_t at, uint8_t *to,
                    size_t size)
{
    return pnd_source_read(source, at, to, size) == (int64_t)size;
}

panda_status pnd_riff_check_whole(const panda_frontend_host *host,
                                  const struct pnd_source *source)
{
    uint8_t head[12];
    if (!read_at(source, 0, head, 12) || memcmp(head, "RIFF", 4) != 0 ||
        memcmp(head + 8, "WAVE", 4) != 0)
        return PANDA_OK;
    uint64_t at = 12;
    for (int i = 0; i < MAX_CHUNKS && read_at(source, at, head, 8); i++) {
        uint64_t size = read_le32(head + 4), left = source->size - at - 8;
        if (memcmp(head, "data", 4) == 0) {
            bool is_open = size == 0 || size >= OPEN_SIZE;
            if (is_open || size <= left)
                return PANDA_OK;
            return pnd_host_fail(host, PANDA_E_FORMAT,
                                 "the file is truncated: %llu bytes of samples "
                                 "found, expected %llu",
                                 (unsigned long long)left,
                                 (unsigned long long)size);
        }
        at += 8 + size + (size & 1); /* chunks begin at even bytes */
    }
    return PANDA_OK;
}
