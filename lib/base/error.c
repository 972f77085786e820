/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 768

#undef pnd_fail /* what an analyser sees instead */
#undef pnd_fail_memory

/* Thread-local by contract (status.h): the only state outside a handle. */
static _Thread_local char message[MESSAGE_SIZE];

panda_status pnd_fail(panda_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return status;
}

panda_status pnd_fail_memory(void)
{
    return pnd_fail(PANDA_E_MEMORY, "out of memory");
}

void pnd_error_prefix(const char *prefix)
{
    char old[MESSAGE_SIZE];
    memcpy(old, message, sizeof old);
    /* The precisions keep both parts within the buffer. */
    snprintf(message, sizeof message, "%.250s: %.500s", prefix, old);
}

void pnd_error_clear(void)
{
    message[0] = '\0';
}

const char *pnd_error_get(void)
{
    return message;
}
