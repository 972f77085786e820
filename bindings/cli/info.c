/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

static const char help[] =
    "usage: panda info FILE... [OPTION]...\n"
    "\n"
    "Say what model files hold: parts, dimensions, formats, memory, and what "
    "is\n"
    "missing for a chat. FILE is any published file or folder, told by its\n"
    "content; all are opened together.\n"
    "\n"
    "  --json                    one JSON object\n"
    "\n";

static const char example[] =
    "\nExample:\n"
    "  panda info imagebind_huge.pth vicuna-7b-v0 pandagpt_7b.pt --json\n";

struct info_args {
    struct model_args model;
    bool json;
};

static int parse(struct info_args *args, int argc, char **argv)
{
    enum { OPT_JSON = OPT_OWN };
    static const struct option options[] = {
        MODEL_OPTIONS,
        {"json", no_argument, NULL, OPT_JSON},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s%s%s", help, model_help, example);
            return EXIT_DONE;
        }
        if (option == OPT_JSON)
            args->json = true;
        else if (!take_model_option(&args->model, option, optarg))
            return EXIT_USAGE;
    }
    if (!take_model_files(&args->model, argc, argv))
        return EXIT_USAGE;
    if (!find_model_parts(&args->model))
        return EXIT_FAILED;
    if (!has_model_files(&args->model))
        return fail_usage("info", "no file given");
    return -1;
}

static const struct {
    uint32_t bit;
    const char *name;
    const char *file; /* what brings it */
} parts[] = {
    {PANDA_PART_ENCODERS, "encoders", "ImageBind weights"},
    {PANDA_PART_CLIP_VOCAB, "clip_vocab", "bpe_simple_vocab_16e6.txt.gz"},
    {PANDA_PART_PROJECTOR, "projector", "PandaGPT delta"},
    {PANDA_PART_LORA, "lora", "PandaGPT delta"},
    {PANDA_PART_DECODER, "decoder", "LLaMA-family folder or GGUF"},
    {PANDA_PART_TOKENIZER, "tokenizer", "tokenizer.model or .json"},
};

#define PARTS (sizeof parts / sizeof *parts)

/* What one can do with a model, and the parts that it takes. */
static const struct {
    const char *name, *key;
    uint32_t parts;
} uses[] = {
    {"embed media", "embed", PANDA_PART_ENCODERS},
    {"embed texts", "embed_text", PANDA_PART_ENCODERS | PANDA_PART_CLIP_VOCAB},
    {"chat", "chat", PANDA_PART_DECODER | PANDA_PART_TOKENIZER},
    {"chat about media", "chat_media",
     PANDA_PART_DECODER | PANDA_PART_TOKENIZER | PANDA_PART_ENCODERS |
         PANDA_PART_PROJECTOR},
};

#define USES (sizeof uses / sizeof *uses)

static void print_json_parts(const char *key, uint32_t mask)
{
    const char *comma = "";
    printf("\"%s\": [", key);
    for (size_t i = 0; i < PARTS; i++) {
        if (!(parts[i].bit & mask))
            continue;
        printf("%s\"%s\"", comma, parts[i].name);
        comma = ", ";
    }
    printf("]");
}

/* Words of the bits in a mask. */
struct word {
    uint64_t bit;
    const char *name;
};

static const struct word cpu_words[] = {
    {PANDA_CPU_GENERIC, "generic"},
    {PANDA_CPU_AVX2, "avx2"},
    {PANDA_CPU_AVX512, "avx512"},
    {PANDA_CPU_AVX512_VNNI, "avx512_vnni"},
    {PANDA_CPU_AVX512_BF16, "avx512_bf16"},
    {PANDA_CPU_AMX_INT8, "amx_int8"},
    {PANDA_CPU_AMX_BF16, "amx_bf16"},
    {PANDA_CPU_NEON, "neon"},
    {PANDA_CPU_DOTPROD, "dotprod"},
    {PANDA_CPU_I8MM, "i8mm"},
    {0},
};

static const struct word provider_words[] = {
    {PANDA_PROVIDER_NONE, "builtin"},
    {PANDA_PROVIDER_OPENBLAS, "openblas"},
    {PANDA_PROVIDER_ONEDNN, "onednn"},
    {0},
};

static void print_words(const struct word *words, uint64_t mask,
                        const char *quote, const char *separator)
{
    const char *before = "";
    for (; words->name; words++) {
        if (!(words->bit & mask))
            continue;
        printf("%s%s%s%s", before, quote, words->name, quote);
        before = separator;
    }
}

static void print_json_uses(uint32_t missing)
{
    printf("\"missing_to\": {");
    for (size_t i = 0; i < USES; i++) {
        printf("%s", i ? ", " : "");
        print_json_parts(uses[i].key, uses[i].parts & missing);
    }
    printf("}");
}

static void print_uses(uint32_t missing)
{
    for (size_t i = 0; i < USES; i++) {
        const uint32_t needed = uses[i].parts & missing;
        const char *before = "missing ";
        printf("to %s: %s", uses[i].name, needed ? "" : "all is there");
        for (size_t p = 0; p < PARTS; p++) {
            if (!(parts[p].bit & needed))
                continue;
            printf("%s%s (%s)", before, parts[p].name, parts[p].file);
            before = ", ";
        }
        printf("\n");
    }
}

static void print_json_details(const panda_model *model)
{
    panda_part_info p = {.struct_size = sizeof p};
    printf("\"details\": [");
    for (uint32_t i = 0;
         panda_model_get_part_info(model, i, &p) == PANDA_OK; i++) {
        printf("%s{\"name\": \"%s\", \"format\": \"%s\", \"formats\": "
               "\"%s\", \"tensors\": %u, \"path\": ",
               i ? ", " : "", p.name, p.format ? p.format : "", p.formats,
               p.tensors);
        print_json_string(p.path, strlen(p.path));
        printf(", \"file_bytes\": %llu, \"mapped_bytes\": %llu, "
               "\"heap_bytes\": %llu}",
               (unsigned long long)p.file_bytes,
               (unsigned long long)p.mapped_bytes,
               (unsigned long long)p.heap_bytes);
    }
    printf("]");
}

static void print_details(const panda_model *model)
{
    panda_part_info p = {.struct_size = sizeof p};
    printf("%-18s %-18s %10s %10s %10s  %s\n", "part (MB)", "format",
           "in file", "mapped", "heap", "file");
    for (uint32_t i = 0;
         panda_model_get_part_info(model, i, &p) == PANDA_OK; i++)
        printf("%-18s %-18s %10.3f %10.3f %10.3f  %s\n", p.name, p.formats,
               (double)p.file_bytes / 1e6, (double)p.mapped_bytes / 1e6,
               (double)p.heap_bytes / 1e6, p.path);
}

static void print_json_format(const char *key, const char *format)
{
    if (format)
        printf("\"%s\": \"%s\"", key, format);
    else
        printf("\"%s\": null", key);
}

static void print_json_towers(const panda_model *model)
{
    const char *comma = "";
    printf("\"encoders\": {");
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        panda_tower_info t = {.struct_size = sizeof t};
        if (!panda_model_has_modality(model, m) ||
            panda_model_get_tower_info(model, m, &t) < 0)
            continue;
        printf("%s\"%s\": {\"width\": %u, \"blocks\": %u, \"heads\": %u, "
               "\"tokens\": %u, \"parameters\": %llu, \"scale\": ",
               comma, panda_modality_get_name(m), t.width, t.blocks, t.heads,
               t.tokens, (unsigned long long)t.parameters);
        print_json_float(t.scale);
        printf("}");
        comma = ", ";
    }
    printf("}");
}

/* The value of a key of the bundle on the heap; NULL when it has none. */
static char *get_metadata(const panda_model *model, const char *key)
{
    size_t length = 0;
    (void)panda_model_get_metadata(model, key, NULL, 0, &length);
    char *text = length > 0 ? malloc(length + 1) : NULL;
    if (text &&
        panda_model_get_metadata(model, key, text, length, &length) == PANDA_OK)
        text[length] = '\0';
    return text;
}

#define SOURCE_KEYS 5

/* Where a bundle comes from, a line for each file. */
static void print_sources(const panda_model *model, bool json)
{
    static const char *const names[SOURCE_KEYS] = {"name", "part", "bytes",
                                                   "sha256", "licence"};
    char *lists[SOURCE_KEYS], *at[SOURCE_KEYS];
    const char *comma = "";
    for (int i = 0; i < SOURCE_KEYS; i++) {
        char key[64];
        snprintf(key, sizeof key, "pandagpt.source.%s", names[i]);
        at[i] = lists[i] = get_metadata(model, key);
    }
    while (at[0]) {
        printf(json ? "%s{" : "from: ", comma);
        for (int i = 0; i < SOURCE_KEYS; i++) {
            const size_t length = at[i] ? strcspn(at[i], "\n") : 0;
            if (json) {
                printf("%s\"%s\": ", i ? ", " : "", names[i]);
                print_json_string(at[i] ? at[i] : "", length);
            } else if (length > 0) {
                printf("%s%.*s", i ? ", " : "", (int)length, at[i]);
            }
            if (at[i])
                at[i] = at[i][length] ? at[i] + length + 1 : NULL;
        }
        printf(json ? "}" : "\n");
        comma = ", ";
    }
    for (int i = 0; i < SOURCE_KEYS; i++)
        free(lists[i]);
}

static void print_json_vocabulary(const panda_model_info *i)
{
    printf("\"tokenizer\": {\"bos\": %d, \"eos\": %d, \"adds_bos\": %s, "
           "\"adds_eos\": %s}", i->bos_token, i->eos_token,
           i->tokenize_flags & PANDA_TOKENIZE_BOS ? "true" : "false",
           i->tokenize_flags & PANDA_TOKENIZE_EOS ? "true" : "false");
}

static void print_json(const panda_model *model, const panda_model_info *i,
                       const panda_cpu_features *cpu, uint32_t missing)
{
    printf("{");
    print_json_parts("parts", i->parts);
    printf(", ");
    print_json_parts("missing", missing);
    printf(", ");
    print_json_uses(missing);
    printf(", ");
    print_json_details(model);
    printf(", \"sources\": [");
    print_sources(model, true);
    printf("], \"embedding_dim\": %u, ", i->embedding_dim);
    print_json_towers(model);
    printf(", \"decoder\": {\"hidden\": %u, \"layers\": %u, \"heads\": %u, "
           "\"kv_heads\": %u, \"vocab_size\": %u, \"context_length\": %u, "
           "\"rope_base\": ",
           i->hidden_dim, i->layers, i->heads, i->kv_heads, i->vocab_size,
           i->context_length);
    print_json_float(i->rope_base);
    printf("}, ");
    print_json_vocabulary(i);
    printf(", \"lora\": {\"rank\": %u, \"alpha\": ", i->lora_rank);
    print_json_float(i->lora_alpha);
    printf(", \"merged\": %s}, \"formats\": {",
           i->lora_merged ? "true" : "false");
    print_json_format("encoders", i->encoder_format);
    printf(", ");
    print_json_format("decoder", i->decoder_format);
    printf("}, \"precision\": \"%s\", \"math\": {",
           precision_words[i->precision]);
    print_json_format("encoders", i->encoder_math);
    printf(", ");
    print_json_format("decoder", i->decoder_math);
    printf("}, \"memory\": {\"mapped_bytes\": %llu, \"heap_bytes\": %llu}, "
           "\"cpu\": {\"threads\": %u, \"detected\": [",
           (unsigned long long)i->mapped_bytes,
           (unsigned long long)i->heap_bytes, cpu->threads);
    print_words(cpu_words, cpu->detected, "\"", ", ");
    printf("], \"used\": [");
    print_words(cpu_words, cpu->used, "\"", ", ");
    printf("], \"providers\": [");
    print_words(provider_words, cpu->providers, "\"", ", ");
    printf("], \"f32_products\": ");
    print_words(provider_words, cpu->f32_provider, "\"", "");
    printf(", \"int8_products\": ");
    print_words(provider_words, cpu->int8_provider, "\"", "");
    printf(", \"provider_rows\": %u}}\n", cpu->provider_rows);
}

static void print_towers(const panda_model *model, const panda_model_info *i)
{
    printf("encoders (%s, products in %s, embeddings of %u numbers)\n",
           i->encoder_format, i->encoder_math, i->embedding_dim);
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        panda_tower_info t = {.struct_size = sizeof t};
        if (!panda_model_has_modality(model, m) ||
            panda_model_get_tower_info(model, m, &t) < 0)
            continue;
        printf("  %-8s %u wide, %u blocks, %u heads, %u tokens, %.1f M "
               "parameters, scale %g\n",
               panda_modality_get_name(m), t.width, t.blocks, t.heads, t.tokens,
               (double)t.parameters / 1e6, (double)t.scale);
    }
}

static void print_lora(const panda_model_info *i)
{
    if (!(i->parts & PANDA_PART_LORA))
        return;
    printf("LoRA: rank %u", i->lora_rank);
    if (i->parts & PANDA_PART_DECODER) /* it decides how they join */
        printf(", alpha %g, %s", (double)i->lora_alpha,
               i->lora_merged ? "merged" : "as a side path");
    printf("\n");
}

static void print_end(const char *name, panda_token token, bool is_added)
{
    if (token >= 0)
        printf(", %s %d%s", name, token, is_added ? " (added)" : "");
}

static void print_vocabulary(const panda_model_info *i)
{
    printf("vocabulary: %u pieces", i->vocab_size);
    print_end("BOS", i->bos_token, i->tokenize_flags & PANDA_TOKENIZE_BOS);
    print_end("EOS", i->eos_token, i->tokenize_flags & PANDA_TOKENIZE_EOS);
    printf("\n");
}

static void print_text(const panda_model *model, const panda_model_info *i,
                       const panda_cpu_features *cpu, uint32_t missing)
{
    if (i->parts & PANDA_PART_ENCODERS)
        print_towers(model, i);
    if (i->parts & PANDA_PART_PROJECTOR)
        printf("projection: %u to %u\n", i->embedding_dim, i->hidden_dim);
    if (i->parts & PANDA_PART_DECODER)
        printf("decoder (%s, products in %s): %u wide, %u layers, %u heads, "
               "%u key/value heads, context %u\n",
               i->decoder_format, i->decoder_math, i->hidden_dim, i->layers,
               i->heads, i->kv_heads, i->context_length);
    print_lora(i);
    if (i->parts & PANDA_PART_TOKENIZER)
        print_vocabulary(i);
    print_sources(model, false);
    printf("memory: %.1f MB mapped, %.1f MB on the heap\n",
           (double)i->mapped_bytes / 1e6, (double)i->heap_bytes / 1e6);
    printf("processor: %u threads; has ", cpu->threads);
    print_words(cpu_words, cpu->detected, "", " ");
    printf("; used ");
    print_words(cpu_words, cpu->used, "", " ");
    printf("; products: f32 by ");
    print_words(provider_words, cpu->f32_provider, "", " ");
    printf(", int8 by ");
    print_words(provider_words, cpu->int8_provider, "", " ");
    printf(", all others builtin");
    if (cpu->provider_rows > 1)
        printf(" (also these below %u rows)", cpu->provider_rows);
    printf("\n");
    print_details(model);
    print_uses(missing);
}

int command_info(int argc, char **argv)
{
    struct info_args args = {0};
    panda_runtime *runtime;
    panda_model *model;
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    if (!open_model(&runtime, &model, &args.model))
        return EXIT_FAILED;
    panda_model_info info = {.struct_size = sizeof info};
    panda_cpu_features cpu = {.struct_size = sizeof cpu};
    code = EXIT_DONE;
    if (panda_model_get_info(model, &info) < 0 ||
        panda_runtime_get_cpu_features(runtime, &cpu) < 0) {
        code = fail_with_message();
    } else {
        uint32_t missing = ~info.parts;
        (args.json ? print_json : print_text)(model, &info, &cpu, missing);
    }
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return code;
}
