/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* O_TMPFILE, O_CLOEXEC */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/map.h"

#define MODE 0666
#define LARGEST_WRITE ((size_t)64 << 20)

static panda_status fail_write(const char *path)
{
    char reason[128];
    const char *text = strerror_r(errno, reason, sizeof reason);
    return pnd_fail(PANDA_E_IO, "%s: cannot be written: %s", path, text);
}

/* The way to a file that has no name. */
struct self {
    char path[64];
};

static struct self get_self(int file)
{
    struct self self;
    snprintf(self.path, sizeof self.path, "/proc/self/fd/%d", file);
    return self;
}

/* Without a name; false where that cannot be done, or none be given later. */
static bool open_nameless(struct pnd_output *out, const char *folder)
{
#ifdef O_TMPFILE
    out->file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE);
    if (out->file >= 0 && access(get_self(out->file).path, F_OK) != 0) {
        close(out->file);
        out->file = -1;
    }
#else
    (void)folder;
#endif
    return out->file >= 0;
}

static bool open_named(struct pnd_output *out)
{
    out->file = open(out->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
                     MODE);
    out->is_named = out->file >= 0;
    return out->is_named;
}

static panda_status check_room(const char *path, const char *folder,
                               uint64_t size)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0)
        return fail_write(path);
    const uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room >= size)
        return PANDA_OK;
    return pnd_fail(PANDA_E_IO,
                    "%s: needs %llu bytes, the disk has %llu left", path,
                    (unsigned long long)size, (unsigned long long)room);
}

static char *name_temporary(const struct pnd_allocator *alloc,
                            const char *path)
{
    const size_t length = strlen(path) + 32;
    char *name = pnd_alloc(alloc, length);
    if (name)
        snprintf(name, length, "%s.%ld.part", path, (long)getpid());
    return name;
}

panda_status pnd_output_open(struct pnd_output *out,
                             const struct pnd_allocator *alloc,
                             const char *path, uint64_t size)
{
    *out = (struct pnd_output){.alloc = alloc, .file = -1};
    if (pnd_path_get_kind(NULL, path) == PND_PATH_DIRECTORY)
        return pnd_fail(PANDA_E_IO, "%s: is a directory, expected a file",
                        path);
    /* It would give way to a file of that name. */
    if (pnd_path_get_kind(NULL, path) == PND_PATH_OTHER)
        return pnd_fail(PANDA_E_IO,
                        "%s: is a device or a pipe, expected a file", path);
    char *folder = pnd_path_sibling(alloc, path, ".");
    out->path = pnd_strdup(alloc, path);
    out->temporary = name_temporary(alloc, path);
    panda_status status = PANDA_OK;
    if (!folder || !out->path || !out->temporary)
        status = pnd_fail_memory();
    else if (!open_nameless(out, folder) && !open_named(out))
        status = fail_write(path);
    else
        status = check_room(path, folder, size);
    pnd_free(alloc, folder);
    if (status < 0)
        pnd_output_close(out);
    return status;
}

panda_status pnd_output_write(struct pnd_output *out, const void *data,
                              size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = write(out->file, at,
                          size < LARGEST_WRITE ? size : LARGEST_WRITE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_write(out->path);
        at += n;
        size -= (size_t)n;
    }
    return PANDA_OK;
}

/* The name that a nameless file gets on its way to the final one: linking does
 * not replace, renaming does. */
static bool name_file(struct pnd_output *out)
{
    const struct self self = get_self(out->file);
    unlink(out->temporary); /* of a killed process with the same number */
    out->is_named = linkat(AT_FDCWD, self.path, AT_FDCWD, out->temporary,
                           AT_SYMLINK_FOLLOW) == 0;
    return out->is_named;
}

/* The new name, too, has to survive a power cut. A folder that cannot be
 * synchronised is no failure: the file is whole. */
static void synchronise_folder(const struct pnd_output *out)
{
    char *folder = pnd_path_sibling(out->alloc, out->path, ".");
    int file = folder ? open(folder, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    pnd_free(out->alloc, folder);
}

panda_status pnd_output_commit(struct pnd_output *out)
{
    if (fsync(out->file) != 0)
        return fail_write(out->path);
    if (!out->is_named && !name_file(out))
        return fail_write(out->path);
    if (rename(out->temporary, out->path) != 0)
        return fail_write(out->path);
    out->is_named = false;
    synchronise_folder(out);
    return PANDA_OK;
}

void pnd_output_close(struct pnd_output *out)
{
    if (!out->alloc)
        return;
    if (out->file >= 0)
        close(out->file);
    if (out->is_named)
        unlink(out->temporary);
    pnd_free(out->alloc, out->path);
    pnd_free(out->alloc, out->temporary);
    *out = (struct pnd_output){.file = -1};
}
