/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_VERSION_H
#define PANDAGPT_VERSION_H

#include <stdint.h>

#include <pandagpt/export.h>

/** @file version.h
 *  Version numbers: the single source, read by the build for the soname.
 *
 *  The release version (`PANDA_VERSION_*`) names what was shipped. The API
 *  version (`PANDA_API_VERSION`) counts additions to these headers; a program
 *  built against API n runs with any library whose API is n or higher and
 *  whose soname is the same. */

PANDA_BEGIN_DECLS

#define PANDA_VERSION_MAJOR 0
#define PANDA_VERSION_MINOR 1
#define PANDA_VERSION_PATCH 0

/** Changes only when a released symbol is removed or changes its meaning; it
 *  is the number in the soname. */
#define PANDA_ABI_VERSION 0

/** Grows by one with every release that adds a symbol or a struct field. */
#define PANDA_API_VERSION 1

/** Release version of the loaded library, such as "0.1.0".
 *  @return borrowed, static storage
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API const char *panda_version_get_string(void);

/** API version of the loaded library, to compare with PANDA_API_VERSION.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API uint32_t panda_version_get_api(void);

PANDA_END_DECLS

#endif
