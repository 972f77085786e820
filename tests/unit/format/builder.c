/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pnd_buffer build_buffer(void)
{
    struct pnd_buffer b;
    pnd_buffer_init(&b, &pnd_allocator_heap);
    return b;
}

void put_bytes(struct pnd_buffer *b, const void *data, size_t size)
{
    ck_assert_ok(pnd_buffer_append(b, data, size));
}

void put_text(struct pnd_buffer *b, const char *text)
{
    put_bytes(b, text, strlen(text));
}

void put_le(struct pnd_buffer *b, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = i < 8 ? (uint8_t)(value >> 8 * i) : 0;
        put_bytes(b, &byte, 1);
    }
}

struct pnd_buffer build_safetensors(const char *header, const void *data,
                                    size_t size)
{
    struct pnd_buffer b = build_buffer();
    size_t length = strlen(header), padded = (length + 7) / 8 * 8;
    put_le(&b, padded, 8);
    put_text(&b, header);
    for (; length < padded; length++)
        put_text(&b, " ");
    put_bytes(&b, data, size);
    return b;
}

struct gguf_builder gguf_begin(void)
{
    return (struct gguf_builder){.keys = build_buffer(),
                                 .tensors = build_buffer(),
                                 .data = build_buffer(),
                                 .version = 3,
                                 .alignment = 32};
}

void put_gguf_string(struct pnd_buffer *b, const char *text)
{
    put_le(b, strlen(text), 8);
    put_text(b, text);
}

struct pnd_buffer *gguf_key(struct gguf_builder *g, const char *name,
                            uint32_t type)
{
    put_gguf_string(&g->keys, name);
    put_le(&g->keys, type, 4);
    g->key_count++;
    return &g->keys;
}

void gguf_string(struct gguf_builder *g, const char *name, const char *text)
{
    put_gguf_string(gguf_key(g, name, PND_GGUF_STRING), text);
}

void gguf_u32(struct gguf_builder *g, const char *name, uint32_t value)
{
    put_le(gguf_key(g, name, PND_GGUF_U32), value, 4);
}

void gguf_f32(struct gguf_builder *g, const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_le(gguf_key(g, name, PND_GGUF_F32), bits, 4);
}

static void pad(struct pnd_buffer *b, size_t alignment)
{
    while (b->size % alignment != 0)
        put_le(b, 0, 1);
}

void gguf_tensor(struct gguf_builder *g, const char *name, uint32_t type,
                 uint64_t rows, uint64_t columns, const void *data, size_t size)
{
    pad(&g->data, g->alignment);
    put_gguf_string(&g->tensors, name);
    put_le(&g->tensors, rows ? 2 : 1, 4);
    put_le(&g->tensors, columns, 8);
    if (rows)
        put_le(&g->tensors, rows, 8);
    put_le(&g->tensors, type, 4);
    put_le(&g->tensors, g->data.size, 8);
    put_bytes(&g->data, data, size);
    g->tensor_count++;
}

struct pnd_buffer gguf_end(struct gguf_builder *g)
{
    struct pnd_buffer file = build_buffer();
    put_text(&file, "GGUF");
    put_le(&file, g->version, 4);
    put_le(&file, g->tensor_count, 8);
    put_le(&file, g->key_count, 8);
    put_bytes(&file, g->keys.data, g->keys.size);
    put_bytes(&file, g->tensors.data, g->tensors.size);
    if (g->data.size > 0)
        pad(&file, g->alignment);
    put_bytes(&file, g->data.data, g->data.size);
    pnd_buffer_free(&g->keys);
    pnd_buffer_free(&g->tensors);
    pnd_buffer_free(&g->data);
    return file;
}

struct zip_builder zip_begin(void)
{
    return (struct zip_builder){
        .file = build_buffer(), .directory = build_buffer(), .flags = 8};
}

void zip_add(struct zip_builder *z, const char *name, const void *data,
             size_t size)
{
    const size_t header = z->file.size, length = strlen(name);
    const bool later = z->flags & 8;
    /* Padding, so that the content begins at a multiple of 64. */
    const size_t fill = 63 - (header + 30 + length + 4 + 63) % 64;
    put_le(&z->file, 0x04034b50, 4);
    put_le(&z->file, 0, 2);
    put_le(&z->file, z->flags, 2);
    put_le(&z->file, z->method, 2);
    put_le(&z->file, 0, 8); /* time, checksum */
    put_le(&z->file, later ? 0 : size, 4);
    put_le(&z->file, later ? 0 : size, 4);
    put_le(&z->file, length, 2);
    put_le(&z->file, fill + 4, 2);
    put_text(&z->file, name);
    put_text(&z->file, "FB");
    put_le(&z->file, fill, 2);
    for (size_t i = 0; i < fill; i++)
        put_text(&z->file, "Z");
    put_bytes(&z->file, data, size);
    if (later) {
        put_le(&z->file, 0x08074b50, 4);
        put_le(&z->file, 0, 4);
        put_le(&z->file, size, 4);
        put_le(&z->file, size, 4);
    }
    struct pnd_buffer *d = &z->directory;
    const uint64_t mark = 0xffffffff;
    put_le(d, 0x02014b50, 4);
    put_le(d, 0, 4);
    put_le(d, z->flags, 2);
    put_le(d, z->method, 2);
    put_le(d, 0, 8);
    put_le(d, z->zip64 ? mark : size, 4);
    put_le(d, z->zip64 ? mark : size, 4);
    put_le(d, length, 2);
    put_le(d, z->zip64 ? 28 : 0, 2);
    put_le(d, 0, 10);
    put_le(d, z->zip64 ? mark : header, 4);
    put_text(d, name);
    if (z->zip64) {
        put_le(d, 1, 2);
        put_le(d, 24, 2);
        put_le(d, size, 8);
        put_le(d, size, 8);
        put_le(d, header, 8);
    }
    z->count++;
}

struct pnd_buffer zip_end(struct zip_builder *z)
{
    struct pnd_buffer *f = &z->file;
    const size_t at = f->size, size = z->directory.size;
    put_bytes(f, z->directory.data, size);
    const size_t record = f->size;
    if (z->zip64) {
        put_le(f, 0x06064b50, 4);
        put_le(f, 44, 8);
        put_le(f, 0, 12);
        put_le(f, z->count, 8);
        put_le(f, z->count, 8);
        put_le(f, size, 8);
        put_le(f, at, 8);
        put_le(f, 0x07064b50, 4);
        put_le(f, 0, 4);
        put_le(f, record, 8);
        put_le(f, 1, 4);
    }
    put_le(f, 0x06054b50, 4);
    put_le(f, 0, 4);
    put_le(f, z->zip64 ? 0xffff : z->count, 2);
    put_le(f, z->zip64 ? 0xffff : z->count, 2);
    put_le(f, z->zip64 ? 0xffffffff : size, 4);
    put_le(f, z->zip64 ? 0xffffffff : at, 4);
    put_le(f, 0, 2);
    struct pnd_buffer result = *f;
    pnd_buffer_free(&z->directory);
    *z = (struct zip_builder){0};
    return result;
}

void pickle_begin(struct pnd_buffer *p)
{
    put_text(p, "\x80\x02}");
}

void pickle_string(struct pnd_buffer *p, const char *text)
{
    put_text(p, "X");
    put_le(p, strlen(text), 4);
    put_text(p, text);
}

void pickle_integer(struct pnd_buffer *p, int32_t value)
{
    put_text(p, "J");
    put_le(p, (uint32_t)value, 4);
}

void pickle_global(struct pnd_buffer *p, const char *module, const char *name)
{
    put_text(p, "c");
    put_text(p, module);
    put_text(p, "\n");
    put_text(p, name);
    put_text(p, "\n");
}

void pickle_tuple(struct pnd_buffer *p, unsigned count, const int32_t *values)
{
    put_text(p, "(");
    for (unsigned i = 0; i < count; i++)
        pickle_integer(p, values[i]);
    put_text(p, "t");
}

void pickle_tensor(struct pnd_buffer *p, const struct pickle_tensor *t)
{
    char type[64];
    snprintf(type, sizeof type, "%sStorage", t->type);
    pickle_global(p, "torch._utils", "_rebuild_tensor_v2");
    put_text(p, "((");
    pickle_string(p, "storage");
    pickle_global(p, "torch", type);
    pickle_string(p, t->key);
    pickle_string(p, "cuda:0");
    pickle_integer(p, t->storage_count);
    put_text(p, "tQ");
    pickle_integer(p, t->offset);
    pickle_tuple(p, t->rank, t->shape);
    pickle_tuple(p, t->rank, t->strides);
    put_text(p, "\x89");
    pickle_global(p, "collections", "OrderedDict");
    put_text(p, ")RtR");
}

void pickle_item(struct pnd_buffer *p, const char *name,
                 const struct pickle_tensor *t)
{
    pickle_string(p, name);
    pickle_tensor(p, t);
    put_text(p, "s");
}

struct pnd_buffer build_torch(const struct pnd_buffer *pickle,
                              const void *storage, size_t size)
{
    struct zip_builder z = zip_begin();
    zip_add(&z, "tiny/data.pkl", pickle->data, pickle->size);
    zip_add(&z, "tiny/byteorder", "little", 6);
    zip_add(&z, "tiny/data/0", storage, size);
    zip_add(&z, "tiny/version", "3\n", 2);
    return zip_end(&z);
}

static const float six[] = {0, 1, 2, 3, 4, 5};

struct pnd_buffer build_small_torch(void)
{
    struct pnd_buffer p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "w",
                &(struct pickle_tensor){"Float", "0", 6, 0, 2, {2, 3}, {3, 1}});
    pickle_item(&p, "t",
                &(struct pickle_tensor){"Float", "0", 6, 0, 2, {3, 2}, {1, 3}});
    put_text(&p, ".");
    struct pnd_buffer file = build_torch(&p, six, sizeof six);
    pnd_buffer_free(&p);
    return file;
}

struct pnd_buffer build_small_safetensors(void)
{
    static const float values[] = {0, 1, 2, 3, 4, 5, 0, 3, 1, 4, 2, 5};
    return build_safetensors(
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"t\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[24,48]},"
        "\"__metadata__\":{\"format\":\"pt\"}}",
        values, sizeof values);
}

/* Only the allocator of a context matters to the readers. */
static struct pnd_context make_context(struct pnd_allocator alloc)
{
    return (struct pnd_context){.alloc = alloc};
}

panda_status open_bytes(struct pnd_weights **w, const struct pnd_buffer *file)
{
    static struct pnd_context context;
    context = make_context(pnd_allocator_heap);
    return pnd_weights_open_memory(w, &context, file->data, file->size,
                                   "tiny.pth");
}

static unsigned touch(const struct pnd_weights *w)
{
    unsigned sum = 0;
    for (size_t i = 0; i < pnd_weights_get_count(w); i++) {
        const struct pnd_tensor *t = pnd_weights_at(w, i);
        const uint8_t *bytes = t->data;
        const size_t count = (size_t)pnd_tensor_get_count(t);
        ck_assert_uint_eq(pnd_dtype_get_row_bytes(t->dtype, count), t->bytes);
        for (size_t k = 0; k < t->bytes; k++)
            sum += bytes[k];
    }
    return sum;
}

void open_damaged(const uint8_t *data, size_t size)
{
    /* A block of its own, so that a sanitizer sees reads past the end. */
    struct pnd_buffer b = build_buffer();
    struct pnd_weights *w;
    b.data = malloc(size ? size : 1);
    b.size = size;
    ck_assert_ptr_nonnull(b.data);
    memcpy(b.data, data, size);
    pnd_error_clear();
    panda_status status = open_bytes(&w, &b);
    if (status < 0) {
        ck_assert_ptr_null(w);
        ck_assert(status == PANDA_E_FORMAT || status == PANDA_E_UNSUPPORTED);
        ck_assert_msg(strncmp(pnd_error_get(), "tiny.pth: ", 10) == 0,
                      "the message is \"%s\"", pnd_error_get());
    } else {
        volatile unsigned sum = touch(w);
        (void)sum;
    }
    pnd_weights_close(w);
    free(b.data);
}

void damage_everywhere(const struct pnd_buffer *file)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x40};
    for (size_t size = 0; size < file->size; size++)
        open_damaged(file->data, size);
    for (size_t i = 0; i < file->size; i++) {
        uint8_t was = file->data[i];
        for (size_t m = 0; m < sizeof masks; m++) {
            file->data[i] = was ^ masks[m];
            open_damaged(file->data, file->size);
        }
        file->data[i] = 0;
        open_damaged(file->data, file->size);
        file->data[i] = was;
    }
}

void sweep_allocations(const struct pnd_buffer *file)
{
    panda_status status = PANDA_E_MEMORY;
    long n = 0;
    while (status < 0) {
        struct test_alloc t;
        struct pnd_weights *w;
        test_alloc_init(&t);
        t.fail_at = ++n;
        struct pnd_context context = make_context(t.alloc);
        status = pnd_weights_open_memory(&w, &context, file->data, file->size,
                                         "tiny.pth");
        ck_assert_msg(status == PANDA_OK || status == PANDA_E_MEMORY,
                      "allocation %ld: %s", n, pnd_error_get());
        pnd_weights_close(w);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_gt(n, 5);
}

struct test_folder folder_make(void)
{
    struct test_folder folder = {.count = 0};
    const char *parent = getenv("TMPDIR");
    snprintf(folder.path, sizeof folder.path, "%s/pandagpt-test-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder.path));
    return folder;
}

const char *folder_add(struct test_folder *folder, const char *name,
                       const void *data, size_t size)
{
    static char path[640];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    fclose(file);
    for (unsigned i = 0; i < folder->count; i++) {
        if (strcmp(folder->names[i], name) == 0)
            return path;
    }
    ck_assert_uint_lt(folder->count, 16);
    snprintf(folder->names[folder->count++], 64, "%s", name);
    return path;
}

const char *folder_add_text(struct test_folder *folder, const char *name,
                            const char *text)
{
    return folder_add(folder, name, text, strlen(text));
}

void folder_remove(struct test_folder *folder)
{
    char path[640];
    for (unsigned i = 0; i < folder->count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, folder->names[i]);
        unlink(path);
    }
    rmdir(folder->path);
}
