/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "common.h"

static const char help[] =
    "usage: panda convert -o FILE [FILE]... [OPTION]...\n"
    "\n"
    "Make one file of a model's files, or of a part of them: a bundle, which\n"
    "every command takes as --model; with --only decoder a GGUF that other\n"
    "programs run as well. FILE is any published file or folder, or a bundle,\n"
    "told by its content.\n"
    "\n"
    "  -o, --output FILE         a file there is replaced when the new one is\n"
    "                            whole; an interrupted run leaves nothing\n"
    "  --only PART[,PART]...     encoders, projector, decoder: write these "
    "alone\n"
    "  --modalities M[,M]...     encoders of image, video, audio, depth, "
    "thermal,\n"
    "                            imu, text; default: all\n"
    "  --lora auto|merge|side|off\n"
    "                            LoRA becomes part of the decoder's matrices, "
    "or\n"
    "                            stays beside them; auto: merged, unless they "
    "are\n"
    "                            kept in 16 bits or in blocks\n"
    "  --encoder-format F        keep (default), f32, f16, bf16, int8\n"
    "  --decoder-format F        keep (default), f32, f16, bf16, q8_0, q4_0,\n"
    "                            q4_1, q5_0, q5_1, q4_k_m, q5_k_m, q6_k\n"
    "  --base DIR --delta DIR    add a Vicuna v0 delta to LLaMA, and take the "
    "sum\n"
    "                            as the decoder\n"
    "\n";

static const char example[] =
    "\nExamples:\n"
    "  panda convert imagebind_huge.pth bpe_simple_vocab_16e6.txt.gz \\\n"
    "    vicuna-7b-v0 pytorch_model.pt -o pandagpt-7b.gguf\n"
    "  panda convert pandagpt-7b.gguf --only encoders --modalities image,text "
    "\\\n"
    "    -o eyes.gguf\n"
    "  panda convert --base llama-7b --delta vicuna-7b-delta-v0 -o "
    "vicuna.gguf\n";

struct convert_args {
    struct model_args model;
    panda_convert_options options;
    const char *base, *delta;
    panda_lora_mode lora_mode;
};

struct word {
    const char *word;
    int32_t value;
};

static const char *const lora_modes[] = {"auto", "merge", "side", "off",
                                         NULL}; /* by panda_lora_mode */

static const struct word parts[] = {
    {"encoders", PANDA_PART_ENCODERS | PANDA_PART_CLIP_VOCAB},
    {"projector", PANDA_PART_PROJECTOR},
    {"decoder", PANDA_PART_DECODER | PANDA_PART_TOKENIZER | PANDA_PART_LORA},
    {0}};

static const struct word modalities[] = {
    {"image", PANDA_MODALITY_BIT(PANDA_MODALITY_IMAGE)},
    {"video", PANDA_MODALITY_BIT(PANDA_MODALITY_VIDEO)},
    {"audio", PANDA_MODALITY_BIT(PANDA_MODALITY_AUDIO)},
    {"depth", PANDA_MODALITY_BIT(PANDA_MODALITY_DEPTH)},
    {"thermal", PANDA_MODALITY_BIT(PANDA_MODALITY_THERMAL)},
    {"imu", PANDA_MODALITY_BIT(PANDA_MODALITY_IMU)},
    {"text", PANDA_MODALITY_BIT(PANDA_MODALITY_TEXT)},
    {0}};

/* All words between commas, their values together. */
static bool take_words(uint32_t *out, const char *option, const char *value,
                       const struct word *words)
{
    const char *at = value;
    for (;;) {
        const size_t length = strcspn(at, ",");
        const struct word *w = words;
        while (w->word && (strlen(w->word) != length ||
                           strncmp(w->word, at, length) != 0))
            w++;
        if (!w->word)
            break;
        *out |= (uint32_t)w->value;
        if (!at[length])
            return true;
        at += length + 1;
    }
    fprintf(stderr, "panda: --%s %s: expected", option, value);
    for (const struct word *w = words; w->word; w++)
        fprintf(stderr, "%s %s", w == words ? "" : ",", w->word);
    fprintf(stderr, "\n");
    return false;
}

enum {
    OPT_ONLY = OPT_OWN,
    OPT_MODALITIES,
    OPT_LORA,
    OPT_ENCODER_FORMAT,
    OPT_DECODER_FORMAT,
    OPT_BASE,
    OPT_DELTA
};

static bool take_option(struct convert_args *args, int option,
                        const char *value)
{
    panda_convert_options *o = &args->options;
    switch (option) {
    case 'o':
        o->output = value;
        return true;
    case OPT_ONLY:
        return take_words(&o->parts, "only", value, parts);
    case OPT_MODALITIES:
        return take_words(&args->model.modalities, "modalities", value,
                          modalities);
    case OPT_LORA:
        return take_word(&args->lora_mode, PANDA_LORA_DEFAULT, "lora", value,
                         lora_modes);
    case OPT_ENCODER_FORMAT:
        return take_format(&o->encoder_format, "encoder-format", value);
    case OPT_DECODER_FORMAT:
        return take_format(&o->decoder_format, "decoder-format", value);
    case OPT_BASE:
        args->base = value;
        return true;
    case OPT_DELTA:
        args->delta = value;
        return true;
    default:
        return take_model_option(&args->model, option, value);
    }
}

static int check(const struct convert_args *args)
{
    const struct model_args *m = &args->model;
    if (!args->options.output)
        return fail_usage("convert", "--output is missing");
    if (!args->base != !args->delta)
        return fail_usage("convert", "--base and --delta go together");
    if (args->base && m->decoder)
        return fail_usage("convert", "--base is the decoder, and %s was given",
                          m->decoder);
    if (!has_model_files(m) && !args->base)
        return fail_usage("convert", "no file given");
    return -1;
}

static int parse(struct convert_args *args, int argc, char **argv)
{
    static const struct option options[] = {
        MODEL_OPTIONS,
        {"output", required_argument, NULL, 'o'},
        {"only", required_argument, NULL, OPT_ONLY},
        {"modalities", required_argument, NULL, OPT_MODALITIES},
        {"lora", required_argument, NULL, OPT_LORA},
        {"encoder-format", required_argument, NULL, OPT_ENCODER_FORMAT},
        {"decoder-format", required_argument, NULL, OPT_DECODER_FORMAT},
        {"base", required_argument, NULL, OPT_BASE},
        {"delta", required_argument, NULL, OPT_DELTA},
        {0},
    };
    int option;
    panda_convert_options_init(&args->options, sizeof args->options);
    while ((option = getopt_long(argc, argv, "hvo:", options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s%s%s", help, model_help, example);
            return EXIT_DONE;
        }
        if (!take_option(args, option, optarg))
            return EXIT_USAGE;
    }
    if (!take_model_files(&args->model, argc, argv))
        return EXIT_USAGE;
    if (!find_model_parts(&args->model))
        return EXIT_FAILED;
    return check(args);
}

int command_convert(int argc, char **argv)
{
    struct convert_args args = {0};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    if (args.base) {
        args.model.decoder = args.base;
        args.options.decoder_delta = args.delta;
    }
    return write_model(&args.model, args.lora_mode, &args.options,
                       "converting");
}
