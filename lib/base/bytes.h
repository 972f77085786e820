/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_BYTES_H
#define PND_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

/* Little-endian reads of unaligned file content. */

static inline uint16_t pnd_read_le16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t pnd_read_le32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t pnd_read_le64(const void *p)
{
    const uint8_t *b = p;
    return (uint64_t)pnd_read_le32(b) | (uint64_t)pnd_read_le32(b + 4) << 32;
}

#endif
