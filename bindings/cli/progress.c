/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR 24           /* characters */
#define BETWEEN_DRAWS 0.1 /* seconds */
#define BETWEEN_LINES 1.0

static volatile sig_atomic_t stopped;
static struct sigaction before;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static double get_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void begin_progress(struct progress *p, const char *what)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGINT, &action, &before);
    *p = (struct progress){.what = what,
                           .on_terminal = isatty(STDERR_FILENO) == 1,
                           .begun = get_seconds()};
    p->told = p->begun;
}

static void print_time(double seconds)
{
    const long s = lrint(seconds);
    if (s < 3600)
        fprintf(stderr, "%ld:%02ld", s / 60, s % 60);
    else
        fprintf(stderr, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void draw(const struct progress *p, double done, double total,
                 bool bytes, double now, const char *item)
{
    const double part = done / total, spent = now - p->begun;
    char bar[BAR + 1];
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(part * BAR));
    bar[BAR] = '\0';
    fprintf(stderr, "\r%s [%s] %3.0f %%", p->what, bar, floor(part * 100));
    if (bytes && spent > 0)
        fprintf(stderr, "  %.0f MB/s", done / spent / 1e6);
    if (part > 0) {
        fprintf(stderr, "  ");
        print_time(spent * (1 - part) / part);
        fprintf(stderr, " left");
    }
    fprintf(stderr, "  %.30s\x1b[K", item);
    fflush(stderr);
}

int32_t show_progress(struct progress *p, double done, double total,
                      bool bytes, const char *item)
{
    const double now = get_seconds();
    if (total <= 0)
        return stopped;
    const int tenths = (int)(done / total * 10);
    if (p->on_terminal && now - p->told >= BETWEEN_DRAWS) {
        draw(p, done, total, bytes, now, item);
        p->drawn = true;
        p->told = now;
    } else if (!p->on_terminal && tenths > p->tenths && tenths < 10 &&
               now - p->told >= BETWEEN_LINES) {
        fprintf(stderr, "panda: %s: %d %%\n", p->what, tenths * 10);
        p->tenths = tenths;
        p->told = now;
    }
    return stopped;
}

void end_progress(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\x1b[K");
    sigaction(SIGINT, &before, NULL);
}
