/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/zip.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/sort.h"
#include "format/utf8.h"

#define LOCAL_SIZE 30
#define CENTRAL_SIZE 46
#define END_SIZE 22
#define END64_SIZE 56
#define LOCATOR_SIZE 20
#define MAX_COMMENT 65535

#define LOCAL_MAGIC 0x04034b50u
#define CENTRAL_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define END64_MAGIC 0x06064b50u
#define LOCATOR_MAGIC 0x07064b50u

#define FLAG_ENCRYPTED 1u
#define FLAG_DESCRIPTOR 8u

/* The mark of a 32-bit field whose value is in the zip64 record. */
#define SATURATED 0xffffffffu

struct reader {
    struct pnd_zip *zip;
    const struct pnd_map *map;
    const uint8_t *data; /* size bytes, those of the map */
    size_t size;
    size_t directory, directory_end; /* offsets */
};

static panda_status fail_at(const struct reader *r, size_t offset,
                            const char *what)
{
    return pnd_fail(PANDA_E_FORMAT, "%s: zip archive, byte %zu: %s",
                    r->zip->path, offset, what);
}

/* Whether `length` bytes at `offset` lie in front of `end`. */
static bool is_inside(uint64_t offset, uint64_t length, size_t end)
{
    return offset <= end && length <= end - offset;
}

static panda_status find_end(const struct reader *r, size_t *at)
{
    const size_t last = r->size < END_SIZE ? 0 : r->size - END_SIZE;
    const size_t first = last > MAX_COMMENT ? last - MAX_COMMENT : 0;
    panda_status status = pnd_map_need(r->map, first, r->size - first);
    if (status < 0)
        return status;
    for (size_t i = r->size < END_SIZE ? 0 : last + 1; i-- > first;) {
        const uint8_t *p = r->data + i;
        /* The comment has to end where the file does. */
        if (pnd_read_le32(p) == END_MAGIC &&
            pnd_read_le16(p + 20) == last - i) {
            *at = i;
            return PANDA_OK;
        }
    }
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: the zip archive has no end record in its %zu "
                    "bytes; the file is probably cut off",
                    r->zip->path, r->size);
}

struct directory {
    uint64_t count, size, offset;
};

/* The zip64 record that a locator just before the end record points to. */
static panda_status read_end64(const struct reader *r, size_t locator,
                               struct directory *d)
{
    const uint8_t *p = r->data + locator;
    uint64_t at = pnd_read_le64(p + 8);
    const bool inside = is_inside(at, END64_SIZE, locator);
    panda_status status =
        inside ? pnd_map_need(r->map, (size_t)at, END64_SIZE) : PANDA_OK;
    if (status < 0)
        return status;
    if (!inside || pnd_read_le32(r->data + at) != END64_MAGIC)
        return fail_at(r, locator, "the zip64 record is not where it says");
    p = r->data + at;
    if (pnd_read_le32(p + 16) != 0 || pnd_read_le32(p + 20) != 0)
        return fail_at(r, (size_t)at,
                       "archives in several parts cannot be read");
    *d = (struct directory){pnd_read_le64(p + 32), pnd_read_le64(p + 40),
                            pnd_read_le64(p + 48)};
    return PANDA_OK;
}

static panda_status read_end(struct reader *r, struct directory *d)
{
    size_t end = 0;
    panda_status status = find_end(r, &end);
    if (status < 0)
        return status;
    const uint8_t *p = r->data + end;
    *d = (struct directory){pnd_read_le16(p + 10), pnd_read_le32(p + 12),
                            pnd_read_le32(p + 16)};
    size_t limit = end;
    if (end >= LOCATOR_SIZE)
        status = pnd_map_need(r->map, end - LOCATOR_SIZE, LOCATOR_SIZE);
    if (status < 0)
        return status;
    if (end >= LOCATOR_SIZE &&
        pnd_read_le32(p - LOCATOR_SIZE) == LOCATOR_MAGIC) {
        limit = end - LOCATOR_SIZE;
        status = read_end64(r, limit, d);
        if (status < 0)
            return status;
    } else if (pnd_read_le16(p + 4) != 0 || pnd_read_le16(p + 6) != 0) {
        return fail_at(r, end, "archives in several parts cannot be read");
    }
    if (!is_inside(d->offset, d->size, limit))
        return fail_at(r, end, "the directory lies outside the file");
    if (d->count == 0 || d->count > d->size / CENTRAL_SIZE)
        return fail_at(r, end,
                       "the directory's size does not fit its count "
                       "of entries");
    r->directory = (size_t)d->offset;
    r->directory_end = (size_t)(d->offset + d->size);
    return PANDA_OK;
}

/* Sizes and offset of an entry as the central directory has them. */
struct central {
    uint64_t size, stored, header;
    uint16_t flags, method, name_length;
};

/* Replaces saturated fields by those of the zip64 extra field, which has only
 * the ones that are needed, in this order. */
static panda_status read_extra(const struct reader *r, const uint8_t *extra,
                               size_t length, struct central *c)
{
    uint64_t *fields[] = {&c->size, &c->stored, &c->header};
    const size_t at = (size_t)(extra - r->data);
    bool found = false;
    while (length >= 4 && !found) {
        uint16_t id = pnd_read_le16(extra), bytes = pnd_read_le16(extra + 2);
        extra += 4;
        length -= 4;
        if (bytes > length)
            return fail_at(r, at, "an extra field is longer than its record");
        found = id == 1;
        for (size_t i = 0, used = 0; found && i < 3; i++) {
            if (*fields[i] != SATURATED)
                continue;
            if (bytes - used < 8)
                return fail_at(r, at, "the zip64 extra field is too short");
            *fields[i] = pnd_read_le64(extra + used);
            used += 8;
        }
        extra += bytes;
        length -= bytes;
    }
    return PANDA_OK;
}

/* Checks the local header and finds the content behind it. */
static panda_status read_local(const struct reader *r, const struct central *c,
                               struct pnd_zip_entry *entry)
{
    if (!is_inside(c->header, LOCAL_SIZE, r->directory))
        return fail_at(r, r->directory, "an entry lies outside the file");
    const size_t at = (size_t)c->header;
    const uint8_t *p = r->data + at;
    panda_status status = pnd_map_need(r->map, at, LOCAL_SIZE);
    if (status < 0)
        return status;
    if (pnd_read_le32(p) != LOCAL_MAGIC)
        return fail_at(r, at, "expected the header of an entry");
    const uint16_t name = pnd_read_le16(p + 26), extra = pnd_read_le16(p + 28);
    if (!is_inside(c->header + LOCAL_SIZE, (uint64_t)name + extra,
                   r->directory))
        return fail_at(r, at, "an entry's header reaches into the directory");
    status = pnd_map_need(r->map, at + LOCAL_SIZE, name);
    if (status < 0)
        return status;
    if (name != c->name_length ||
        memcmp(p + LOCAL_SIZE, entry->name, name) != 0 ||
        pnd_read_le16(p + 8) != c->method)
        return fail_at(r, at, "an entry's header and the directory disagree");
    /* With a data descriptor the local sizes are not known yet. */
    const uint32_t size = pnd_read_le32(p + 22);
    if (!(pnd_read_le16(p + 6) & FLAG_DESCRIPTOR) && size != c->size &&
        size != SATURATED)
        return fail_at(r, at, "an entry's size and the directory disagree");
    const uint64_t content = c->header + LOCAL_SIZE + name + extra;
    if (!is_inside(content, c->size, r->directory))
        return fail_at(r, at, "an entry's content reaches into the directory");
    entry->data = r->data + content;
    entry->size = (size_t)c->size;
    entry->header = at;
    return PANDA_OK;
}

static panda_status read_entry(const struct reader *r, size_t *at,
                               struct pnd_zip_entry *entry)
{
    const uint8_t *p = r->data + *at;
    if (!is_inside(*at, CENTRAL_SIZE, r->directory_end) ||
        pnd_read_le32(p) != CENTRAL_MAGIC)
        return fail_at(r, *at, "expected a record of the directory");
    struct central c = {.flags = pnd_read_le16(p + 8),
                        .method = pnd_read_le16(p + 10),
                        .stored = pnd_read_le32(p + 20),
                        .size = pnd_read_le32(p + 24),
                        .name_length = pnd_read_le16(p + 28),
                        .header = pnd_read_le32(p + 42)};
    const size_t extra = pnd_read_le16(p + 30);
    const size_t length =
        CENTRAL_SIZE + c.name_length + extra + pnd_read_le16(p + 32);
    if (!is_inside(*at, length, r->directory_end))
        return fail_at(r, *at, "a record reaches outside the directory");
    entry->name = (const char *)p + CENTRAL_SIZE;
    entry->name_length = c.name_length;
    if (c.flags & FLAG_ENCRYPTED)
        return fail_at(r, *at, "encrypted entries cannot be read");
    panda_status status =
        read_extra(r, p + CENTRAL_SIZE + c.name_length, extra, &c);
    if (status < 0)
        return status;
    if (c.method != 0 || c.size != c.stored)
        return fail_at(r, *at,
                       "compressed entries cannot be read; torch "
                       "stores them as they are");
    *at += length;
    return read_local(r, &c, entry);
}

static int compare_bytes(const char *a, size_t a_length, const char *b,
                         size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_names(const void *a, const void *b)
{
    const struct pnd_zip_entry *x = a, *y = b;
    return compare_bytes(x->name, x->name_length, y->name, y->name_length);
}

static int compare_places(const void *a, const void *b)
{
    const struct pnd_zip_entry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static panda_status check_overlap(const struct reader *r)
{
    struct pnd_zip *zip = r->zip;
    pnd_sort(zip->sorted, zip->count, compare_places);
    for (size_t i = 1; i < zip->count; i++) {
        const struct pnd_zip_entry *a = zip->sorted[i - 1], *b = zip->sorted[i];
        if ((size_t)(a->data - r->data) + a->size > b->header)
            return fail_at(r, b->header, "two entries overlap");
    }
    pnd_sort(zip->sorted, zip->count, compare_names);
    const struct pnd_zip_entry *twice =
        pnd_sort_find_equal(zip->sorted, zip->count, compare_names);
    if (!twice)
        return PANDA_OK;
    return pnd_fail(PANDA_E_FORMAT, "%s: zip archive: entry %s is there twice",
                    zip->path, pnd_show(twice->name, twice->name_length).text);
}

panda_status pnd_zip_open(struct pnd_zip *out,
                          const struct pnd_allocator *alloc,
                          const struct pnd_map *map, const char *path)
{
    *out = (struct pnd_zip){.alloc = alloc, .path = path};
    struct reader r = {
        .zip = out, .map = map, .data = map->data, .size = map->size};
    struct directory d = {0};
    panda_status status;
    PND_TRY(read_end(&r, &d));
    PND_TRY(pnd_map_need(map, r.directory, (size_t)d.size));
    /* The count is bounded by the directory's bytes. */
    out->count = (size_t)d.count;
    out->entries = pnd_alloc_array(alloc, out->count, sizeof *out->entries);
    out->sorted = pnd_alloc_array(alloc, out->count, sizeof *out->sorted);
    if (!out->entries || !out->sorted)
        PND_TRY(pnd_fail_memory());
    size_t at = r.directory;
    for (size_t i = 0; i < out->count; i++) {
        PND_TRY(read_entry(&r, &at, &out->entries[i]));
        out->sorted[i] = &out->entries[i];
    }
    PND_TRY(check_overlap(&r));
    return PANDA_OK;
out:
    pnd_zip_close(out);
    return status;
}

void pnd_zip_close(struct pnd_zip *zip)
{
    if (zip->alloc) {
        pnd_free(zip->alloc, zip->entries);
        pnd_free(zip->alloc, zip->sorted);
    }
    *zip = (struct pnd_zip){0};
}

const struct pnd_zip_entry *pnd_zip_find(const struct pnd_zip *zip,
                                         const char *prefix,
                                         size_t prefix_length, const char *name,
                                         size_t name_length)
{
    size_t low = 0, high = zip->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct pnd_zip_entry *e = zip->sorted[middle];
        size_t shared =
            e->name_length < prefix_length ? e->name_length : prefix_length;
        int order = compare_bytes(e->name, shared, prefix, prefix_length);
        if (order == 0)
            order = compare_bytes(e->name + shared, e->name_length - shared,
                                  name, name_length);
        if (order == 0)
            return e;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
