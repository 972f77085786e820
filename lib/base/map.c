/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* O_CLOEXEC under strict C11 */
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static panda_status fail_io(const char *path)
{
    char reason[128];
    /* The GNU strerror_r, which may return a static string instead. */
    const char *text = strerror_r(errno, reason, sizeof reason);
    return pnd_fail(PANDA_E_IO, "%s: cannot be opened: %s", path, text);
}

static panda_status map_descriptor(struct pnd_map *out, int fd,
                                   const char *path)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_io(path);
    if (S_ISDIR(info.st_mode))
        return pnd_fail(PANDA_E_IO, "%s: is a directory, expected a file",
                        path);
    if (!S_ISREG(info.st_mode))
        return pnd_fail(PANDA_E_IO, "%s: is not a regular file", path);
    if (info.st_size == 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: the file is empty", path);
    void *data =
        mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return fail_io(path);
    *out = (struct pnd_map){
        .data = data, .size = (size_t)info.st_size, .is_mapped = true};
    return PANDA_OK;
}

static panda_status open_source(struct pnd_map *out,
                                const struct pnd_context *ctx,
                                const struct pnd_host_file *source)
{
    struct pnd_map map = {.data = source->data, .size = (size_t)source->size};
    if (source->size == 0)
        return pnd_fail(PANDA_E_FORMAT, "%s: the source is empty",
                        source->name);
    if (source->read) {
        panda_status status =
            pnd_fill_open(&map.fill, &map.data, &ctx->alloc, source);
        if (status < 0)
            return status;
    }
    *out = map;
    return PANDA_OK;
}

static const struct pnd_host_file *find_source(const struct pnd_context *ctx,
                                               const char *path)
{
    if (!ctx)
        return NULL;
    return pnd_host_file_find(ctx->host_files, ctx->host_file_count, path);
}

panda_status pnd_map_open(struct pnd_map *out, const struct pnd_context *ctx,
                          const char *path)
{
    const struct pnd_host_file *source = find_source(ctx, path);
    *out = (struct pnd_map){0};
    if (source)
        return open_source(out, ctx, source);
    /* Without O_NONBLOCK a FIFO would block here for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_io(path);
    panda_status status = map_descriptor(out, fd, path);
    close(fd);
    return status;
}

void pnd_map_close(struct pnd_map *map)
{
    if (map->is_mapped)
        munmap((void *)map->data, map->size);
    pnd_fill_close(map->fill);
    *map = (struct pnd_map){0};
}

void pnd_map_forget(const struct pnd_map *map, size_t at, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!map->is_mapped)
        return; /* the only copy */
    const size_t begin = at / page * page;
    const size_t end = size < map->size - at ? at + size : map->size;
    /* Nobody has written to the pages: they are the file's. */
    (void)madvise((void *)(map->data + begin), end - begin, MADV_DONTNEED);
}

enum pnd_path_kind pnd_path_get_kind(const struct pnd_context *ctx,
                                     const char *path)
{
    struct stat info;
    if (find_source(ctx, path))
        return PND_PATH_FILE;
    if (ctx && pnd_host_file_has_folder(ctx->host_files, ctx->host_file_count,
                                        path))
        return PND_PATH_DIRECTORY;
    if (stat(path, &info) != 0)
        return PND_PATH_MISSING;
    if (S_ISREG(info.st_mode))
        return PND_PATH_FILE;
    return S_ISDIR(info.st_mode) ? PND_PATH_DIRECTORY : PND_PATH_OTHER;
}

bool pnd_path_is_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static char *join(const struct pnd_allocator *a, const char *folder,
                  size_t length, const char *name)
{
    size_t name_length = strlen(name);
    char *path = pnd_alloc(a, length + name_length + 2);
    if (!path)
        return NULL;
    memcpy(path, folder, length);
    if (length > 0 && path[length - 1] != '/')
        path[length++] = '/';
    memcpy(path + length, name, name_length + 1);
    return path;
}

char *pnd_path_join(const struct pnd_allocator *a, const char *folder,
                    const char *name)
{
    return join(a, folder, strlen(folder), name);
}

char *pnd_path_sibling(const struct pnd_allocator *a, const char *path,
                       const char *name)
{
    const char *slash = strrchr(path, '/');
    return join(a, path, slash ? (size_t)(slash - path) + 1 : 0, name);
}
