/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/status.h>
#include <pandagpt/version.h>

#include "base/error.h"

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch)                                      \
  TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *panda_version_get_string(void)
{
    return VERSION_TEXT(PANDA_VERSION_MAJOR, PANDA_VERSION_MINOR,
                        PANDA_VERSION_PATCH);
}

uint32_t panda_version_get_api(void)
{
    return PANDA_API_VERSION;
}

const char *panda_status_get_name(panda_status status)
{
#define NAME(code)                                                             \
  case code:                                                                   \
    return #code
    switch (status) {
        NAME(PANDA_OK);
        NAME(PANDA_END);
        NAME(PANDA_AGAIN);
        NAME(PANDA_E_ARGUMENT);
        NAME(PANDA_E_SHAPE);
        NAME(PANDA_E_STATE);
        NAME(PANDA_E_UNSUPPORTED);
        NAME(PANDA_E_MEMORY);
        NAME(PANDA_E_CONTEXT_FULL);
        NAME(PANDA_E_IO);
        NAME(PANDA_E_FORMAT);
        NAME(PANDA_E_VERSION);
        NAME(PANDA_E_CALLBACK);
        NAME(PANDA_E_CANCELLED);
        NAME(PANDA_E_INTERNAL);
    default:
        return "PANDA_UNKNOWN";
    }
#undef NAME
}

const char *panda_error_get_message(void)
{
    return pnd_error_get();
}
