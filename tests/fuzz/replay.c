/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without a fuzzer: over each file given (or each file of a
 * folder given), and over changed copies of it, the same in every run. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "fuzz.h"

#define CHANGED_COPIES 2000

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* One to four bytes, a missing end, or a piece from elsewhere in the file. */
static size_t change(uint8_t *copy, size_t size, uint64_t *state)
{
    static const uint8_t odd[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0x40};
    uint64_t kind = next_random(state) % 8;
    if (kind == 0)
        return (size_t)(next_random(state) % size);
    if (kind == 1) {
        size_t length = (size_t)(next_random(state) % 32);
        length = length < size ? length : size;
        size_t from = (size_t)(next_random(state) % (size - length + 1));
        size_t to = (size_t)(next_random(state) % (size - length + 1));
        memmove(copy + to, copy + from, length);
        return size;
    }
    for (uint64_t n = next_random(state) % 4 + 1; n > 0; n--) {
        uint64_t random = next_random(state);
        uint8_t *byte = &copy[random % size];
        *byte = kind < 5 ? odd[(random >> 40) % sizeof odd]
                         : (uint8_t)(random >> 32);
    }
    return size;
}

static bool replay_file(const char *path)
{
    struct pnd_map map;
    if (pnd_map_open(&map, NULL, path) < 0) {
        fprintf(stderr, "%s\n", pnd_error_get());
        return false;
    }
    LLVMFuzzerTestOneInput(map.data, map.size);
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < CHANGED_COPIES; i++) {
        /* A block of its own, so that a sanitizer sees reads past its end. */
        uint8_t *copy = malloc(map.size);
        fuzz_demand(copy != NULL, "out of memory");
        memcpy(copy, map.data, map.size);
        size_t size = change(copy, map.size, &state);
        uint8_t *exact = realloc(copy, size ? size : 1);
        fuzz_demand(exact != NULL, "out of memory");
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    pnd_map_close(&map);
    return true;
}

/* Count of files replayed; 0 when one cannot be read. */
static unsigned replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char path[1024];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (!replay_file(path)) {
            count = 0;
            break;
        }
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool folder = pnd_path_get_kind(NULL, argv[i]) == PND_PATH_DIRECTORY;
        unsigned count =
            folder ? replay_folder(argv[i]) : (unsigned)replay_file(argv[i]);
        if (count == 0) {
            fprintf(stderr, "%s: nothing was replayed\n", argv[i]);
            return EXIT_FAILURE;
        }
        printf("%s: %u files and their changed copies\n", argv[i], count);
    }
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
