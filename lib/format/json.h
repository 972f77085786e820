/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_JSON_H
#define PND_FORMAT_JSON_H

#include <stdbool.h>

#include <pandagpt/status.h>

#include "base/context.h"

/* JSON documents of weight files: config.json, index files, safetensors
 * headers. Own code because the readers must name byte offsets, refuse
 * duplicate keys and take memory from the runtime's allocator only (jansson and
 * cJSON have one process-wide allocator), and because the build without any
 * dependency still opens published files. See docs/decisions.md.
 *
 * Nesting is limited to 64, memory to a small multiple of the text. */

/* Values in one document; the tokenizer.json of a large vocabulary has a
 * million. */
#define PND_JSON_MAX_VALUES (1 << 22)

enum pnd_json_type {
    PND_JSON_NULL,
    PND_JSON_BOOL,
    PND_JSON_NUMBER,
    PND_JSON_STRING,
    PND_JSON_ARRAY,
    PND_JSON_OBJECT
};

struct pnd_json_value {
    enum pnd_json_type type;
    bool boolean;
    bool is_integer;     /* number without fraction that fits `integer` */
    int64_t integer;
    double number;
    const char *string;  /* unescaped UTF-8, zero-terminated */
    size_t length;       /* bytes of string; children of arrays and objects */
    const char *key;     /* member of an object: its name; else NULL */
    size_t offset;       /* byte offset in the text, for messages */
    const struct pnd_json_value *child; /* first child */
    const struct pnd_json_value *next;  /* next sibling */
};

struct pnd_json;

/** Parse `size` bytes of UTF-8. `path` is for messages. The tree is valid until
 *  pnd_json_free. */
panda_status pnd_json_parse(struct pnd_json **out,
                            const struct pnd_allocator *alloc,
                            const char *text, size_t size, const char *path);

/** Map a file and parse it. */
panda_status pnd_json_open(struct pnd_json **out,
                           const struct pnd_context *ctx, const char *path);
void pnd_json_free(struct pnd_json *json);

const struct pnd_json_value *pnd_json_get_root(const struct pnd_json *json);

/** Member of an object; NULL when `object` is NULL, no object, or lacks it. */
const struct pnd_json_value *pnd_json_find(const struct pnd_json_value *object,
                                           const char *key);

/** Optional numbers: `*out` stays as it is when the member is missing or null;
 *  PANDA_E_FORMAT naming `path` and `key` when it is not an integer in
 *  [lo, hi], or not a number. */
panda_status pnd_json_get_integer(int64_t *out,
                                  const struct pnd_json_value *object,
                                  const char *key, int64_t lo, int64_t hi,
                                  const char *path);
panda_status pnd_json_get_number(double *out,
                                 const struct pnd_json_value *object,
                                 const char *key, const char *path);

#endif
