/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"

#include <stdarg.h>
#include <stdio.h>

void pnd_log(const struct pnd_context *ctx, panda_log_level level,
             const char *format, ...)
{
    if (!ctx->log || level > ctx->log_level)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(level, line, ctx->log_user);
}

panda_status pnd_watch_check(const struct pnd_watch *watch, double fraction)
{
    if (!watch)
        return PANDA_OK;
    if (watch->cancelled && atomic_load(watch->cancelled))
        return pnd_fail(PANDA_E_CANCELLED, "the call was cancelled");
    if (watch->progress && fraction >= 0 &&
        watch->progress(fraction, watch->progress_user) != 0)
        return pnd_fail(PANDA_E_CALLBACK,
                        "the progress callback asked to stop");
    return PANDA_OK;
}
