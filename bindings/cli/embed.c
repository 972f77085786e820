/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "dump.h"

static const char help[] =
    "usage: panda embed [OPTION]... (--image F | --audio F | ...)...\n"
    "\n"
    "Turn media or text into embeddings in one space, one line an input.\n"
    "\n"
    "  --output raw|unit|scaled|pandagpt\n"
    "                            how the vector leaves the encoder: head "
    "output,\n"
    "                            L2-normalised, times ImageBind's factor (the\n"
    "                            default), or as PandaGPT's projection takes "
    "it\n"
    "  --json                    {\"modality\", \"input\", \"dim\", "
    "\"embedding\"}\n"
    "  --dump F.safetensors      write every stage, for comparing ports\n"
    "\n";

static const char example[] =
    "\nExample:\n"
    "  panda embed --imagebind imagebind_huge.pth --image cat.jpg --json\n";

struct embed_args {
    struct model_args model;
    struct media_args media;
    panda_output output;
    bool json;
    const char *dump;
};

static bool take_output(struct embed_args *args, const char *value)
{
    static const struct {
        const char *word;
        panda_output output;
    } outputs[] = {
        {"raw", PANDA_OUTPUT_RAW},
        {"unit", PANDA_OUTPUT_UNIT},
        {"scaled", PANDA_OUTPUT_SCALED},
        {"pandagpt", PANDA_OUTPUT_PANDAGPT},
    };
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (strcmp(outputs[i].word, value) == 0) {
            args->output = outputs[i].output;
            return true;
        }
    }
    fprintf(stderr,
            "panda: --output %s: expected raw, unit, scaled or pandagpt\n",
            value);
    return false;
}

/* -1: go on; otherwise the exit code. */
static int parse(struct embed_args *args, int argc, char **argv)
{
    enum { OPT_OUTPUT = OPT_OWN, OPT_JSON, OPT_DUMP };
    static const struct option options[] = {
        MODEL_OPTIONS,
        MEDIA_OPTIONS,
        {"output", required_argument, NULL, OPT_OUTPUT},
        {"json", no_argument, NULL, OPT_JSON},
        {"dump", required_argument, NULL, OPT_DUMP},
        {0},
    };
    int option;
    bool taken = true;
    while (taken &&
           (option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            printf("%s%s\n%s%s", help, media_help, model_help, example);
            return EXIT_DONE;
        case OPT_OUTPUT:
            taken = take_output(args, optarg);
            break;
        case OPT_JSON:
            args->json = true;
            break;
        case OPT_DUMP:
            args->dump = optarg;
            break;
        default:
            taken = take_media_option(&args->media, option, optarg) ||
                    take_model_option(&args->model, option, optarg);
        }
    }
    if (!taken)
        return EXIT_USAGE;
    if (optind < argc)
        return fail_usage("embed", "%s: give it as --image, --audio, ...",
                          argv[optind]);
    if (!find_model_parts(&args->model))
        return EXIT_FAILED;
    if (!args->model.imagebind && !args->model.bundle)
        return fail_usage("embed", "--model or --imagebind is missing");
    if (args->media.count == 0)
        return fail_usage("embed", "nothing to embed");
    return -1;
}

static bool print_embedding(const struct embed_args *args,
                            const struct media_item *item,
                            const panda_embedding *embedding)
{
    uint32_t dim = panda_embedding_get_dim(embedding);
    const char *modality = panda_modality_get_name(item->modality);
    float *values = malloc(dim * sizeof *values);
    if (!values || panda_embedding_read_f32(embedding, values, dim) < 0) {
        free(values);
        return false;
    }
    if (args->json) {
        printf("{\"modality\": \"%s\", \"input\": ", modality);
        print_json_string(item->value, strlen(item->value));
        printf(", \"dim\": %u, \"embedding\": [", dim);
    } else {
        printf("%s\t%s\t", modality, item->value);
    }
    for (uint32_t i = 0; i < dim; i++) {
        if (i > 0)
            printf(args->json ? ", " : " ");
        print_json_float(values[i]);
    }
    printf(args->json ? "]}\n" : "\n");
    fflush(stdout);
    free(values);
    return true;
}

static bool embed_one(const struct embed_args *args, panda_encoder *encoder,
                      const struct media_item *item, struct dump *dump)
{
    panda_encode_options options;
    panda_input input;
    panda_embedding *embedding = NULL;
    panda_encode_options_init(&options, sizeof options);
    options.output = args->output;
    if (args->dump) {
        options.trace = dump_take;
        options.trace_user = dump;
    }
    if (describe_media(&input, &args->media, item) < 0 ||
        panda_encoder_encode(&embedding, encoder, &input, &options) < 0) {
        fail_with_message();
        return false;
    }
    bool done = print_embedding(args, item, embedding);
    panda_embedding_unref(embedding);
    return done;
}

/* All inputs; a failing one does not keep the others from their line. */
static int embed_all(const struct embed_args *args, panda_model *model)
{
    panda_encoder *encoder;
    struct dump dump = {.prefix = ""};
    int code = EXIT_DONE;
    if (panda_encoder_create(&encoder, model, NULL) < 0)
        return fail_with_message();
    for (size_t i = 0; i < args->media.count; i++) {
        char prefix[32] = "";
        if (args->media.count > 1)
            snprintf(prefix, sizeof prefix, "%zu.", i);
        dump.prefix = prefix;
        if (!embed_one(args, encoder, &args->media.items[i], &dump))
            code = EXIT_FAILED;
    }
    panda_encoder_destroy(encoder);
    if (args->dump && dump.count > 0 && !dump_write(&dump, args->dump))
        code = EXIT_FAILED;
    dump_free(&dump);
    return code;
}

int command_embed(int argc, char **argv)
{
    static struct embed_args args; /* too large for the stack */
    panda_runtime *runtime;
    panda_model *model;
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    /* A mask of what is asked for: towers of other modalities stay shut. */
    for (size_t i = 0; i < args.media.count; i++)
        args.model.modalities |=
            PANDA_MODALITY_BIT(args.media.items[i].modality);
    args.model.parts = PANDA_PART_ENCODERS;
    if (args.model.modalities & PANDA_MODALITY_BIT(PANDA_MODALITY_TEXT))
        args.model.parts |= PANDA_PART_CLIP_VOCAB;
    if (!open_model(&runtime, &model, &args.model))
        return EXIT_FAILED;
    code = embed_all(&args, model);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return code;
}
