/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_API_OPTIONS_H
#define PND_API_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <pandagpt/status.h>

/* Structs that grow: the first field is struct_size, and caller and library may
 * know different lengths of them. `size` is the library's sizeof; `name` is for
 * messages. */

/** Copy a caller's options over zeroed defaults. `from` may be NULL. Bytes that
 *  only the caller knows must be zero (PANDA_E_VERSION otherwise), so that no
 *  request is silently ignored. */
panda_status pnd_options_read(void *to, size_t size, const void *from,
                              const char *name);

/** Zero a caller's struct of `struct_size` bytes and set its first field. */
panda_status pnd_options_init(void *to, uint32_t struct_size, const char *name);

/** Copy the library's struct into a caller's whose struct_size is set; that
 *  field stays as it is, and what only the caller knows becomes zero. */
panda_status pnd_info_write(void *to, const void *from, size_t size,
                            const char *name);

#endif
