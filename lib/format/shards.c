/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* *.index.json of sharded weights: {"weight_map": {"tensor": "file", ...}}. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "format/sort.h"
#include "format/tensor_set.h"
#include "format/utf8.h"

#define MAX_SHARDS 4096

static int compare_files(const void *a, const void *b)
{
    const struct pnd_json_value *x = a, *y = b;
    return strcmp(x->string, y->string);
}

/* A shard lies beside the index: its name must not lead elsewhere. */
static bool is_plain_name(const struct pnd_json_value *v)
{
    return v->type == PND_JSON_STRING && v->length > 0 &&
           strlen(v->string) == v->length && !strpbrk(v->string, "/\\") &&
           strcmp(v->string, ".") != 0 && strcmp(v->string, "..") != 0;
}

static panda_status check_map(const char *path,
                              const struct pnd_json_value *map)
{
    if (!map || map->type != PND_JSON_OBJECT || map->length == 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: is JSON without a \"weight_map\", expected a "
                        "weight file or the index of one",
                        path);
    for (const struct pnd_json_value *v = map->child; v; v = v->next) {
        if (!is_plain_name(v))
            return pnd_fail(PANDA_E_FORMAT,
                            "%s: the shard of tensor %s is not the plain name "
                            "of a file, at byte %zu",
                            path, pnd_show(v->key, strlen(v->key)).text,
                            v->offset);
    }
    return PANDA_OK;
}

/* Reads each file that the map names, once. */
static panda_status read_files(struct pnd_weights *w, const char *path,
                               const struct pnd_json_value *map)
{
    const struct pnd_allocator *alloc = &w->ctx->alloc;
    const void **names = pnd_alloc_array(alloc, map->length, sizeof *names);
    if (!names)
        return pnd_fail_memory();
    size_t count = 0;
    for (const struct pnd_json_value *v = map->child; v; v = v->next)
        names[count++] = v;
    pnd_sort(names, count, compare_files);
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < count && status == PANDA_OK; i++) {
        const struct pnd_json_value *name = names[i];
        if (i > 0 && compare_files(names[i - 1], name) == 0)
            continue;
        if (w->file_count == MAX_SHARDS) {
            status = pnd_fail(PANDA_E_FORMAT, "%s: names more than %d shards",
                              path, MAX_SHARDS);
            break;
        }
        char *shard = pnd_path_sibling(alloc, path, name->string);
        status = shard ? pnd_weights_read_file(w, shard) : pnd_fail_memory();
        pnd_free(alloc, shard);
    }
    pnd_free(alloc, names);
    return status;
}

static const char *get_file_name(const struct pnd_weights *w, size_t file)
{
    const char *path = w->files[file].path, *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Index and shards must list the same tensors. */
static panda_status check_agreement(const struct pnd_weights *w,
                                    const char *path,
                                    const struct pnd_json_value *map)
{
    for (const struct pnd_json_value *v = map->child; v; v = v->next) {
        const struct pnd_weights_entry *e = pnd_tensor_set_find(w, v->key);
        if (!e || strcmp(get_file_name(w, e->file), v->string) != 0)
            return pnd_fail(PANDA_E_FORMAT, "%s: tensor %s is not in %s", path,
                            pnd_show(v->key, strlen(v->key)).text,
                            pnd_show(v->string, v->length).text);
    }
    if (map->length == w->count)
        return PANDA_OK;
    /* All keys were found and none is there twice, so the shards have more. */
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: lists %zu tensors, but its shards hold %zu", path,
                    map->length, w->count);
}

panda_status pnd_shards_read(struct pnd_weights *w, const char *index_path)
{
    struct pnd_json *json;
    panda_status status = pnd_json_open(&json, w->ctx, index_path);
    if (status < 0)
        return status;
    const struct pnd_json_value *map =
        pnd_json_find(pnd_json_get_root(json), "weight_map");
    PND_TRY(check_map(index_path, map));
    PND_TRY(read_files(w, index_path, map));
    PND_TRY(pnd_tensor_set_finish(w));
    PND_TRY(check_agreement(w, index_path, map));
out:
    pnd_json_free(json);
    return status;
}

bool pnd_shards_name_index(char *out, size_t size, const char *path)
{
    static const char digits[] = "0123456789";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *of = strstr(name, "-of-"), *begin = of, *end;
    while (begin && begin > name && strchr(digits, begin[-1]))
        begin--;
    if (!of || begin == of || begin <= name + 1 || begin[-1] != '-')
        return false;
    end = of + strlen("-of-");
    if (end[strspn(end, digits)] != '.' || strtoul(end, NULL, 10) < 2)
        return false;
    end += strspn(end, digits);
    int length = snprintf(out, size, "%.*s%s.index.json",
                          (int)(begin - 1 - name), name, end);
    return length > 0 && (size_t)length < size;
}
