/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/fail.h"

#include <stdarg.h>
#include <stdio.h>

#undef pnd_host_fail /* what an analyser sees instead */
#undef pnd_host_fail_memory

#define MESSAGE_SIZE 401 /* what a host copies, and the end */

panda_status pnd_host_fail(const panda_frontend_host *host,
                           panda_status status, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return host->fail(host, status, message);
}

panda_status pnd_host_fail_memory(const panda_frontend_host *host)
{
    return host->fail(host, PANDA_E_MEMORY, "out of memory");
}

panda_status pnd_host_check_cancel(const panda_frontend_host *host)
{
    if (!host->is_cancelled(host))
        return PANDA_OK;
    return host->fail(host, PANDA_E_CANCELLED, "the call was cancelled");
}

void *pnd_host_alloc(const panda_frontend_host *host, size_t count,
                     size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return host->alloc(host, count * size);
}
