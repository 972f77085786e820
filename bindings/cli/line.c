/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>

#include "pandagpt_config.h"

#if HAVE_LIBEDIT
#  include <editline/readline.h>
#endif

static const char prompt[] = "> ";

/* Ctrl-C puts a byte in here: a signal alone may come between a check and a
 * read, or on another thread. */
static int wake[2];
static bool is_interrupted;

static void note_interrupt(int signal)
{
    int kept = errno;
    (void)signal;
    if (write(wake[1], "", 1) < 0) {
        /* Full of such bytes: one more would say no more. */
    }
    errno = kept;
}

/* False: Ctrl-C came first. */
static bool wait_for_input(void)
{
    fd_set set;
    char byte;
    do {
        FD_ZERO(&set);
        FD_SET(STDIN_FILENO, &set);
        FD_SET(wake[0], &set);
    } while (select(wake[0] + 1, &set, NULL, NULL, NULL) < 0 && errno == EINTR);
    if (FD_ISSET(wake[0], &set) && read(wake[0], &byte, 1) == 1)
        is_interrupted = true;
    return !is_interrupted;
}

static char *read_plain_line(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = getline(&line, &capacity, stdin);
    if (length < 0) {
        free(line);
        return NULL;
    }
    if (length > 0 && line[length - 1] == '\n')
        line[length - 1] = '\0';
    return line;
}

#if HAVE_LIBEDIT
/* libedit's own would read on after Ctrl-C. */
static int read_character(FILE *in)
{
    mbstate_t state = {0};
    wchar_t wide;
    char byte;
    (void)in; /* standard input */
    while (wait_for_input() && read(STDIN_FILENO, &byte, 1) == 1) {
        size_t used = mbrtowc(&wide, &byte, 1, &state);
        if (used == (size_t)-1)
            memset(&state, 0, sizeof state); /* not a character: drop it */
        else if (used != (size_t)-2)
            return (int)wide;
    }
    return -1;
}

static void set_up_editing(void)
{
    /* libedit drops what the locale has no letters for; we take UTF-8. */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    rl_getc_function = read_character;
}

static char *prompt_for_line(void)
{
    static bool is_set_up;
    if (!is_set_up)
        set_up_editing();
    is_set_up = true;
    char *line = readline(prompt);
    if (line && *line)
        add_history(line);
    return line;
}
#else
static char *prompt_for_line(void)
{
    printf("%s", prompt);
    fflush(stdout);
    return wait_for_input() ? read_plain_line() : NULL;
}
#endif

char *read_line(bool on_terminal)
{
    if (!on_terminal || (wake[0] == 0 && pipe(wake) != 0))
        return read_plain_line();
    struct sigaction action = {.sa_handler = note_interrupt,
                               .sa_flags = SA_RESTART};
    struct sigaction before;
    char *line;
    sigaction(SIGINT, &action, &before);
    do {
        is_interrupted = false;
        line = prompt_for_line();
        if (is_interrupted)
            printf("\n");
    } while (!line && is_interrupted);
    sigaction(SIGINT, &before, NULL);
    return line;
}
