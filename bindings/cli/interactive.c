/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "interactive.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

static panda_chat *volatile answering;

static void handle_interrupt(int signal)
{
    (void)signal;
    panda_chat_cancel(answering); /* an atomic store; NULL is allowed */
}

void cancel_on_interrupt(panda_chat *chat)
{
    /* Restart: printing goes on where a signal came in between. */
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_RESTART};
    answering = chat;
    if (chat)
        action.sa_handler = handle_interrupt;
    sigaction(SIGINT, &action, NULL);
}

int32_t print_piece(const char *text, size_t length, void *user)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    fflush(stdout);
    return ferror(stdout) != 0;
}

int fail_with_answer(panda_status status)
{
    /* Only print_piece stops an answer so. */
    return status == PANDA_E_CALLBACK ? EXIT_FAILED : fail_with_message();
}

static void print_commands(void)
{
    printf("/image F, /video F, /audio F, /depth F, /thermal F, /imu F, "
           "/text S   attach\n"
           "/reset   forget the conversation and what is attached\n"
           "/quit    leave (as Ctrl-D); Ctrl-C stops an answer or drops "
           "the line\n");
}

static bool attach(panda_chat *chat, const struct media_args *media,
                   const char *name, const char *value)
{
    struct media_item item = {.value = value};
    panda_input input;
    if (panda_modality_find(&item.modality, name) < 0) {
        printf("/%s: there is no such command, /help lists them\n", name);
        return false;
    }
    if (*value == '\0') {
        printf("/%s: expected a file\n", name);
        return false;
    }
    cancel_on_interrupt(chat);
    bool is_attached = describe_media(&input, media, &item) == PANDA_OK &&
                       panda_chat_attach(chat, &input) == PANDA_OK;
    cancel_on_interrupt(NULL);
    if (is_attached)
        printf("attached %s\n", value);
    else
        fail_with_message();
    return is_attached;
}

static bool ask(panda_chat *chat, const char *question,
                const panda_generate_options *options)
{
    cancel_on_interrupt(chat);
    panda_status status =
        panda_chat_ask(chat, question, options, print_piece, NULL);
    cancel_on_interrupt(NULL);
    printf("\n");
    if (status < 0)
        fail_with_answer(status);
    return status == PANDA_OK;
}

/* What a line of the session leads to. */
enum outcome { LINE_DONE, LINE_FAILED, LINE_LEAVE };

static enum outcome run_line(panda_chat *chat, const struct media_args *media,
                             const panda_generate_options *options, char *line)
{
    bool done = true;
    if (line[0] != '/') {
        if (line[strspn(line, " \t")] != '\0')
            done = ask(chat, line, options);
        return done ? LINE_DONE : LINE_FAILED;
    }
    char *value = line + strcspn(line, " \t");
    if (*value)
        *value++ = '\0';
    value += strspn(value, " \t");
    if (strcmp(line, "/quit") == 0)
        return LINE_LEAVE;
    if (strcmp(line, "/reset") == 0)
        panda_chat_reset(chat);
    else if (strcmp(line, "/help") == 0)
        print_commands();
    else
        done = attach(chat, media, line + 1, value);
    return done ? LINE_DONE : LINE_FAILED;
}

int run_interactive(panda_chat *chat, const struct media_args *media,
                    const panda_generate_options *options)
{
    bool on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    enum outcome outcome = LINE_DONE;
    int code = EXIT_DONE;
    if (on_terminal)
        printf("Ask, or /help. Ctrl-D leaves.\n");
    while (outcome != LINE_LEAVE && !ferror(stdout)) {
        char *line = read_line(on_terminal);
        if (!line)
            break;
        outcome = run_line(chat, media, options, line);
        free(line);
        if (outcome == LINE_FAILED && !on_terminal)
            code = EXIT_FAILED;
    }
    return code;
}
