/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct dump_tensor *add_tensor(struct dump *dump)
{
    if (dump->count == dump->capacity) {
        size_t capacity = dump->capacity ? dump->capacity * 2 : 64;
        struct dump_tensor *grown =
            realloc(dump->tensors, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        dump->tensors = grown;
        dump->capacity = capacity;
    }
    struct dump_tensor *t = &dump->tensors[dump->count];
    memset(t, 0, sizeof *t);
    return t;
}

void dump_take(const char *stage, const float *values, const int64_t *shape,
               uint32_t rank, void *user)
{
    struct dump *dump = user;
    struct dump_tensor *t = add_tensor(dump);
    size_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    float *copy = t && rank <= 8 ? malloc(count * sizeof *copy) : NULL;
    if (!copy) {
        dump->out_of_memory = true;
        return;
    }
    memcpy(copy, values, count * sizeof *copy);
    snprintf(t->name, sizeof t->name, "%s%s", dump->prefix, stage);
    t->rank = rank;
    memcpy(t->shape, shape, rank * sizeof *shape);
    t->values = copy;
    t->count = count;
    dump->count++;
}

/* Names are our own words, so nothing needs escaping. */
static void write_header(const struct dump *dump, FILE *to)
{
    size_t offset = 0;
    fprintf(to, "{");
    for (size_t i = 0; i < dump->count; i++) {
        const struct dump_tensor *t = &dump->tensors[i];
        size_t end = offset + t->count * sizeof(float);
        fprintf(to, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "",
                t->name);
        for (uint32_t d = 0; d < t->rank; d++)
            fprintf(to, "%s%lld", d ? "," : "", (long long)t->shape[d]);
        fprintf(to, "],\"data_offsets\":[%zu,%zu]}", offset, end);
        offset = end;
    }
    fprintf(to, "}");
}

static bool write_file(const struct dump *dump, FILE *file)
{
    /* The header's length comes first: leave room, come back. */
    unsigned char size[8] = {0};
    fwrite(size, 1, sizeof size, file);
    write_header(dump, file);
    long end = ftell(file);
    if (end < 8)
        return false;
    for (; end % 8 != 0; end++) /* data begins aligned */
        fputc(' ', file);
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)(end - 8) >> (8 * i));
    for (size_t i = 0; i < dump->count; i++)
        fwrite(dump->tensors[i].values, sizeof(float), dump->tensors[i].count,
               file);
    rewind(file);
    fwrite(size, 1, sizeof size, file);
    return fflush(file) == 0 && !ferror(file);
}

bool dump_write(const struct dump *dump, const char *path)
{
    char temporary[4096];
    if (dump->out_of_memory) {
        fprintf(stderr, "panda: %s: out of memory, not written\n", path);
        return false;
    }
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        /* Renaming would put a file in the place of a device. */
        fprintf(stderr, "panda: %s: cannot be written: not a regular file\n",
                path);
        return false;
    }
    int length = snprintf(temporary, sizeof temporary, "%s.part", path);
    FILE *file = length > 0 && (size_t)length < sizeof temporary
                     ? fopen(temporary, "wb")
                     : NULL;
    bool done = file && write_file(dump, file);
    if (file && fclose(file) != 0)
        done = false;
    if (done && rename(temporary, path) == 0)
        return true;
    fprintf(stderr, "panda: %s: cannot be written: %s\n", path,
            strerror(errno));
    if (file)
        remove(temporary);
    return false;
}

void dump_free(struct dump *dump)
{
    for (size_t i = 0; i < dump->count; i++)
        free(dump->tensors[i].values);
    free(dump->tensors);
    *dump = (struct dump){.prefix = ""};
}
