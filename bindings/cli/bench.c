/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char help[] =
    "usage: panda bench [WORK]... [OPTION]...\n"
    "\n"
    "Measure this machine with full-size models of random numbers, made in\n"
    "memory. Each row tells the seconds of one step, what was achieved, the\n"
    "peak of this machine measured in the same run, and their ratio. WORK is\n"
    "the name of a row, and may have * in it; default all.\n"
    "\n"
    "  --quick                   fewer layers of the same shapes: under 50 s\n"
    "  --threads N               default: the processors this process may use\n"
    "  --cpu-mask M              PANDA_CPU_* bits that may be used\n"
    "  --precision P             auto, exact, fast or small; without it\n"
    "                            image_encode is measured in each mode\n"
    "  --json                    one JSON object a row\n"
    "  -h, --help\n"
    "\n"
    "Example:\n"
    "  panda bench --quick 'decode_7b_*'\n";

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

void bench_print(struct bench_args *args, const char *work,
                 const char *mode, uint32_t threads, double seconds,
                 double achieved, const char *unit, double peak)
{
    const double ratio = peak > 0 ? achieved / peak : 0;
    if (args->json)
        printf("{\"work\": \"%s\", \"mode\": \"%s\", \"threads\": %u, "
               "\"seconds\": %.6g, \"achieved\": %.5g, \"unit\": \"%s\", "
               "\"peak\": %.5g, \"ratio\": %.4f}\n",
               work, mode, threads, seconds, achieved, unit, peak, ratio);
    else
        printf("%-24s %-5s %3u threads %10.4f s %9.1f of %8.1f %-6s %5.1f %%\n",
               work, mode, threads, seconds, achieved, peak, unit,
               100 * ratio);
    fflush(stdout);
    args->rows++;
}

bool bench_wants(const struct bench_args *args, const char *work)
{
    for (int i = 0; i < args->work_count; i++) {
        if (fnmatch(args->works[i], work, 0) == 0)
            return true;
    }
    return args->work_count == 0;
}

static int parse(struct bench_args *args, int argc, char **argv)
{
    enum { OPT_JSON = OPT_OWN, OPT_QUICK };
    static const struct option options[] = {
        {"quick", no_argument, NULL, OPT_QUICK},
        {"threads", required_argument, NULL, OPT_THREADS},
        {"cpu-mask", required_argument, NULL, OPT_CPU_MASK},
        {"precision", required_argument, NULL, OPT_PRECISION},
        {"json", no_argument, NULL, OPT_JSON},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct model_args model = {0};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s", help);
            return EXIT_DONE;
        }
        if (option == OPT_JSON)
            args->json = true;
        else if (option == OPT_QUICK)
            args->quick = true;
        else if (!take_model_option(&model, option, optarg))
            return EXIT_USAGE;
    }
    args->threads = model.threads;
    args->cpu_mask = model.cpu_mask;
    args->precision = model.precision;
    args->works = argv + optind;
    args->work_count = argc - optind;
    return -1;
}

int command_bench(int argc, char **argv)
{
    struct bench_args args = {0};
    panda_runtime *runtime;
    panda_cpu_features cpu = {.struct_size = sizeof cpu};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    struct model_args model = {.threads = args.threads,
                               .cpu_mask = args.cpu_mask};
    if (!create_runtime(&runtime, &model))
        return EXIT_FAILED;
    if (panda_runtime_get_cpu_features(runtime, &cpu) < 0)
        code = fail_with_message();
    else
        code = bench_run_encoders(&args, runtime, &cpu);
    if (code == EXIT_DONE)
        code = bench_run_decoders(&args, runtime, &cpu);
    panda_runtime_destroy(runtime);
    if (code == EXIT_DONE && args.rows == 0)
        return fail_usage("bench", "no row is called %s", args.works[0]);
    return code;
}
