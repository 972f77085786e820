/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_CLOCK_H
#define PND_BASE_CLOCK_H

/** Seconds since some fixed moment; never goes back. */
double pnd_clock_now(void);

#endif
