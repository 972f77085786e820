/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_INTERACTIVE_H
#define PANDA_CLI_INTERACTIVE_H

#include "common.h"

/** Questions from standard input until its end or /quit: with a prompt, editing
 *  and history on a terminal, one a line otherwise. Ctrl-C cancels an answer
 *  and keeps the session. Without a terminal nobody sees a failure pass by: the
 *  exit code tells of it in the end. */
int run_interactive(panda_chat *chat, const struct media_args *media,
                    const panda_generate_options *options);

/** While `chat` answers, Ctrl-C cancels it; NULL: Ctrl-C ends the program. */
void cancel_on_interrupt(panda_chat *chat);

/** A panda_text_fn: print at once; stops when nobody can read it. */
int32_t print_piece(const char *text, size_t length, void *user);

/** Say why a question failed, unless finish_output will; EXIT_FAILED. */
int fail_with_answer(panda_status status);

#endif
