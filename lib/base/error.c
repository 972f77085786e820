/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 768
#define PREFIX_SIZE 256

#undef pnd_fail /* what an analyser sees instead */
#undef pnd_fail_memory

/* Thread-local by contract (status.h): the only state outside a handle. */
static _Thread_local char message[MESSAGE_SIZE];

/* A cut may have gone through a UTF-8 character: leave out the rest of it. */
static void drop_broken_end(char *text)
{
    size_t end = strlen(text), behind = 0;
    while (behind < 3 && behind < end &&
           ((unsigned char)text[end - 1 - behind] & 0xc0) == 0x80)
        behind++;
    if (behind == end)
        return;
    char *lead = text + end - 1 - behind;
    unsigned char c = (unsigned char)*lead;
    size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (size > behind + 1)
        *lead = '\0';
}

panda_status pnd_fail(panda_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length >= MESSAGE_SIZE)
        drop_broken_end(message);
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
    /* A quarter at most: the sentence behind says more. */
    if (snprintf(message, PREFIX_SIZE, "%s", prefix) >= PREFIX_SIZE)
        drop_broken_end(message);
    size_t used = strlen(message);
    if (snprintf(message + used, sizeof message - used, ": %s", old) >=
        (int)(sizeof message - used))
        drop_broken_end(message);
}

void pnd_error_clear(void)
{
    message[0] = '\0';
}

const char *pnd_error_get(void)
{
    return message;
}
