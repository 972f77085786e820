/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOSED (-1)
#define SLICE ((uint64_t)8 << 20) /* read between two questions for cancel */

static panda_status fail_system(const panda_frontend_host *host,
                                const char *what, int error)
{
    char reason[128];
    if (strerror_r(error, reason, sizeof reason) != 0)
        return pnd_host_fail(host, PANDA_E_IO, "%s: error %d", what, error);
    return pnd_host_fail(host, PANDA_E_IO, "%s: %s", what, reason);
}

static panda_status check_size(const panda_frontend_host *host, uint64_t size)
{
    uint64_t most = host->limits->max_file_bytes;
    if (size == 0)
        return pnd_host_fail(host, PANDA_E_FORMAT, "the file is empty");
    if (size > most || size > PTRDIFF_MAX)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the file has %llu bytes, expected at most %llu "
                             "(max_file_bytes)",
                             (unsigned long long)size,
                             (unsigned long long)most);
    return PANDA_OK;
}

static panda_status check_file(struct pnd_source *source)
{
    struct stat info;
    if (fstat(source->file, &info) != 0)
        return fail_system(source->host, "cannot be read", errno);
    if (S_ISDIR(info.st_mode))
        return pnd_host_fail(source->host, PANDA_E_IO,
                             "is a directory, expected a file");
    if (!S_ISREG(info.st_mode))
        return pnd_host_fail(source->host, PANDA_E_IO,
                             "is not a regular file");
    source->size = (uint64_t)info.st_size;
    return check_size(source->host, source->size);
}

panda_status pnd_source_open_stream(struct pnd_source *out,
                                    const panda_frontend_host *host,
                                    const panda_input *input)
{
    *out = (struct pnd_source){.host = host, .file = CLOSED};
    if (input->source == PANDA_SOURCE_BYTES) {
        out->data = input->data;
        out->size = input->size;
        return check_size(host, input->size);
    }
    if (input->source != PANDA_SOURCE_PATH)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "the input's source is %d, expected a path or "
                             "the bytes of a file", (int)input->source);
    /* Without O_NONBLOCK a FIFO would block here for ever. */
    out->file = open(input->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (out->file < 0)
        return fail_system(host, "cannot be opened", errno);
    panda_status status = check_file(out);
    if (status < 0)
        pnd_source_close(out);
    return status;
}

int64_t pnd_source_read(const struct pnd_source *source, uint64_t offset,
                        void *buffer, size_t size)
{
    if (offset >= source->size)
        return 0;
    if (size > source->size - offset)
        size = (size_t)(source->size - offset);
    if (source->data) {
        memcpy(buffer, source->data + offset, size);
        return (int64_t)size;
    }
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(source->file, (char *)buffer + done, size - done,
                            (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static panda_status load(struct pnd_source *source)
{
    const panda_frontend_host *host = source->host;
    source->memory = pnd_host_alloc(host, (size_t)source->size, 1);
    if (!source->memory)
        return pnd_host_fail_memory(host);
    for (uint64_t at = 0; at < source->size;) {
        panda_status status = pnd_host_check_cancel(host);
        if (status < 0)
            return status;
        uint64_t left = source->size - at;
        size_t want = (size_t)(left < SLICE ? left : SLICE);
        int64_t got = pnd_source_read(source, at,
                                      (char *)source->memory + at, want);
        if (got < 0)
            return fail_system(host, "cannot be read", errno);
        if (got == 0)
            return pnd_host_fail(host, PANDA_E_IO,
                                 "ends at byte %llu, expected %llu bytes as "
                                 "when it was opened",
                                 (unsigned long long)at,
                                 (unsigned long long)source->size);
        at += (uint64_t)got;
    }
    source->data = source->memory;
    return PANDA_OK;
}

panda_status pnd_source_open(struct pnd_source *out,
                             const panda_frontend_host *host,
                             const panda_input *input)
{
    panda_status status = pnd_source_open_stream(out, host, input);
    if (status < 0 || out->data)
        return status;
    status = load(out);
    if (status < 0) {
        pnd_source_close(out);
        return status;
    }
    close(out->file);
    out->file = CLOSED;
    return PANDA_OK;
}

void pnd_source_close(struct pnd_source *source)
{
    if (!source->host)
        return;
    if (source->file >= 0)
        close(source->file);
    source->host->free(source->host, source->memory);
    *source = (struct pnd_source){.file = CLOSED};
}

/* UTF-8 without control characters; a character cut off at the end counts. */
static bool is_text(const uint8_t *data, size_t size)
{
    int follow = 0; /* bytes of the character still to come */
    for (size_t i = 0; i < size; i++) {
        uint8_t c = data[i];
        if ((c >= 0x80 && c < 0xc0) != (follow > 0))
            return false;
        if (follow > 0)
            follow--;
        else if (c >= 0xc0)
            follow = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        else if (c < 9 || (c > 13 && c < 32) || c == 127)
            return false;
    }
    return true;
}

static const char *find_kind(const uint8_t *data, size_t size)
{
    static const struct {
        const char *magic;
        uint8_t length, offset;
        const char *name;
    } kinds[] = {
        {"\xff\xd8\xff", 3, 0, "a JPEG image"},
        {"\x89PNG\r\n\x1a\n", 8, 0, "a PNG image"},
        {"GIF8", 4, 0, "a GIF image"},
        {"WEBP", 4, 8, "a WebP image"},
        {"II*\0", 4, 0, "a TIFF image"},
        {"MM\0*", 4, 0, "a TIFF image"},
        {"ftypavif", 8, 4, "an AVIF image"},
        {"ftyphei", 7, 4, "a HEIC image"},
        {"ftyp", 4, 4, "an MP4 or QuickTime file"},
        {"\x1a\x45\xdf\xa3", 4, 0, "a Matroska or WebM file"},
        {"WAVE", 4, 8, "a WAV file"},
        {"AVI ", 4, 8, "an AVI file"},
        {"fLaC", 4, 0, "a FLAC file"},
        {"OggS", 4, 0, "an Ogg file"},
        {"ID3", 3, 0, "an MP3 file"},
        {"\x93NUMPY", 6, 0, "a NumPy array"},
        {"%PDF", 4, 0, "a PDF document"},
        {"PK\3\4", 4, 0, "a ZIP archive"},
        {"\x1f\x8b", 2, 0, "gzip data"},
        {"GGUF", 4, 0, "a GGUF model"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t end = (size_t)kinds[i].offset + kinds[i].length;
        if (size >= end && memcmp(data + kinds[i].offset, kinds[i].magic,
                                  kinds[i].length) == 0)
            return kinds[i].name;
    }
    if (size == 0)
        return "nothing";
    if (is_text(data, size < 64 ? size : 64))
        return "text";
    /* After text: its two letters begin many a sentence. */
    return size >= 2 && memcmp(data, "BM", 2) == 0 ? "a BMP image" : NULL;
}

void pnd_source_describe(char text[PND_CONTENT_SIZE], const uint8_t *data,
                         size_t size)
{
    const char *kind = find_kind(data, size);
    if (kind) {
        snprintf(text, PND_CONTENT_SIZE, "%s", kind);
        return;
    }
    int used = snprintf(text, PND_CONTENT_SIZE, "the bytes");
    for (size_t i = 0; i < size && i < 8; i++)
        used += snprintf(text + used, PND_CONTENT_SIZE - (size_t)used,
                         " %02x", data[i]);
}
