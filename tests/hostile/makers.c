/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile/hostile.h"
#include "support/support.h"
#include "support/tiny_imagebind.h"
#include "support/tiny_llama.h"
#include "text/tokenizer.h"
#include "unit/format/builder.h"

/* A GGUF file in the making, one of whose keys or tensors is spoiled. */
struct maker {
    struct gguf_builder g;
    const struct spoil *spoil;
    int keys, tensors; /* so far */
};

enum { U32 = 4, F32 = 6, STRING = 8, ARRAY = 9, U64 = 10, I64 = 11 };

static const uint8_t zeros[32];

static void put_array(struct pnd_buffer *b, uint32_t type, uint64_t count)
{
    put_le(b, type, 4);
    put_le(b, count, 8);
}

static void spoil_key(struct gguf_builder *g, const char *name, int way)
{
    struct pnd_buffer *b;
    switch (way) {
    case 0: /* missing */
        break;
    case 1:
        gguf_string(g, name, "x");
        break;
    case 2:
        put_le(gguf_key(g, name, U64), UINT64_C(1) << 60, 8);
        break;
    case 3:
        put_le(gguf_key(g, name, I64), UINT64_MAX, 8);
        break;
    case 4: /* not a number */
        put_le(gguf_key(g, name, F32), 0x7fc00000, 4);
        break;
    case 5:
        put_le(gguf_key(g, name, PND_GGUF_BOOL), 1, 1);
        break;
    case 6:
        gguf_u32(g, name, 0);
        break;
    case 7:
        gguf_u32(g, name, INT32_MAX);
        break;
    case 8:
        put_array(gguf_key(g, name, ARRAY), U32, 0);
        break;
    case 9:
        b = gguf_key(g, name, ARRAY);
        put_array(b, STRING, 1);
        put_gguf_string(b, "x");
        break;
    case 10:
        put_array(gguf_key(g, name, ARRAY), STRING, UINT64_C(1) << 60);
        break;
    default: /* arrays in arrays */
        b = gguf_key(g, name, ARRAY);
        put_array(b, ARRAY, 1);
        put_array(b, ARRAY, 1);
        put_array(b, U32, 0);
    }
}

/* Whether the next key is to be made as it should be. */
static bool begin_key(struct maker *m, const char *name)
{
    if (m->keys++ != m->spoil->key)
        return true;
    spoil_key(&m->g, name, m->spoil->way);
    return false;
}

static void add_u32(struct maker *m, const char *name, uint32_t value)
{
    if (begin_key(m, name))
        gguf_u32(&m->g, name, value);
}

static void add_text(struct maker *m, const char *name, const char *text)
{
    if (begin_key(m, name))
        gguf_string(&m->g, name, text);
}

static void add_strings(struct maker *m, const char *name,
                        const char *const *texts, size_t count)
{
    if (!begin_key(m, name))
        return;
    struct pnd_buffer *b = gguf_key(&m->g, name, ARRAY);
    put_array(b, STRING, count);
    for (size_t i = 0; i < count; i++)
        put_gguf_string(b, texts[i]);
}

static void add_numbers(struct maker *m, const char *name, uint32_t type,
                        const uint32_t *values, size_t count)
{
    if (!begin_key(m, name))
        return;
    struct pnd_buffer *b = gguf_key(&m->g, name, ARRAY);
    put_array(b, type, count);
    for (size_t i = 0; i < count; i++)
        put_le(b, values[i], 4);
}

struct shape {
    uint32_t type, rank;
    uint64_t sizes[3], at;
};

static void describe(struct maker *m, const char *name, struct shape s)
{
    struct pnd_buffer *b = &m->g.tensors;
    put_gguf_string(b, name);
    put_le(b, s.rank, 4);
    for (uint32_t i = 0; i < s.rank; i++)
        put_le(b, s.sizes[i], 8);
    put_le(b, s.type, 4);
    put_le(b, s.at, 8);
    m->g.tensor_count++;
}

static void spoil_tensor(struct maker *m, const char *name, struct shape s)
{
    const uint64_t columns = s.sizes[0], rows = s.sizes[1];
    switch (m->spoil->way) {
    case 0: /* missing */
        return;
    case 1:
        describe(m, name, s);
        break;
    case 2: /* F16 needs more bytes than Q8_0, I32 is no weight */
        s.type = s.rank == 2 ? 1 : 26;
        break;
    case 3: /* Q4_K */
        s.type = 12;
        break;
    case 4:
        s.sizes[0] = s.rank == 2 ? columns : columns + 1;
        s.sizes[1] = rows + 1;
        break;
    case 5:
        s.sizes[0] = 0;
        break;
    case 6:
        s.sizes[0] = UINT64_C(1) << 60;
        break;
    case 7:
        s.rank = 2;
        s.sizes[0] = s.sizes[1] = UINT64_C(1) << 32;
        break;
    case 8:
        s.at = UINT64_C(1) << 62;
        break;
    case 9: /* where the first one is */
        s.at = s.at == 0 ? 32 : 0;
        break;
    case 10:
        s.rank = 3;
        s.sizes[2] = 2;
        break;
    default:
        name = "blk.7.another.weight";
    }
    describe(m, name, s);
}

/* Q8_0 for a matrix, whose columns are whole blocks; F32 for rows 0. */
static void add_tensor(struct maker *m, const char *name, uint32_t rows,
                       uint32_t columns)
{
    uint8_t bytes[34 * 128] = {0};
    const uint32_t blocks = rows * (columns / 32);
    const size_t size = rows ? blocks * 34 : columns * 4;
    ck_assert_uint_le(size, sizeof bytes);
    for (uint32_t i = 0; i < columns && !rows; i++)
        bytes[4 * i + 2] = 0x80, bytes[4 * i + 3] = 0x3f; /* 1 */
    for (uint32_t i = 0; i < blocks; i++) {
        bytes[34 * i + 1] = 0x1c; /* 0.0039 */
        for (uint32_t k = 2; k < 34; k++)
            bytes[34 * i + k] = (uint8_t)(i * 29 + k * 53);
    }
    struct pnd_buffer *data = &m->g.data;
    put_bytes(data, zeros, (32 - data->size % 32) % 32);
    struct shape s = {.type = rows ? 8 : 0, .rank = rows ? 2 : 1,
                      .sizes = {columns, rows}, .at = data->size};
    put_bytes(data, bytes, size);
    if (m->tensors++ == m->spoil->tensor)
        spoil_tensor(m, name, s);
    else
        describe(m, name, s);
}

static const char *const pieces[] = {
    "<unk>", "<s>", "</s>", "c", "d", "\xe2\x96\x81", "a", "b",
    "ab", "\xe2\x96\x81" "a", "\xc3\xa9", "<|u|>", "", "1", "2", "12"};
static const uint32_t piece_types[] = {2, 3, 3, 1, 1, 1, 1, 1,
                                       1, 1, 1, 4, 5, 1, 1, 1};
static const uint32_t piece_scores[16] = {0, 0, 0, 0, 0, 0xbf800000};

enum { PIECES = 16, HIDDEN = 32, KV = 16, FORWARD = 64 };

static void add_decoder(struct maker *m)
{
    add_text(m, "general.architecture", "llama");
    add_u32(m, "llama.block_count", 1);
    add_u32(m, "llama.context_length", 64);
    add_u32(m, "llama.embedding_length", HIDDEN);
    add_u32(m, "llama.feed_forward_length", FORWARD);
    add_u32(m, "llama.attention.head_count", 2);
    add_u32(m, "llama.attention.head_count_kv", 1);
    add_u32(m, "llama.attention.key_length", KV);
    add_u32(m, "llama.rope.dimension_count", KV);
    add_u32(m, "llama.vocab_size", PIECES);
    if (begin_key(m, "llama.rope.freq_base"))
        gguf_f32(&m->g, "llama.rope.freq_base", 10000);
    if (begin_key(m, "llama.attention.layer_norm_rms_epsilon"))
        gguf_f32(&m->g, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    add_tensor(m, "token_embd.weight", PIECES, HIDDEN);
    add_tensor(m, "blk.0.attn_norm.weight", 0, HIDDEN);
    add_tensor(m, "blk.0.attn_q.weight", HIDDEN, HIDDEN);
    add_tensor(m, "blk.0.attn_k.weight", KV, HIDDEN);
    add_tensor(m, "blk.0.attn_v.weight", KV, HIDDEN);
    add_tensor(m, "blk.0.attn_output.weight", HIDDEN, HIDDEN);
    add_tensor(m, "blk.0.ffn_norm.weight", 0, HIDDEN);
    add_tensor(m, "blk.0.ffn_gate.weight", FORWARD, HIDDEN);
    add_tensor(m, "blk.0.ffn_up.weight", FORWARD, HIDDEN);
    add_tensor(m, "blk.0.ffn_down.weight", HIDDEN, FORWARD);
    add_tensor(m, "output_norm.weight", 0, HIDDEN);
    add_tensor(m, "output.weight", PIECES, HIDDEN);
}

static void add_vocabulary_ends(struct maker *m)
{
    add_u32(m, "tokenizer.ggml.bos_token_id", 1);
    add_u32(m, "tokenizer.ggml.eos_token_id", 2);
    add_u32(m, "tokenizer.ggml.unknown_token_id", 0);
    if (begin_key(m, "tokenizer.ggml.add_bos_token"))
        put_le(gguf_key(&m->g, "tokenizer.ggml.add_bos_token", PND_GGUF_BOOL),
               1, 1);
    if (begin_key(m, "tokenizer.ggml.add_space_prefix"))
        put_le(
            gguf_key(&m->g, "tokenizer.ggml.add_space_prefix", PND_GGUF_BOOL),
            0, 1);
}

static void finish(struct hostile_model *model, struct maker *m, int counts[2])
{
    if (counts) {
        counts[0] = m->keys;
        counts[1] = m->tensors;
    }
    hostile_add(model, "damaged.gguf", gguf_end(&m->g));
}

struct hostile_model make_gguf_decoder(const struct spoil *spoil,
                                       int counts[2])
{
    static const struct spoil none = {-1, -1, 0};
    struct maker m = {gguf_begin(), spoil ? spoil : &none, 0, 0};
    struct hostile_model model = {0};
    add_decoder(&m);
    add_text(&m, "tokenizer.ggml.model", "llama");
    add_strings(&m, "tokenizer.ggml.tokens", pieces, PIECES);
    add_numbers(&m, "tokenizer.ggml.scores", F32, piece_scores, PIECES);
    add_numbers(&m, "tokenizer.ggml.token_type", 5, piece_types, PIECES);
    add_vocabulary_ends(&m);
    finish(&model, &m, counts);
    model.options = (panda_model_options){.struct_size = sizeof model.options,
                                          .decoder = "damaged.gguf"};
    return model;
}

struct hostile_model make_gguf_vocabulary(const struct spoil *spoil,
                                          int counts[2])
{
    static const char *const tokens[] = {"a", "<s>", "</s>", "b", "ab", "1",
                                         "\xc4\xa0", "\xc4\xa0" "ab", "<t>"};
    static const char *const merges[] = {"a b", "\xc4\xa0 ab"};
    static const uint32_t types[] = {1, 3, 3, 1, 1, 1, 1, 1, 4};
    static const struct spoil none = {-1, -1, 0};
    struct maker m = {gguf_begin(), spoil ? spoil : &none, 0, 0};
    struct hostile_model model = {0};
    add_text(&m, "general.architecture", "llama");
    add_text(&m, "tokenizer.ggml.model", "gpt2");
    add_text(&m, "tokenizer.ggml.pre", "llama-bpe");
    add_strings(&m, "tokenizer.ggml.tokens", tokens, 9);
    add_numbers(&m, "tokenizer.ggml.token_type", 5, types, 9);
    add_strings(&m, "tokenizer.ggml.merges", merges, 2);
    add_vocabulary_ends(&m);
    finish(&model, &m, counts);
    model.options = (panda_model_options){.struct_size = sizeof model.options,
                                          .tokenizer = "damaged.gguf"};
    return model;
}

static uint32_t count_pieces(const char *path)
{
    struct pnd_tokenizer *tokenizer;
    const struct pnd_context heap = {.alloc = pnd_allocator_heap};
    ck_assert_ok(pnd_tokenizer_open(&tokenizer, &heap, path, NULL));
    uint32_t count = pnd_tokenizer_get_size(tokenizer);
    pnd_tokenizer_close(tokenizer);
    return count;
}

static struct pnd_buffer make_index(const struct tiny_file *f)
{
    struct pnd_buffer b = build_buffer();
    put_text(&b, "{\"metadata\": {}, \"weight_map\": {");
    for (size_t i = 0; i < f->count; i++) {
        put_text(&b, i ? ", \"" : "\"");
        put_text(&b, f->tensors[i].name);
        put_text(&b, "\": \"model-1.safetensors\"");
    }
    put_text(&b, "}}");
    return b;
}

struct hostile_model make_folder(void)
{
    struct hostile_model model = {0};
    struct tiny_llama tiny;
    struct tiny_file weights;
    char path[1200];
    const char *vocabulary = test_golden("tokenizer.model");
    tiny_llama_init(&tiny);
    tiny.config.layers = 1;
    tiny.config.vocab_size = count_pieces(vocabulary);
    tiny_llama_fill(&weights, &tiny);
    const char *folder = tiny_llama_write(&tiny, &weights);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    hostile_add_path(&model, "hf/model-1.safetensors", path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    hostile_add_path(&model, "hf/config.json", path);
    hostile_add_path(&model, "hf/tokenizer.model", vocabulary);
    hostile_add(&model, "hf/model.safetensors.index.json",
                make_index(&weights));
    hostile_add_path(&model, "hf/special_tokens_map.json",
                     test_golden("vicuna_tiny/special_tokens_map.json"));
    tiny_file_free(&weights);
    model.options = (panda_model_options){.struct_size = sizeof model.options,
                                          .decoder = "hf"};
    return model;
}

struct hostile_model make_tokenizer_json(void)
{
    struct hostile_model model = {
        .options = {.struct_size = sizeof model.options,
                    .tokenizer = "tokenizer.json"}};
    struct pnd_buffer json = build_buffer();
    put_text(&json,
             "{\"added_tokens\": [{\"id\": 5, \"content\": \"<s>\", "
             "\"special\": true, \"lstrip\": false, \"rstrip\": true, "
             "\"single_word\": false, \"normalized\": false}], "
             "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": "
             "[{\"type\": \"Digits\", \"individual_digits\": true}, "
             "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}]}, "
             "\"decoder\": {\"type\": \"ByteLevel\"}, "
             "\"model\": {\"type\": \"BPE\", \"unk_token\": null, "
             "\"vocab\": {\"a\": 0, \"b\": 1, \"\\u0120\": 2, \"ab\": 3, "
             "\"\\u0120ab\": 4}, "
             "\"merges\": [\"a b\", [\"\\u0120\", \"ab\"]]}}");
    hostile_add(&model, "tokenizer.json", json);
    return model;
}

struct hostile_model make_adapter(void)
{
    struct hostile_model model = {
        .options = {.struct_size = sizeof model.options,
                    .adapter = "delta.pt"}};
    struct pnd_buffer json = build_buffer();
    put_text(&json, "{\"lora_alpha\": 32, \"lora_r\": 4}");
    hostile_add_path(&model, "delta.pt", test_golden("pandagpt_tiny.pt"));
    hostile_add(&model, "delta.json", json);
    return model;
}

/* What panda_convert makes of the sources of these models. */
static void add_converted(struct hostile_model *to, const char *name,
                          const struct hostile_model *const *models,
                          size_t count)
{
    panda_model_source sources[HOSTILE_FILES];
    panda_model_options options = {.struct_size = sizeof options,
                                   .sources = sources};
    panda_convert_options convert = {.struct_size = sizeof convert,
                                     .model = &options,
                                     .encoder_format = PANDA_FORMAT_F16};
    panda_runtime *runtime;
    for (size_t m = 0; m < count; m++) {
        const panda_model_options *o = &models[m]->options;
        options.imagebind = o->imagebind ? o->imagebind : options.imagebind;
        options.decoder = o->decoder ? o->decoder : options.decoder;
        options.adapter = o->adapter ? o->adapter : options.adapter;
        if (o->imagebind_config)
            options.imagebind_config = o->imagebind_config;
        for (uint32_t i = 0; i < models[m]->count; i++)
            sources[options.source_count++] = (panda_model_source){
                .struct_size = sizeof *sources,
                .name = models[m]->files[i].name,
                .data = models[m]->files[i].bytes.data,
                .size = models[m]->files[i].bytes.size};
    }
    convert.output = test_write_temp(".gguf", "", 0);
    ck_assert_ok(panda_runtime_create(&runtime, NULL));
    ck_assert_ok(panda_convert(runtime, &convert));
    panda_runtime_destroy(runtime);
    hostile_add_path(to, name, convert.output);
}

/* A projection of what the encoders give to what the folder takes. */
static struct hostile_model make_projection(int64_t in, int64_t out)
{
    struct hostile_model model = {.options.adapter = "projection.pt"};
    struct tiny_file f = {.random = 1};
    tiny_file_add(&f, "llama_proj.weight", PND_F32, 2, (int64_t[]){out, in}, 0,
                  0.1f);
    tiny_file_add(&f, "llama_proj.bias", PND_F32, 1, (int64_t[]){out}, 0, 1);
    hostile_add_path(&model, "projection.pt", tiny_file_write(&f));
    tiny_file_free(&f);
    return model;
}

struct hostile_model make_bundle(void)
{
    struct hostile_model model = {.options = {
        .struct_size = sizeof model.options, .bundle = "bundle.gguf"}};
    struct tiny_imagebind tiny;
    tiny_imagebind_init(&tiny);
    struct hostile_model parts[] = {make_folder(), make_encoders(),
                                    make_projection(tiny.embedding_dim, 32)};
    const struct hostile_model *const all[] = {parts, parts + 1, parts + 2};
    add_converted(&model, "bundle.gguf", all, 3);
    for (int i = 0; i < 3; i++)
        hostile_free(&parts[i]);
    return model;
}

struct hostile_model make_encoders(void)
{
    struct hostile_model model = {
        .options = {.struct_size = sizeof model.options,
                    .imagebind = "towers.safetensors",
                    .imagebind_config = "heads.json"}};
    struct tiny_imagebind tiny;
    tiny_imagebind_init(&tiny);
    tiny.towers = 1u << PND_TOWER_VISION;
    tiny.tower[PND_TOWER_VISION] = (struct tiny_tower){16, 2, 1};
    hostile_add_path(&model, "towers.safetensors", tiny_imagebind_write(&tiny));
    hostile_add_path(&model, "heads.json", tiny_imagebind_write_config(&tiny));
    return model;
}
