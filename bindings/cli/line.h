/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_LINE_H
#define PANDA_CLI_LINE_H

#include <stdbool.h>

/** A line of standard input without its break, to be freed; NULL at the end.
 *  On a terminal there is a prompt, editing and history, and Ctrl-C drops what
 *  was typed. */
char *read_line(bool on_terminal);

#endif
