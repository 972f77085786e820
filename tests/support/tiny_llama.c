/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/tiny_llama.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

#define PATH_SIZE 1024
#define FOLDERS 64

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double draw_normal(uint64_t *state)
{
    double u = ((double)(draw(state) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    double v = (double)(draw(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static uint16_t to_bf16(float f)
{
    union { float f; uint32_t u; } v = {f};
    return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}

static float round_to(enum pnd_dtype dtype, float f)
{
    if (dtype == PND_F16)
        return pnd_f16_to_f32(pnd_f32_to_f16(f));
    return dtype == PND_BF16 ? pnd_bf16_to_f32(to_bf16(f)) : f;
}

static size_t count_values(const struct tiny_tensor *t)
{
    return (size_t)(t->rank == 1 ? t->shape[0] : t->shape[0] * t->shape[1]);
}

void tiny_file_add(struct tiny_file *f, const char *name, enum pnd_dtype dtype,
                   uint32_t rank, const int64_t *shape, float mean,
                   float deviation)
{
    f->tensors = realloc(f->tensors, (f->count + 1) * sizeof *f->tensors);
    struct tiny_tensor *t = &f->tensors[f->count++];
    *t = (struct tiny_tensor){.dtype = dtype, .rank = rank};
    snprintf(t->name, sizeof t->name, "%s", name);
    memcpy(t->shape, shape, rank * sizeof *shape);
    t->values = malloc(count_values(t) * sizeof *t->values);
    for (size_t i = 0; i < count_values(t); i++)
        t->values[i] = round_to(
            dtype, mean + deviation * (float)draw_normal(&f->random));
}

struct tiny_tensor *tiny_file_find(const struct tiny_file *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    }
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

void tiny_file_remove(struct tiny_file *f, const char *name)
{
    struct tiny_tensor *t = tiny_file_find(f, name);
    free(t->values);
    *t = f->tensors[--f->count];
}

void tiny_file_free(struct tiny_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->tensors[i].values);
    free(f->tensors);
    *f = (struct tiny_file){0};
}

/* Header of a safetensors file into a buffer that the caller frees. */
static char *make_header(const struct tiny_file *f, size_t *size)
{
    static const char *const names[] = {
        [PND_F32] = "F32", [PND_F16] = "F16", [PND_BF16] = "BF16"};
    size_t offset = 0, used = 0;
    char *header = malloc(f->count * 256 + 16);
    for (size_t i = 0; i < f->count; i++) {
        const struct tiny_tensor *t = &f->tensors[i];
        size_t bytes = count_values(t) * pnd_dtype_get_size(t->dtype);
        used += (size_t)sprintf(
            header + used, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%" PRId64,
            i == 0 ? '{' : ',', t->name, names[t->dtype], t->shape[0]);
        if (t->rank == 2)
            used += (size_t)sprintf(header + used, ",%" PRId64, t->shape[1]);
        used += (size_t)sprintf(header + used,
                                "],\"data_offsets\":[%zu,%zu]}", offset,
                                offset + bytes);
        offset += bytes;
    }
    if (used == 0)
        header[used++] = '{';
    header[used++] = '}';
    while (used % 8 != 0)
        header[used++] = ' ';
    *size = used;
    return header;
}

static void write_tensors(FILE *out, const struct tiny_file *f)
{
    size_t size;
    char *header = make_header(f, &size);
    uint64_t length = size;
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> 8 * i & 255), out);
    fwrite(header, 1, size, out);
    free(header);
    for (size_t i = 0; i < f->count; i++) {
        const struct tiny_tensor *t = &f->tensors[i];
        for (size_t j = 0; j < count_values(t); j++) {
            uint16_t half = t->dtype == PND_F16 ? pnd_f32_to_f16(t->values[j])
                                                : to_bf16(t->values[j]);
            if (t->dtype == PND_F32)
                fwrite(&t->values[j], sizeof t->values[j], 1, out);
            else
                fwrite(&half, sizeof half, 1, out);
        }
    }
}

const char *tiny_file_write(const struct tiny_file *f)
{
    const char *path = test_write_temp(".safetensors", "", 0);
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    write_tensors(out, f);
    ck_assert_int_eq(fclose(out), 0);
    return path;
}

static char folders[FOLDERS][PATH_SIZE];
static unsigned folder_count;
static pid_t folder_owner;

static void remove_folders(void)
{
    if (getpid() != folder_owner)
        return;
    for (unsigned i = 0; i < folder_count && i < FOLDERS; i++) {
        DIR *folder = opendir(folders[i]);
        const struct dirent *entry;
        while (folder && (entry = readdir(folder)) != NULL)
            unlinkat(dirfd(folder), entry->d_name, 0);
        if (folder)
            closedir(folder);
        rmdir(folders[i]);
    }
}

static const char *make_folder(void)
{
    if (folder_owner != getpid()) {
        folder_owner = getpid();
        folder_count = 0;
        atexit(remove_folders);
    }
    char *path = folders[folder_count++ % FOLDERS];
    const char *parent = getenv("TMPDIR");
    snprintf(path, PATH_SIZE, "%s/pandagpt-test-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

static FILE *create_in(const char *folder, const char *name)
{
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    return out;
}

static void write_config(FILE *out, const struct tiny_llama *t)
{
    const struct pnd_llama_config *c = &t->config;
    fprintf(out,
            "{\"architectures\": [\"LlamaForCausalLM\"], "
            "\"model_type\": \"llama\", \"hidden_act\": \"silu\",\n"
            " \"hidden_size\": %u, \"num_hidden_layers\": %u,\n"
            " \"num_attention_heads\": %u, \"num_key_value_heads\": %u,\n"
            " \"head_dim\": %u, \"intermediate_size\": %u,\n"
            " \"vocab_size\": %u, \"max_position_embeddings\": %u,\n"
            " \"rms_norm_eps\": %.9g, \"rope_theta\": %.9g,\n"
            " \"tie_word_embeddings\": %s,\n"
            " \"bos_token_id\": %d, \"eos_token_id\": %d}\n",
            c->hidden, c->layers, c->heads, c->kv_heads, c->head_dim,
            c->intermediate, c->vocab_size, c->context_length,
            (double)c->rms_eps, (double)c->rope_base,
            c->tied ? "true" : "false", (int)c->bos, (int)c->eos[0]);
}

const char *tiny_llama_write(const struct tiny_llama *t,
                             const struct tiny_file *f)
{
    const char *folder = make_folder();
    FILE *out = create_in(folder, "config.json");
    write_config(out, t);
    ck_assert_int_eq(fclose(out), 0);
    out = create_in(folder, "model.safetensors");
    write_tensors(out, f);
    ck_assert_int_eq(fclose(out), 0);
    return folder;
}

void tiny_llama_init(struct tiny_llama *t)
{
    *t = (struct tiny_llama){
        .config = {.hidden = 32,
                   .layers = 2,
                   .heads = 4,
                   .kv_heads = 4,
                   .head_dim = 8,
                   .intermediate = 44,
                   .vocab_size = 61,
                   .context_length = 512,
                   .rms_eps = 1e-5f,
                   .rope_base = 10000,
                   .bos = 1,
                   .eos = {2},
                   .eos_count = 1},
        .dtype = PND_F32,
        .seed = 1,
    };
}

static void add_matrix(struct tiny_file *f, const struct tiny_llama *t,
                       const char *name, uint32_t rows, uint32_t columns)
{
    tiny_file_add(f, name, t->dtype, 2, (int64_t[]){rows, columns}, 0,
                  1 / sqrtf((float)columns));
}

static void add_norm(struct tiny_file *f, const struct tiny_llama *t,
                     const char *name)
{
    tiny_file_add(f, name, t->dtype, 1, (int64_t[]){t->config.hidden}, 1, 0.2f);
}

static void add_layer(struct tiny_file *f, const struct tiny_llama *t,
                      uint32_t layer)
{
    const struct pnd_llama_config *c = &t->config;
    const uint32_t q_dim = c->heads * c->head_dim;
    const uint32_t kv_dim = c->kv_heads * c->head_dim;
    const struct {
        const char *name;
        uint32_t rows, columns; /* columns 0: a norm */
    } tensors[] = {
        {"input_layernorm", c->hidden, 0},
        {"self_attn.q_proj", q_dim, c->hidden},
        {"self_attn.k_proj", kv_dim, c->hidden},
        {"self_attn.v_proj", kv_dim, c->hidden},
        {"self_attn.o_proj", c->hidden, q_dim},
        {"post_attention_layernorm", c->hidden, 0},
        {"mlp.gate_proj", c->intermediate, c->hidden},
        {"mlp.up_proj", c->intermediate, c->hidden},
        {"mlp.down_proj", c->hidden, c->intermediate},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[128];
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer,
                 tensors[i].name);
        if (tensors[i].columns == 0)
            add_norm(f, t, name);
        else
            add_matrix(f, t, name, tensors[i].rows, tensors[i].columns);
    }
}

void tiny_llama_fill(struct tiny_file *f, const struct tiny_llama *t)
{
    const struct pnd_llama_config *c = &t->config;
    *f = (struct tiny_file){.random = t->seed};
    add_matrix(f, t, "model.embed_tokens.weight", c->vocab_size, c->hidden);
    for (uint32_t i = 0; i < c->layers; i++)
        add_layer(f, t, i);
    add_norm(f, t, "model.norm.weight");
    if (!c->tied)
        add_matrix(f, t, "lm_head.weight", c->vocab_size, c->hidden);
}

void tiny_lora_fill(struct tiny_file *f, const struct tiny_llama *t,
                    uint32_t rank)
{
    const struct pnd_llama_config *c = &t->config;
    const uint32_t q_dim = c->heads * c->head_dim;
    const uint32_t kv_dim = c->kv_heads * c->head_dim;
    const struct {
        const char *name;
        uint32_t out, in;
    } targets[] = {
        {"q_proj", q_dim, c->hidden},
        {"k_proj", kv_dim, c->hidden},
        {"v_proj", kv_dim, c->hidden},
        {"o_proj", c->hidden, q_dim},
    };
    *f = (struct tiny_file){.random = t->seed + 1000};
    for (uint32_t i = 0; i < c->layers; i++) {
        for (size_t j = 0; j < sizeof targets / sizeof *targets; j++) {
            char prefix[128], name[160];
            snprintf(prefix, sizeof prefix,
                     "llama_model.base_model.model.model.layers.%u."
                     "self_attn.%s", i, targets[j].name);
            snprintf(name, sizeof name, "%s.lora_A.default.weight", prefix);
            add_matrix(f, t, name, rank, targets[j].in);
            snprintf(name, sizeof name, "%s.lora_B.default.weight", prefix);
            add_matrix(f, t, name, targets[j].out, rank);
        }
    }
}
