/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/options.h"

#include <string.h>

#include "base/error.h"

/* No released struct is smaller than one field, none will ever be larger. */
#define SMALLEST sizeof(uint32_t)
#define LARGEST 4096

static panda_status check_size(uint32_t struct_size, const char *name)
{
    if (struct_size >= SMALLEST && struct_size <= LARGEST)
        return PANDA_OK;
    return pnd_fail(PANDA_E_VERSION,
                    "%s: struct_size is %u, expected sizeof(%s)", name,
                    struct_size, name);
}

panda_status pnd_options_read(void *to, size_t size, const void *from,
                              const char *name)
{
    memset(to, 0, size);
    if (!from)
        return PANDA_OK;
    uint32_t caller;
    memcpy(&caller, from, sizeof caller);
    panda_status status = check_size(caller, name);
    if (status < 0)
        return status;
    for (size_t i = size; i < caller; i++) {
        if (((const unsigned char *)from)[i] != 0)
            return pnd_fail(PANDA_E_VERSION,
                            "%s: a field beyond the %zu bytes that this "
                            "library knows is set (struct_size %u)",
                            name, size, caller);
    }
    memcpy(to, from, caller < size ? caller : size);
    return PANDA_OK;
}

panda_status pnd_options_init(void *to, uint32_t struct_size, const char *name)
{
    if (!to)
        return pnd_fail(PANDA_E_ARGUMENT, "%s: the pointer is NULL", name);
    panda_status status = check_size(struct_size, name);
    if (status < 0)
        return status;
    memset(to, 0, struct_size);
    memcpy(to, &struct_size, sizeof struct_size);
    return PANDA_OK;
}

panda_status pnd_info_write(void *to, const void *from, size_t size,
                            const char *name)
{
    uint32_t caller;
    memcpy(&caller, to, sizeof caller);
    panda_status status = check_size(caller, name);
    if (status < 0)
        return status;
    memset(to, 0, caller);
    memcpy(to, from, caller < size ? caller : size);
    memcpy(to, &caller, sizeof caller);
    return PANDA_OK;
}
