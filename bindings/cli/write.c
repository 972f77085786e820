/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"
#include "progress.h"

static int32_t show_writing(uint64_t done, uint64_t total, const char *what,
                            void *user)
{
    return show_progress(user, (double)done, (double)total, true, what);
}

int write_model(const struct model_args *args, panda_lora_mode lora_mode,
                panda_convert_options *options, const char *doing)
{
    struct model_args warned = *args;
    struct progress progress;
    panda_model_options files;
    panda_runtime *runtime;
    warned.shows_warnings = true; /* what is lost does not come back */
    if (!create_runtime(&runtime, &warned))
        return EXIT_FAILED;
    set_model_options(&files, args);
    files.lora_mode = lora_mode;
    options->model = &files;
    options->progress = show_writing;
    options->progress_user = &progress;
    begin_progress(&progress, doing);
    panda_status status = panda_convert(runtime, options);
    end_progress(&progress);
    panda_runtime_destroy(runtime);
    return status == PANDA_OK ? EXIT_DONE : fail_with_message();
}
