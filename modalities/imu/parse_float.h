/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_IMU_PARSE_FLOAT_H
#define PND_IMU_PARSE_FLOAT_H

#include <stdbool.h>
#include <stddef.h>

/** The float nearest to a decimal number, ties to even, whatever the locale
 *  (strtof obeys the process's). Understands [+-] digits [. digits] [e [+-]
 *  digits] with digits on at least one side of the point, and "nan", "inf",
 *  "infinity" in any case; nothing around them.
 *  @param out gives the number; infinity when it is too large
 *  @return whether the whole of `text` is a number */
bool pnd_parse_float(const char *text, size_t length, float *out);

#endif
