/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_PROGRESS_H
#define PANDA_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* How far a long command is, on stderr: a bar with rate and remaining time on a
 * terminal, otherwise a line for each ten percent that took over a second.
 * While it is shown, Ctrl-C stops the command at the next report, so that it
 * can clean up. */

struct progress {
    const char *what;      /* "quantising" */
    bool on_terminal, drawn;
    int tenths;            /* last line's */
    double begun, told;    /* seconds */
};

void begin_progress(struct progress *p, const char *what);

/** `done` of `total` of anything; `bytes` says that it is bytes, which have a
 *  rate. Returns 0 to go on, 1 when Ctrl-C was pressed. */
int32_t show_progress(struct progress *p, double done, double total,
                      bool bytes, const char *item);

/** Wipe the bar; Ctrl-C kills again. */
void end_progress(struct progress *p);

#endif
