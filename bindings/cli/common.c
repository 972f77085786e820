/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const char model_help[] =
    "Model (a bundle, or files as published):\n"
    "  --imagebind F.pth         encoders\n"
    "  --imagebind-config F.json head counts, where the widths are not\n"
    "                            ImageBind-huge's (default: F.json beside "
    "F.pth)\n"
    "  --clip-vocab F.gz         vocabulary of the text encoder\n"
    "                            (bpe_simple_vocab_16e6.txt.gz)\n"
    "  --decoder DIR_OR_FILE     LLaMA-family folder\n"
    "  --tokenizer F.model       its vocabulary, when it lies elsewhere\n"
    "  --adapter F.pt            PandaGPT delta: projection and LoRA\n"
    "  --lora-alpha A            default: equal to the rank\n"
    "  --model FILE              any one of these, told by its content\n"
    "  --threads N               default: the processors this process may use\n"
    "  --cpu-mask M              PANDA_CPU_* bits that may be used\n"
    "  --precision P             what products may round: auto, exact, fast "
    "or\n"
    "                            small\n"
    "  -v, --verbose             log to stderr; twice for more\n";

const char media_help[] =
    "Media (repeatable, in any order):\n"
    "  --image F  --video F  --audio F  --depth F  --thermal F  --imu F\n"
    "  --text S\n"
    "  --depth-unit mm|m         default: mm for integers, m for floats\n"
    "  --depth-sensor kv1|kv1_b|kv2|realsense|xtion\n"
    "  --depth-baseline M        metres, instead of the sensor's\n"
    "  --depth-focal PX          focal length in pixels, default 570\n"
    "  --depth-sun-rotated       16-bit values stored as in SUN RGB-D\n";

const char *const precision_words[] = {"auto", "exact", "fast", "small", NULL};

int fail_with_message(void)
{
    fprintf(stderr, "panda: %s\n", panda_error_get_message());
    return EXIT_FAILED;
}

#undef fail_usage /* what an analyser sees instead */
int fail_usage(const char *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "panda %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see panda %s --help\n", command);
    return EXIT_USAGE;
}

bool parse_number(double *out, const char *option, const char *value, double lo,
                  double hi)
{
    char *end;
    errno = 0;
    *out = strtod(value, &end);
    if (*value && !*end && errno == 0 && *out >= lo && *out <= hi)
        return true;
    fprintf(stderr, "panda: --%s %s: expected a number in %g..%g\n", option,
            value, lo, hi);
    return false;
}

bool parse_count(uint64_t *out, const char *option, const char *value,
                 uint64_t lo, uint64_t hi)
{
    char *end;
    bool is_hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
    errno = 0;
    *out = strtoull(value, &end, is_hex ? 16 : 10);
    if (value[0] >= '0' && value[0] <= '9' && end != value && !*end &&
        errno == 0 && *out >= lo && *out <= hi)
        return true;
    fprintf(stderr, "panda: --%s %s: expected a whole number in %llu..%llu\n",
            option, value, (unsigned long long)lo, (unsigned long long)hi);
    return false;
}

static bool take_file(struct model_args *args, const char *path)
{
    if (args->file_count == MAX_MODEL_FILES) {
        fprintf(stderr, "panda: more than %d model files\n", MAX_MODEL_FILES);
        return false;
    }
    args->files[args->file_count++] = path;
    return true;
}

bool take_model_files(struct model_args *args, int argc, char **argv)
{
    for (int i = optind; i < argc; i++) {
        if (!take_file(args, argv[i]))
            return false;
    }
    return true;
}

bool has_model_files(const struct model_args *args)
{
    return args->file_count > 0 || args->bundle || args->imagebind ||
           args->decoder || args->adapter || args->tokenizer ||
           args->clip_vocab;
}

static bool set_part(struct model_args *args, panda_file_kind kind,
                     const char *path)
{
    const struct {
        panda_file_kind kind;
        const char **part;
        const char *name;
    } parts[] = {
        {PANDA_FILE_BUNDLE, &args->bundle, "a bundle"},
        {PANDA_FILE_IMAGEBIND, &args->imagebind, "encoders"},
        {PANDA_FILE_DECODER, &args->decoder, "a decoder"},
        {PANDA_FILE_ADAPTER, &args->adapter, "an adapter"},
        {PANDA_FILE_TOKENIZER, &args->tokenizer, "a tokenizer.model"},
        {PANDA_FILE_CLIP_VOCAB, &args->clip_vocab, "CLIP merges"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].kind != kind)
            continue;
        if (*parts[i].part) {
            fprintf(stderr, "panda: %s: holds %s, but %s was given already\n",
                    path, parts[i].name, *parts[i].part);
            return false;
        }
        *parts[i].part = path;
        return true;
    }
    fprintf(stderr,
            "panda: %s: is none of a bundle, ImageBind weights, a decoder, an "
            "adapter, a tokenizer.model or CLIP merges\n",
            path);
    return false;
}

bool find_model_parts(struct model_args *args)
{
    panda_runtime *runtime;
    bool found = true;
    if (args->file_count == 0)
        return true;
    if (!create_runtime(&runtime, args))
        return false;
    for (size_t i = 0; found && i < args->file_count; i++) {
        panda_file_kind kind;
        found = panda_model_find_kind(&kind, runtime, args->files[i], NULL) ==
                PANDA_OK;
        if (!found)
            fail_with_message();
        else
            found = set_part(args, kind, args->files[i]);
    }
    panda_runtime_destroy(runtime);
    return found;
}

bool take_word(int32_t *out, int32_t first, const char *option,
               const char *value, const char *const *words)
{
    for (int32_t i = 0; words[i]; i++) {
        if (strcmp(words[i], value) == 0) {
            *out = first + i;
            return true;
        }
    }
    fprintf(stderr, "panda: --%s %s: expected", option, value);
    for (int32_t i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", words[i]);
    fprintf(stderr, "\n");
    return false;
}

bool take_model_option(struct model_args *args, int option, const char *value)
{
    double number;
    uint64_t count;
    switch (option) {
    case OPT_MODEL:
        return take_file(args, value);
    case OPT_IMAGEBIND:
        args->imagebind = value;
        return true;
    case OPT_IMAGEBIND_CONFIG:
        args->imagebind_config = value;
        return true;
    case OPT_CLIP_VOCAB:
        args->clip_vocab = value;
        return true;
    case OPT_DECODER:
        args->decoder = value;
        return true;
    case OPT_TOKENIZER:
        args->tokenizer = value;
        return true;
    case OPT_ADAPTER:
        args->adapter = value;
        return true;
    case OPT_LORA_ALPHA:
        if (!parse_number(&number, "lora-alpha", value, 1e-6, 1e6))
            return false;
        args->lora_alpha = (float)number;
        return true;
    case OPT_THREADS:
        if (!parse_count(&count, "threads", value, 1, 1024))
            return false;
        args->threads = (uint32_t)count;
        return true;
    case OPT_CPU_MASK:
        return parse_count(&args->cpu_mask, "cpu-mask", value, 1, UINT64_MAX);
    case OPT_PRECISION:
        return take_word(&args->precision, PANDA_PRECISION_AUTO, "precision",
                         value, precision_words);
    case 'v':
        args->verbose++;
        return true;
    default:
        return false;
    }
}

bool take_media_option(struct media_args *args, int option, const char *value)
{
    static const char *const units[] = {"mm", "m", NULL};
    static const char *const sensors[] = {"kv1",       "kv1_b", "kv2",
                                          "realsense", "xtion", NULL};
    panda_modality modality = option - OPT_MEDIA;
    args->depth.struct_size = sizeof args->depth;
    switch (option) {
    case OPT_DEPTH_UNIT:
        return take_word(&args->depth.unit, PANDA_DEPTH_UNIT_MILLIMETRE,
                         "depth-unit", value, units);
    case OPT_DEPTH_SENSOR:
        return take_word(&args->depth.sensor, PANDA_DEPTH_SENSOR_KV1,
                         "depth-sensor", value, sensors);
    case OPT_DEPTH_BASELINE:
        return parse_number(&args->depth.baseline, "depth-baseline", value,
                            1e-6, 1e3);
    case OPT_DEPTH_FOCAL:
        return parse_number(&args->depth.focal_length, "depth-focal", value,
                            1e-3, 1e6);
    case OPT_DEPTH_SUN:
        args->depth.sun_rotated = PANDA_SWITCH_ON;
        return true;
    default:
        break;
    }
    if (!panda_modality_get_name(modality))
        return false;
    if (args->count == MAX_MEDIA) {
        fprintf(stderr, "panda: more than %d media on one command line\n",
                MAX_MEDIA);
        return false;
    }
    args->items[args->count++] = (struct media_item){modality, value};
    return true;
}

panda_status describe_media(panda_input *input, const struct media_args *args,
                            const struct media_item *item)
{
    panda_status status;
    if (item->modality == PANDA_MODALITY_TEXT)
        status = panda_input_init_text(input, sizeof *input, item->value,
                                       strlen(item->value));
    else
        status = panda_input_init_path(input, sizeof *input, item->modality,
                                       item->value);
    if (status == PANDA_OK && item->modality == PANDA_MODALITY_DEPTH &&
        args->depth.struct_size)
        input->depth_options = &args->depth;
    return status;
}

static void print_log(panda_log_level level, const char *message, void *user)
{
    static const char *const names[] = {"", "error", "warning", "info",
                                        "debug"};
    (void)user;
    fprintf(stderr, "panda: %s: %s\n", names[level], message);
}

bool create_runtime(panda_runtime **runtime, const struct model_args *args)
{
    panda_runtime_options options;
    panda_runtime_options_init(&options, sizeof options);
    options.threads = args->threads;
    options.cpu_mask = args->cpu_mask;
    options.log = print_log;
    options.log_level = args->verbose > 1      ? PANDA_LOG_DEBUG
                        : args->verbose > 0    ? PANDA_LOG_INFO
                        : args->shows_warnings ? PANDA_LOG_WARN
                                               : PANDA_LOG_ERROR;
    /* This program uses OpenBLAS for nothing else. */
    options.flags = PANDA_RUNTIME_SET_BLAS_THREADS;
    if (panda_runtime_create(runtime, &options) == PANDA_OK)
        return true;
    fail_with_message();
    return false;
}

void set_model_options(panda_model_options *options,
                       const struct model_args *args)
{
    panda_model_options_init(options, sizeof *options);
    options->bundle = args->bundle;
    options->parts = args->parts;
    options->modalities = args->modalities;
    options->imagebind = args->imagebind;
    options->imagebind_config = args->imagebind_config;
    options->clip_vocab = args->clip_vocab;
    options->decoder = args->decoder;
    options->tokenizer = args->tokenizer;
    options->adapter = args->adapter;
    options->lora_alpha = args->lora_alpha;
    options->precision = args->precision;
}

bool take_format(panda_format *out, const char *option, const char *value)
{
    static const struct {
        const char *name;
        panda_format format;
    } formats[] = {
        {"keep", PANDA_FORMAT_KEEP},     {"f32", PANDA_FORMAT_F32},
        {"f16", PANDA_FORMAT_F16},       {"bf16", PANDA_FORMAT_BF16},
        {"int8", PANDA_FORMAT_INT8},     {"q8_0", PANDA_FORMAT_Q8_0},
        {"q4_0", PANDA_FORMAT_Q4_0},     {"q4_1", PANDA_FORMAT_Q4_1},
        {"q5_0", PANDA_FORMAT_Q5_0},     {"q5_1", PANDA_FORMAT_Q5_1},
        {"q4_k_m", PANDA_FORMAT_Q4_K_M}, {"q5_k_m", PANDA_FORMAT_Q5_K_M},
        {"q6_k", PANDA_FORMAT_Q6_K},     {"q2_k", PANDA_FORMAT_Q2_K},
        {"q3_k_m", PANDA_FORMAT_Q3_K_M}, {"q4_k_s", PANDA_FORMAT_Q4_K_S},
        {"q5_k_s", PANDA_FORMAT_Q5_K_S}, {"iq4_nl", PANDA_FORMAT_IQ4_NL},
        {"iq4_xs", PANDA_FORMAT_IQ4_XS},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcasecmp(formats[i].name, value) == 0) {
            *out = formats[i].format;
            return true;
        }
    }
    fprintf(stderr, "panda: --%s %s: expected", option, value);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        fprintf(stderr, "%s %s", i ? "," : "", formats[i].name);
    fprintf(stderr, "\n");
    return false;
}

bool open_model(panda_runtime **runtime, panda_model **model,
                const struct model_args *args)
{
    *model = NULL;
    if (!create_runtime(runtime, args))
        return false;
    panda_model_options options;
    set_model_options(&options, args);
    if (panda_model_open(model, *runtime, &options) == PANDA_OK)
        return true;
    fail_with_message();
    panda_runtime_destroy(*runtime);
    *runtime = NULL;
    return false;
}

int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "panda: standard output cannot be written\n");
    return EXIT_FAILED;
}

/* Bytes of the UTF-8 character at `text`, 0 when there is none. */
static size_t measure_character(const unsigned char *text, size_t left)
{
    static const struct {
        unsigned char first, last; /* of the lead byte */
        unsigned char least, most; /* of the byte behind it */
        size_t length;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t length = forms[i].length;
        if (text[0] < forms[i].first || text[0] > forms[i].last)
            continue;
        if (length > left || (length > 1 && (text[1] < forms[i].least ||
                                             text[1] > forms[i].most)))
            return 0;
        for (size_t k = 2; k < length; k++) {
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        }
        return length;
    }
    return 0;
}

void print_json_string(const char *text, size_t length)
{
    putchar('"');
    while (length > 0) {
        unsigned char c = (unsigned char)text[0];
        size_t size = measure_character((const unsigned char *)text, length);
        if (size == 0)
            printf("\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\n')
            printf("\\n");
        else if (c == '\t')
            printf("\\t");
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            fwrite(text, 1, size, stdout);
        text += size ? size : 1;
        length -= size ? size : 1;
    }
    putchar('"');
}

void print_json_float(float value)
{
    printf("%.9g", (double)value);
}

char *read_whole_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t used = 0, capacity = 0, got = 1;
    while (file && got > 0) {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            char *grown = realloc(data, capacity);
            if (!grown)
                break;
            data = grown;
        }
        got = fread(data + used, 1, capacity - used, file);
        used += got;
    }
    if (!file || ferror(file) || got > 0) {
        fprintf(stderr, "panda: %s: cannot be read: %s\n", path,
                strerror(errno));
        free(data);
        data = NULL;
    }
    if (file)
        fclose(file);
    *size = used;
    return data;
}
