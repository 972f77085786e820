/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gzip.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/map.h"
#include "pandagpt_config.h"

#if HAVE_ZLIB
#  include <limits.h>
#  include <zlib.h>

#  define STEP ((size_t)1 << 18)

static voidpf zlib_alloc(voidpf user, uInt count, uInt size)
{
    return pnd_alloc_array(user, count, size);
}

static void zlib_free(voidpf user, voidpf memory)
{
    pnd_free(user, memory);
}

static panda_status fail_inflate(const char *path, const z_stream *z, int rc)
{
    if (rc == Z_MEM_ERROR)
        return pnd_fail_memory();
    if (rc == Z_BUF_ERROR)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: the gzip data is cut off at byte %lu", path,
                        z->total_in);
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: the gzip data is damaged near byte %lu: %s", path,
                    z->total_in, z->msg ? z->msg : "wrong checksum");
}

/* Decompresses up to the end of one member. The output grows with what comes
 * out, whatever the file announces. */
static panda_status inflate_member(struct pnd_buffer *out, z_stream *z,
                                   size_t *left, const char *path,
                                   size_t max_size)
{
    for (;;) {
        panda_status status = pnd_buffer_reserve(out, STEP);
        if (status < 0)
            return status;
        const uInt in = *left > INT_MAX ? INT_MAX : (uInt)*left;
        z->avail_in = in;
        z->next_out = out->data + out->size;
        z->avail_out = (uInt)STEP;
        int rc = inflate(z, Z_NO_FLUSH);
        *left -= in - z->avail_in;
        out->size += STEP - z->avail_out;
        if (out->size > max_size)
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: has more than %zu bytes when decompressed",
                            path, max_size);
        if (rc == Z_STREAM_END)
            return PANDA_OK;
        if (rc != Z_OK)
            return fail_inflate(path, z, rc);
    }
}

static panda_status decompress(struct pnd_buffer *out,
                               const struct pnd_map *map, const char *path,
                               size_t max_size)
{
    z_stream z = {.next_in = (Bytef *)map->data,
                  .zalloc = zlib_alloc,
                  .zfree = zlib_free,
                  .opaque = (voidpf)out->alloc};
    size_t left = map->size;
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip only */
        return pnd_fail_memory();
    panda_status status = PANDA_OK;
    while (left > 0 && status == PANDA_OK) {
        status = inflate_member(out, &z, &left, path, max_size);
        inflateReset(&z);
    }
    inflateEnd(&z);
    return status;
}
#else
static panda_status decompress(struct pnd_buffer *out,
                               const struct pnd_map *map, const char *path,
                               size_t max_size)
{
    (void)out;
    (void)map;
    (void)max_size;
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: is gzip, which this build cannot read (no zlib); "
                    "decompress it first",
                    path);
}
#endif

static panda_status copy(struct pnd_buffer *out, const struct pnd_map *map,
                         const char *path, size_t max_size)
{
    if (map->size > max_size)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: has %zu bytes, expected at most %zu", path,
                        map->size, max_size);
    return pnd_buffer_append(out, map->data, map->size);
}

panda_status pnd_gzip_read_file(char **data, size_t *size,
                                const struct pnd_context *ctx,
                                const char *path, size_t max_size)
{
    struct pnd_map map;
    struct pnd_buffer out;
    *data = NULL;
    *size = 0;
    panda_status status = pnd_map_open(&map, ctx, path);
    if (status < 0)
        return status;
    pnd_buffer_init(&out, &ctx->alloc);
    PND_TRY(pnd_map_need_all(&map));
    const bool compressed =
        map.size >= 2 && map.data[0] == 0x1f && map.data[1] == 0x8b;
    if (compressed)
        PND_TRY(decompress(&out, &map, path, max_size));
    else
        PND_TRY(copy(&out, &map, path, max_size));
    PND_TRY(pnd_buffer_terminate(&out));
    *data = (char *)out.data;
    *size = out.size;
out:
    pnd_map_close(&map);
    if (status < 0)
        pnd_buffer_free(&out);
    return status;
}
