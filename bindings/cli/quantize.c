/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "progress.h"

static const char help[] =
    "usage: panda quantize FILE... -o OUT [OPTION]...\n"
    "\n"
    "Write a model in fewer bits. FILE is a bundle, a GGUF decoder or any\n"
    "published file or folder, told by its content; all go into one file. OUT\n"
    "appears when it is whole; whatever stops the program leaves nothing "
    "behind.\n"
    "\n"
    "  -o, --output OUT\n"
    "  --encoders FORMAT         keep (default), f32, f16, bf16 or int8\n"
    "  --decoder FORMAT          keep (default), f32, f16, bf16, q8_0, q6_k,\n"
    "                            q5_k_m, q5_k_s, q5_1, q5_0, q4_k_m, q4_k_s,\n"
    "                            q4_1, q4_0, iq4_nl, iq4_xs, q3_k_m or q2_k\n"
    "  --importance FILE         data that says which columns of the decoder "
    "matter:\n"
    "                            a file of this program or of llama-imatrix\n"
    "  --measure TEXT            first measure it on this text file, and write "
    "it to\n"
    "                            the file of --importance; without -o only "
    "that\n"
    "\n"
    "Model:\n"
    "  --imagebind F  --imagebind-config F  --clip-vocab F  --tokenizer F\n"
    "  --adapter F  --lora-alpha A  --threads N  --cpu-mask M  --precision P\n"
    "  -v, --verbose             as for panda chat\n"
    "\n"
    "Example:\n"
    "  panda quantize vicuna-7b-v0.gguf -o vicuna-7b-q4.gguf --decoder q4_k_m "
    "\\\n"
    "    --measure talks.txt --importance talks.gguf\n";

struct quantize_args {
    struct model_args model;
    const char *output, *importance, *measure;
    panda_format encoders, decoder;
};

enum { OPT_ENCODERS = OPT_OWN, OPT_FORMAT, OPT_IMPORTANCE, OPT_MEASURE };

static bool take_option(struct quantize_args *args, int option,
                        const char *value)
{
    switch (option) {
    case 'o':
        args->output = value;
        return true;
    case OPT_ENCODERS:
        return take_format(&args->encoders, "encoders", value);
    case OPT_FORMAT:
        return take_format(&args->decoder, "decoder", value);
    case OPT_IMPORTANCE:
        args->importance = value;
        return true;
    case OPT_MEASURE:
        args->measure = value;
        return true;
    default:
        return take_model_option(&args->model, option, value);
    }
}

static int check(const struct quantize_args *args)
{
    if (!has_model_files(&args->model))
        return fail_usage("quantize", "no model file given");
    if (args->measure && !args->importance)
        return fail_usage("quantize", "--measure needs --importance FILE, "
                                      "where the data goes");
    if (!args->output && !args->measure)
        return fail_usage("quantize", "no -o OUT given");
    if (args->output && args->encoders == PANDA_FORMAT_KEEP &&
        args->decoder == PANDA_FORMAT_KEEP)
        return fail_usage("quantize", "nothing to do, neither --encoders nor "
                                      "--decoder has a format");
    return EXIT_DONE;
}

static int parse(struct quantize_args *args, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"encoders", required_argument, NULL, OPT_ENCODERS},
        {"decoder", required_argument, NULL, OPT_FORMAT},
        {"importance", required_argument, NULL, OPT_IMPORTANCE},
        {"measure", required_argument, NULL, OPT_MEASURE},
        MODEL_OPTIONS_BUT_DECODER, /* --decoder is a format here */
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "ho:v", options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s", help);
            return EXIT_DONE;
        }
        if (!take_option(args, option, optarg))
            return EXIT_USAGE;
    }
    if (!take_model_files(&args->model, argc, argv))
        return EXIT_USAGE;
    int code = check(args);
    if (code != EXIT_DONE)
        return code;
    return find_model_parts(&args->model) ? -1 : EXIT_FAILED;
}

static int32_t show_measuring(double fraction, void *user)
{
    return show_progress(user, fraction, 1, false, "");
}

static bool measure(const struct quantize_args *args, const panda_model *model)
{
    struct progress progress;
    panda_importance_options options;
    size_t length;
    char *text = read_whole_file(args->measure, &length);
    if (!text)
        return false;
    panda_importance_options_init(&options, sizeof options);
    options.progress = show_measuring;
    options.progress_user = &progress;
    begin_progress(&progress, "measuring");
    panda_status status = panda_importance_measure(
        model, text, length, args->importance, &options);
    end_progress(&progress);
    free(text);
    if (status == PANDA_OK)
        return true;
    fail_with_message();
    return false;
}

/* Bits that are lost do not come back. */
static void warn(const struct quantize_args *args, const panda_model *model)
{
    panda_model_info info = {.struct_size = sizeof info};
    if (args->decoder == PANDA_FORMAT_KEEP ||
        panda_model_get_info(model, &info) != PANDA_OK ||
        !info.decoder_format || !strchr(info.decoder_format, 'q'))
        return;
    fprintf(stderr,
            "panda: warning: the decoder is quantised already (%s); from its "
            "original it would be better\n",
            info.decoder_format);
}

static bool prepare(const struct quantize_args *args)
{
    panda_runtime *runtime;
    panda_model *model;
    bool done = true;
    if (!open_model(&runtime, &model, &args->model))
        return false;
    warn(args, model);
    if (args->measure)
        done = measure(args, model);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return done;
}

static int quantize(const struct quantize_args *args)
{
    panda_convert_options options;
    panda_convert_options_init(&options, sizeof options);
    options.output = args->output;
    options.encoder_format = args->encoders;
    options.decoder_format = args->decoder;
    options.importance = args->importance;
    return write_model(&args->model, PANDA_LORA_DEFAULT, &options,
                       "quantising");
}

int command_quantize(int argc, char **argv)
{
    struct quantize_args args = {.output = NULL};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    if (!prepare(&args))
        return EXIT_FAILED;
    return args.output ? quantize(&args) : EXIT_DONE;
}
